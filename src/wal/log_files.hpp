#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "assent/result.hpp"
#include "wal/disk.hpp"
#include "wal/files.hpp"
#include "wal/format.hpp"
#include "wal/reader.hpp"

namespace assent::wal {

/// What was read of a segment.
struct SegmentBytes {
  bool usable = false;  ///< Its header is good, so there is something to follow. Otherwise that was found as damage.
  std::uint32_t version = kFormatVersion;
  std::string bytes;
  std::uint64_t unit() const { return block_unit(version); }
  std::uint64_t begin() const { return unit(); }  ///< The header takes the place of one.
};

/// The files of a log, one by one: reads them whole and checks what each says of itself. What is wrong with one becomes
/// a finding. What the blocks in them come to, from file to file, is the reader's.
class LogFiles {
 public:
  /// Findings, and what stands in the directory beside segments, go into `scan`.
  LogFiles(Disk& disk, std::string directory, Scan& scan)
      : disk_(disk), directory_(std::move(directory)), scan_(scan) {}

  const std::string& directory() const { return directory_; }
  Disk& disk() const { return disk_; }

  Status list();
  bool has_checkpoint() const { return has_checkpoint_; }
  /// Numbers of those that are there, in their order.
  const std::vector<std::uint64_t>& segments() const { return numbers_; }
  /// Those before this one are not needed, and may go.
  void leave_segments_before(std::uint64_t number);

  Status read_checkpoint();
  /// Whole, with its header checked.
  Status read_segment(std::uint64_t number, SegmentBytes& out);

  bool damaged() const { return scan_.tail == Tail::corrupt; }
  void damage(std::string file, std::uint64_t offset, std::string what);
  void damage(std::string file, std::uint64_t offset, std::string what, std::string remedy);
  void note(std::string file, std::uint64_t offset, std::string what);

 private:
  void not_regular(const std::string& name);
  bool cannot_be_read(const std::vector<UnreadableBytes>& unreadable);

  Disk& disk_;
  const std::string directory_;
  Scan& scan_;
  std::vector<std::uint64_t> numbers_;
  bool has_checkpoint_ = false;
};

}  // namespace assent::wal
