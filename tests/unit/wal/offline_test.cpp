#include "wal/offline.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>

#include "damaged.hpp"
#include "wal/format.hpp"

namespace assent::wal::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class Offline : public DamagedLog {
 protected:
  static RepairReport repair_or_fail(Disk& disk, bool force_lose = true) {
    auto report = repair({kLog, force_lose, false}, disk);
    EXPECT_TRUE(report) << report.error().what;
    return report ? *std::move(report) : RepairReport{};
  }
  static CompactReport compact_or_fail(Disk& disk) {
    auto report = compact(kLog, disk);
    EXPECT_TRUE(report) << report.error().what;
    return report ? *report : CompactReport{};
  }
  template <typename T>
  static std::optional<Errc> refusal(const Result<T>& result) {
    return result ? std::nullopt : std::optional(result.error().code);
  }
  static Tail tail_of(SimDisk& disk) { return scan(disk, kLog, kAllKeys)->tail; }
  static std::vector<std::string> copies_on(const SimDisk& disk) {
    std::set<std::string> found;
    for (const auto& one : disk.paths()) {
      if (one.starts_with(kLog + ".before-repair-")) found.insert(one.substr(0, one.rfind('/')));
    }
    return {found.begin(), found.end()};
  }
};

class Repair : public Offline {};
class Compact : public Offline {};

TEST_F(Repair, AWholeLogIsLeftAlone) {
  write_log();
  const auto before = files(disk_);
  for (const bool force : {false, true}) {
    const auto report = repair_or_fail(disk_, force);
    EXPECT_EQ(report.tail, Tail::clean);
    EXPECT_FALSE(report.repaired);
    EXPECT_THAT(report.copy, IsEmpty());
  }
  EXPECT_EQ(files(disk_), before);
  EXPECT_THAT(copies_on(disk_), IsEmpty());
}

TEST_F(Repair, ATornTailIsPassedAfterACopyOfTheWholeLog) {
  write_log();
  const auto expected = read_state(kLog, disk_);
  bytes("00000001.seg").replace(scan(disk_, kLog, kAllKeys)->end.offset, 700, 700, 'T');
  const auto before = files(disk_);
  ASSERT_FALSE(repair({kLog, false, true}, disk_)->repaired);
  EXPECT_EQ(files(disk_), before) << "a dry run";
  const auto report = repair_or_fail(disk_, false);
  EXPECT_TRUE(report.repaired);
  EXPECT_EQ(report.tail, Tail::torn);
  EXPECT_THAT(copies_on(disk_), testing::ElementsAre(report.copy));
  EXPECT_EQ(files(disk_, report.copy), before);
  EXPECT_EQ(tail_of(disk_), Tail::clean);
  EXPECT_EQ(*read_state(kLog, disk_), *expected);
}

TEST_F(Repair, ADamagedLogIsOnlyToldOfUnlessForced) {
  write_log();
  flip("00000001.seg", offset_of(5) + 70);
  const auto before = files(disk_);
  for (const bool dry_run : {false, true}) {
    const auto report = repair({kLog, dry_run, dry_run}, disk_);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->tail, Tail::corrupt);
    EXPECT_FALSE(report->repaired);
    ASSERT_TRUE(report->salvage);
    EXPECT_EQ(report->salvage->kept.size(), 4U);
    ASSERT_FALSE(report->findings.empty());
    EXPECT_THAT(report->findings[0].remedy, HasSubstr("assentctl wal repair /log --force-lose"));
  }
  EXPECT_EQ(files(disk_), before);
  EXPECT_THAT(copies_on(disk_), IsEmpty());
}

TEST_F(Repair, AForcedOneKeepsEveryDecisionThatCanBeRead) {
  write_log();
  flip("00000001.seg", offset_of(5) + 70);
  const auto before = files(disk_);
  const auto report = repair_or_fail(disk_);
  EXPECT_TRUE(report.repaired);
  EXPECT_EQ(files(disk_, report.copy), before);
  EXPECT_THAT(scan(disk_, kLog, kAllKeys)->leftovers, IsEmpty());
  auto opened = open_or_fail(options_here(), disk_);
  EXPECT_EQ(opened.tail, Tail::clean);
  EXPECT_EQ(opened.state, report.salvage->state.state());
  EXPECT_EQ(opened.state.live.size(), 4U);
  // It takes new records, and keeps them, as any log does.
  const auto epoch = opened.state.first_epoch;
  ASSERT_TRUE(force(*opened.log, ports::EpochStarted{"shop1", epoch, 1}));
  ASSERT_TRUE(force(*opened.log, decision(7)));
  opened.log.reset();
  const auto state = read_state(kLog, disk_);
  ASSERT_TRUE(state);
  EXPECT_EQ(state->live.size(), 5U);
  EXPECT_EQ(state->first_epoch, epoch);
  EXPECT_EQ(repair_or_fail(disk_).tail, Tail::clean);
}

