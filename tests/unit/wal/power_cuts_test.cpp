// What a log loses when power fails, over and over, in whatever it does: any subset of names, sectors of 512 and 4096
// bytes each old, new or garbage, syncs that fail, kills in between, and bytes that can't be read for a while.
//
// 100,000 cuts: ctest -R power.cuts, or ASSENT_POWER_CUTS=100000 build/release/bin/unit_wal
// --gtest_filter='PowerCuts.*'

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "sim_disk.hpp"
#include "support.hpp"
#include "wal/offline.hpp"

namespace assent::wal::test {
namespace {

const std::string kDirectory = "/var/log";
constexpr SimDisk::Lost kLosses[] = {SimDisk::Lost::everything, SimDisk::Lost::nothing, SimDisk::Lost::some_sectors,
                                     SimDisk::Lost::torn_sectors, SimDisk::Lost::torn_sectors};

std::uint64_t cuts_wanted() {
  const char* text = std::getenv("ASSENT_POWER_CUTS");
  return text == nullptr ? 3'000 : std::strtoull(text, nullptr, 10);
}

/// One log on one disk, which loses power again and again.
class World {
 public:
  explicit World(std::uint32_t seed) : seed_(seed), random_(seed), disk_(std::make_unique<SimDisk>()) {
    disk_->make_root("");
    disk_->set_sector_bytes(seed % 2 == 0 ? 512 : 4096);
  }

  /// Runs until power fails or the process is killed, and looks at what is there then. What is wrong, or nothing.
  std::string run_and_cut() {
    run();
    if (problem_.empty() && !disk_->is_off() && one_in(3)) survive_kill();
    const auto lost = kLosses[random_() % std::size(kLosses)];
    disk_ = disk_->after_power_cut(lost, static_cast<std::uint32_t>(random_()));
    ++cuts_;
    if (problem_.empty()) look_with_unreadable_bytes();
    if (problem_.empty()) expect_all(read_state(kDirectory, *disk_), "after the cut");
    return problem_.empty() ? problem_
                            : "seed " + std::to_string(seed_) + ", cut " + std::to_string(cuts_) + ": " + problem_;
  }

 private:
  bool one_in(std::uint32_t n) { return random_() % n == 0; }

  Options options() {
    auto options = small_options(kDirectory);
    options.checkpoint_every_segments = 1 + static_cast<std::uint32_t>(random_() % 3);
    options.kept_keys_max = 100'000;
    // Marks follow at once, or never by themselves.
    options.lazy_flush_ms = one_in(2) ? 1 : 60'000;
    return options;
  }

  /// The process ends, and the machine goes on; it may have failed to write something, and shows it nevertheless.
  void survive_kill() {
    disk_ = disk_->after_kill(one_in(2));
    if (one_in(2)) run();
  }

  void run() {
    // Somewhere in the start, or behind it.
    if (!one_in(8)) disk_->cut_power_at(disk_->operations() + 1 + random_() % (one_in(2) ? 25 : 150));
    if (one_in(4)) disk_->fail_sync_at(disk_->syncs() + 1 + random_() % 20);
    if (!parent_is_there()) return;
    if (one_in(10)) (void)repair({kDirectory, false, false}, *disk_);
    if (one_in(10)) (void)compact(kDirectory, *disk_);
    auto opened = open(options(), *disk_);
    if (!opened) {
      const auto code = opened.error().code;
      const bool excused = disk_->is_off() || code == Errc::io;
      if (!excused) problem_ = "it was refused: " + opened.error().what;
      return;
    }
    // A start acts on what it has read.
    expect_all(opened->state, "at a start");
    if (!problem_.empty()) return;
    take_for_acknowledged(opened->state);
    work(*opened->log);
    if (one_in(3)) (void)opened->log->close();
  }

  bool parent_is_there() {
    std::vector<std::string> names;
    if (disk_->list("/var", names) == 0) return true;
    return disk_->make_directory("/var") == 0;
  }

  void work(WriterLog& log) {
    const auto count = random_() % 25;
    ++epoch_;
    (void)force(log, ports::EpochStarted{"shop1", epoch_, 1, epoch_});
    for (std::uint32_t i = 0; i < count && log.condition() != ports::LogCondition::poisoned; ++i) {
      if (one_in(4)) {
        decide_several(log);
      } else {
        decide(log, true);
      }
      if (one_in(3) && !decided_.empty()) log.append(ports::BranchSettled{gtrid(decided_.rbegin()->first), 1});
      if (one_in(5) && !decided_.empty()) {
        const auto number = decided_.rbegin()->first;
        ended_.insert(number);
        log.append(ports::TransactionEnded{gtrid(number)});
      }
      if (one_in(8)) {
        const auto key = "undone-" + std::to_string(++undone_);
        log.append(ports::KeyRolledBack{key, gtrid(undone_ + 1'000'000), 1, {"orders"}, std::nullopt, 1});
      }
    }
  }

  std::size_t label_bytes() { return one_in(3) ? 8'000 + random_() % 20'000 : random_() % 300; }

