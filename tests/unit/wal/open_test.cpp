#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <thread>

#include "support.hpp"
#include "wal/format.hpp"
#include "wal/offline.hpp"

namespace assent::wal::test {
namespace {

using testing::HasSubstr;

void poke(const std::string& path, std::streamoff offset, const std::string& bytes) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(offset);
  file << bytes;
  ASSERT_TRUE(file.good());
}

TEST(Open, AMissingDirectoryIsMadeAndTheLogIsEmpty) {
  const TempDir dir;
  const auto opened = open_or_fail(small_options(dir.log()));
  EXPECT_TRUE(opened.created);
  EXPECT_EQ(opened.tail, Tail::clean);
  EXPECT_EQ(opened.state.log_id, 0x1122334455667788U);
  EXPECT_TRUE(opened.state.coordinator.empty());
  EXPECT_EQ(opened.state.epoch, 0U);
  EXPECT_TRUE(std::filesystem::exists(dir.log() + "/00000001.seg"));
  EXPECT_TRUE(std::filesystem::exists(dir.log() + "/00000002.seg")) << "the reserve";
}

TEST(Open, NewLogsHaveDifferentIdentities) {
  const TempDir dir;
  auto options = small_options(dir.log());
  options.new_log_id = 0;
  const auto first = open_or_fail(options);
  options.directory += "2";
  EXPECT_NE(open_or_fail(options).state.log_id, first.state.log_id);
}

TEST(Open, ALogIsThereAgainAfterAnOrderlyCloseAndAfterNone) {
  const TempDir dir;
  const auto options = small_options(dir.log());
  for (std::uint64_t run = 1; run <= 4; ++run) {
    auto opened = open_or_fail(options);
    EXPECT_EQ(opened.created, run == 1);
    EXPECT_EQ(opened.state.live.size(), run - 1);
    EXPECT_EQ(opened.state.epoch, run - 1);
    ASSERT_TRUE(force(*opened.log, ports::EpochStarted{"shop1", static_cast<std::uint32_t>(run), 1}));
    ASSERT_TRUE(force(*opened.log, decision(run)));
    if (run % 2 == 0) {
      EXPECT_TRUE(opened.log->close());
    }
  }
}

TEST(Open, NothingIsMadeWhenItMayNotBe) {
  const TempDir dir;
  auto options = small_options(dir.log());
  options.allow_create = false;
  const auto opened = open(options, posix_disk());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::not_found);
  EXPECT_FALSE(std::filesystem::exists(dir.log()));
  std::filesystem::create_directory(dir.log());
  const auto empty = open(options, posix_disk());
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().code, Errc::not_found);
}

TEST(Open, AMissingParentIsNamed) {
  const TempDir dir;
  const auto opened = open(small_options(dir.path() + "/a/b"), posix_disk());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::not_found);
  EXPECT_THAT(opened.error().what, HasSubstr(dir.path() + "/a does not exist"));
}

TEST(Open, AFileInPlaceOfTheDirectoryIsRefused) {
  const TempDir dir;
  std::ofstream(dir.log()) << "not a directory";
  const auto opened = open(small_options(dir.log()), posix_disk());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::invalid_argument);
}

TEST(Open, AReadOnlyFileSystemIsRefusedWithTheRemedy) {
  const TempDir dir;
  (void)open_or_fail(small_options(dir.log()));
  FaultDisk disk;
  disk.set_hook([](FaultDisk::Op op, const std::string&) { return op == FaultDisk::Op::lock ? EROFS : 0; });
  const auto opened = open(small_options(dir.log()), disk);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::io);
  EXPECT_THAT(opened.error().what, HasSubstr("mount it writable"));
}

TEST(Open, OptionsOutsideTheirBoundsAreRefused) {
  const TempDir dir;
  for (const std::uint64_t bytes :
       {std::uint64_t{0}, kSegmentBytesMin - 4096, kSegmentBytesMin + 1, kSegmentBytesMax + 4096}) {
    auto options = small_options(dir.log());
    options.segment_bytes = bytes;
    const auto opened = open(options, posix_disk());
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Errc::invalid_argument);
  }
}

