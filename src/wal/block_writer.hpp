#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "assent/result.hpp"
#include "wal/format.hpp"
#include "wal/lock.hpp"
#include "wal/repair.hpp"

namespace assent::wal {

/// Writes blocks at the end of the log, as long as the log is its owner's. One call at a time. Once one has failed,
/// nothing may be written or synced through it any more: what is durable cannot be known.
class BlockWriter {
 public:
  struct End {
    std::uint64_t log_id = 0;
    std::uint64_t next_sequence = 1;
    std::uint64_t offset = 0;  ///< In the current segment.
    SegmentFile current;
  };
  BlockWriter(const Owned& owned, const std::string& directory, End end)
      : owned_(owned), directory_(directory), end_(std::move(end)) {}

  std::uint64_t next_sequence() const { return end_.next_sequence; }
  std::uint64_t segment() const { return end_.current.number; }
  /// Whether a batch of so many bytes, with its header, has its place here. The last sector stays free for a seal.
  bool fits(std::size_t bytes) const;

  /// It is durable then. `bytes` begins with room for the block's header, and is padded.
  Status put_batch(std::uint32_t records, std::string& bytes);
  /// Not synced, and overwritten by what comes next.
  Status put_mark();
  /// Seals the segment, durably, and goes on in the next.
  Status move_on(SegmentFile next);

 private:
  Status write(BlockKind kind, std::uint32_t records, std::string& bytes);
  Status sync();
  Status check_still_ours();
  Error failed_to(std::string_view what, Errno number) const;

  const Owned& owned_;
  const std::string& directory_;
  End end_;
};

}  // namespace assent::wal
