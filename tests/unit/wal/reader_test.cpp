#include "wal/reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim_disk.hpp"
#include "support.hpp"
#include "wal/codec.hpp"
#include "wal/format.hpp"

namespace assent::wal::test {
namespace {

using testing::HasSubstr;

constexpr std::uint32_t kKeys = 100;
const std::string kRoot = "/log";

/// A log on a disk in memory, as a process that was killed while idle leaves it.
class Reader : public testing::Test {
 protected:
  Reader() {
    disk_.make_root("");
    disk_.make_root(kRoot);
  }

  Opened open_log(std::uint32_t checkpoint_every) {
    auto options = small_options(kRoot);
    options.kept_keys_max = kKeys;
    options.checkpoint_every_segments = checkpoint_every;
    return open_or_fail(options, disk_);
  }

  /// Some of everything, within one segment.
  void write_small_log() {
    auto opened = open_log(1);
    auto& log = *opened.log;
    ASSERT_TRUE(force(log, ports::EpochStarted{"shop1", 42, 1}));
    for (std::uint64_t i = 1; i <= 4; ++i) ASSERT_TRUE(force(log, decision(i)));
    log.append(ports::BranchSettled{gtrid(1), 1});
    log.append(ports::BranchSettled{gtrid(1), 2});
    log.append(ports::TransactionEnded{gtrid(1)});
    log.append(ports::HazardFound{gtrid(2), 1, "gone without its proof row", 3});
    ASSERT_TRUE(log.flush());
    ASSERT_TRUE(force(log, decision(5, 700)));
  }

