#include "coordinator/decided_members.hpp"

#include <gtest/gtest.h>

namespace assent::coordinator {
namespace {

TEST(DecidedMembers, WhatTheLogKeepsIsReadBack) {
  protocol::Members members{{"orders", "stock"}, {"orders", "witness"}};
  members.identities = {{"orders", 5}, {"stock", 6}, {"witness", protocol::kNoServer}};
  ports::CommitDecision decision;
  set_members(decision, members);
  EXPECT_EQ(decision.identities, (std::vector<std::uint64_t>{5, 6}));
  EXPECT_EQ(decision.acceptor_identities, (std::vector<std::uint64_t>{5, protocol::kNoServer}));
  EXPECT_EQ(members_of(decision), members);
}

TEST(DecidedMembers, OfAnOlderLogNoIdentityIsKnown) {
  ports::CommitDecision decision;
  decision.participants = {"orders", "stock"};
  decision.acceptors = {"orders"};
  EXPECT_TRUE(members_of(decision).identities.empty());
  decision.identities = {0, 6};
  EXPECT_EQ(members_of(decision).identity_of("orders"), std::nullopt);
  EXPECT_EQ(members_of(decision).identity_of("stock"), 6U);
}

}  // namespace
}  // namespace assent::coordinator
