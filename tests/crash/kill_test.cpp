// The daemon killed, or made to fail, at every step it takes, again and again under load; started again, everything is
// held against what clients were told.

#include <gmock/gmock.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "base/failpoints.hpp"
#include "traffic.hpp"

namespace assent::testing {
namespace {

using namespace std::chrono_literals;

/// Failpoints as they are armed: `POINT` or `POINT/TEXT`.
using Steps = std::vector<std::string>;

const Steps kLogSteps = {"log_block_unwritten/batch", "log_block_unsynced",       "log_block_durable/batch",
                         "log_block_unwritten/mark",  "log_block_unwritten/seal", "log_block_durable/seal",
                         "file_unwritten/.seg",       "file_unsynced/.seg",       "file_unnamed/.seg",
                         "file_name_unsynced/.seg",   "file_in_place/.seg",       "file_unwritten/CHECKPOINT",
                         "file_unsynced/CHECKPOINT",  "file_unnamed/CHECKPOINT",  "file_name_unsynced/CHECKPOINT",
                         "file_in_place/CHECKPOINT",  "file_unremoved",           "file_removed"};

const Steps kTransactionSteps = {"decision_unforced", "decision_durable", "branch_settled", "end_unlogged",
                                 "end_durable",       "answer_unsent",    "answer_sent"};

/// Packets by what is in them and on which session.
const Steps kBranchPackets = {"branches:REPLACE INTO assent.session", "XA PREPARE", "ONE PHASE", "branches:XA COMMIT",
                              "branches:XA ROLLBACK"};

const Steps kControlPackets = {"control:XA COMMIT", "control:XA ROLLBACK", "control:XA RECOVER",      "'fence'",
                               "SELECT kind",       "control:KILL",        "DELETE FROM assent.proof"};

const Steps kCaretakerSteps = {"sweep_scanned", "orphan_rolled_back", "purge_begun", "purge_done"};

constexpr const char* kSleeping =
    "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%SELECT SLEEP(5)%' AND ID<>CONNECTION_ID()";

/// Taken while the daemon starts over what a killed one has left.
const Steps kStartSteps = {"log_read",     "log_last_batch_repeated", "log_ready", "epoch_unforced",
                           "epoch_forced", "recovery_resumed"};
const Steps kStartPackets = {"control:SET SESSION", "assent.coordinator", "control:XA RECOVER", "control:KILL",
                             "DELETE FROM assent.session"};

/// In three phases.
const Steps kPreCommitSteps = {"pre_commit_unsent", "quorum_decided"};
const Steps kAcceptorPackets = {"branches:INSERT INTO assent.acceptor", "control:INSERT IGNORE INTO assent.pulse",
                                "SELECT gtrid,acceptor", "DELETE FROM assent.acceptor"};

const Steps kTornSteps = {"log_torn_end_passed"};
const Steps kHazardSteps = {"hazard_unlogged", "hazard_logged"};

Steps both_ends_of(const Steps& packets) {
  Steps steps;
  for (const auto& packet : packets) {
    steps.push_back("packet_unsent/" + packet);
    steps.push_back("packet_answered/" + packet);
  }
  return steps;
}

std::string point_of(const std::string& step) {
  return step.substr(0, step.find('/'));
}

class KillTest : public CrashTest {
 protected:
  void SetUp() override { start(); }

  /// Four tellers and everything else, over the whole test.
  void open() {
    const auto port = [this] { return daemon_.port(); };
    tellers_ = std::make_unique<Tellers>(bank_, record_, port, Tellers::Options{});
    traffic_ = std::make_unique<Traffic>(bank_, port, [this, random = std::mt19937(1)]() mutable {
      auto sql = dba(random() % 2 == 0 ? east() : west());
      const auto ids = branch_connections(sql, false);
      return !ids.empty() && sql.error_of("KILL " + ids.front()) == 0;
    });
  }

  void close_and_audit() {
    traffic_->stop();
    tellers_->stop();
    const auto wrong = traffic_->problems();
    EXPECT_TRUE(wrong.empty()) << ::testing::PrintToString(wrong);
    expect_audited();
  }

