// Logs that versions before format 3 wrote, byte for byte.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bytes.hpp"
#include "sim_disk.hpp"
#include "support.hpp"
#include "wal/codec.hpp"
#include "wal/format.hpp"
#include "wal/reader.hpp"

namespace assent::wal::test {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t kLogId = 0x1122334455667788;
const std::string kDirectory = "/log";

std::string older_record(std::uint8_t kind, const std::string& body) {
  std::string out;
  base::put_int(out, kind);
  base::put_string(out, body);
  return out;
}

std::string older_epoch(std::uint32_t epoch) {
  std::string body;
  base::put_string(body, "shop1");
  base::put_int(body, epoch);
  base::put_int(body, std::int64_t{1});
  return older_record(5, body);
}

std::string older_decision(std::uint64_t number) {
  const auto decided = decision(number);
  std::string body;
  base::put_string(body, decided.gtrid);
  base::put_int(body, std::uint8_t{2});
  put_names(body, decided.participants);
  base::put_string(body, decided.idempotency_key);
  base::put_int(body, decided.request_fingerprint);
  base::put_string(body, decided.label);
  base::put_int(body, decided.decided_at_ms);
  return older_record(1, body);
}

std::string older_checkpoint() {
  std::string bytes = "ALCKPNT1";
  base::put_int(bytes, std::uint32_t{2});
  for (const std::uint64_t head : {kLogId, std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1}}) {
    base::put_int(bytes, head);
  }
  const auto size_at = bytes.size();
  base::put_int(bytes, std::uint64_t{0});
  base::put_string(bytes, "");
  base::put_int(bytes, std::uint64_t{0});  // epoch, first epoch
  for (int count = 0; count < 3; ++count) base::put_int(bytes, std::uint64_t{0});
  std::string size;
  base::put_int(size, static_cast<std::uint64_t>(bytes.size() + 8));
  bytes.replace(size_at, size.size(), size);
  base::put_int(bytes, checksum(bytes, kLogId, 0, 0));
  return bytes;
}

/// An epoch and decisions 1 to 3, a batch each, of 512 bytes; then a mark, if it is to have one.
std::string older_segment(bool with_mark) {
  SegmentHeader header{kLogId, 1, kSegmentBytesMin, 2};
  std::string bytes = encode_segment_header(header);
  bytes.resize(kSegmentBytesMin);
  std::uint64_t sequence = 1, offset = kSectorBytesBefore3;
  const auto add = [&](BlockKind kind, const std::string& payload) {
    std::string block(kBlockHeaderBytes, '\0');
    block += payload;
    finish_block({kind, kLogId, 1, sequence, sequence - 1, payload.empty() ? 0U : 1U, 0, 2}, offset, block);
    bytes.replace(offset, block.size(), block);
    offset += block.size();
    sequence += payload.empty() ? 0 : 1;
  };
  add(BlockKind::batch, older_epoch(7));
  for (std::uint64_t i = 1; i <= 3; ++i) add(BlockKind::batch, older_decision(i));
  if (with_mark) add(BlockKind::mark, "");
  return bytes;
}

class OlderFormat : public testing::Test {
 protected:
  OlderFormat() {
    disk_.make_root("");
    disk_.make_root(kDirectory);
  }

  void write(const std::string& name, const std::string& bytes) {
    std::unique_ptr<File> file;
    ASSERT_EQ(disk_.open(kDirectory + "/" + name, OpenMode::create, file), 0);
    ASSERT_EQ(file->write_at(0, bytes), 0);
    ASSERT_EQ(file->sync(), 0);
    ASSERT_EQ(disk_.sync_directory(kDirectory), 0);
  }
  void write_log(bool with_mark) {
    std::string reserve = encode_segment_header({kLogId, 2, kSegmentBytesMin, 2});
    reserve.resize(kSegmentBytesMin);
    write("00000001.seg", older_segment(with_mark));
    write("00000002.seg", reserve);
    write("CHECKPOINT", older_checkpoint());
  }
  static void expect_whole(const ports::LogState& state) {
    EXPECT_EQ(state.epoch, 7U);
    EXPECT_EQ(state.last_unsigned_epoch, 7U);
    EXPECT_EQ(state.live.size(), 3U);
    EXPECT_EQ(state.kept_keys.size(), 3U);
    EXPECT_EQ(state.last_sequence, 4U);
    ASSERT_EQ(state.live.count(gtrid(2)), 1U);
    EXPECT_EQ(state.live.at(gtrid(2)).decision, decision(2));
  }

  SimDisk disk_;
};

TEST_F(OlderFormat, IsReadAndLeftForThisOneAtTheFirstStart) {
  write_log(true);
  const auto seen = read_state(kDirectory, disk_);
  ASSERT_TRUE(seen) << seen.error().what;
  expect_whole(*seen);
  {
    auto opened = open_or_fail(small_options(kDirectory), disk_);
    expect_whole(opened.state);
    ASSERT_FALSE(opened.notes.empty());
    EXPECT_THAT(opened.notes[0], HasSubstr("older format"));
    EXPECT_FALSE(disk_.has(kDirectory + "/00000001.seg"));
    ASSERT_TRUE(force(*opened.log, decision(4)));
  }
  const auto report = verify(kDirectory, disk_);
  ASSERT_TRUE(report) << report.error().what;
  EXPECT_EQ(report->tail, Tail::clean);
  EXPECT_EQ(open_or_fail(small_options(kDirectory), disk_).state.live.size(), 4U);
}

TEST_F(OlderFormat, ATornEndOfItIsKeptBesideTheLog) {
  write_log(true);
  auto& bytes = disk_.bytes(kDirectory + "/00000001.seg");
  bytes.replace(5 * kSectorBytesBefore3 + kSectorBytesBefore3 / 2, 300, std::string(300, 'T'));
  auto opened = open_or_fail(small_options(kDirectory), disk_);
  EXPECT_EQ(opened.tail, Tail::torn);
  expect_whole(opened.state);
  bool kept = false;
  for (const auto& path : disk_.paths()) kept = kept || path.find("00000001.seg.torn-") != std::string::npos;
  EXPECT_TRUE(kept);
}

TEST_F(OlderFormat, CutOffAtAnyStepNothingIsLostAndNoOldSegmentIsWrittenTo) {
  for (const bool with_mark : {true, false}) {
    SimDisk::Lost losses[] = {SimDisk::Lost::everything, SimDisk::Lost::nothing, SimDisk::Lost::torn_sectors};
    write_log(with_mark);
    const auto before = disk_.copy();
    const std::string old = before->bytes(kDirectory + "/00000001.seg");
    std::uint64_t old_ones = 0;
    for (std::uint64_t cut = 1;; ++cut) {
      const auto disk = before->copy();
      disk->set_sector_bytes(4096);
      disk->cut_power_at(cut);
      (void)open(small_options(kDirectory), *disk);
      if (!disk->is_off()) break;
      for (const auto lost : losses) {
        const auto after = disk->after_power_cut(lost, static_cast<std::uint32_t>(cut));
        if (after->has(kDirectory + "/00000001.seg")) {
          ++old_ones;
          ASSERT_EQ(after->bytes(kDirectory + "/00000001.seg"), old) << cut;
        }
        const auto opened = open(small_options(kDirectory), *after);
        ASSERT_TRUE(opened) << cut << ": " << opened.error().what;
        expect_whole(opened->state);
      }
    }
    EXPECT_GT(old_ones, 5U);
  }
}

}  // namespace
}  // namespace assent::wal::test
