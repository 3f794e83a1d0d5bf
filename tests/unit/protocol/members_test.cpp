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

TEST(Members, TheLongestFits) {
  Members most;
  most.participants.assign(kBranchesMax, std::string(kParticipantNameBytesMax, 'p'));
  most.acceptors.assign(kAcceptorsMax, std::string(kParticipantNameBytesMax, 'a'));
  EXPECT_LE(format_members(most).size(), kMembersBytesMax);
  EXPECT_EQ(parse_members(format_members(most)), most);
  EXPECT_FALSE(parse_members(format_members({most.participants, {}}) + ",more"));
}

TEST(Members, WhatIsNotAListOfNamesIsNotRead) {
  for (const auto* text :
       {"", ",", "orders,", "/", "orders/", "/orders", "orders/a/b", "orders stock", "orders,';--"}) {
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