/// Any one byte flipped: either that is no damage, or a forced repair gives a log that opens, with every decision but
/// those in the one batch that was hit.
TEST_F(Repair, AByteFlippedAnywhereCostsNoDecisionButThoseInItsBatch) {
  write_log();
  const auto whole = read_state(kLog, disk_);
  const auto end = scan(disk_, kLog, kAllKeys)->end.offset + kSectorBytes;
  std::map<std::uint64_t, std::set<std::string>> in_batch;
  ASSERT_TRUE(dump(kLog, disk_, [&](const auto& dumped) {
    if (const auto* held = std::get_if<ports::CommitDecision>(&dumped.record))
      in_batch[dumped.offset].insert(held->gtrid);
  }));
  std::uint64_t repaired = 0, behind = 0;
  const auto check = [&](const std::string& name, std::uint64_t at) {
    const std::string when = name + " byte " + std::to_string(at);
    const auto disk = disk_.copy();
    auto& byte = disk->bytes(path(name))[at];
    byte = static_cast<char>(byte ^ 0x20);
    const auto report = repair({kLog, true, false}, *disk);
    ASSERT_TRUE(report) << when << ": " << report.error().what;
    auto opened = open(options_here(), *disk);
    ASSERT_TRUE(opened) << when << ": " << opened.error().what;
    if (report->tail == Tail::corrupt) ++repaired;
    const auto hit = in_batch.find(at / kSectorBytes * kSectorBytes);
    for (const auto& [gtrid, live] : whole->live) {
      if (name.ends_with(".seg") && hit != in_batch.end() && hit->second.count(gtrid) > 0) continue;
      ASSERT_EQ(opened->state.live.count(gtrid), 1U) << when << ": " << gtrid;
      ASSERT_EQ(opened->state.live.at(gtrid).decision, live.decision) << when;
    }
    if (!report->salvage) return;
    for (const auto& one : report->salvage->kept) behind += one.behind_damage ? 1 : 0;
    ASSERT_GT(opened->state.first_epoch, 42U) << when << ": no abort is presumed for what came before";
  };
  for (std::uint64_t block = 0; block < end; block += kSectorBytes) {
    for (std::uint64_t at = 0; at < 512; at += 7) check("00000001.seg", block + at);
  }
  for (std::uint64_t at = 0; at < bytes("CHECKPOINT").size(); ++at) check("CHECKPOINT", at);
  for (std::uint64_t at = 0; at < 2 * kSectorBytes; at += 61) check("00000002.seg", at);
  EXPECT_GT(repaired, 300U);
  EXPECT_GT(behind, 400U);
}

TEST_F(Repair, CutOffAtAnyStepItLeavesTheDamagedLogOrTheRepairedOne) {
  write_two_segments();
  // The worst of cases: the last segments are gone, so that a new one could pass for them.
  ASSERT_EQ(disk_.remove(path("00000003.seg")), 0);
  ASSERT_EQ(disk_.remove(path("00000002.seg")), 0);
  ASSERT_EQ(disk_.sync_directory(kLog), 0);
  ASSERT_EQ(tail_of(disk_), Tail::corrupt);
  const auto before = files(disk_);
  const auto all = disk_.copy();
  const auto expected = repair_or_fail(*all).salvage->state.state();
  std::uint64_t old_ones = 0, new_ones = 0;
  for (std::uint64_t cut = 1; cut <= all->operations(); ++cut) {
    for (const auto lost : kLosses) {
      const auto disk = disk_.copy();
      disk->cut_power_at(cut);
      const auto report = repair({kLog, true, false}, *disk);
      const std::string when = "cut at " + std::to_string(cut) + " lost " + std::to_string(static_cast<int>(lost));
      const auto after = disk->after_power_cut(lost, static_cast<std::uint32_t>(cut));
      ASSERT_FALSE(report && report->repaired) << when;
      const auto tail = tail_of(*after);
      ASSERT_NE(tail, Tail::torn) << when;
      if (tail == Tail::clean) {
        ++new_ones;
        const auto copies = copies_on(*after);
        ASSERT_EQ(copies.size(), 1U) << when;
        ASSERT_EQ(files(*after, copies[0]), before) << when;
      } else {
        ++old_ones;
        for (const auto& [name, held] : before) ASSERT_EQ(after->bytes(path(name)), held) << when << ": " << name;
      }
      repair_or_fail(*after);
      const auto state = read_state(kLog, *after);
      ASSERT_TRUE(state) << when << ": " << state.error().what;
      ASSERT_EQ(*state, expected) << when;
      ASSERT_TRUE(open(options_here(), *after)) << when;
    }
  }
  EXPECT_GT(old_ones, 20U);
  EXPECT_GT(new_ones, 3U);
}

