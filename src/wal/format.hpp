#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "assent/result.hpp"

namespace assent::wal {

// The bytes of a segment. FORMAT.md beside this file is the specification: what is assumed of the hardware, the layout,
// and how a torn tail is told from damage. All of this is pure.

/// Written; older ones are read. 2 brought records 7 and 8, and open hazards in checkpoints; 3 brought record 15, and
/// instances, identities and the order of the keys; 4 brought the kinds of hazards.
inline constexpr std::uint32_t kFormatVersion = 4;

/// Where blocks start, and what is never written again once a record in it is durable: a drive may lose a whole sector
/// of 4 KiB that it was writing, and the kernel writes whole pages of that size.
inline constexpr std::uint64_t kSectorBytes = 4096;
/// Of formats 1 and 2, in place of kSectorBytes. Such segments are read, and never written to.
inline constexpr std::uint64_t kSectorBytesBefore3 = 512;
inline constexpr std::uint64_t kSegmentHeaderBytes = 512;

inline constexpr std::uint64_t kSegmentBytesMin = 64ULL << 10;
inline constexpr std::uint64_t kSegmentBytesMax = 1ULL << 30;
inline constexpr std::uint64_t kRecordBytesMax = 32ULL << 10;  ///< One record, encoded.
inline constexpr std::uint64_t kBatchBytesMax = 1ULL << 20;    ///< One batch with its header and padding.

inline constexpr std::size_t kBlockHeaderBytes = 56;

/// Where the first block of a segment starts; before it stands the segment's header.
inline constexpr std::uint64_t kBlocksOffset = kSectorBytes;

// The smallest segment holds its header, one batch with the largest record, and a page for the mark or seal.
static_assert(kBlocksOffset + kBlockHeaderBytes + kRecordBytesMax + 2 * kSectorBytes <= kSegmentBytesMin);
static_assert(kBlockHeaderBytes + kRecordBytesMax < kBatchBytesMax);
static_assert(kBlockHeaderBytes <= kSectorBytesBefore3 && kSegmentHeaderBytes <= kSectorBytesBefore3);

/// What blocks of a version of the format start at multiples of, and take whole ones of.
constexpr std::uint64_t block_unit(std::uint32_t version) {
  return version < 3 ? kSectorBytesBefore3 : kSectorBytes;
}
constexpr std::uint64_t round_up(std::uint64_t bytes, std::uint64_t unit) {
  return (bytes + unit - 1) / unit * unit;
}
constexpr std::uint64_t round_up_to_sector(std::uint64_t bytes) {
  return round_up(bytes, kSectorBytes);
}

struct SegmentHeader {
  std::uint64_t log_id = 0;
  std::uint64_t number = 0;  ///< Counted from 1, as in the file's name.
  std::uint64_t bytes = 0;   ///< Of the whole file, from its creation on.
  std::uint32_t version = kFormatVersion;
};

/// kSegmentHeaderBytes of them; up to the first block all is zero.
std::string encode_segment_header(const SegmentHeader& header);
/// What is wrong with the header, or checkpoint, `bytes` (to the end of its checksum) that names a version above this
/// program's: log_corrupt where it matches its checksum with a version that this program writes or wrote, so that only
/// the name of its version was damaged; else log_newer_format.
Error unknown_version(std::uint32_t version, std::string_view bytes, std::uint64_t log_id, std::uint64_t segment);

/// Errc::log_newer_format or Errc::log_corrupt; the text has no file name yet.
Result<SegmentHeader> decode_segment_header(std::string_view bytes);

enum class BlockKind : std::uint32_t {
  batch = 1,  ///< Records that were made durable together.
  mark = 2,   ///< Says how far the log is durable; the next batch overwrites it.
  seal = 3,   ///< The last block of a segment: the log goes on in the next one, which exists.
};

constexpr const char* to_string(BlockKind kind) noexcept {
  switch (kind) {
    case BlockKind::batch: return "batch";
    case BlockKind::mark: return "mark";
    case BlockKind::seal: return "seal";
  }
  return "";
}

struct Block {
  BlockKind kind = BlockKind::batch;
  std::uint64_t log_id = 0;
  std::uint64_t segment = 0;
  std::uint64_t first_sequence = 0;   ///< Of its first record; of the next one to come where it has none.
  std::uint64_t durable_through = 0;  ///< Every record up to this sequence was durable before this was written.
  std::uint32_t records = 0;
  std::uint32_t payload_bytes = 0;
  std::uint32_t version = kFormatVersion;  ///< Of the format of its records: 2 stands for 1 as well, 4 for 3.

  std::uint64_t bytes_on_disk() const { return round_up(kBlockHeaderBytes + payload_bytes, block_unit(version)); }
};

/// Completes a block for the place `offset`. `bytes` holds kBlockHeaderBytes of room and then the payload, and leaves
/// with the header filled in, padded to whole pages. Sets `payload_bytes` from the size.
void finish_block(Block block, std::uint64_t offset, std::string& bytes);

/// The block that stands at `offset` of a segment's bytes, when it is whole, of this log and made for this very place.
/// Nothing otherwise: what is there instead is for the reader to judge.
std::optional<Block> parse_block(std::string_view segment, std::uint64_t offset, std::uint64_t log_id,
                                 std::uint64_t number);

/// Looks for blocks where there need not be one. What it checks is bounded, however many places look like the start of
/// a block: what a log has written takes each byte once, so beyond some times a segment's size it gives up.
class BlockSearch {
 public:
  BlockSearch(std::string_view segment, std::uint64_t log_id, std::uint64_t number, std::uint64_t unit)
      : segment_(segment), log_id_(log_id), number_(number), unit_(unit), bytes_left_(kTimesAtMost * segment.size()) {}

  struct Found {
    std::uint64_t offset = 0;
    Block block;
  };
  /// The first whole block at `from`, which is a multiple of the unit, or behind it.
  std::optional<Found> next(std::uint64_t from);
  /// It gave up: there may be blocks that it has not found.
  bool exhausted() const { return exhausted_; }

 private:
  static constexpr std::uint64_t kTimesAtMost = 16;

  std::string_view segment_;
  std::uint64_t log_id_;
  std::uint64_t number_;
  std::uint64_t unit_;
  std::uint64_t bytes_left_;
  bool exhausted_ = false;
};

inline std::string_view payload_of(const Block& block, std::string_view segment, std::uint64_t offset) {
  return segment.substr(offset + kBlockHeaderBytes, block.payload_bytes);
}

/// The checksum of the log's files: XXH3, 64 bits, over `bytes`, told apart by what they are and where they stand.
std::uint64_t checksum(std::string_view bytes, std::uint64_t log_id, std::uint64_t number, std::uint64_t offset);

}  // namespace assent::wal
