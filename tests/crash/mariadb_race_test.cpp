#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "support/daemon.hpp"
#include "support/servers.hpp"

// A bare MariaDB server, without Assent: what it does to a prepared branch that another session commits while the
// session that prepared it is going. Why an OK from another session proves nothing, and when another session may touch
// a branch at all.
//
// A connection that ends lets go of its branch first, in the server's own table of XIDs, and tells the engine so last.
// In between the engine does not give the branch to anybody, and the server says OK all the same. Two things of the
// session's are cleaned up in between, and widen that gap here so that it is hit at once:
//   its user variables, while it is still in the process list;
//   the memory of its longest statement, when it has already left the process list.
// Without either the same was seen in about 1 of 500 and 1 of 3,000 rounds.

namespace assent::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kThreads = 4;
constexpr int kUserVariables = 1000;
constexpr std::size_t kLongStatementBytes = 12'000'000;
constexpr std::size_t kLostEnough = 3;
constexpr int kRoundsMax = 1000;
constexpr milliseconds kUntilLostMax{60'000};
constexpr milliseconds kNoneLostTime{5'000};

constexpr int kUnknownXid = 1397;
constexpr int kLockWaitTimeout = 1205;

/// A branch that inserts one row of its own.
struct Branch {
  std::string name;
  int row = 0;
  std::string literal() const { return "'" + name + "','1',7"; }
};

struct Tally {
  int rounds = 0;
  std::vector<Branch> lost;
};

class MariadbRaceTest : public ::testing::Test {
 protected:
  enum class Commit { at_once, after_process_list, after_engine };

  static void SetUpTestSuite() {
    Servers::start(1, 0);
    Sql admin(server(), "", true);
    admin.run("CREATE DATABASE race");
    connect().run("CREATE TABLE orders(id INT PRIMARY KEY) ENGINE=InnoDB");
  }

  static const Server& server() { return Servers::get().at("mariadb1"); }
  static Sql connect() { return Sql(server(), "race", true); }

  /// 0 when the row is there and free, else the server's error number.
  static int look_at(Sql& session, int row) {
    const int error = session.error_of("SELECT COUNT(*) INTO @seen FROM orders WHERE id=" + std::to_string(row) +
                                       " LOCK IN SHARE MODE NOWAIT");
    if (error == 0) {
      EXPECT_EQ(session.text("SELECT @seen"), "1") << "neither committed nor locked: row " << row;
    }
    return error;
  }

  static bool is_listed(Sql& session, const Branch& branch) {
    const auto rows = session.rows("XA RECOVER");
    return std::any_of(rows.begin(), rows.end(), [&](const auto& row) { return row[3] == branch.name + "1"; });
  }

  static bool is_connected(Sql& session, const std::string& id) {
    return !session.rows("SELECT 1 FROM information_schema.PROCESSLIST WHERE ID=" + id).empty();
  }

  /// Whether a transaction of the engine's still belongs to the connection.
  static bool engine_shows(Sql& session, const std::string& id) {
    const auto status = session.rows("SHOW ENGINE INNODB STATUS").at(0).at(2);
    return status.find("thread id " + id + ",") != std::string::npos;
  }

  /// One branch from its start to somebody else's OK to its commit. Whether the commit was lost.
  static bool is_lost(const Branch& branch, const std::string& before, Commit when, Sql& other, Sql& third) {
    auto owner = connect();
    const auto id = owner.text("SELECT CONNECTION_ID()");
    owner.run(before);
    owner.run("XA START " + branch.literal());
    owner.run("INSERT INTO orders VALUES (" + std::to_string(branch.row) + ")");
    owner.run("XA END " + branch.literal());
    owner.run("XA PREPARE " + branch.literal());
    other.run("KILL " + id);
    while (when != Commit::at_once && is_connected(other, id)) std::this_thread::yield();
    while (when == Commit::after_engine && engine_shows(other, id)) std::this_thread::yield();
    int error = 0;
    do {
      error = other.error_of("XA COMMIT " + branch.literal());
    } while (error == kUnknownXid);
    EXPECT_EQ(error, 0);
    const int seen = look_at(third, branch.row);
    if (seen == 0) return false;
    EXPECT_EQ(seen, kLockWaitTimeout);
    return true;
  }

  static std::string many_variables() {
    std::string sql = "SET @v0=0";
    for (int i = 1; i < kUserVariables; ++i) sql += ",@v" + std::to_string(i) + "=0";
    return sql;
  }
  static std::string long_statement() { return "DO LENGTH('" + std::string(kLongStatementBytes, 'x') + "')"; }

  /// Rounds on several threads, until one of the bounds is reached. Each owner runs `before` before its branch.
  static Tally run_rounds(const std::string& before, Commit when, int rounds_max, milliseconds time_max) {
    const auto begun = steady_clock::now();
    std::mutex mutex;
    Tally tally;
    const auto next = [&]() -> Branch {
      const std::lock_guard lock(mutex);
      const bool over =
          tally.lost.size() >= kLostEnough || tally.rounds >= rounds_max || steady_clock::now() - begun >= time_max;
      if (over) return {};
      ++tally.rounds;
      ++rows_;
      return {"race-" + std::to_string(rows_), rows_};
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        auto other = connect();
        auto third = connect();
        for (auto branch = next(); branch.row != 0; branch = next()) {
          if (!is_lost(branch, before, when, other, third)) continue;
          const std::lock_guard lock(mutex);
          tally.lost.push_back(branch);
        }
      });
    }
    for (auto& thread : threads) thread.join();
    const double seconds = std::chrono::duration<double>(steady_clock::now() - begun).count();
    std::printf("%zu of %d rounds lost, in %.1f s\n", tally.lost.size(), tally.rounds, seconds);
    return tally;
  }

  /// Of branches whose commit was answered OK and lost: neither committed nor to be settled before a restart.
  static void expect_stuck_until_restart(const std::vector<Branch>& lost) {
    {
      auto session = connect();
      for (const auto& branch : lost) {
        EXPECT_FALSE(is_listed(session, branch)) << branch.name;
        EXPECT_EQ(session.error_of("XA COMMIT " + branch.literal()), kUnknownXid) << branch.name;
        const auto begun = steady_clock::now();
        EXPECT_EQ(look_at(session, branch.row), kLockWaitTimeout) << branch.name;
        EXPECT_LT(steady_clock::now() - begun, std::chrono::seconds(5)) << "it waited for the lock";
      }
    }
    Servers::get().kill("mariadb1");
    Servers::get().restart("mariadb1");
    auto session = connect();
    for (const auto& branch : lost) {
      EXPECT_TRUE(is_listed(session, branch)) << branch.name;
      EXPECT_EQ(look_at(session, branch.row), kLockWaitTimeout) << branch.name;
      EXPECT_EQ(session.error_of("XA ROLLBACK " + branch.literal()), 0) << branch.name;
      EXPECT_EQ(session.number("SELECT COUNT(*) FROM orders WHERE id=" + std::to_string(branch.row) +
                               " LOCK IN SHARE MODE NOWAIT"),
                0)
          << branch.name;
    }
    EXPECT_TRUE(session.rows("XA RECOVER").empty());
  }

 private:
  static inline int rows_ = 0;
};

