#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "assent/result.hpp"
#include "wal/checkpoint.hpp"
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
  std::uint64_t offset = 0;                  ///< Where the next batch goes in it.
  std::uint64_t current_first_sequence = 1;  ///< Of the first record that is or will be in it.
  CheckpointHead checkpoint;                 ///< The one that is on the disk.
  std::optional<SegmentFile> reserve;
  std::vector<std::string> notes;
};

/// Makes all that was read durable, so that it can be acted on, and removes what is no longer needed. The scan must not
/// be corrupt. Nothing that may be durable is written over: what a killed process had written and not synced, or had
/// failed to sync, is written once more behind it, and so does the log go on behind a torn end. A log of an older
/// format goes on in a new segment, behind a checkpoint of all that was read.
///
/// Only that last one takes room on the disk, and the rare case that the last segment is full.
Result<Ready> make_ready(Disk& disk, const std::string& directory, std::uint64_t segment_bytes, const Scan& scan);

}  // namespace assent::wal