TEST_F(Repair, WhatTheDeviceDoesNotGiveIsSteppedOverInTheCopyToo) {
  write_log();
  const auto at = offset_of(5);
  auto whole = bytes("00000001.seg");
  whole.replace(at, kSectorBytes, kSectorBytes, kUnreadable);
  disk_.make_unreadable(path("00000001.seg"), at, at + 1);
  const auto report = repair_or_fail(disk_);
  EXPECT_TRUE(report.repaired);
  EXPECT_EQ(disk_.bytes(report.copy + "/00000001.seg") == whole, true) << "what cannot be read is damage there as well";
}

/// The first one of these names is of what was set aside as `name`.
std::string set_aside_as(const RepairReport& report, const std::string& name) {
  for (const auto& one : report.set_aside) {
    if (one.starts_with(name + ".unusable-")) return one;
  }
  ADD_FAILURE() << name << " was not set aside";
  return "";
}

TEST_F(Repair, ACheckpointThatTheDeviceDoesNotGiveIsSetAsideAndTheSegmentsServe) {
  write_log();
  const auto before = read_state(kLog, disk_);
  const auto checkpoint = bytes("CHECKPOINT");
  disk_.make_unreadable(path("CHECKPOINT"), 0, 1);
  const auto report = repair_or_fail(disk_);
  ASSERT_TRUE(report.repaired);
  EXPECT_EQ(bytes(set_aside_as(report, "CHECKPOINT")), checkpoint) << "the device may give it yet";
  EXPECT_TRUE(report.salvage->checkpoint_lost);
  EXPECT_FALSE(report.salvage->older_lost);
  const auto opened = open_or_fail(options_here(), disk_);
  EXPECT_EQ(opened.state.live, before->live);
  EXPECT_EQ(opened.state.kept_keys, before->kept_keys);
  EXPECT_EQ(opened.state.instances, before->instances) << "participants ask how far each start has written";
}

/// On the real disk, where there are pipes.
TEST(RepairOnDisk, WhateverIsInTheCheckpointsPlaceIsSetAsideAndTheSegmentsServe) {
  struct Kind {
    const char* what;
    std::function<void(const std::string& path)> put;
    bool is_set_aside = true;
  };
  namespace fs = std::filesystem;
  const auto write = [](const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  };
  const auto read = [](const std::string& path) { return contents(fs::path(path).parent_path()).at("CHECKPOINT"); };
  const Kind kinds[] = {
      {"a flipped byte",
       [&](const auto& path) {
         auto bytes = read(path);
         bytes[bytes.size() / 2] ^= 1;
         write(path, bytes);
       }},
      {"cut in the middle", [&](const auto& path) { fs::resize_file(path, fs::file_size(path) / 2); }},
      {"cut inside its header", [&](const auto& path) { fs::resize_file(path, 7); }},
      {"empty", [&](const auto& path) { fs::resize_file(path, 0); }},
      {"a pipe",
       [&](const auto& path) {
         fs::remove(path);
         ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
       }},
      {"a directory that is not empty",
       [&](const auto& path) {
         fs::remove(path);
         fs::create_directory(path);
         write(path + "/notes", "somebody's");
       }},
      {"nothing", [&](const auto& path) { fs::remove(path); }, false},
  };
  for (const auto& kind : kinds) {
    SCOPED_TRACE(kind.what);
    const TempDir dir;
    const auto options = small_options(dir.log());
    {
      auto opened = open_or_fail(options);
      ASSERT_TRUE(force(*opened.log, ports::EpochStarted{"shop1", 42, 1, 4711}));
      for (std::uint64_t i = 1; i <= 6; ++i) ASSERT_TRUE(force(*opened.log, decision(i)));
      ASSERT_TRUE(opened.log->close());
    }
    const auto before = read_state(dir.log(), posix_disk());
    kind.put(dir.log() + "/CHECKPOINT");
    const auto opened_first = open(options, posix_disk());
    ASSERT_FALSE(opened_first);
    EXPECT_EQ(opened_first.error().code, Errc::log_corrupt);
    const auto report = repair({dir.log(), true, false}, posix_disk());
    ASSERT_TRUE(report) << report.error().what;
    EXPECT_TRUE(report->repaired);
    EXPECT_EQ(report->set_aside.size(), kind.is_set_aside ? 1U : 0U);
    if (kind.is_set_aside) {
      EXPECT_TRUE(fs::exists(dir.log() + "/" + set_aside_as(*report, "CHECKPOINT")));
    }
    EXPECT_FALSE(report->salvage->older_lost);
    EXPECT_FALSE(report->salvage->end_unknown);
    EXPECT_THAT(report->salvage->missing, IsEmpty());
    const auto after = open_or_fail(options);
    EXPECT_EQ(after.state.live, before->live);
    EXPECT_EQ(after.state.kept_keys, before->kept_keys);
    EXPECT_EQ(after.state.instances, before->instances);
  }
}

