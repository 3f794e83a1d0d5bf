#include "coordinator/coordinator.hpp"

#include <gtest/gtest.h>

#include <optional>

#include "fake_log.hpp"
#include "fake_participant.hpp"

namespace assent::coordinator {
namespace {

using fakes::FakeLog;
using fakes::FakeParticipant;

// So far the rollback was told only to a client that would have it run again, and the log has no record of it.
TEST(Coordinator, ARollbackThatIsToStandIsDurableBeforeItIsGivenAgain) {
  FakeParticipant east{"east", "shop1"}, west{"west", "shop1"};
  // Neither keeps anything, so that the sweep and the test do not meet.
  east.refuses = west.refuses = true;
  FakeLog log;
  Settings settings;
  settings.coordinator_id = "shop1";
  Coordinator coordinator(settings, {}, log, {&east, &west});
  StartPlan plan;
  plan.epoch = 1;
  ASSERT_TRUE(coordinator.start(plan).ok());
  const auto submit = [&](OnRolledBack on_rolled_back, std::optional<Outcome>& told) {
    Transaction transaction;
    transaction.idempotency_key = "k";
    transaction.on_rolled_back = on_rolled_back;
    for (const auto* name : {"east", "west"}) {
      Branch branch;
      branch.participant = name;
      branch.statements.resize(1);
      branch.statements[0].sql = "SELECT 1";
      transaction.branches.push_back(std::move(branch));
    }
    coordinator.submit(std::move(transaction), [&](const Result<TransactionResult>& result) {
      ASSERT_TRUE(result.ok()) << result.error().what;
      told = result->outcome;
    });
  };
  std::optional<Outcome> first;
  submit(OnRolledBack::run_again, first);
  EXPECT_EQ(first, Outcome::rolled_back);
  EXPECT_EQ(log.count<ports::KeyRolledBack>(), 0U);
  log.is_slow = true;
  std::optional<Outcome> second;
  submit(OnRolledBack::return_outcome, second);
  EXPECT_EQ(log.count<ports::KeyRolledBack>(), 1U);
  EXPECT_FALSE(second) << "the log does not have it yet";
  log.flush();
  EXPECT_EQ(second, Outcome::rolled_back);
  coordinator.stop();
}

}  // namespace
}  // namespace assent::coordinator