  void arm(const std::string& words) {
    said_before_ = daemon_.output().size();
    failpoints().arm(words);
  }
  /// Whether the daemon has said since arm() or launch() that it took this action.
  bool has_said(const std::string& step, const std::string& action) const {
    return daemon_.output().find("failpoint " + step + ": " + action + "\n", said_before_) != std::string::npos;
  }
  void launch(const std::string& failpoints) {
    said_before_ = daemon_.output().size();
    daemon_.options().environment["ASSENT_FAILPOINTS"] = failpoints;
    daemon_.launch();
  }

  /// The daemon must die at this step, by itself.
  void expect_death_at(const std::string& step) {
    EXPECT_EQ(daemon_.wait(20s), 128 + SIGKILL) << "it never came by " << step;
    EXPECT_TRUE(has_said(step, "crash")) << daemon_.output();
  }

  /// Two at each server, of the run before.
  void leave_orphans() {
    for (const auto* server : {&east(), &west()}) {
      for (int i = 0; i < 2; ++i) {
        const auto number = ++orphans_;
        // Of no account that a teller may want.
        prepare_by_hand(*server, orphan_gtrid(1, number, protocol_),
                        "INSERT INTO accounts VALUES (" + std::to_string(kAccounts + number) + ",1,'')");
      }
    }
  }

  /// One that still runs when the daemon dies keeps its session at the server.
  std::jthread run_a_long_statement() {
    std::jthread running([client = std::make_shared<Client>(daemon_.client())] {
      auto slow = transfer(kAccounts, kAccounts, 0);
      for (auto& branch : slow.branches) branch.statements = {{"SELECT SLEEP(5)", {}, {}}};
      // Again when its session was ended before it came to sleep.
      while (client->submit(slow).ok()) {
      }
    });
    for (const auto* server : {&east(), &west()}) {
      auto look = dba(*server);
      EXPECT_TRUE(eventually([&] { return look.number(kSleeping) > 0; }));
    }
    return running;
  }

  void die_at_each(const Steps& steps) {
    open();
    std::mt19937 random(7);
    for (const auto& step : steps) {
      SCOPED_TRACE(step);
      // A new segment takes hundreds of transactions: there the first time will do.
      const auto time = step.starts_with("file_") || step.ends_with("seal") ? 1 : 1 + random() % 3;
      arm(step + "=crash@" + std::to_string(time));
      // For this run, and what it does not come to for the next.
      leave_orphans();
      expect_death_at(step);
      start();
    }
    close_and_audit();
  }

  void fail_at_each(const Steps& steps) {
    open();
    for (const auto& step : steps) {
      SCOPED_TRACE(step);
      arm(step + "=error@2");
      leave_orphans();
      // What the log cannot write ends the daemon, in order; a lost packet or answer does not.
      EXPECT_TRUE(eventually([&] { return has_said(step, "error"); })) << daemon_.output();
      const bool ends = step.starts_with("log_") || step.starts_with("file_");
      if (ends) {
        EXPECT_EQ(daemon_.wait(30s), 70) << daemon_.output();
        start();
      }
      if (!ends) failpoints().disarm();
    }
    close_and_audit();
  }

  void die_at_each_of_start(const Steps& steps) {
    open();
    for (const auto& step : steps) {
      SCOPED_TRACE(step);
      std::jthread running;
      if (step.ends_with("KILL")) running = run_a_long_statement();
      // A batch whose mark has reached the disk need not be written again: here marks come late.
      const auto usual = daemon_.options().more_json;
      const bool without_marks = step == "log_last_batch_repeated";
      if (without_marks) {
        auto& words = daemon_.options().more_json;
        words.replace(words.find("\"segment_bytes\""), 0, "\"lazy_flush_ms\": 60000, ");
        daemon_.kill_9();
        start();
      }
      int tries = without_marks ? 10 : 1;
      do {
        // Right behind the sync, so that nothing written since says that the last batch is durable.
        const std::string death = without_marks ? "log_block_durable/batch" : "decision_durable";
        arm(death + "=crash@20");
        expect_death_at(death);
        if (running.joinable()) running.join();
        leave_orphans();
        launch(step + "=crash");
      } while (--tries > 0 && daemon_.wait_ready());
      daemon_.options().more_json = usual;
      expect_death_at(step);
      start();
    }
    close_and_audit();
  }