TEST(RepairOnDisk, APipeInPlaceOfASegmentIsSetAsideAndWhatStoodThereIsMissed) {
  const TempDir dir;
  const auto options = small_options(dir.log());
  {
    auto opened = open_or_fail(options);
    ASSERT_TRUE(force(*opened.log, decision(1)));
  }
  const auto segment = dir.log() + "/00000001.seg";
  std::filesystem::remove(segment);
  ASSERT_EQ(::mkfifo(segment.c_str(), 0600), 0);
  const auto report = repair({dir.log(), true, false}, posix_disk());
  ASSERT_TRUE(report) << report.error().what;
  EXPECT_TRUE(std::filesystem::exists(dir.log() + "/" + set_aside_as(*report, "00000001.seg")));
  EXPECT_TRUE(report->salvage->end_unknown);
  EXPECT_TRUE(open(options, posix_disk()));
}

TEST_F(Repair, ALostCheckpointCutOffAtAnyStepIsStillDamageOrIsRepaired) {
  write_log();
  flip("CHECKPOINT", 20);
  const auto before = files(disk_);
  const auto all = disk_.copy();
  const auto expected = repair_or_fail(*all).salvage->state.state();
  std::uint64_t between = 0;
  for (std::uint64_t cut = 1; cut <= all->operations(); ++cut) {
    for (const auto lost : kLosses) {
      const auto disk = disk_.copy();
      disk->cut_power_at(cut);
      (void)repair({kLog, true, false}, *disk);
      const std::string when = "cut at " + std::to_string(cut) + " lost " + std::to_string(static_cast<int>(lost));
      const auto after = disk->after_power_cut(lost, static_cast<std::uint32_t>(cut));
      const auto found = scan(*after, kLog, kAllKeys);
      ASSERT_EQ(found->presence, Scan::Presence::present) << when;
      ASSERT_NE(found->tail, Tail::torn) << when;
      if (found->tail == Tail::corrupt) {
        auto there = files(*after);
        if (!after->has(path("CHECKPOINT"))) ++between;
        for (const auto& [name, held] : before) {
          if (name != "CHECKPOINT") {
            ASSERT_EQ(there[name], held) << when << ": " << name;
          } else {
            ASSERT_TRUE(std::any_of(there.begin(), there.end(), [&](const auto& one) {
              return one.first.starts_with("CHECKPOINT") && one.second == held;
            })) << when;
          }
        }
      }
      repair_or_fail(*after);
      const auto state = read_state(kLog, *after);
      ASSERT_TRUE(state) << when << ": " << state.error().what;
      ASSERT_EQ(*state, expected) << when;
    }
  }
  EXPECT_GT(between, 0U) << "with the old one out of the way, and no new one yet";
}