  /// Two segments, the first sealed.
  void write_two_segments() {
    auto opened = open_log(8);
    for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(force(*opened.log, decision(i, 25'000)));
    ASSERT_TRUE(force(*opened.log, decision(4)));
    ASSERT_TRUE(eventually([&] { return disk_.has(path("00000003.seg")); }));
  }

  static std::string path(const std::string& name) { return kRoot + "/" + name; }
  std::string& bytes(const std::string& name) { return disk_.bytes(path(name)); }

  Scan look() {
    auto scanned = scan(disk_, kRoot, kKeys);
    EXPECT_TRUE(scanned) << scanned.error().what;
    return *std::move(scanned);
  }

  /// Flips bytes one by one: each time the log must be refused, or come to what it was.
  void expect_found_or_harmless(const std::string& name, std::uint64_t from, std::uint64_t to, std::uint64_t step = 1) {
    std::string& file = bytes(name);
    const auto before = look();
    ASSERT_EQ(before.tail, Tail::clean);
    for (std::uint64_t at = from; at < to; at += step) {
      for (const int mask : {0x01, 0x80}) {
        file[at] = static_cast<char>(file[at] ^ mask);
        const auto scanned = scan(disk_, kRoot, kKeys);
        const bool found = !scanned || scanned->tail == Tail::corrupt;
        if (!found) {
          ASSERT_EQ(scanned->state.state(), before.state.state()) << name << " byte " << at;
          ASSERT_EQ(scanned->next_sequence, before.next_sequence) << name << " byte " << at;
        }
        file[at] = static_cast<char>(file[at] ^ mask);
      }
    }
  }

  void expect_damage(const std::string& file, const std::string& what) {
    const auto scanned = look();
    ASSERT_EQ(scanned.tail, Tail::corrupt);
    EXPECT_EQ(scanned.damage().file, file);
    EXPECT_THAT(scanned.damage().what, HasSubstr(what));
    auto options = small_options(kRoot);
    const auto opened = open(options, disk_);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Errc::log_corrupt);
  }

  SimDisk disk_;
};

TEST_F(Reader, EveryFlippedByteOfASmallLogIsFoundOrHarmless) {
  write_small_log();
  const auto used = look().end.offset + kSectorBytes;
  ASSERT_GE(used, 9 * kSectorBytes);
  for (std::uint64_t block = 0; block < used; block += kSectorBytes) {
    expect_found_or_harmless("00000001.seg", block, block + 320);
  }
  expect_found_or_harmless("00000001.seg", 0, used, 61);
  expect_found_or_harmless("00000001.seg", used, kSegmentBytesMin, 509);
  expect_found_or_harmless("00000002.seg", 0, 2 * kSectorBytes, 13);
  expect_found_or_harmless("00000002.seg", 2 * kSectorBytes, kSegmentBytesMin, 509);
  expect_found_or_harmless("CHECKPOINT", 0, bytes("CHECKPOINT").size());
}

TEST_F(Reader, EveryFlippedByteAroundASealIsFoundOrHarmless) {
  write_two_segments();
  const auto used = look().end.offset + kSectorBytes;
  const auto sealed_at = kBlocksOffset + 2 * round_up_to_sector(25'300);
  for (std::uint64_t batch = kBlocksOffset; batch < sealed_at; batch += round_up_to_sector(25'300)) {
    expect_found_or_harmless("00000001.seg", batch, batch + 300);
  }
  expect_found_or_harmless("00000001.seg", sealed_at, sealed_at + kSectorBytes, 13);
  expect_found_or_harmless("00000001.seg", 0, kSegmentBytesMin, 97);
  expect_found_or_harmless("00000002.seg", 0, 900);
  expect_found_or_harmless("00000002.seg", used - 3 * kSectorBytes, used, 13);
}

TEST_F(Reader, AFlipThatIsNotFoundStillOpensToTheSameState) {
  write_small_log();
  const auto before = look();
  const auto used = before.end.offset + kSectorBytes;
  std::uint64_t harmless = 0;
  for (std::uint64_t at = 0; at < used; at += 101) {
    auto flipped = disk_.copy();
    auto& byte = flipped->bytes(path("00000001.seg"))[at];
    byte = static_cast<char>(byte ^ 0x10);
    auto opened = open(small_options(kRoot), *flipped);
    if (!opened) {
      ASSERT_EQ(opened.error().code, Errc::log_corrupt) << opened.error().what;
      continue;
    }
    ++harmless;
    EXPECT_EQ(opened->state, before.state.state()) << "byte " << at;
    EXPECT_TRUE(force(*opened->log, decision(99)));
  }
  EXPECT_GT(harmless, 0U);
}

TEST_F(Reader, EveryPrefixOfAnyFileIsFound) {
  write_two_segments();
  for (const std::string name : {"00000001.seg", "00000002.seg", "00000003.seg", "CHECKPOINT"}) {
    const std::string whole = bytes(name);
    const std::size_t step = name == "CHECKPOINT" ? 1 : 331;
    for (std::size_t size = 0; size < whole.size(); size += step) {
      bytes(name) = whole.substr(0, size);
      ASSERT_EQ(look().tail, Tail::corrupt) << name << " of " << size;
    }
    bytes(name) = whole.substr(0, whole.size() - 1);
    EXPECT_EQ(look().tail, Tail::corrupt);
    bytes(name) = whole + '\0';
    EXPECT_EQ(look().tail, Tail::corrupt) << "longer than it was made";
    bytes(name) = whole;
  }
  EXPECT_EQ(look().tail, Tail::clean);
}

TEST_F(Reader, AFlipInTheLastDurableBatchIsNotTakenForATornTail) {
  write_small_log();
  bytes("00000001.seg")[look().last_batch->offset + 60] ^= 1;
  expect_damage("00000001.seg", "says that it was durable");
}

TEST_F(Reader, ALastBatchThatVanishedUnderItsMarkIsFound) {
  write_small_log();
  const auto seen = look();
  bytes("00000001.seg").replace(seen.last_batch->offset, kSectorBytes, kSectorBytes, '\0');
  expect_damage("00000001.seg", "says that it was durable");
}

TEST_F(Reader, AnUnreadableMarkIsHarmless) {
  write_small_log();
  const auto before = look();
  bytes("00000001.seg")[before.end.offset + 3] ^= 1;
  const auto after = look();
  EXPECT_EQ(after.tail, Tail::torn);
  EXPECT_EQ(after.state.state(), before.state.state());
}

TEST_F(Reader, ABatchTornOverTheMarkIsToldFromDamage) {
  write_small_log();
  const auto before = look();
  // The mark is still there, as the batch's first sector never came.
  bytes("00000001.seg").replace(before.end.offset + kSectorBytes, 600, 600, 'b');
  auto after = look();
  EXPECT_EQ(after.tail, Tail::torn);
  EXPECT_EQ(after.state.state(), before.state.state());
  ASSERT_TRUE(after.torn);
  EXPECT_EQ(after.torn->offset, before.end.offset);
  EXPECT_EQ(after.torn_end, before.end.offset + kSectorBytes + 600);
  // And the mark is gone, as only the first sector came.
  bytes("00000001.seg").replace(before.end.offset, 600, 600, 'b');
  after = look();
  EXPECT_EQ(after.tail, Tail::torn);
  EXPECT_EQ(after.state.state(), before.state.state());
}

TEST_F(Reader, AfterACloseTheCheckpointSaysWhatWasDurable) {
  {
    auto opened = open_log(1);
    for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(force(*opened.log, decision(i)));
    ASSERT_TRUE(opened.log->close());
  }
  const auto seen = look();
  bytes("00000001.seg").replace(seen.last_batch->offset, 4 * kSectorBytes, 4 * kSectorBytes, '\0');
  expect_damage("00000001.seg", "says that it was durable up to record 3");
}

TEST_F(Reader, AMissingFileIsNamed) {
  write_two_segments();
  for (const std::string name : {"00000001.seg", "00000002.seg", "CHECKPOINT"}) {
    auto without = disk_.copy();
    ASSERT_EQ(without->remove(path(name)), 0);
    const auto scanned = scan(*without, kRoot, kKeys);
    ASSERT_TRUE(scanned);
    ASSERT_EQ(scanned->tail, Tail::corrupt);
    EXPECT_EQ(scanned->damage().file, name);
    EXPECT_THAT(scanned->damage().what, HasSubstr("is missing"));
  }
  ASSERT_EQ(disk_.remove(path("00000003.seg")), 0);
  EXPECT_EQ(look().tail, Tail::clean) << "the reserve holds nothing, and is made again";
}

TEST_F(Reader, TheLastSegmentsTogetherAreMissedToo) {
  write_two_segments();
  ASSERT_EQ(disk_.remove(path("00000003.seg")), 0);
  ASSERT_EQ(disk_.remove(path("00000002.seg")), 0);
  expect_damage("00000002.seg", "is missing");
}

TEST_F(Reader, ASegmentOfAnotherLogOrUnderAnotherNameIsRefused) {
  write_small_log();
  const std::string mine = bytes("00000002.seg");
  bytes("00000002.seg").replace(0, kSectorBytes, encode_segment_header({4711, 2, kSegmentBytesMin}));
  expect_damage("00000002.seg", "belongs to another log");
  bytes("00000002.seg") = bytes("00000001.seg");
  expect_damage("00000002.seg", "under another name");
}

TEST_F(Reader, AnOldCopyOfTheLastSegmentIsFound) {
  std::string old;
  {
    auto opened = open_log(8);
    for (std::uint64_t i = 1; i <= 2; ++i) ASSERT_TRUE(force(*opened.log, decision(i)));
    ASSERT_TRUE(opened.log->flush());
    old = disk_.copy()->bytes(path("00000001.seg"));
    ASSERT_TRUE(force(*opened.log, decision(3)));
    ASSERT_TRUE(opened.log->close());
  }
  bytes("00000001.seg") = old;
  expect_damage("00000001.seg", "says that it was durable up to record 3");
}

TEST_F(Reader, TwoUnreadablePlacesAreNotATornTail) {
  write_small_log();
  bytes("00000001.seg")[40'000] = 'x';
  EXPECT_EQ(look().tail, Tail::torn);
  bytes("00000002.seg")[40'000] = 'x';
  expect_damage("00000002.seg", "unreadable bytes here and in 00000001.seg");
}

TEST_F(Reader, AGapBetweenSegmentsIsFound) {
  write_two_segments();
  const auto second =
      kBlocksOffset + parse_block(bytes("00000001.seg"), kBlocksOffset, look().checkpoint.log_id, 1)->bytes_on_disk();
  bytes("00000001.seg")[second + 100] ^= 1;
  expect_damage("00000001.seg", "the log stops making sense after record 1");
}

TEST_F(Reader, ABatchThatMatchesItsChecksumAndDecodesToNothingIsRefused) {
  write_small_log();
  const auto seen = look();
  std::string batch(kBlockHeaderBytes, '\0');
  batch += "\x09nonsense";
  finish_block({BlockKind::batch, seen.checkpoint.log_id, 1, seen.next_sequence, seen.next_sequence - 1, 1, 0},
               seen.end.offset, batch);
  bytes("00000001.seg").replace(seen.end.offset, batch.size(), batch);
  expect_damage("00000001.seg", "never writes");
}

TEST_F(Reader, ABatchThatComesTwiceIsRefused) {
  write_small_log();
  const auto seen = look();
  std::string batch(kBlockHeaderBytes, '\0');
  ASSERT_TRUE(encode_record(ports::TransactionEnded{gtrid(4)}, batch));
  finish_block({BlockKind::batch, seen.checkpoint.log_id, 1, seen.next_sequence - 1, seen.next_sequence - 2, 1, 0},
               seen.end.offset, batch);
  bytes("00000001.seg").replace(seen.end.offset, batch.size(), batch);
  expect_damage("00000001.seg", "where the log has reached record");
}

TEST_F(Reader, GarbageInTheReserveIsGoneForGoodOnceTheLogWasOpened) {
  write_small_log();
  bytes("00000002.seg")[40'000] = 'x';
  const auto rotten = disk_.copy();
  EXPECT_EQ(open_or_fail(small_options(kRoot), *rotten).tail, Tail::torn);
  const auto after = rotten->after_power_cut(SimDisk::Lost::everything, 1);
  const auto scanned = scan(*after, kRoot, kKeys);
  ASSERT_TRUE(scanned);
  EXPECT_EQ(scanned->tail, Tail::clean);
}

TEST_F(Reader, SegmentsOfAnUnfinishedCreationAreStartedOver) {
  { (void)open_log(1); }
  ASSERT_EQ(disk_.remove(path("CHECKPOINT")), 0);
  EXPECT_EQ(look().presence, Scan::Presence::present) << "opening leaves a mark, so this one was finished";
  bytes("00000001.seg").replace(kBlocksOffset, kSectorBytes, kSectorBytes, '\0');
  EXPECT_EQ(look().presence, Scan::Presence::unfinished);
  EXPECT_TRUE(open_log(1).created);
}

TEST_F(Reader, AnUnusedSegmentOfALogThatHasGoneOnIsNoUnfinishedCreation) {
  { (void)open_log(1); }
  // Segment 1 was full, a checkpoint covers it, and nothing stands in 2 yet; then the checkpoint is lost.
  ASSERT_EQ(disk_.remove(path("CHECKPOINT")), 0);
  ASSERT_EQ(disk_.remove(path("00000001.seg")), 0);
  EXPECT_EQ(look().presence, Scan::Presence::present);
  EXPECT_EQ(look().tail, Tail::corrupt);
  const auto opened = open(small_options(kRoot), disk_);
  ASSERT_FALSE(opened) << "its decisions would be forgotten";
  EXPECT_EQ(opened.error().code, Errc::log_corrupt);
}

TEST_F(Reader, WhatTheDeviceDoesNotGiveIsDamageThatIsNamed) {
  write_small_log();
  const auto at = kBlocksOffset + 2 * kSectorBytes;
  disk_.make_unreadable(path("00000001.seg"), at + 10, at + 20);
  const auto opened = open(small_options(kRoot), disk_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::log_corrupt);
  EXPECT_THAT(opened.error().what, HasSubstr("00000001.seg at byte " + std::to_string(at)));
  EXPECT_THAT(opened.error().what, HasSubstr("the device gives an error"));
  const auto report = verify(kRoot, disk_);
  ASSERT_TRUE(report) << report.error().what;
  EXPECT_EQ(report->tail, Tail::corrupt);
  std::uint64_t shown = 0, behind = 0;
  EXPECT_FALSE(dump(kRoot, disk_, [&](const auto& record) { ++(record.beyond_damage ? behind : shown); }));
  EXPECT_EQ(shown, 2U);
  EXPECT_GT(behind, 2U);
  disk_.make_readable();
  EXPECT_TRUE(open(small_options(kRoot), disk_)) << "nothing was changed";
}

TEST_F(Reader, AnUnreadableCheckpointIsNamedAndTheSegmentsAreShown) {
  write_small_log();
  disk_.make_unreadable(path("CHECKPOINT"), 0, 10);
  const auto report = verify(kRoot, disk_);
  ASSERT_TRUE(report) << report.error().what;
  ASSERT_FALSE(report->findings.empty());
  EXPECT_EQ(report->findings[0].file, "CHECKPOINT");
  std::uint64_t behind = 0;
  EXPECT_FALSE(dump(kRoot, disk_, [&](const auto& record) { behind += record.beyond_damage ? 1 : 0; }));
  EXPECT_GT(behind, 4U);
}

}  // namespace
}  // namespace assent::wal::test