  void decide(WriterLog& log, bool wait) {
    const auto number = ++last_;
    decided_[number] = decision(number, label_bytes());
    std::promise<bool> answered;
    log.append_forced(decided_[number], [this, number, wait, &answered](const Status& status) {
      if (status.ok()) {
        const std::lock_guard lock(mutex_);
        acknowledged_.insert(number);
      }
      if (wait) answered.set_value(true);
    });
    if (wait) answered.get_future().get();
  }

  /// Which share a batch.
  void decide_several(WriterLog& log) {
    for (auto i = 1 + random_() % 5; i > 0; --i) decide(log, false);
    (void)log.flush();
  }

  void take_for_acknowledged(const ports::LogState& state) {
    for (const auto& [key, kept] : state.kept_keys) {
      if (!kept.rolled_back) acknowledged_.insert(number_of(kept.gtrid));
    }
  }

  static std::uint64_t number_of(const std::string& of) { return std::stoull(of.substr(of.rfind('.') + 1)); }

  /// A read that fails changes nothing and takes nothing for lost.
  void look_with_unreadable_bytes() {
    if (!one_in(6)) return;
    for (const auto& path : disk_->paths()) {
      if (!one_in(2) || !path.starts_with(kDirectory + "/")) continue;
      const auto at = random_() % (64U << 10);
      disk_->make_unreadable(path, at, at + 1);
    }
    const auto looked = look(options(), *disk_);
    if (looked) {
      expect_all(looked->state(), "with bytes that can't be read, none of them used");
    } else if (const auto code = looked.error().code;
               code != Errc::log_corrupt && code != Errc::not_found && code != Errc::io) {
      problem_ = "with bytes that can't be read it was refused as: " + looked.error().what;
    }
    disk_->make_readable();
  }

  void expect_all(const Result<ports::LogState>& read, const std::string& when) {
    if (!read) {
      const bool excused = read.error().code == Errc::not_found && acknowledged_.empty();
      if (!excused) problem_ = when + ": " + read.error().what;
      return;
    }
    const auto& state = *read;
    for (const auto number : acknowledged_) {
      const auto kept = state.kept_keys.find("key-" + std::to_string(number));
      if (kept == state.kept_keys.end()) return fail(when, "was acknowledged, and its key is lost: ", number);
      const bool is_live = state.live.count(gtrid(number)) > 0;
      if (!is_live && ended_.count(number) == 0) return fail(when, "was acknowledged, and is lost: ", number);
    }
    for (const auto& [of, live] : state.live) {
      const auto asked = decided_.find(number_of(of));
      if (asked == decided_.end() || !(asked->second == live.decision)) {
        return fail(when, "was never asked for like this: ", number_of(of));
      }
    }
    for (const auto& [key, kept] : state.kept_keys) {
      const bool known =
          kept.rolled_back ? number_of(kept.gtrid) <= undone_ + 1'000'000 : decided_.count(number_of(kept.gtrid)) > 0;
      if (!known) return fail(when, "has a key and was never asked for: ", number_of(kept.gtrid));
    }
    if (state.epoch > epoch_) problem_ = when + ": an epoch that was never started";
  }

  void fail(const std::string& when, const std::string& what, std::uint64_t number) {
    problem_ = when + ": decision " + what + std::to_string(number);
  }

  const std::uint32_t seed_;
  std::mt19937 random_;
  std::unique_ptr<SimDisk> disk_;
  std::uint64_t cuts_ = 0;
  std::string problem_;
  std::map<std::uint64_t, ports::CommitDecision> decided_;  ///< Asked for, by their numbers.
  std::set<std::uint64_t> acknowledged_;
  std::set<std::uint64_t> ended_;  ///< Asked for: an end may be lost.
  std::uint64_t last_ = 0;
  std::uint64_t undone_ = 0;
  std::uint32_t epoch_ = 0;
  std::mutex mutex_;
};

TEST(PowerCuts, LoseNothingThatWasAcknowledgedAndInventNothing) {
  constexpr std::uint64_t kCutsOfAWorld = 12;
  const auto wanted = cuts_wanted();
  std::atomic<std::uint64_t> cuts{0};
  std::atomic<std::uint32_t> next_seed{1};
  std::mutex mutex;
  std::vector<std::string> problems;
  const auto run = [&] {
    while (cuts < wanted) {
      World world(next_seed++);
      for (std::uint64_t i = 0; i < kCutsOfAWorld; ++i) {
        ++cuts;
        const auto problem = world.run_and_cut();
        if (problem.empty()) continue;
        const std::lock_guard lock(mutex);
        problems.push_back(problem);
        break;
      }
    }
  };
  std::thread beside(run);
  run();
  beside.join();
  EXPECT_EQ(problems.size(), 0U);
  for (std::size_t i = 0; i < problems.size() && i < 5; ++i) ADD_FAILURE() << problems[i];
  RecordProperty("cuts", static_cast<int>(cuts));
}

}  // namespace
}  // namespace assent::wal::test
