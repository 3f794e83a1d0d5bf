#include "coordinator/lease.hpp"

#include <gtest/gtest.h>

#include <array>

#include "protocol/log_fence.hpp"

namespace assent::coordinator {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAsked{1'000'000};

bool may_act(const Lease& lease, milliseconds now) {
  return protocol::may_act(std::array{lease.since_renewal(now)});
}

TEST(Lease, LetsActForAsLongAsNobodyMayTakeTheOwnerForDead) {
  Lease lease;
  lease.held(kAsked);
  EXPECT_TRUE(may_act(lease, kAsked));
  EXPECT_TRUE(may_act(lease, kAsked + protocol::kOwnerSilence - milliseconds{1}));
  EXPECT_FALSE(may_act(lease, kAsked + protocol::kOwnerSilence));
  lease.held(kAsked + milliseconds{10});
  EXPECT_TRUE(may_act(lease, kAsked + protocol::kOwnerSilence));
}

TEST(Lease, NeverClaimedItIsNotHeldHoweverShortlyAfterTheBoot) {
  EXPECT_FALSE(may_act(Lease(), milliseconds{0}));
  EXPECT_FALSE(may_act(Lease(), kAsked));
}

}  // namespace
}  // namespace assent::coordinator