TEST_F(Repair, WhatDoesNotReadBackIsToldWithTheCopyAndNothingIsRemoved) {
  write_log();
  flip("00000001.seg", offset_of(5) + 70);
  const auto before = files(disk_);
  FaultDisk bad(disk_);
  bool made = false;
  bad.set_hook([&](FaultDisk::Op op, const std::string& path) {
    made = made || (op == FaultDisk::Op::rename && path.ends_with("/CHECKPOINT"));
    return 0;
  });
  bad.set_read_hook([&](const std::string& path, std::uint64_t, std::uint64_t) {
    return made && path.ends_with("/CHECKPOINT") ? EIO : 0;
  });
  const auto report = repair({kLog, true, false}, bad);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, Errc::io);
  ASSERT_EQ(copies_on(disk_).size(), 1U);
  EXPECT_THAT(report.error().what,
              testing::AllOf(HasSubstr("does not read back"), HasSubstr("/log/CHECKPOINT at byte 0: the device gives"),
                             HasSubstr(copies_on(disk_)[0]), testing::Not(HasSubstr("nothing was changed"))));
  auto there = files(disk_);
  EXPECT_EQ(there["00000001.seg"], before.at("00000001.seg"));
  EXPECT_EQ(files(disk_, copies_on(disk_)[0]), before);
}

TEST_F(Repair, ATornTailCutOffAtAnyStepIsPassedByTheNext) {
  write_log();
  const auto expected = read_state(kLog, disk_);
  bytes("00000001.seg").replace(scan(disk_, kLog, kAllKeys)->end.offset, 700, 700, 'T');
  const auto torn = disk_.copy();
  const auto all = torn->copy();
  repair_or_fail(*all, false);
  for (std::uint64_t cut = 1; cut <= all->operations(); ++cut) {
    for (const auto lost : kLosses) {
      const auto disk = torn->copy();
      disk->cut_power_at(cut);
      (void)repair({kLog, false, false}, *disk);
      const auto after = disk->after_power_cut(lost, static_cast<std::uint32_t>(cut));
      ASSERT_NE(repair_or_fail(*after, false).tail, Tail::corrupt) << "cut at " << cut;
      ASSERT_EQ(*read_state(kLog, *after), *expected) << "cut at " << cut;
    }
  }
}

TEST_F(Repair, WithoutACopyNothingIsChanged) {
  write_log();
  flip("00000001.seg", offset_of(5) + 70);
  const auto before = files(disk_);
  using Op = FaultDisk::Op;
  for (const auto op : {Op::make_directory, Op::open, Op::write, Op::sync, Op::rename, Op::sync_directory}) {
    FaultDisk full(disk_);
    full.set_hook([op](Op asked, const std::string& at) {
      const bool copying = at.find(".before-repair") != std::string::npos;
      return asked == op && copying ? ENOSPC : 0;
    });
    const auto report = repair({kLog, true, false}, full);
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, Errc::io);
    EXPECT_THAT(report.error().what, testing::AllOf(HasSubstr("no copy"), HasSubstr("make room")));
    EXPECT_EQ(files(disk_), before);
    EXPECT_THAT(copies_on(disk_), IsEmpty());
    EXPECT_THAT(files(disk_, kLog + ".before-repair.tmp"), IsEmpty()) << "the room it took is free again";
  }
  EXPECT_TRUE(repair_or_fail(disk_).repaired);
}

TEST_F(Repair, WhatAKilledOneLeftInItsCopyIsNotTakenOver) {
  write_log();
  flip("00000001.seg", offset_of(5) + 70);
  disk_.make_root(kLog + ".before-repair.tmp");
  std::unique_ptr<File> left;
  ASSERT_EQ(disk_.open(kLog + ".before-repair.tmp/00000009.seg", OpenMode::create, left), 0);
  const auto before = files(disk_);
  const auto report = repair_or_fail(disk_);
  EXPECT_EQ(files(disk_, report.copy), before);
}

