#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "assent/result.hpp"
#include "wal/disk.hpp"
#include "wal/files.hpp"
#include "wal/reader.hpp"

namespace assent::wal {

// What is done to a log's files between reading and writing it. The owner lock is held.

/// A segment that is open for writing.
struct SegmentFile {
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;
  std::unique_ptr<File> file;
};

/// Makes an empty log: two segments, then the checkpoint, whose appearance is what makes it a log. What an earlier
/// attempt left is taken away first.
Status create_log(Disk& disk, const std::string& directory, std::uint64_t log_id, std::uint64_t segment_bytes,
                  const Scan& found);

struct Ready {
  SegmentFile current;
  std::optional<SegmentFile> reserve;
  std::vector<std::string> notes;
};

/// Makes all that was read durable, so that it can be acted on: whatever a killed process had written and not synced,
/// or had failed to sync, is written again. Cuts a torn tail after a copy of its segment, and removes what is no longer
/// needed. The scan must not be corrupt.
Result<Ready> make_ready(Disk& disk, const std::string& directory, std::uint64_t segment_bytes, const Scan& scan);

}  // namespace assent::wal
