// The log's directory: moved, replaced, given away and read by others while its owner runs, and after it has gone.

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "support/log_lab.hpp"

namespace assent::testing {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr uid_t kOtherAccount = 65534;

class FaultsLogDirectoryTest : public LogLab {
 protected:
  Outcome outcome_of(Daemon& daemon, const std::string& key) {
    auto client = daemon.client();
    const auto result = client.submit(order(key));
    EXPECT_TRUE(result.ok()) << daemon.output();
    return result.ok() ? result->outcome : Outcome::unknown;
  }
  std::uint64_t committed() const { return record_.counts()[static_cast<std::size_t>(Told::Outcome::committed)]; }

  /// Transfers, until so many have committed, or the daemon has ended. All are audited.
  void make_transfers(std::uint64_t count) {
    Tellers tellers(bank_, record_, [this] { return daemon_.port(); }, {});
    const auto enough = committed() + count;
    EXPECT_TRUE(eventually([&] { return daemon_.has_ended() || committed() >= enough; }, 120s)) << daemon_.output();
  }

  /// `there` is where the log's path leads by now, with files of its own; `real` is the log that the daemon has opened.
  void expect_nothing_written_to(const std::string& there, const Contents& before, const std::string& real) {
    // Through several segments.
    make_transfers(500);
    EXPECT_TRUE(contents_of(there) == before) << "files of the log were written to another directory";
    if (daemon_.has_ended()) {
      EXPECT_GT(daemon_.wait(1s), kGood);
    } else {
      auto second = another();
      fs::create_directory_symlink(there, second->log_folder());
      expect_refused(*second, kUnavailable, stop_the_other());
      daemon_.kill_9();
    }
    fs::remove_all(daemon_.log_folder());
    fs::create_directory_symlink(real, daemon_.log_folder());
    start();
    expect_audited();
  }
};
ASSENT_FOR_EVERY_PAIR(FaultsLogDirectoryTest);

TEST_P(FaultsLogDirectoryTest, ALinkThatIsMovedToACopyWhileItRunsTakesNothingThere) {
  const auto real = daemon_.folder() + "/real";
  const auto copy = daemon_.folder() + "/copy";
  fs::create_directory(real);
  fs::create_directory_symlink(real, daemon_.log_folder());
  start();
  make_transfers(5);
  fs::copy(real, copy, fs::copy_options::recursive);
  const auto before = contents_of(copy);
  fs::create_directory_symlink(copy, daemon_.folder() + "/link");
  fs::rename(daemon_.folder() + "/link", daemon_.log_folder());
  expect_nothing_written_to(copy, before, real);
}

// As when its disk is mounted only after it was started.
TEST_P(FaultsLogDirectoryTest, ADirectoryThatComesToLieOverItsOwnStaysAsItWas) {
  start();
  make_transfers(5);
  auto other = another();
  copy_log(daemon_, *other);
  const auto before = contents_of(other->log_folder());
  const auto real = daemon_.folder() + "/real";
  fs::rename(daemon_.log_folder(), real);
  fs::rename(other->log_folder(), daemon_.log_folder());
  expect_nothing_written_to(daemon_.log_folder(), before, real);
}

TEST_P(FaultsLogDirectoryTest, OneThatWakesUpAfterItsLockWasDeletedOverwritesNothing) {
  start();
  EXPECT_EQ(outcome_of(daemon_, "order 0"), Outcome::committed);
  failpoints().arm("decision_unforced=hold");
  auto late = std::async(std::launch::async, [client = std::make_shared<Client>(daemon_.client())] {
    return client->submit(order("the late order"));
  });
  wait_passed("decision_unforced");
  daemon_.signal(SIGSTOP);
  fs::remove(daemon_.log_folder() + "/LOCK");
  auto second = another();
  fs::create_directory_symlink(daemon_.log_folder(), second->log_folder());
  const bool served = serves(*second);
  int orders = 1;
  if (served) {
    second->wait_up();
    for (; orders < 4; ++orders) {
      EXPECT_EQ(outcome_of(*second, "order " + std::to_string(orders)), Outcome::committed);
    }
  } else {
    EXPECT_EQ(second->wait(1s), kUnavailable) << second->output();
  }
  daemon_.signal(SIGCONT);
  failpoints().disarm();
  const auto told = late.get();
  const bool late_committed = told.ok() && told->outcome == Outcome::committed;
  if (served) {
    EXPECT_FALSE(late_committed) << "two processes have decided in one log";
    EXPECT_GT(daemon_.wait(30s), kGood) << "its log changed hands, and it goes on\n" << daemon_.output();
    second->kill_9();
  } else {
    // It may have ended because its lock is gone.
    static_cast<void>(daemon_.terminate());
  }
  const auto verified = ctl({"wal", "verify", daemon_.log_folder()});
  EXPECT_EQ(verified.code, kGood) << verified.output;
  start();
  for (int i = 0; i < orders; ++i) expect_known(daemon_, "order " + std::to_string(i));
  expect_paid(orders + (late_committed ? 1 : 0));
}

TEST_P(FaultsLogDirectoryTest, WhatTheToolsChangeAsRootStaysTheOwners) {
  start();
  commit_halfway("the order");
  daemon_.kill_9();
  const bool root = ::geteuid() == 0;
  const auto owner = root ? kOtherAccount : ::geteuid();
  const auto give_away = [&] {
    if (!root) return;
    for (const auto& entry : fs::recursive_directory_iterator(daemon_.folder())) {
      EXPECT_EQ(::lchown(entry.path().c_str(), owner, owner), 0);
    }
    EXPECT_EQ(::lchown(daemon_.folder().c_str(), owner, owner), 0);
  };
  give_away();
  const auto expect_kept = [&](const char* after) {
    for (const auto& entry : fs::recursive_directory_iterator(daemon_.folder())) {
      struct stat seen {};
      EXPECT_EQ(::lstat(entry.path().c_str(), &seen), 0);
      EXPECT_EQ(seen.st_uid, owner) << after << ": " << entry.path();
    }
  };
  // Each does it, or refuses to.
  static_cast<void>(offline(daemon_, {"recover", "--apply"}));
  expect_kept("recover");
  static_cast<void>(ctl({"wal", "compact", daemon_.log_folder()}));
  expect_kept("compact");
  for (const auto& entry : fs::directory_iterator(daemon_.log_folder())) {
    if (entry.path().filename() == "CHECKPOINT") std::ofstream(entry.path(), std::ios::in | std::ios::binary) << "rot";
  }
  static_cast<void>(ctl({"wal", "repair", daemon_.log_folder(), "--force-lose"}));
  expect_kept("repair");
  if (!root) return;
  // The daemon under its own account.
  const auto script = daemon_.folder() + "/as-owner";
  const auto id = std::to_string(owner);
  std::ofstream(script) << "#!/bin/sh\nchown " << id << ":" << id << " " << daemon_.folder() << "/*.password "
                        << daemon_.config_path() << "\nexec setpriv --reuid " << id << " --regid " << id
                        << " --clear-groups " << ASSENT_BIN_DIR << "/assentd \"$@\"\n";
  fs::permissions(script, fs::perms::owner_all | fs::perms::group_all | fs::perms::others_all);
  daemon_.options().program = script;
  ASSERT_TRUE(serves(daemon_)) << daemon_.output();
  daemon_.wait_up();
  expect_paid(1);
}

// Directories that an operator has made, or a start that was killed.
TEST_P(FaultsLogDirectoryTest, EveryDirectoryOnTheWayIsSyncedBeforeAnythingIsToldAtEachStart) {
  fs::create_directory(daemon_.log_folder());
  for (int run = 0; run < 2; ++run) {
    const auto recorded = daemon_.folder() + "/recorded" + std::to_string(run);
    daemon_.options().environment = {
        {"LD_PRELOAD", ASSENT_DISK_SHIM}, {"DISK_SHIM_RECORD", recorded}, {"DISK_SHIM_PATH", "/"}};
    daemon_.start();
    daemon_.wait_up();
    EXPECT_EQ(outcome_of(daemon_, "order " + std::to_string(run)), Outcome::committed);
    std::set<std::string> synced;
    std::ifstream lines(recorded);
    for (std::string line; std::getline(lines, line);) synced.insert(line);
    EXPECT_TRUE(synced.contains("sync " + daemon_.log_folder())) << "start " << run;
    EXPECT_TRUE(synced.contains("sync " + daemon_.folder())) << "start " << run;
    EXPECT_TRUE(synced.contains("sync " + fs::path(daemon_.folder()).parent_path().string())) << "start " << run;
    daemon_.kill_9();
  }
}

TEST_P(FaultsLogDirectoryTest, AStaleLogGivesNoVerdictsAndWhenItIsRefusedNothingIsLeftInItsPlace) {
  start();
  EXPECT_EQ(daemon_.terminate(), kGood);
  auto stale = another();
  copy_log(daemon_, *stale);
  stale->write_config();
  start("end_unlogged=crash");
  auto transaction = order("the order");
  transaction.protocol = Protocol::three_phase;
  static_cast<void>(daemon_.client().submit(transaction).ok());
  EXPECT_EQ(daemon_.wait(20s), 128 + SIGKILL) << daemon_.output();
  EXPECT_EQ(balance(west(), 2), kOpening + kAmount) << "it has committed";
  const auto unchanged = contents_of(stale->log_folder());
  for (const auto& words : std::vector<std::vector<std::string>>{{"recover"}, {"recover", "--apply"}}) {
    const auto said = offline(*stale, words);
    EXPECT_NE(said.code, kGood) << said.output;
    EXPECT_THAT(said.output, AllOf(Not(HasSubstr("rolled back")), Not(HasSubstr("will roll back")),
                                   Not(HasSubstr("nothing of coordinator"))));
  }
  EXPECT_TRUE(contents_of(stale->log_folder()) == unchanged);
  // A start without any log, and one with the stale one, in the place of the real one.
  const auto aside = daemon_.folder() + "/aside";
  fs::rename(daemon_.log_folder(), aside);
  daemon_.options().environment.clear();
  expect_refused(daemon_, kBadConfig, put_back_or_lost());
  EXPECT_FALSE(fs::exists(daemon_.log_folder()));
  expect_refused(*stale, kBadConfig, put_back_or_lost());
  // Put back as anybody would.
  ASSERT_EQ(std::system(("mv " + aside + " " + daemon_.log_folder()).c_str()), 0);
  start();
  // Its acceptors have to be heard first.
  EXPECT_TRUE(eventually([&] { return daemon_.client().status_of_key("the order")->outcome == Outcome::committed; }));
  auto again = daemon_.client();
  EXPECT_EQ(submit(again, transaction).outcome, Outcome::committed);
  expect_paid(1);
}

}  // namespace
}  // namespace assent::testing
