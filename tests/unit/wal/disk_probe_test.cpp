#include "wal/disk_probe.hpp"

#include <gmock/gmock.h>

#include <cerrno>
#include <fstream>
#include <map>

#include "support.hpp"

namespace assent::wal::test {
namespace {

using Grade = DoctorFinding::Grade;
using Presence = DiskLook::Presence;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

DoctorFinding found(const std::vector<DoctorFinding>& findings, const std::string& probe) {
  for (const auto& one : findings) {
    if (one.probe == probe) return one;
  }
  ADD_FAILURE() << "no finding " << probe;
  return {};
}

// A place at which nothing is wrong.
DiskLook good() {
  DiskLook look;
  look.presence = Presence::there;
  look.place = "/var/lib/assent";
  look.account = look.owner = "assent";
  look.writable = true;
  look.free_bytes = 1ULL << 40;
  look.syncs.assign(9, microseconds(400));
  return look;
}

Options options(const std::string& directory = "/var/lib/assent") {
  Options made;
  made.directory = directory;
  made.segment_bytes = 1 << 20;
  made.checkpoint_every_segments = 2;
  return made;
}

DoctorFinding judged(const std::string& probe, const DiskLook& look) {
  return found(judge_disk(look, options()), probe);
}

TEST(JudgeDisk, AGoodPlacePassesEveryProbe) {
  const auto findings = judge_disk(good(), options());
  EXPECT_EQ(findings.size(), 4U);
  for (const auto& one : findings) {
    EXPECT_EQ(one.grade, Grade::pass) << one.probe << ": " << one.seen;
    EXPECT_EQ(one.remedy, "") << one.probe;
    EXPECT_NE(one.seen, "") << one.probe;
  }
}

TEST(JudgeDisk, WhatTheLogHasStillToTakeMustBeFreeAndSomeLogsMoreShouldBe) {
  const auto whole = log_bytes(options());
  ASSERT_EQ(whole, 5U << 20);
  auto look = good();
  const auto grade = [&](std::uint64_t free, std::uint64_t taken) {
    look.free_bytes = free;
    look.taken_bytes = taken;
    return judged("log_space", look).grade;
  };
  EXPECT_EQ(grade(kLogsOfRoomMin * whole, 0), Grade::pass);
  EXPECT_EQ(grade(kLogsOfRoomMin * whole - 1, 0), Grade::warning);
  EXPECT_EQ(grade(whole, 0), Grade::warning);
  EXPECT_EQ(grade(whole - 1, 0), Grade::refusal);
  EXPECT_EQ(grade(2 << 20, 3 << 20), Grade::warning);
  EXPECT_EQ(grade((2 << 20) - 1, 3 << 20), Grade::refusal);
  // A log that has all its segments still makes a new one before an old one goes.
  EXPECT_EQ(grade(1 << 20, whole + (1 << 20)), Grade::warning);
  EXPECT_EQ(grade((1 << 20) - 1, whole), Grade::refusal);
  EXPECT_THAT(judged("log_space", look).remedy, HasSubstr("20 MiB"));
}

TEST(JudgeDisk, ADiskThatIsMostlyOrAtTimesSlowIsAWarning) {
  auto look = good();
  look.syncs = {kMedianSyncMax, kMedianSyncMax, kWorstSyncMax};
  EXPECT_EQ(judged("log_sync", look).grade, Grade::pass);
  EXPECT_THAT(judged("log_sync", look).seen,
              AllOf(HasSubstr("20.00 ms (median)"), HasSubstr("250.00 ms (worst of 3)")));
  look.syncs[1] += microseconds(1);
  look.syncs[0] = look.syncs[1];
  EXPECT_EQ(judged("log_sync", look).grade, Grade::warning);
  look.syncs = {microseconds(1), microseconds(1), kWorstSyncMax + microseconds(1)};
  EXPECT_EQ(judged("log_sync", look).grade, Grade::warning);
  EXPECT_THAT(judged("log_sync", look).remedy, HasSubstr("faster disk"));
}

TEST(JudgeDisk, ADiskThatCannotBeSyncedIsRefusedAndOneThatWasNotIsSaidToBe) {
  auto look = good();
  look.sync_failed = EIO;
  EXPECT_EQ(judged("log_sync", look).grade, Grade::refusal);
  look = good();
  look.syncs.clear();
  EXPECT_EQ(judged("log_sync", look).grade, Grade::warning);
  EXPECT_THAT(judged("log_sync", look).seen, HasSubstr("not measured"));
}

TEST(JudgeDisk, EveryPlaceThatAStartWouldFailAtIsRefusedWithItsRemedy) {
  const auto refused = [](auto change) {
    auto look = good();
    change(look);
    const auto finding = judged("log_directory", look);
    EXPECT_EQ(finding.grade, Grade::refusal) << finding.seen;
    return finding.remedy;
  };
  EXPECT_THAT(refused([](auto& look) { look.presence = Presence::nothing; }), HasSubstr("mkdir -p /var/lib,"));
  EXPECT_NE(refused([](auto& look) { look.presence = Presence::no_directory; }), "");
  EXPECT_NE(refused([](auto& look) { look.presence = Presence::forbidden; }), "");
  EXPECT_THAT(refused([](auto& look) { look.presence = Presence::parent, look.writable = false; }),
              HasSubstr("install -d -m 700 -o assent /var/lib/assent"));
  EXPECT_THAT(refused([](auto& look) { look.writable = false, look.owner = "root"; }),
              HasSubstr("chown -R assent /var/lib/assent"));
  EXPECT_THAT(refused([](auto& look) { look.barred = "LOCK"; }), HasSubstr("chown -R assent /var/lib/assent"));
}

TEST(JudgeDisk, OthersFoldersAndFoldersInMemoryAreWarnings) {
  auto look = good();
  look.owner = "root";
  EXPECT_EQ(judged("log_directory", look).grade, Grade::warning);
  look = good();
  look.others_write = true;
  EXPECT_EQ(judged("log_directory", look).grade, Grade::warning);
  EXPECT_EQ(judged("log_directory", look).remedy, "chmod 700 /var/lib/assent");
  look = good();
  look.in_memory = true;
  EXPECT_EQ(judged("log_disk", look).grade, Grade::warning);
}

TEST(LookAtDisk, MeasuresInTheLogsDirectoryAndLeavesNothingThere) {
  const TempDir folder;
  std::filesystem::create_directory(folder.log());
  std::filesystem::permissions(folder.log(), std::filesystem::perms::owner_all);
  int syncs = 0;
  std::string written;
  FaultDisk disk;
  disk.set_hook([&](FaultDisk::Op op, const std::string& path) {
    if (op == FaultDisk::Op::sync) ++syncs, written = path;
    return 0;
  });
  const auto look = look_at_disk(options(folder.log()), disk);
  EXPECT_EQ(look.presence, Presence::there);
  EXPECT_EQ(look.place, folder.log());
  EXPECT_EQ(look.owner, look.account);
  EXPECT_TRUE(look.writable);
  EXPECT_FALSE(look.others_write);
  EXPECT_FALSE(look.in_use_by);
  EXPECT_GT(look.free_bytes, 0U);
  EXPECT_EQ(look.sync_failed, 0);
  EXPECT_FALSE(look.syncs.empty());
  EXPECT_EQ(static_cast<std::size_t>(syncs), look.syncs.size() + 1) << "each is a sync of its own";
  EXPECT_THAT(written, HasSubstr(folder.log() + "/assent-doctor-"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.log()));
  std::filesystem::permissions(folder.log(), std::filesystem::perms::all);
  EXPECT_TRUE(look_at_disk(options(folder.log()), disk).others_write);
}

TEST(LookAtDisk, GoesUpToTheNearestDirectoryAndMakesNone) {
  const TempDir folder;
  auto look = look_at_disk(options(folder.log()), posix_disk());
  EXPECT_EQ(look.presence, Presence::parent);
  EXPECT_EQ(look.place, folder.path());
  EXPECT_FALSE(look.syncs.empty());
  look = look_at_disk(options(folder.path() + "/a/b//log/"), posix_disk());
  EXPECT_EQ(look.presence, Presence::nothing);
  EXPECT_EQ(look.place, folder.path());
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(LookAtDisk, AFileIsNoDirectory) {
  const TempDir folder;
  std::ofstream(folder.log()) << "something else";
  EXPECT_EQ(look_at_disk(options(folder.log()), posix_disk()).presence, Presence::no_directory);
  const auto inside = look_at_disk(options(folder.log() + "/log"), posix_disk());
  EXPECT_EQ(inside.presence, Presence::no_directory);
  EXPECT_EQ(inside.place, folder.path());
}

TEST(LookAtDisk, AFailureIsKeptAndItsFileRemoved) {
  for (const auto op : {FaultDisk::Op::open, FaultDisk::Op::write, FaultDisk::Op::sync}) {
    const TempDir folder;
    FaultDisk disk;
    disk.set_hook([&](FaultDisk::Op now, const std::string&) { return now == op ? ENOSPC : 0; });
    const auto look = look_at_disk(options(folder.path()), disk);
    EXPECT_EQ(look.sync_failed, ENOSPC);
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  }
}

TEST(LookAtDisk, ARunningLogIsNamedCountedAndLeftAlone) {
  const TempDir folder;
  const auto running = options(folder.log());
  const auto opened = open(running, posix_disk());
  ASSERT_TRUE(opened) << opened.error().what;
  const auto files = [&] {
    std::map<std::string, std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator(folder.log())) {
      std::ifstream file(entry.path(), std::ios::binary);
      all[entry.path().filename()] = {std::istreambuf_iterator<char>(file), {}};
    }
    return all;
  };
  const auto before = files();
  const auto look = look_at_disk(running, posix_disk());
  EXPECT_EQ(files(), before);
  ASSERT_TRUE(look.in_use_by);
  EXPECT_THAT(*look.in_use_by, HasSubstr("pid " + std::to_string(::getpid())));
  EXPECT_EQ(look.taken_bytes, 2 * running.segment_bytes);
  EXPECT_FALSE(look.barred);
  EXPECT_THAT(found(judge_disk(look, running), "log_directory").seen, HasSubstr("in use by pid "));
}

}  // namespace
}  // namespace assent::wal::test
