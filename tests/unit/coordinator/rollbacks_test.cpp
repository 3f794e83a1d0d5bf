#include "coordinator/rollbacks.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace assent::coordinator {
namespace {

Cause of(std::uint32_t number) {
  Cause cause;
  cause.server_errno = number;
  return cause;
}

TEST(Rollbacks, EachIsCountedUnderOneReason) {
  EXPECT_EQ(reason_of(std::nullopt), RollbackReason::by_assent);
  EXPECT_EQ(reason_of(of(0)), RollbackReason::by_assent);
  EXPECT_EQ(reason_of(of(1213)), RollbackReason::deadlock);
  EXPECT_EQ(reason_of(of(1205)), RollbackReason::lock_wait);
  EXPECT_EQ(reason_of(of(1062)), RollbackReason::server_error);
  EXPECT_EQ(reason_of(of(2013)), RollbackReason::connection);
  EXPECT_EQ(reason_of(of(3024)), RollbackReason::server_error);
}

TEST(Rollbacks, EachReasonHasACounterOfItsOwn) {
  std::set<std::string> names;
  for (const auto reason : kRollbackReasons) names.insert(counter_of(reason));
  EXPECT_EQ(names.size(), kRollbackReasons.size());
}

}  // namespace
}  // namespace assent::coordinator
