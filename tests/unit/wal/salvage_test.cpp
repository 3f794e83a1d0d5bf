#include "wal/salvage.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "damaged.hpp"
#include "wal/codec.hpp"

namespace assent::wal::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Salvaging : public DamagedLog {
 protected:
  Salvage look() {
    EXPECT_EQ(scan(disk_, kLog, kAllKeys)->tail, Tail::corrupt);
    auto salvaged = salvage(disk_, kLog);
    EXPECT_TRUE(salvaged) << salvaged.error().what;
    return *std::move(salvaged);
  }

  static std::vector<std::string> gtrids(const Salvage& salvage, bool behind_damage) {
    std::vector<std::string> out;
    for (const auto& one : salvage.kept) {
      if (one.behind_damage == behind_damage) out.push_back(one.live.decision.gtrid);
    }
    return out;
  }
};

TEST_F(Salvaging, DecisionsBeforeTheDamageAndBehindItAreKept) {
  write_log();
  const auto at = offset_of(5);
  flip("00000001.seg", at + 70);
  const auto seen = look();
  EXPECT_THAT(gtrids(seen, false), ElementsAre(gtrid(2), gtrid(3)));
  EXPECT_THAT(gtrids(seen, true), ElementsAre(gtrid(5), gtrid(6)));
  ASSERT_EQ(seen.missing.size(), 1U);
  EXPECT_EQ(seen.missing[0].first, 5U);
  EXPECT_EQ(seen.missing[0].last, 5U);
  EXPECT_EQ(seen.missing[0].file, "00000001.seg");
  EXPECT_EQ(seen.missing[0].offset, at);
  ASSERT_EQ(seen.unreadable.size(), 1U);
  EXPECT_EQ(seen.unreadable[0].file, "00000001.seg");
  EXPECT_EQ(seen.unreadable[0].begin, at);
  EXPECT_EQ(seen.unreadable[0].end, at + kSectorBytes);
  EXPECT_EQ(seen.next_sequence, 10U);
  const auto& state = seen.state.state();
  EXPECT_EQ(state.live.at(gtrid(5)).decision, decision(5));
  EXPECT_EQ(state.kept_keys.count("key-6"), 1U);
  EXPECT_EQ(state.kept_keys.count("key-4"), 0U);
}

TEST_F(Salvaging, MarksAndEndsBehindTheDamageCount) {
  write_log();
  flip("00000001.seg", offset_of(5) + 70);
  const auto seen = look();
  EXPECT_EQ(seen.state.state().live.count(gtrid(1)), 0U) << "its end stands behind the damage";
  EXPECT_THAT(seen.state.state().live.at(gtrid(2)).settled, ElementsAre(1));
  EXPECT_THAT(seen.decided_and_unknown, IsEmpty());
}

TEST_F(Salvaging, AMarkWhoseDecisionIsLostProvesThatThereWasOne) {
  write_log();
  flip("00000001.seg", offset_of(3) + 70);  // the decision of 2
  const auto seen = look();
  EXPECT_THAT(seen.decided_and_unknown, ElementsAre(gtrid(2)));
  EXPECT_EQ(seen.state.state().live.count(gtrid(2)), 0U);
}

TEST_F(Salvaging, AnEndWhoseDecisionIsLostLeavesNothingToDo) {
  write_log();
  flip("00000001.seg", offset_of(2) + 70);  // the decision of 1
  EXPECT_THAT(look().decided_and_unknown, IsEmpty());
}

TEST_F(Salvaging, ADecisionWhoseEndIsLostStaysLive) {
  write_log();
  flip("00000001.seg", offset_of(8) + 70);
  const auto seen = look();
  EXPECT_THAT(gtrids(seen, false), ElementsAre(gtrid(1), gtrid(2), gtrid(3), gtrid(4), gtrid(5), gtrid(6)));
  ASSERT_EQ(seen.missing.size(), 1U) << "the mark says that they were durable";
  EXPECT_EQ(seen.missing[0].first, 8U);
  EXPECT_EQ(seen.missing[0].last, 9U);
}

TEST_F(Salvaging, TheLogBeginsAnewAboveEveryEpochThatItCanHaveSeen) {
  write_log();
  flip("00000001.seg", offset_of(5) + 70);
  const auto seen = look();
  EXPECT_EQ(seen.state.state().coordinator, "shop1");
  EXPECT_EQ(seen.state.state().log_id, 0x1122334455667788U) << "participants know it by that";
  EXPECT_EQ(seen.state.state().epoch, 42 + kEpochsPassed);
  EXPECT_EQ(seen.state.state().first_epoch, 43 + kEpochsPassed);
}

