#include <gtest/gtest.h>

#include <functional>

#include "sim_disk.hpp"
#include "support.hpp"
#include "wal/format.hpp"
#include "wal/reader.hpp"

namespace assent::wal::test {
namespace {

const std::string kRoot = "/log";
constexpr std::uint64_t kDecisions = 30;

struct Progress {
  std::uint64_t attempted = 0;
  std::uint64_t acknowledged = 0;  ///< Decisions 1 to this one.
};

Options options_here() {
  auto options = small_options(kRoot);
  options.kept_keys_max = 1000;
  options.lazy_flush_ms = 1'000;
  return options;
}

/// Decides one after the other until the end, or until the power fails; each is large, so that segments change often.
Progress run_until_cut(SimDisk& disk, std::uint64_t first) {
  Progress run{first - 1, first - 1};
  auto opened = open(options_here(), disk);
  if (!opened) return run;
  for (std::uint64_t i = first; i < first + kDecisions; ++i) {
    ++run.attempted;
    if (!force(*opened->log, decision(i, 12'000 + 700 * (i % 3)))) break;
    ++run.acknowledged;
    opened->log->append(ports::BranchSettled{gtrid(i), 1});
    if (i % 4 == 0) opened->log->append(ports::TransactionEnded{gtrid(i)});
  }
  if (run.acknowledged == first + kDecisions - 1) (void)opened->log->close();
  return run;
}

/// All that was acknowledged is there, and nothing that was never asked for.
void expect_recovered(const ports::LogState& state, const Progress& run, const std::string& when) {
  const std::uint64_t there = state.kept_keys.size();
  ASSERT_GE(there, run.acknowledged) << when;
  ASSERT_LE(there, run.attempted) << when;
  for (std::uint64_t i = 1; i <= there; ++i) {
    ASSERT_EQ(state.kept_keys.count("key-" + std::to_string(i)), 1U) << when << ": decision " << i;
    ASSERT_TRUE(state.live.count(gtrid(i)) == 1 || i % 4 == 0) << when << ": decision " << i;
  }
}

std::unique_ptr<SimDisk> fresh_disk() {
  auto disk = std::make_unique<SimDisk>();
  disk->make_root("");
  return disk;
}

constexpr SimDisk::Lost kAllLosses[] = {SimDisk::Lost::everything, SimDisk::Lost::nothing, SimDisk::Lost::some_sectors,
                                        SimDisk::Lost::torn_sectors};

TEST(PowerCut, AtAnyOperationLosesNothingThatWasAcknowledged) {
  const auto whole = fresh_disk();
  const Progress all = run_until_cut(*whole, 1);
  ASSERT_EQ(all.acknowledged, kDecisions);
  ASSERT_GT(whole->operations(), 150U);
  for (std::uint64_t cut = 1; cut <= whole->operations(); ++cut) {
    const auto disk = fresh_disk();
    disk->cut_power_at(cut);
    const Progress run = run_until_cut(*disk, 1);
    for (const auto lost : kAllLosses) {
      const auto seed = static_cast<std::uint32_t>(cut * 4 + static_cast<std::uint64_t>(lost));
      const std::string when = "cut at " + std::to_string(cut) + " seed " + std::to_string(seed);
      const auto after = disk->after_power_cut(lost, seed);
      auto opened = open(options_here(), *after);
      ASSERT_TRUE(opened) << when << ": " << opened.error().what;
      expect_recovered(opened->state, run, when);
      ASSERT_TRUE(force(*opened->log, decision(1000))) << when;
    }
  }
}

TEST(PowerCut, DuringRecoveryAndAgainLosesNothingEither) {
  for (std::uint32_t seed = 1; seed <= 150; ++seed) {
    std::mt19937 random(seed);
    const std::string when = "seed " + std::to_string(seed);
    auto disk = fresh_disk();
    Progress run;
    for (int crash = 0; crash < 4; ++crash) {
      disk->cut_power_at(1 + random() % (crash % 2 == 0 ? 150 : 25));
      const Progress next = run_until_cut(*disk, run.acknowledged + 1);
      run.acknowledged = std::max(run.acknowledged, next.acknowledged);
      run.attempted = std::max(run.attempted, next.attempted);
      disk = disk->after_power_cut(kAllLosses[random() % 4], seed * 7);
      if (!disk->has(kRoot + "/CHECKPOINT")) {
        ASSERT_EQ(run.acknowledged, 0U) << when;
        continue;
      }
      const auto state = read_state(kRoot, *disk);
      ASSERT_TRUE(state) << when << ": " << state.error().what;
      expect_recovered(*state, run, when);
      run.acknowledged = state->kept_keys.size();
    }
  }
}

TEST(PowerCut, AtAnyStepOfACheckpointLeavesTheOldOneOrTheNew) {
  const auto before = fresh_disk();
  auto opened = open_or_fail(options_here(), *before);
  for (std::uint64_t i = 1; i <= 5; ++i) ASSERT_TRUE(force(*opened.log, decision(i)));
  opened.log.reset();
  const auto expected = read_state(kRoot, *before);
  std::uint64_t cut_inside = 0;
  for (std::uint64_t step = 1; step <= 40; ++step) {
    const auto disk = before->copy();
    auto reopened = open_or_fail(options_here(), *disk);
    ASSERT_TRUE(reopened.log->flush());
    disk->cut_power_at(disk->operations() + step);
    const Status closed = reopened.log->close();
    reopened.log.reset();
    if (!disk->is_off()) break;
    ++cut_inside;
    for (const auto lost : kAllLosses) {
      const auto after = disk->after_power_cut(lost, static_cast<std::uint32_t>(step));
      const auto state = read_state(kRoot, *after);
      ASSERT_TRUE(state) << state.error().what;
      EXPECT_EQ(*state, *expected) << "step " << step;
    }
  }
  EXPECT_GE(cut_inside, 5U) << "create, write, sync, rename, sync of the directory";
}

TEST(PowerCut, WhatWasReadIsDurableBeforeItIsActedOn) {
  for (const bool sync_failed : {false, true}) {
    const auto disk = fresh_disk();
    auto opened = open_or_fail(options_here(), *disk);
    ASSERT_TRUE(force(*opened.log, decision(1)));
    ASSERT_TRUE(opened.log->flush());
    // The batch reaches the kernel and not the disk: the process ends between its write and its sync.
    disk->cut_power_at(disk->operations() + 2);
    EXPECT_FALSE(force(*opened.log, decision(2)));
    opened.log.reset();
    const auto killed = disk->after_kill(sync_failed);
    const auto reopened = open_or_fail(options_here(), *killed);
    EXPECT_EQ(reopened.state.live.size(), 2U);
    const auto cut = killed->after_power_cut(SimDisk::Lost::everything, 1);
    EXPECT_EQ(read_state(kRoot, *cut)->live.size(), 2U) << "sync failed: " << sync_failed;
  }
}

TEST(PowerCut, ASealThatAStartFindsIsDurableBeforeTheLogGoesOnBehindIt) {
  std::uint64_t found = 0;
  for (std::uint64_t cut = 1; cut <= 200; ++cut) {
    const auto disk = fresh_disk();
    disk->cut_power_at(cut);
    (void)run_until_cut(*disk, 1);
    for (const bool sync_failed : {false, true}) {
      // Killed between the seal's write and its sync, or that has failed.
      const auto killed = disk->after_kill(sync_failed);
      const auto seen = scan(*killed, kRoot, kAllKeys);
      if (!seen || !seen->open_seal) continue;
      ++found;
      const std::string path = kRoot + "/" + segment_name(seen->open_seal->segment);
      const auto seal = killed->bytes(path).substr(seen->open_seal->offset, kSectorBytes);
      const auto reopened = open_or_fail(options_here(), *killed);
      const auto after = killed->after_power_cut(SimDisk::Lost::everything, 1);
      ASSERT_EQ(after->bytes(path).substr(seen->open_seal->offset, kSectorBytes) == seal, true)
          << "cut at " << cut << ", sync failed: " << sync_failed;
    }
  }
  EXPECT_GT(found, 10U);
}

TEST(PowerCut, NamesThatWereReadAreDurableBeforeTheLogGoesOnInThem) {
  auto before = fresh_disk();
  auto opened = open_or_fail(options_here(), *before);
  opened.log.reset();
  ASSERT_EQ(before->remove(kRoot + "/00000002.seg"), 0);
  ASSERT_EQ(before->sync_directory(kRoot), 0);
  // The reserve is made again, and the process ends between its renaming and the directory's sync.
  bool cut_between = false;
  for (std::uint64_t cut = 1; cut <= 40 && !cut_between; ++cut) {
    const auto disk = before->copy();
    disk->cut_power_at(cut);
    {
      auto log = open(options_here(), *disk);
      if (!log) continue;
      if (!eventually([&] { return disk->is_off() || disk->has(kRoot + "/00000002.seg"); })) break;
    }
    const bool durable = disk->after_power_cut(SimDisk::Lost::everything, 1)->has(kRoot + "/00000002.seg");
    cut_between = disk->has(kRoot + "/00000002.seg") && !durable;
    if (!cut_between) continue;
    const auto killed = disk->after_kill(false);
    auto reopened = open_or_fail(options_here(), *killed);
    EXPECT_TRUE(killed->after_power_cut(SimDisk::Lost::everything, 1)->has(kRoot + "/00000002.seg"));
  }
  EXPECT_TRUE(cut_between);
}

}  // namespace
}  // namespace assent::wal::test