TEST_F(MariadbRaceTest, CommitThatRacesTheOwnersEndSaysOkAndCommitsNothing) {
  const auto tally = run_rounds(many_variables(), Commit::at_once, 1'000'000, kUntilLostMax);
  ASSERT_FALSE(tally.lost.empty());
  expect_stuck_until_restart(tally.lost);
}

TEST_F(MariadbRaceTest, CommitAfterTheOwnerHasLeftTheProcessListIsSeldomLost) {
  const auto tally = run_rounds(many_variables(), Commit::after_process_list, kRoundsMax, kNoneLostTime);
  EXPECT_GT(tally.rounds, 20);
  // At once it is every third.
  EXPECT_LE(tally.lost.size(), 1U + static_cast<std::size_t>(tally.rounds) / 100);
  if (!tally.lost.empty()) expect_stuck_until_restart(tally.lost);
}

TEST_F(MariadbRaceTest, CommitAfterTheOwnerHasLeftTheProcessListCanStillBeLost) {
  const auto tally = run_rounds(long_statement(), Commit::after_process_list, 1'000'000, kUntilLostMax);
  ASSERT_FALSE(tally.lost.empty());
  expect_stuck_until_restart(tally.lost);
}

TEST_F(MariadbRaceTest, CommitOnceTheEngineNoLongerShowsTheOwnerIsNotLost) {
  const auto soon = run_rounds(many_variables(), Commit::after_engine, kRoundsMax, kNoneLostTime);
  EXPECT_TRUE(soon.lost.empty());
  EXPECT_GT(soon.rounds, 20);
  // These take long, and without the last look about every second one is lost.
  const auto late = run_rounds(long_statement(), Commit::after_engine, 30, 3 * kNoneLostTime);
  EXPECT_TRUE(late.lost.empty());
  EXPECT_GE(late.rounds, 3);
}

}  // namespace
}  // namespace assent::testing