TEST_F(Salvaging, AnEpochWhoseRecordIsLostIsKnownFromTheTransactions) {
  auto opened = open_or_fail(options_here(), disk_);
  ASSERT_TRUE(force(*opened.log, ports::EpochStarted{"shop1", 7, 1}));
  auto later = decision(1);
  later.gtrid = "shop1.00000009.00000000012f.9f86d081884c7d65.2";
  ASSERT_TRUE(force(*opened.log, later));
  ASSERT_TRUE(force(*opened.log, decision(2)));
  opened.log.reset();
  flip("00000001.seg", kBlocksOffset + 70);
  const auto seen = look();
  EXPECT_EQ(seen.state.state().coordinator, "shop1");
  EXPECT_EQ(seen.state.state().epoch, 9 + kEpochsPassed);
}

TEST_F(Salvaging, WhatTheCheckpointCoversIsNotLost) {
  write_log();
  ASSERT_TRUE(open_or_fail(options_here(), disk_).log->close());
  flip("00000001.seg", offset_of(5) + 70);
  const auto seen = look();
  EXPECT_THAT(seen.missing, IsEmpty());
  EXPECT_EQ(seen.kept.size(), 5U);
  EXPECT_EQ(seen.kept[0].file, "CHECKPOINT");
}

TEST_F(Salvaging, WithoutACheckpointTheSegmentsTellWhatTheyKnow) {
  write_log();
  flip("CHECKPOINT", 20);
  auto seen = look();
  EXPECT_TRUE(seen.checkpoint_lost);
  EXPECT_EQ(seen.first_sequence, 1U) << "the segments go back to the first record";
  EXPECT_THAT(seen.missing, IsEmpty());
  EXPECT_EQ(seen.kept.size(), 5U);
  ASSERT_EQ(disk_.remove(path("CHECKPOINT")), 0);
  seen = look();
  EXPECT_TRUE(seen.checkpoint_lost);
  EXPECT_EQ(seen.kept.size(), 5U);
}

TEST_F(Salvaging, WithoutACheckpointTheFirstRecordsAreMissedToo) {
  write_log();
  flip("00000001.seg", offset_of(1) + 70);
  flip("CHECKPOINT", 20);
  const auto seen = look();
  EXPECT_EQ(seen.first_sequence, 1U);
  ASSERT_EQ(seen.missing.size(), 1U);
  EXPECT_EQ(seen.missing[0].first, 1U);
  EXPECT_EQ(seen.missing[0].last, 1U);
  EXPECT_EQ(seen.missing[0].file, "00000001.seg");
  EXPECT_EQ(seen.missing[0].offset, kBlocksOffset);
}

TEST_F(Salvaging, WhatALostCheckpointHeldIsSaidToBeLost) {
  write_two_segments();
  ASSERT_EQ(disk_.remove(path("00000001.seg")), 0);
  flip("CHECKPOINT", 20);
  const auto seen = look();
  EXPECT_TRUE(seen.checkpoint_lost);
  EXPECT_TRUE(seen.older_lost);
  EXPECT_EQ(seen.first_sequence, 4U);
  EXPECT_THAT(gtrids(seen, true), ElementsAre(gtrid(3), gtrid(4)));
}

TEST_F(Salvaging, WhatALostCheckpointHeldIsLostThoughNoRecordThatIsLeftTellsOfIt) {
  write_two_segments();
  // As after a checkpoint that covers all, with nothing in the next segment yet.
  ASSERT_EQ(disk_.remove(path("00000001.seg")), 0);
  ASSERT_EQ(disk_.remove(path("00000002.seg")), 0);
  flip("CHECKPOINT", 20);
  const auto seen = look();
  EXPECT_TRUE(seen.older_lost);
  EXPECT_EQ(seen.first_sequence, 0U);
  EXPECT_EQ(seen.first_segment, 3U);
}

TEST_F(Salvaging, ASegmentWithADamagedHeaderIsReadNevertheless) {
  write_two_segments();
  flip("00000001.seg", 100);
  const auto seen = look();
  EXPECT_THAT(seen.missing, IsEmpty());
  EXPECT_EQ(seen.kept.size(), 4U);
  ASSERT_EQ(seen.unreadable.size(), 1U);
  EXPECT_EQ(seen.unreadable[0].end, kSegmentHeaderBytes);
  EXPECT_FALSE(seen.end_unknown) << "the next record follows without a gap";
}