TEST(Open, ASecondOwnerIsRefusedAndToldWhoTheFirstIs) {
  const TempDir dir;
  auto first = open_or_fail(small_options(dir.log()));
  const auto second = open(small_options(dir.log()), posix_disk());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::log_locked);
  EXPECT_THAT(second.error().what, HasSubstr("pid " + std::to_string(::getpid())));
  ASSERT_TRUE(force(*first.log, decision(1)));
  first.log.reset();
  EXPECT_EQ(open_or_fail(small_options(dir.log())).state.live.size(), 1U);
}

class NewerFormat : public testing::TestWithParam<const char*> {};

TEST_P(NewerFormat, IsRefusedAndLeftUnchanged) {
  const TempDir dir;
  {
    auto opened = open_or_fail(small_options(dir.log()));
    ASSERT_TRUE(force(*opened.log, decision(1)));
  }
  // And what such a program writes there: its checksum is not that of an older version's header.
  poke(dir.log() + "/" + GetParam(), 8, std::string{static_cast<char>(kFormatVersion + 1), 0, 0, 0, 1});
  std::filesystem::remove(dir.log() + "/LOCK");
  const auto before = contents(dir.log());
  const auto opened = open(small_options(dir.log()), posix_disk());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::log_newer_format);
  EXPECT_THAT(opened.error().what, HasSubstr(GetParam()));
  EXPECT_EQ(contents(dir.log()), before);
  const auto looked = verify(dir.log(), posix_disk());
  ASSERT_FALSE(looked);
  EXPECT_EQ(looked.error().code, Errc::log_newer_format);
}

INSTANTIATE_TEST_SUITE_P(InAnyFile, NewerFormat, testing::Values("CHECKPOINT", "00000001.seg", "00000002.seg"),
                         [](const auto& file) { return "File" + std::to_string(file.index); });

TEST(Open, ACorruptLogIsRefusedByFileAndOffsetAndLeftUnchanged) {
  const TempDir dir;
  {
    auto opened = open_or_fail(small_options(dir.log()));
    for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(force(*opened.log, decision(i)));
  }
  poke(dir.log() + "/00000001.seg", 8192 + 80, "rot");
  const auto before = contents(dir.log());
  const auto opened = open(small_options(dir.log()), posix_disk());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::log_corrupt);
  EXPECT_THAT(opened.error().what, HasSubstr("00000001.seg at byte 8192"));
  EXPECT_EQ(contents(dir.log()), before);
  EXPECT_EQ(read_state(dir.log(), posix_disk()).error().code, Errc::log_corrupt);
}

TEST(Open, TheLogGoesOnBehindATornTailAndLeavesItAsItIs) {
  const TempDir dir;
  {
    auto opened = open_or_fail(small_options(dir.log()));
    for (std::uint64_t i = 1; i <= 2; ++i) ASSERT_TRUE(force(*opened.log, decision(i)));
  }
  const std::string segment = dir.log() + "/00000001.seg";
  const std::uint64_t end = kBlocksOffset + 2 * kSectorBytes;
  poke(segment, end, std::string(700, 'T'));
  const std::string before = contents(dir.log())["00000001.seg"];
  const auto report = verify(dir.log(), posix_disk());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->tail, Tail::torn);
  EXPECT_EQ(read_state(dir.log(), posix_disk())->live.size(), 2U);
  {
    auto opened = open_or_fail(small_options(dir.log()));
    EXPECT_EQ(opened.tail, Tail::torn);
    EXPECT_EQ(opened.state.live.size(), 2U);
    ASSERT_EQ(opened.notes.size(), 1U);
    EXPECT_THAT(opened.notes[0], HasSubstr("nothing is lost by it"));
    ASSERT_TRUE(force(*opened.log, decision(3)));
  }
  EXPECT_EQ(contents(dir.log())["00000001.seg"].substr(0, end + 700), before.substr(0, end + 700));
  const auto opened = open_or_fail(small_options(dir.log()));
  EXPECT_EQ(opened.tail, Tail::clean);
  EXPECT_EQ(opened.state.live.size(), 3U);
}

