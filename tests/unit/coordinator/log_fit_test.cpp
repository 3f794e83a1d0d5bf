#include "coordinator/log_fit.hpp"

#include <gtest/gtest.h>

namespace assent::coordinator {
namespace {

constexpr std::uint64_t kLog = 7;
constexpr std::uint64_t kOtherLog = 8;

ports::LogState log_at(std::uint32_t epoch) {
  ports::LogState log;
  log.log_id = kLog;
  log.epoch = epoch;
  if (epoch > 0) log.coordinator = "shop";
  return log;
}

Inspections stock(std::optional<ports::OwnerRow> owner, std::size_t in_doubt) {
  ports::Inspection seen;
  seen.owner = std::move(owner);
  seen.in_doubt.resize(in_doubt);
  return {{"stock", seen}};
}

bool fits(const ports::LogState& log, const Inspections& seen) {
  const auto checked = check_log_fits(log, "shop", seen);
  if (!checked.ok()) {
    EXPECT_EQ(checked.error().code, Errc::conflict);
    EXPECT_NE(checked.error().what.find("stock"), std::string::npos) << checked.error().what;
  }
  return checked.ok();
}

TEST(LogFit, ItsOwnLogMaySettleWhatIsInDoubt) {
  EXPECT_TRUE(fits(log_at(3), stock(ports::OwnerRow{kLog, 3, "h"}, 5)));
  EXPECT_TRUE(fits(log_at(3), stock(ports::OwnerRow{kLog, 2, "h"}, 5))) << "the participant was down last time";
  EXPECT_TRUE(fits(log_at(3), stock(std::nullopt, 5))) << "the schema was dropped, the log was not";
}

TEST(LogFit, ANewLogMayNotWhileBranchesAreInDoubt) {
  EXPECT_FALSE(fits(log_at(0), stock(ports::OwnerRow{kOtherLog, 3, "h"}, 1)));
  EXPECT_FALSE(fits(log_at(0), stock(std::nullopt, 1)));
  EXPECT_TRUE(fits(log_at(0), stock(ports::OwnerRow{kOtherLog, 3, "h"}, 0)));
  EXPECT_TRUE(fits(log_at(0), stock(std::nullopt, 0)));
}

TEST(LogFit, AnotherLogMayNotWhileBranchesAreInDoubt) {
  EXPECT_FALSE(fits(log_at(9), stock(ports::OwnerRow{kOtherLog, 3, "h"}, 1)));
}

TEST(LogFit, ACopyThatTheOriginalOutranMayNotEvenWithNothingInDoubt) {
  EXPECT_FALSE(fits(log_at(3), stock(ports::OwnerRow{kLog, 4, "h"}, 0)));
}

TEST(LogFit, AnotherCoordinatorsLogIsRefused) {
  auto log = log_at(3);
  log.coordinator = "bank";
  EXPECT_FALSE(check_log_fits(log, "shop", {}).ok());
}

TEST(LogFit, TheNextEpochIsAboveAllThatWereSeen) {
  EXPECT_EQ(next_epoch(log_at(0), {}), 1U);
  EXPECT_EQ(next_epoch(log_at(3), stock(ports::OwnerRow{kLog, 2, "h"}, 0)), 4U);
  EXPECT_EQ(next_epoch(log_at(0), stock(ports::OwnerRow{kOtherLog, 6, "h"}, 0)), 7U);
}

TEST(LogFit, AnOldLogWithUnfinishedThreePhasesIsRefusedOnceAnotherHasBeenUsed) {
  ports::LogState log;
  log.log_id = 7;
  log.coordinator = "shop1";
  log.epoch = 3;
  const auto seen_with = [](std::uint64_t log_id) {
    Inspections seen;
    seen["stock"].owner = ports::OwnerRow{log_id, 4, "h"};
    return seen;
  };
  log.live["g"].decision.protocol = Protocol::two_phase;
  EXPECT_TRUE(check_log_fits(log, "shop1", seen_with(8)).ok());
  log.live["g"].decision.protocol = Protocol::three_phase;
  // One that was away when this log took over from another.
  auto older = seen_with(8);
  older["stock"].owner->epoch = 2;
  EXPECT_TRUE(check_log_fits(log, "shop1", older).ok());
  const auto refused = check_log_fits(log, "shop1", seen_with(8));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::conflict);
}

}  // namespace
}  // namespace assent::coordinator