TEST_F(Salvaging, ALostSegmentIsMissedByItsRecords) {
  write_two_segments();
  ASSERT_EQ(disk_.remove(path("00000001.seg")), 0);
  const auto seen = look();
  ASSERT_EQ(seen.missing.size(), 1U);
  EXPECT_EQ(seen.missing[0].first, 1U);
  EXPECT_EQ(seen.missing[0].last, 3U);
  EXPECT_EQ(seen.missing[0].file, "CHECKPOINT");
  EXPECT_THAT(gtrids(seen, true), ElementsAre(gtrid(3), gtrid(4)));
  ASSERT_EQ(seen.missing_segments.size(), 1U);
  EXPECT_EQ(seen.missing_segments[0].first, 1U);
}

TEST_F(Salvaging, AMissingLastSegmentIsALossThoughNoSequenceTellsIt) {
  write_two_segments();
  ASSERT_EQ(disk_.remove(path("00000002.seg")), 0);
  for (const bool reserve_too : {false, true}) {
    if (reserve_too) {
      ASSERT_EQ(disk_.remove(path("00000003.seg")), 0);
    }
    const auto seen = look();
    EXPECT_THAT(seen.missing, IsEmpty()) << "nothing that is left knows of its records";
    ASSERT_EQ(seen.missing_segments.size(), 1U);
    EXPECT_EQ(seen.missing_segments[0].first, 2U);
    EXPECT_EQ(seen.missing_segments[0].last, 2U);
    EXPECT_TRUE(seen.end_unknown);
  }
}

TEST_F(Salvaging, AnUnreadableEndIsCalledUnknown) {
  write_log();
  // The mark as well: nothing says that the last batch was durable.
  const auto end = scan(disk_, kLog, kAllKeys)->end.offset;
  flip("00000001.seg", offset_of(8) + 70);
  bytes("00000001.seg").replace(end, kSectorBytes, kSectorBytes, '\0');
  // To a start this is a torn tail: two faults at once cannot be told from one.
  const auto seen = salvage(disk_, kLog);
  ASSERT_TRUE(seen);
  EXPECT_TRUE(seen->end_unknown);
  EXPECT_EQ(seen->next_sequence, 8U);
}

TEST_F(Salvaging, WhatTheDeviceDoesNotGiveIsSteppedOver) {
  write_log();
  const auto at = offset_of(5);
  disk_.make_unreadable(path("00000001.seg"), at + 100, at + 101);
  const auto seen = look();
  ASSERT_EQ(seen.unreadable.size(), 1U);
  EXPECT_EQ(seen.unreadable[0].begin, at);
  EXPECT_EQ(seen.unreadable[0].end, at + kSectorBytes);
  EXPECT_THAT(gtrids(seen, true), ElementsAre(gtrid(5), gtrid(6)));
  disk_.make_unreadable(path("CHECKPOINT"), 0, 1);
  EXPECT_TRUE(look().checkpoint_lost);
  EXPECT_THAT(gtrids(look(), true), testing::SizeIs(4)) << "the log's id is found in a segment";
}

TEST_F(Salvaging, ASegmentOfAnotherLogIsNotBelieved) {
  write_two_segments();
  SimDisk other;
  other.make_root("");
  auto options = options_here();
  options.new_log_id = 4711;
  ASSERT_TRUE(force(*open_or_fail(options, other).log, decision(9)));
  bytes("00000002.seg") = other.bytes(path("00000001.seg"));
  const auto seen = look();
  EXPECT_THAT(gtrids(seen, false), ElementsAre(gtrid(1), gtrid(2)));
  EXPECT_THAT(gtrids(seen, true), IsEmpty());
}

TEST_F(Salvaging, ABatchOfAnotherProgramIsNotTakenForRot) {
  write_log();
  const auto before = scan(disk_, kLog, kAllKeys);
  std::string batch(kBlockHeaderBytes, '\0');
  batch += "\x63nonsense";
  finish_block({BlockKind::batch, before->checkpoint.log_id, 1, before->next_sequence, before->next_sequence - 1, 1, 0},
               before->end.offset, batch);
  bytes("00000001.seg").replace(before->end.offset, batch.size(), batch);
  const auto salvaged = salvage(disk_, kLog);
  ASSERT_FALSE(salvaged);
  EXPECT_EQ(salvaged.error().code, Errc::log_corrupt);
  EXPECT_THAT(salvaged.error().what, HasSubstr("look for the program that wrote it"));
}

TEST_F(Salvaging, WithNothingToGoByItIsRefused) {
  write_log();
  for (const auto* name : {"CHECKPOINT", "00000001.seg", "00000002.seg"}) flip(name, 20);
  const auto salvaged = salvage(disk_, kLog);
  ASSERT_FALSE(salvaged);
  EXPECT_EQ(salvaged.error().code, Errc::log_corrupt);
}

}  // namespace
}  // namespace assent::wal::test