TEST_F(Offline, ALogThatIsOwnedNewerOrNoneIsRefusedAndUnchanged) {
  disk_.make_root("/other");
  for (const auto* where : {"/other", "/nowhere"}) {
    EXPECT_EQ(refusal(repair({where, true, false}, disk_)), Errc::not_found);
    EXPECT_EQ(refusal(compact(where, disk_)), Errc::not_found);
  }
  EXPECT_FALSE(disk_.has("/other/LOCK"));
  write_log();
  {
    const auto owner = open_or_fail(options_here(), disk_);
    EXPECT_EQ(refusal(repair({kLog, true, false}, disk_)), Errc::log_locked);
    EXPECT_EQ(refusal(compact(kLog, disk_)), Errc::log_locked);
  }
  bytes("00000002.seg")[8] = static_cast<char>(kFormatVersion + 1);
  bytes("00000002.seg")[12] = 1;
  ASSERT_EQ(disk_.remove(path("LOCK")), 0);
  const auto before = files(disk_);
  EXPECT_EQ(refusal(repair({kLog, true, false}, disk_)), Errc::log_newer_format);
  EXPECT_EQ(refusal(compact(kLog, disk_)), Errc::log_newer_format);
  EXPECT_EQ(files(disk_), before);
  EXPECT_FALSE(disk_.has(path("LOCK"))) << "not even that is left there";
}

TEST(CtlCommand, IsQuotedForAShellWhereItMustBe) {
  EXPECT_EQ(ctl_command("wal repair", "/var/lib/assent-1/log"), "assentctl wal repair /var/lib/assent-1/log");
  EXPECT_EQ(ctl_command("wal repair", "/a b/it's"), "assentctl wal repair '/a b/it'\\''s'");
}

TEST_F(Compact, LeavesTheStateAndWhatItNeeds) {
  write_two_segments();
  {
    auto opened = open_or_fail(options_here(), disk_);
    for (std::uint64_t i = 1; i <= 3; ++i) opened.log->append(ports::TransactionEnded{gtrid(i)});
    ASSERT_TRUE(opened.log->flush());
  }
  const auto expected = read_state(kLog, disk_);
  const auto report = compact_or_fail(disk_);
  EXPECT_TRUE(report.changed);
  EXPECT_LT(report.bytes_after, report.bytes_before);
  EXPECT_FALSE(disk_.has(path("00000001.seg")));
  EXPECT_EQ(*read_state(kLog, disk_), *expected);
  const auto again = compact_or_fail(disk_);
  EXPECT_FALSE(again.changed);
  EXPECT_EQ(again.bytes_before, report.bytes_after);
  EXPECT_EQ(again.bytes_after, report.bytes_after);
  auto opened = open_or_fail(options_here(), disk_);
  EXPECT_EQ(opened.state, *expected);
  EXPECT_TRUE(force(*opened.log, decision(5)));
}

TEST_F(Compact, ATornTailIsCutAfterACopyAndDamageRefused) {
  write_two_segments();
  const auto expected = read_state(kLog, disk_);
  const auto damaged = disk_.copy();
  bytes("00000002.seg").replace(scan(disk_, kLog, kAllKeys)->end.offset, 700, 700, 'T');
  const auto before = files(disk_);
  const auto report = compact_or_fail(disk_);
  EXPECT_EQ(files(disk_, report.copy), before);
  EXPECT_EQ(*read_state(kLog, disk_), *expected);
  EXPECT_EQ(tail_of(disk_), Tail::clean);

  auto& byte = damaged->bytes(path("00000001.seg"))[kBlocksOffset + 70];
  byte = static_cast<char>(byte ^ 1);
  const auto unchanged = files(*damaged);
  const auto refused = compact(kLog, *damaged);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::log_corrupt);
  EXPECT_THAT(refused.error().what, HasSubstr("assentctl wal repair /log"));
  EXPECT_EQ(files(*damaged), unchanged);
}

TEST_F(Compact, CutOffAtAnyStepTheStateIsTheSame) {
  write_two_segments();
  const auto expected = read_state(kLog, disk_);
  const auto all = disk_.copy();
  compact_or_fail(*all);
  ASSERT_GE(all->operations(), 8U);
  for (std::uint64_t cut = 1; cut <= all->operations(); ++cut) {
    for (const auto lost : kLosses) {
      const std::string when = "cut at " + std::to_string(cut) + " lost " + std::to_string(static_cast<int>(lost));
      const auto disk = disk_.copy();
      disk->cut_power_at(cut);
      (void)compact(kLog, *disk);
      const auto after = disk->after_power_cut(lost, static_cast<std::uint32_t>(cut));
      const auto state = read_state(kLog, *after);
      ASSERT_TRUE(state) << when << ": " << state.error().what;
      ASSERT_EQ(*state, *expected) << when;
      compact_or_fail(*after);
      ASSERT_EQ(*read_state(kLog, *after), *expected) << when;
    }
  }
}

}  // namespace
}  // namespace assent::wal::test
