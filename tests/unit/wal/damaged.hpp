#pragma once

#include <gtest/gtest.h>

#include "sim_disk.hpp"
#include "support.hpp"
#include "wal/files.hpp"
#include "wal/format.hpp"
#include "wal/reader.hpp"

namespace assent::wal::test {

inline const std::string kLog = "/log";
inline constexpr SimDisk::Lost kLosses[] = {SimDisk::Lost::everything, SimDisk::Lost::nothing,
                                            SimDisk::Lost::some_sectors, SimDisk::Lost::torn_sectors};

/// A log on a disk in memory, as a process that was killed while idle leaves it, to be damaged.
class DamagedLog : public testing::Test {
 protected:
  DamagedLog() {
    disk_.make_root("");
    disk_.make_root(kLog);
  }

  static Options options_here() {
    auto options = small_options(kLog);
    options.checkpoint_every_segments = 100;
    return options;
  }

  /// An epoch, and decisions 1 to 6, one batch each: 1 has ended, one branch of 2 is settled. Sequences: the epoch 1,
  /// decisions 2 to 7, then the settled one 8 and the end 9, in one batch.
  void write_log() {
    auto opened = open_or_fail(options_here(), disk_);
    ASSERT_TRUE(force(*opened.log, ports::EpochStarted{"shop1", 42, 1}));
    for (std::uint64_t i = 1; i <= 6; ++i) ASSERT_TRUE(force(*opened.log, decision(i)));
    opened.log->append(ports::BranchSettled{gtrid(2), 1});
    opened.log->append(ports::TransactionEnded{gtrid(1)});
    ASSERT_TRUE(opened.log->flush());
  }

  /// Decisions 1 to 4, large ones: two in each of two segments, and a reserve.
  void write_two_segments() {
    auto opened = open_or_fail(options_here(), disk_);
    ASSERT_TRUE(force(*opened.log, ports::EpochStarted{"shop1", 42, 1}));
    for (std::uint64_t i = 1; i <= 4; ++i) ASSERT_TRUE(force(*opened.log, decision(i, 24'000)));
    ASSERT_TRUE(eventually([&] { return disk_.has(path("00000003.seg")); }));
  }

  static std::string path(const std::string& name) { return path_in(kLog, name); }
  std::string& bytes(const std::string& name) { return disk_.bytes(path(name)); }

  /// The offset of the batch that holds this record.
  std::uint64_t offset_of(std::uint64_t sequence) {
    std::uint64_t offset = 0;
    EXPECT_TRUE(dump(kLog, disk_, [&](const auto& record) {
      if (record.sequence == sequence) offset = record.offset;
    }));
    return offset;
  }
  void flip(const std::string& name, std::uint64_t offset) {
    bytes(name)[offset] = static_cast<char>(bytes(name)[offset] ^ 0x20);
  }

  /// The log's files, without the lock.
  static std::map<std::string, std::string> files(SimDisk& disk, const std::string& directory = kLog) {
    std::map<std::string, std::string> all;
    for (const auto& one : disk.paths()) {
      if (one.starts_with(directory + "/") && !one.ends_with("/LOCK")) {
        all[one.substr(directory.size() + 1)] = disk.bytes(one);
      }
    }
    return all;
  }

  SimDisk disk_;
};

}  // namespace assent::wal::test