  void use_three_phases() {
    daemon_.options().more_json += R"(, "transactions": {"protocol": "3pc"})";
    protocol_ = Protocol::three_phase;
    EXPECT_EQ(daemon_.terminate(), 0);
    start();
  }

  Protocol protocol_ = Protocol::two_phase;
  std::size_t said_before_ = 0;
  std::unique_ptr<Tellers> tellers_;
  std::unique_ptr<Traffic> traffic_;
  std::uint64_t orphans_ = 0;
};
ASSENT_FOR_EVERY_PAIR(KillTest);

TEST_P(KillTest, AtAnyStepOfTheLogNothingIsLost) {
  die_at_each(kLogSteps);
}

TEST_P(KillTest, AtAnyStepOfATransactionNothingIsLost) {
  die_at_each(kTransactionSteps);
}

TEST_P(KillTest, AtAnyStepOfThreePhasesNothingIsLost) {
  use_three_phases();
  auto steps = both_ends_of(kAcceptorPackets);
  for (const auto* more : {&kPreCommitSteps, &kTransactionSteps}) steps.insert(steps.end(), more->begin(), more->end());
  die_at_each(steps);
}

TEST_P(KillTest, AnyPacketToAnAcceptorLostOnTheWayIsAskedAgain) {
  use_three_phases();
  fail_at_each(both_ends_of(kAcceptorPackets));
}

TEST_P(KillTest, AroundAnyPacketOfABranchNothingIsLost) {
  die_at_each(both_ends_of(kBranchPackets));
}

TEST_P(KillTest, AroundAnyPacketThatSettlesWithoutTheOwnerNothingIsLost) {
  die_at_each(both_ends_of(kControlPackets));
}

TEST_P(KillTest, WhileSweepingAndPurgingNothingIsLost) {
  die_at_each(kCaretakerSteps);
}

TEST_P(KillTest, AtAnyStepOfTheStartNothingIsLost) {
  die_at_each_of_start(kStartSteps);
}

TEST_P(KillTest, AroundAnyPacketOfTheStartNothingIsLost) {
  die_at_each_of_start(both_ends_of(kStartPackets));
}

TEST_P(KillTest, AgainAndAgainDuringRecoveryItConverges) {
  open();
  arm("decision_durable=crash@50");
  expect_death_at("decision_durable");
  leave_orphans();
  // Each start comes a little further than the one before.
  for (const auto* step : {"log_ready", "epoch_forced", "recovery_resumed", "packet_answered/assent.coordinator",
                           "packet_answered/control:XA COMMIT", "sweep_scanned", "orphan_rolled_back"}) {
    launch(std::string(step) + "=crash");
    expect_death_at(step);
  }
  start();
  close_and_audit();
}

TEST_P(KillTest, ATornEndIsPassedWhereverThatIsInterrupted) {
  open();
  for (const auto& step : kTornSteps) {
    SCOPED_TRACE(step);
    // Killed with a batch written and not synced, which then loses its end as a power cut would take it.
    arm("log_block_unsynced=crash@20");
    expect_death_at("log_block_unsynced");
    std::string newest;
    for (const auto& entry : std::filesystem::directory_iterator(daemon_.log_folder())) {
      std::ifstream in(entry.path(), std::ios::binary);
      in.seekg(4096);
      const bool used = in.get() > 0 || in.get() > 0;
      if (used && entry.path().extension() == ".seg") newest = std::max(newest, entry.path().string());
    }
    std::string bytes(std::filesystem::file_size(newest), '\0');
    std::fstream file(newest, std::ios::binary | std::ios::in | std::ios::out);
    file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    const auto last = bytes.find_last_not_of('\0');
    file.seekp(static_cast<std::streamoff>(last) - 3);
    file.write("\0\0\0\0", 4);
    file.close();
    launch(step + "=crash");
    expect_death_at(step);
    start();
    EXPECT_THAT(daemon_.output(), ::testing::HasSubstr("cut off by a crash"));
  }
  close_and_audit();
}

TEST_P(KillTest, AFailedWriteOrSyncEndsItAndNothingThatWaitedIsToldAsCommitted) {
  fail_at_each({"log_block_unwritten/batch", "log_block_unsynced", "log_block_unwritten/seal", "file_unwritten/.seg",
                "file_unsynced/.seg", "file_unnamed/.seg", "file_name_unsynced/.seg", "file_unsynced/CHECKPOINT",
                "file_name_unsynced/CHECKPOINT"});
}

TEST_P(KillTest, AnyPacketOrAnswerLostOnTheWayIsLookedUp) {
  auto steps = both_ends_of(kBranchPackets);
  for (const auto& step : both_ends_of(kControlPackets)) steps.push_back(step);
  steps.push_back("answer_unsent");
  fail_at_each(steps);
}

// On MariaDB this is the race in which a commit on another session can say OK and do nothing.
TEST_P(KillTest, ItsConnectionsEndedAtRandomUnderLoadNothingIsLost) {
  open();
  EXPECT_TRUE(eventually([&] { return traffic_->ended() > 200; }, 60s));
  close_and_audit();
  EXPECT_GT(record_.counts()[static_cast<std::size_t>(Told::Outcome::committed)], 100U);
  EXPECT_EQ(daemon_.client().info()->hazards, 0U);
}

TEST_P(KillTest, SlowPacketsAndSyncsChangeNoOutcome) {
  open();
  failpoints().arm("packet_unsent/XA=delay:3;packet_answered/XA=delay:3;log_block_unsynced=delay:5");
  const auto before = record_.counts()[static_cast<std::size_t>(Told::Outcome::committed)];
  EXPECT_TRUE(eventually(
      [&] { return record_.counts()[static_cast<std::size_t>(Told::Outcome::committed)] > before + 200; }, 30s));
  failpoints().disarm();
  close_and_audit();
}

TEST_P(KillTest, AroundTheLoggingOfAHazardItIsKept) {
  for (const auto& step : kHazardSteps) {
    SCOPED_TRACE(step);
    failpoints().arm("decision_durable=hold");
    auto client = daemon_.client();
    std::jthread submitting([&] { static_cast<void>(client.submit(transfer(1, 2, 5))); });
    wait_passed("decision_durable");
    const auto gtrids = listed(west());
    EXPECT_EQ(gtrids.size(), 1U);
    kill_branch_connections(west());
    dba(west()).run("XA ROLLBACK " + xid_at(west(), *gtrids.begin()));
    arm(step + "=crash");
    failpoints().release();
    expect_death_at(step);
    submitting.join();
    start();
    EXPECT_TRUE(eventually([&] { return daemon_.client().info()->hazards == 1; })) << daemon_.output();
    // A DBA repairs it: the branch is there again, and is committed.
    prepare_unswept(west(), *gtrids.begin(), "UPDATE accounts SET balance = balance + 5 WHERE id = 2");
    EXPECT_TRUE(eventually([&] { return daemon_.client().info()->hazards == 0; })) << daemon_.output();
  }
  expect_settled_and_balanced();
}

TEST_P(KillTest, EachFailpointHasATestThatComesByIt) {
  std::set<std::string> tested;
  for (const auto& steps : {kLogSteps, kTransactionSteps, both_ends_of(kBranchPackets), kCaretakerSteps, kStartSteps,
                            kPreCommitSteps, kTornSteps, kHazardSteps}) {
    for (const auto& step : steps) tested.insert(point_of(step));
  }
  std::set<std::string> all;
#define ASSENT_NAME(name, fails) all.insert(#name);
  ASSENT_FAILPOINT_TABLE(ASSENT_NAME)
#undef ASSENT_NAME
  std::erase_if(all, [](const std::string& name) { return name.starts_with("without_"); });
  // Tried with what clients are told of it, in outcomes_test.
  all.erase("rolled_back_key_unforced");
  all.erase("rolled_back_key_durable");
  // Not a step but a full disk, which the runbook's test brings about.
  all.erase("file_without_room");
  EXPECT_EQ(tested, all);
}

}  // namespace
}  // namespace assent::testing
