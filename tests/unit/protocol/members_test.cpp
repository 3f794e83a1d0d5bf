#include "protocol/members.hpp"

#include <gtest/gtest.h>

#include "protocol/quorum.hpp"
#include "protocol/xid.hpp"

namespace assent::protocol {
namespace {

TEST(Members, WhatIsWrittenIsReadBack) {
  const Members own{{"orders", "stock"}, {"orders", "stock"}};
  EXPECT_EQ(format_members(own), "orders,stock");
  EXPECT_EQ(parse_members("orders,stock"), own);
  const Members others{{"orders"}, {"orders", "stock", "witness"}};
  EXPECT_EQ(format_members(others), "orders/orders,stock,witness");
  EXPECT_EQ(parse_members(format_members(others)), others);
  EXPECT_EQ(format_members({{"orders", "stock"}, {}}), "orders,stock");
}

TEST(Members, EachNameCarriesTheIdentityOfItsServer) {
  Members members{{"orders", "stock"}, {"orders", "stock", "witness"}};
  members.identities = {{"orders", 0x1f2e3d4c5b6a7988}, {"stock", 1}, {"witness", kNoServer}};
  const auto* text =
      "orders@1f2e3d4c5b6a7988,stock@0000000000000001/orders@1f2e3d4c5b6a7988,stock@0000000000000001,"
      "witness@ffffffffffffffff";
  EXPECT_EQ(format_members(members), text);
  EXPECT_EQ(parse_members(text), members);
  members.acceptors = members.participants;
  members.identities.erase("witness");
  EXPECT_EQ(format_members(members), "orders@1f2e3d4c5b6a7988,stock@0000000000000001");
  EXPECT_EQ(parse_members(format_members(members)), members);
  // An older version wrote none.
  EXPECT_EQ(parse_members("orders,stock")->identity_of("orders"), std::nullopt);
  EXPECT_EQ(parse_members("orders,stock@0000000000000001")->identity_of("stock"), 1U);
}

TEST(Members, AServerSpeaksForItselfOnly) {
  EXPECT_TRUE(is_same_server(7, 7));
  EXPECT_FALSE(is_same_server(7, 8));
  EXPECT_FALSE(is_same_server(7, std::nullopt)) << "it has none: Assent was never there";
  EXPECT_TRUE(is_same_server(std::nullopt, 8)) << "nobody knows who it was";
  EXPECT_FALSE(is_same_server(kNoServer, 8)) << "nobody was there";
  EXPECT_FALSE(is_same_server(kNoServer, kNoServer));
  EXPECT_EQ(another_server("stock", 7, 8),
            "participant 'stock' is another server now (identity 0000000000000008 instead of 0000000000000007)");
  EXPECT_EQ(another_server("stock", 7, std::nullopt),
            "participant 'stock' is another server now (identity none instead of 0000000000000007)");
  EXPECT_EQ(another_server("stock", kNoServer, 7), "participant 'stock' had not been seen when the transaction began");
}

TEST(Members, TheLongestFits) {
  Members most;
  most.participants.assign(kBranchesMax, std::string(kParticipantNameBytesMax, 'p'));
  most.acceptors.assign(kAcceptorsMax, std::string(kParticipantNameBytesMax, 'a'));
  most.identities = {{most.participants[0], ~ServerIdentity{1}}, {most.acceptors[0], kNoServer}};
  EXPECT_LE(format_members(most).size(), kMembersBytesMax);
  EXPECT_EQ(parse_members(format_members(most)), most);
  EXPECT_FALSE(parse_members(format_members({most.participants, {}}) + ",more"));
}

TEST(Members, WhatIsNotAListOfNamesIsNotRead) {
  for (const auto* text : {"", ",", "orders,", "/", "orders/", "/orders", "orders/a/b", "orders stock", "orders,';--",
                           "orders@", "orders@1", "orders@1F2E3D4C5B6A7988", "orders@1f2e3d4c5b6a79889",
                           "orders@0000000000000000", "orders@-000000000000001", "@1f2e3d4c5b6a7988",
                           "a@0000000000000001,a@0000000000000002", "a@0000000000000001@0000000000000001"}) {
    EXPECT_FALSE(parse_members(text)) << text;
  }
}

TEST(Ballots, AHigherRoundIsAHigherBallotWhateverItsRandomPart) {
  EXPECT_GT(make_ballot(1, 0), kCoordinatorsBallot);
  EXPECT_GT(make_ballot(2, 0), make_ballot(1, ~std::uint64_t{0}));
  EXPECT_EQ(round_of(make_ballot(kRoundMax, ~std::uint64_t{0})), kRoundMax);
}

}  // namespace
}  // namespace assent::protocol