TEST(Open, ATornTailOnAFullDiskTakesNoRoom) {
  const TempDir dir;
  {
    auto opened = open_or_fail(small_options(dir.log()));
    ASSERT_TRUE(force(*opened.log, decision(1)));
  }
  poke(dir.log() + "/00000001.seg", kBlocksOffset + kSectorBytes, "torn");
  FaultDisk disk;
  disk.set_hook([](FaultDisk::Op op, const std::string& path) {
    return op == FaultDisk::Op::open && path.ends_with(".tmp") ? ENOSPC : 0;
  });
  auto opened = open_or_fail(small_options(dir.log()), disk);
  ASSERT_TRUE(force(*opened.log, decision(2))) << "in the segment that is there";
  opened.log.reset();
  EXPECT_EQ(read_state(dir.log(), posix_disk())->live.size(), 2U);
}

TEST(Open, ALastBatchThatNothingVouchesForIsRepeatedAndNotWrittenOver) {
  const TempDir dir;
  auto options = small_options(dir.log());
  options.lazy_flush_ms = 60'000;
  {
    auto opened = open_or_fail(options);
    for (std::uint64_t i = 1; i <= 2; ++i) ASSERT_TRUE(force(*opened.log, decision(i)));
  }
  // The process ended before its mark.
  poke(dir.log() + "/00000001.seg", kBlocksOffset + 2 * kSectorBytes, std::string(kSectorBytes, '\0'));
  const std::string before = contents(dir.log())["00000001.seg"];
  FaultDisk disk;
  { auto opened = open_or_fail(options, disk); }
  const auto after = contents(dir.log())["00000001.seg"];
  EXPECT_EQ(after.substr(0, kBlocksOffset + 2 * kSectorBytes), before.substr(0, kBlocksOffset + 2 * kSectorBytes));
  // What the kernel had shown of it never came to the disk.
  poke(dir.log() + "/00000001.seg", kBlocksOffset + kSectorBytes, std::string(kSectorBytes, '\0'));
  auto opened = open_or_fail(options);
  EXPECT_EQ(opened.state.live.size(), 2U);
  EXPECT_EQ(opened.state.last_sequence, 2U) << "a record that is repeated counts once";
}

