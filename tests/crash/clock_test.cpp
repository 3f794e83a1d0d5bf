// The wall clock of the daemon's machine jumps, as it does when it is set by hand or by a virtual machine's host.

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "support/crash.hpp"

namespace assent::testing {
namespace {

using namespace std::chrono_literals;

/// Package libfaketime: what the C library tells of the wall clock comes from a file.
constexpr const char* kFakeTime = ASSENT_FAKETIME_LIBRARY;

class ClockTest : public CrashTest {
 protected:
  void set_clock(const std::string& offset) const {
    std::ofstream(clock_file() + ".new") << offset << "\n";
    std::filesystem::rename(clock_file() + ".new", clock_file());
  }
  std::string clock_file() const { return daemon_.folder() + "/clock"; }

  void start_under_fake_clock() {
    daemon_.options().environment = {{"LD_PRELOAD", kFakeTime},
                                     {"FAKETIME_TIMESTAMP_FILE", clock_file()},
                                     {"FAKETIME_NO_CACHE", "1"},
                                     {"FAKETIME_DONT_FAKE_MONOTONIC", "1"},
                                     {"DONT_FAKE_MONOTONIC", "1"},
                                     // In builds with AddressSanitizer, which wants to be loaded first.
                                     {"ASAN_OPTIONS", "verify_asan_link_order=0"}};
    daemon_.start();
    daemon_.wait_up();
  }

  std::set<int> years_in_output() const {
    std::set<int> years;
    std::istringstream lines(daemon_.output());
    for (std::string line; std::getline(lines, line);) {
      if (line.size() > 4 && line[4] == '-') years.insert(std::stoi(line.substr(0, 4)));
    }
    return years;
  }

  std::uint64_t committed() const { return record_.counts()[static_cast<std::size_t>(Told::Outcome::committed)]; }
};
ASSENT_FOR_EVERY_PAIR(ClockTest);

TEST_P(ClockTest, JumpsOfTheWallClockChangeNoOutcome) {
  set_clock("+0");
  start_under_fake_clock();
  {
    Tellers tellers(bank_, record_, [this] { return daemon_.port(); }, {});
    for (const auto* offset : {"+3650d", "-3650d", "+1h", "-1h", "+0"}) {
      SCOPED_TRACE(offset);
      set_clock(offset);
      const auto before = committed();
      EXPECT_TRUE(eventually([&] { return committed() > before + 20; })) << daemon_.output();
      daemon_.kill_9();
      start_under_fake_clock();
    }
  }
  // The jumps have arrived: the daemon's own log lines carry their dates.
  const auto years = years_in_output();
  EXPECT_GE(*years.rbegin() - *years.begin(), 18) << daemon_.output();
  expect_audited();
}

// Deadlines are of the steady clock: one that stands or jumps neither ends a transaction early nor keeps it for ever.
TEST_P(ClockTest, DeadlinesPassAsTheyWould) {
  set_clock("+0");
  start_under_fake_clock();
  auto client = daemon_.client();
  Sql holder(east(), database_);
  holder.run("BEGIN");
  holder.run("UPDATE accounts SET note = 'held' WHERE id = 1");
  auto blocked = transfer(1, 2, 1);
  blocked.timeout = 1s;
  set_clock("-3650d");
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(submit(client, blocked).outcome, Outcome::rolled_back);
  const auto took = std::chrono::steady_clock::now() - begun;
  EXPECT_GE(took, 900ms);
  EXPECT_LT(took, 10s);
  holder.run("ROLLBACK");
  set_clock("+3650d");
  EXPECT_EQ(submit(client, blocked).outcome, Outcome::committed);
  expect_settled_and_balanced();
}

}  // namespace
}  // namespace assent::testing