TEST(Open, AnotherSegmentSizeAppliesFromTheNextSegmentOn) {
  const TempDir dir;
  auto options = small_options(dir.log());
  for (const std::uint64_t factor : {1, 4, 2, 1}) {
    options.segment_bytes = factor * kSegmentBytesMin;
    auto opened = open_or_fail(options);
    const auto live = opened.state.live.size();
    for (std::uint64_t i = 0; i < 10; ++i) ASSERT_TRUE(force(*opened.log, decision(live + i, 20'000)));
  }
  EXPECT_EQ(open_or_fail(options).state.live.size(), 40U);
}

TEST(Open, LeftoversOfUnfinishedWorkGoAndOtherFilesStay) {
  const TempDir dir;
  (void)open_or_fail(small_options(dir.log()));
  for (const char* name : {"CHECKPOINT.tmp", "00000003.seg.tmp", "notes.txt", "00000001.seg.torn-x"}) {
    std::ofstream(dir.log() + "/" + name) << "something";
  }
  (void)open_or_fail(small_options(dir.log()));
  const auto files = contents(dir.log());
  EXPECT_EQ(files.count("CHECKPOINT.tmp"), 0U);
  EXPECT_EQ(files.count("00000003.seg.tmp"), 0U);
  EXPECT_EQ(files.count("notes.txt"), 1U);
  EXPECT_EQ(files.count("00000001.seg.torn-x"), 1U) << "a copy that an earlier version made";
}

TEST(Look, LeavesNothingBehindUntilItIsBegun) {
  const TempDir dir;
  {
    const auto candidate = look(small_options(dir.log()), posix_disk());
    ASSERT_TRUE(candidate) << candidate.error().what;
    EXPECT_TRUE(candidate->creates());
    EXPECT_EQ(candidate->place(), 0U) << "there is no directory yet";
    EXPECT_EQ(candidate->state().log_id, 0x1122334455667788U);
    EXPECT_EQ(candidate->state().epoch, 0U);
  }
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
  std::filesystem::create_directory(dir.log());
  {
    const auto candidate = look(small_options(dir.log()), posix_disk());
    ASSERT_TRUE(candidate);
    EXPECT_NE(candidate->place(), 0U);
    EXPECT_FALSE(look(small_options(dir.log()), posix_disk())) << "it is locked, although it is empty";
  }
  EXPECT_TRUE(std::filesystem::is_empty(dir.log()));
}

TEST(Look, OfALogChangesNoByteOfIt) {
  const TempDir dir;
  auto options = small_options(dir.log());
  options.lazy_flush_ms = 60'000;
  {
    auto opened = open_or_fail(options);
    ASSERT_TRUE(force(*opened.log, decision(1)));
  }
  poke(dir.log() + "/00000001.seg", kBlocksOffset + 3 * kSectorBytes, "torn");
  std::filesystem::remove(dir.log() + "/LOCK");
  std::ofstream(dir.log() + "/00000009.seg.tmp") << "left";
  const auto before = contents(dir.log());
  {
    const auto candidate = look(options, posix_disk());
    ASSERT_TRUE(candidate) << candidate.error().what;
    EXPECT_EQ(candidate->state().live.size(), 1U);
    EXPECT_EQ(candidate->tail(), Tail::torn);
    EXPECT_FALSE(candidate->creates());
  }
  EXPECT_EQ(contents(dir.log()), before);
  auto candidate = look(options, posix_disk());
  ASSERT_TRUE(candidate);
  const auto place = candidate->place();
  auto opened = begin(*std::move(candidate));
  ASSERT_TRUE(opened) << opened.error().what;
  EXPECT_EQ(opened->place, place);
  EXPECT_TRUE(force(*opened->log, decision(2)));
  EXPECT_EQ(opened->log->durable_sequence(), 2U);
}

TEST(Begin, IsRefusedWhereSomebodyMadeALogMeanwhile) {
  const TempDir dir;
  auto candidate = look(small_options(dir.log()), posix_disk());
  ASSERT_TRUE(candidate);
  { auto other = open_or_fail(small_options(dir.log())); }
  const auto before = contents(dir.log());
  const auto begun = begin(*std::move(candidate));
  ASSERT_FALSE(begun);
  EXPECT_EQ(begun.error().code, Errc::conflict);
  EXPECT_EQ(contents(dir.log()), before);
}

TEST(Begin, ALogThatCannotBeMadeIsTakenAwayAgain) {
  const TempDir dir;
  FaultDisk disk;
  disk.set_hook([](FaultDisk::Op op, const std::string& path) {
    return op == FaultDisk::Op::write && path.ends_with("00000002.seg.tmp") ? ENOSPC : 0;
  });
  EXPECT_FALSE(open(small_options(dir.log()), disk));
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

TEST(Begin, MakesTheWholeWayToTheLogDurable) {
  const TempDir dir;
  for (const char* part : {"/a", "/a/b"}) std::filesystem::create_directory(dir.path() + part);
  std::filesystem::create_directory_symlink(dir.path() + "/a/b", dir.path() + "/link");
  { auto made = open_or_fail(small_options(dir.path() + "/a/b/log")); }
  // At each start: whoever made the directories may have been killed before it could.
  std::set<std::string> synced;
  FaultDisk disk;
  disk.set_hook([&](FaultDisk::Op op, const std::string& path) {
    if (op == FaultDisk::Op::sync_directory) synced.insert(path);
    return 0;
  });
  auto opened = open_or_fail(small_options(dir.path() + "/link/log"), disk);
  for (const auto& path :
       {dir.path() + "/a/b", dir.path() + "/a", dir.path() + "/link", dir.path(), std::string("/")}) {
    EXPECT_EQ(synced.count(path), 1U) << path;
  }
  disk.set_hook([](FaultDisk::Op op, const std::string& path) {
    return op == FaultDisk::Op::sync_directory && path == "/" ? EIO : 0;
  });
  opened.log.reset();
  EXPECT_FALSE(open(small_options(dir.path() + "/link/log"), disk)) << "nothing may be acknowledged then";
}

TEST(Open, OddFilesAreNamedAndNobodyWaitsForThem) {
  for (const char* name : {"00000001.seg", "CHECKPOINT", "LOCK", "00000003.seg.tmp", "notes"}) {
    const TempDir dir;
    { auto made = open_or_fail(small_options(dir.log())); }
    const auto path = dir.log() + "/" + name;
    std::filesystem::remove(path);
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    const auto report = verify(dir.log(), posix_disk());
    ASSERT_TRUE(report) << name << ": " << report.error().what;
    (void)repair({dir.log(), true, true}, posix_disk());
    const auto opened = open(small_options(dir.log()), posix_disk());
    const std::string_view view(name);
    if (view.ends_with(".tmp") || view == "notes") {
      EXPECT_TRUE(opened) << name << ": " << opened.error().what;
      EXPECT_EQ(std::filesystem::exists(path), view == "notes") << name;
      continue;
    }
    ASSERT_FALSE(opened) << name;
    EXPECT_THAT(opened.error().what, HasSubstr(name));
    EXPECT_THAT(opened.error().what, HasSubstr("it is no regular file"));
  }
}

TEST(Open, WhoeverOnlyLooksNeverKeepsAStartFromItsLock) {
  const TempDir dir;
  { auto made = open_or_fail(small_options(dir.log())); }
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> looks{0};
  std::vector<std::thread> lookers;
  for (int i = 0; i < 4; ++i) {
    lookers.emplace_back([&] {
      while (!stop) {
        (void)running_owner(dir.log(), posix_disk());
        ++looks;
      }
    });
  }
  for (int i = 0; i < 60; ++i) {
    const auto opened = open(small_options(dir.log()), posix_disk());
    EXPECT_TRUE(opened) << opened.error().what;
    EXPECT_TRUE(running_owner(dir.log(), posix_disk()));
  }
  stop = true;
  for (auto& looker : lookers) looker.join();
  EXPECT_GT(looks, 60U);
}

TEST(Verify, SaysWhatIsThereAndWhoOwnsIt) {
  const TempDir dir;
  EXPECT_EQ(verify(dir.log(), posix_disk()).error().code, Errc::not_found);
  auto opened = open_or_fail(small_options(dir.log()));
  for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(force(*opened.log, decision(i)));
  ASSERT_TRUE(force(*opened.log, ports::TransactionEnded{gtrid(1)}));
  auto report = verify(dir.log(), posix_disk());
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->owner.has_value());
  opened.log.reset();
  report = verify(dir.log(), posix_disk());
  ASSERT_TRUE(report);
  EXPECT_FALSE(report->owner.has_value());
  EXPECT_EQ(report->tail, Tail::clean);
  EXPECT_TRUE(report->findings.empty());
  EXPECT_EQ(report->log_id, 0x1122334455667788U);
  EXPECT_EQ(report->last_sequence, 4U);
  EXPECT_EQ(report->live, 2U);
  EXPECT_EQ(report->kept_keys, 3U);
  ASSERT_EQ(report->files.size(), 3U);
  EXPECT_EQ(report->files[1].name, "00000001.seg");
  EXPECT_EQ(report->files[1].records, 4U);
}

TEST(Dump, ShowsEveryRecordInOrderAndWhatIsBehindDamageApart) {
  const TempDir dir;
  {
    auto opened = open_or_fail(small_options(dir.log()));
    for (std::uint64_t i = 1; i <= 4; ++i) ASSERT_TRUE(force(*opened.log, decision(i)));
  }
  std::vector<DumpedRecord> seen;
  const auto collect = [&](const DumpedRecord& record) { seen.push_back(record); };
  ASSERT_TRUE(dump(dir.log(), posix_disk(), collect));
  ASSERT_EQ(seen.size(), 4U);
  for (std::uint64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(seen[i].sequence, i + 1);
    EXPECT_EQ(seen[i].offset, kBlocksOffset + kSectorBytes * i);
    EXPECT_EQ(seen[i].record, ports::LogRecord(decision(i + 1)));
  }
  poke(dir.log() + "/00000001.seg", 8192, "rot");
  seen.clear();
  EXPECT_EQ(dump(dir.log(), posix_disk(), collect).error().code, Errc::log_corrupt);
  ASSERT_EQ(seen.size(), 3U);
  EXPECT_FALSE(seen[0].beyond_damage);
  EXPECT_TRUE(seen[1].beyond_damage);
  EXPECT_EQ(seen[2].sequence, 4U);
}

}  // namespace
}  // namespace assent::wal::test
