#include "wal/format.hpp"

#include <xxhash.h>

#include "base/bytes.hpp"
#include "base/check.hpp"

namespace assent::wal {
namespace {

constexpr std::uint64_t kSegmentMagic = 0x314745534C415741;  // "AWALSEG1"
constexpr std::uint32_t kBlockMagic = 0x334B4C42;            // "BLK3"
constexpr std::uint32_t kBlockMagicBefore3 = 0x4B4C4241;     // "ABLK"
constexpr std::size_t kChecksumBytes = sizeof(std::uint64_t);

/// The numbers in front of everything else, so that a reader of any version finds them.
constexpr std::size_t kMagicAndVersionBytes = 12;

}  // namespace

std::uint64_t checksum(std::string_view bytes, std::uint64_t log_id, std::uint64_t number, std::uint64_t offset) {
  const std::uint64_t seed = log_id ^ (number * 0x9E3779B97F4A7C15ULL) ^ (offset * 0xC2B2AE3D27D4EB4FULL);
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::string encode_segment_header(const SegmentHeader& header) {
  std::string out;
  base::put_int(out, kSegmentMagic);
  base::put_int(out, header.version);
  base::put_int(out, std::uint32_t{0});
  base::put_int(out, header.log_id);
  base::put_int(out, header.number);
  base::put_int(out, header.bytes);
  out.resize(kSegmentHeaderBytes - kChecksumBytes);
  base::put_int(out, checksum(out, header.log_id, header.number, 0));
  return out;
}

Error unknown_version(std::uint32_t version, std::string_view bytes, std::uint64_t log_id, std::uint64_t segment) {
  if (bytes.size() > kMagicAndVersionBytes + kChecksumBytes) {
    std::string covered(bytes.substr(0, bytes.size() - kChecksumBytes));
    base::Reader sum(bytes.substr(covered.size()));
    const auto expected = sum.take_int<std::uint64_t>();
    for (std::uint32_t known = 1; known <= kFormatVersion; ++known) {
      std::string written;
      base::put_int(written, known);
      covered.replace(kMagicAndVersionBytes - written.size(), written.size(), written);
      if (checksum(covered, log_id, segment, 0) != expected) continue;
      return {Errc::log_corrupt,
              "its header names format " + std::to_string(version) + ", and does not match its checksum", false};
    }
  }
  return {Errc::log_newer_format,
          "it is of format " + std::to_string(version) + ", this program knows up to " + std::to_string(kFormatVersion),
          false};
}

Result<SegmentHeader> decode_segment_header(std::string_view bytes) {
  if (bytes.size() < kMagicAndVersionBytes) return Error{Errc::log_corrupt, "it is cut off inside its header"};
  base::Reader reader(bytes);
  if (reader.take_int<std::uint64_t>() != kSegmentMagic) {
    return Error{Errc::log_corrupt, "its header does not begin as that of a log segment"};
  }
  const auto version = reader.take_int<std::uint32_t>();
  reader.take_int<std::uint32_t>();
  SegmentHeader header;
  header.version = version;
  header.log_id = reader.take_int<std::uint64_t>();
  header.number = reader.take_int<std::uint64_t>();
  header.bytes = reader.take_int<std::uint64_t>();
  if (version > kFormatVersion) {
    return unknown_version(version, bytes.substr(0, kSegmentHeaderBytes), header.log_id, header.number);
  }
  if (bytes.size() < kSegmentHeaderBytes) return Error{Errc::log_corrupt, "it is cut off inside its header"};
  const auto covered = bytes.substr(0, kSegmentHeaderBytes - kChecksumBytes);
  base::Reader tail(bytes.substr(covered.size(), kChecksumBytes));
  if (tail.take_int<std::uint64_t>() != checksum(covered, header.log_id, header.number, 0)) {
    return Error{Errc::log_corrupt, "its header does not match its checksum"};
  }
  if (header.bytes < kSegmentBytesMin || header.bytes > kSegmentBytesMax || header.bytes % block_unit(version) != 0) {
    return Error{Errc::log_corrupt, "its header gives an impossible size"};
  }
  return header;
}

void finish_block(Block block, std::uint64_t offset, std::string& bytes) {
  ASSENT_CHECK(bytes.size() >= kBlockHeaderBytes && bytes.size() <= kBatchBytesMax);
  block.payload_bytes = static_cast<std::uint32_t>(bytes.size() - kBlockHeaderBytes);
  std::string header;
  base::put_int(header, block.version < 3 ? kBlockMagicBefore3 : kBlockMagic);
  base::put_int(header, static_cast<std::uint32_t>(block.kind));
  base::put_int(header, block.log_id);
  base::put_int(header, block.segment);
  base::put_int(header, block.first_sequence);
  base::put_int(header, block.durable_through);
  base::put_int(header, block.records);
  base::put_int(header, block.payload_bytes);
  ASSENT_CHECK(header.size() + kChecksumBytes == kBlockHeaderBytes);
  bytes.replace(kChecksumBytes, header.size(), header);
  const auto covered = std::string_view(bytes).substr(kChecksumBytes);
  std::string sum;
  base::put_int(sum, checksum(covered, block.log_id, block.segment, offset));
  bytes.replace(0, kChecksumBytes, sum);
  bytes.resize(round_up(bytes.size(), block_unit(block.version)));
}

namespace {

/// What stands in a block's header, before its checksum was looked at.
struct RawBlock {
  Block block;
  std::uint64_t sum = 0;
  std::uint32_t kind = 0;
};

/// Nothing where no block of this log can start.
std::optional<RawBlock> parse_header(std::string_view here, std::uint64_t log_id, std::uint64_t number) {
  if (here.size() < kBlockHeaderBytes) return std::nullopt;
  base::Reader reader(here);
  RawBlock raw;
  raw.sum = reader.take_int<std::uint64_t>();
  const auto magic = reader.take_int<std::uint32_t>();
  if (magic != kBlockMagic && magic != kBlockMagicBefore3) return std::nullopt;
  raw.kind = reader.take_int<std::uint32_t>();
  Block& block = raw.block;
  block.version = magic == kBlockMagic ? kFormatVersion : 2;
  block.log_id = reader.take_int<std::uint64_t>();
  block.segment = reader.take_int<std::uint64_t>();
  block.first_sequence = reader.take_int<std::uint64_t>();
  block.durable_through = reader.take_int<std::uint64_t>();
  block.records = reader.take_int<std::uint32_t>();
  block.payload_bytes = reader.take_int<std::uint32_t>();
  const bool fits = block.payload_bytes <= here.size() - kBlockHeaderBytes && block.payload_bytes <= kBatchBytesMax;
  if (!fits || block.log_id != log_id || block.segment != number) return std::nullopt;
  if (raw.kind < static_cast<std::uint32_t>(BlockKind::batch) ||
      raw.kind > static_cast<std::uint32_t>(BlockKind::seal)) {
    return std::nullopt;
  }
  block.kind = static_cast<BlockKind>(raw.kind);
  return raw;
}

bool matches(const RawBlock& raw, std::string_view here, std::uint64_t offset) {
  const auto covered = here.substr(kChecksumBytes, kBlockHeaderBytes - kChecksumBytes + raw.block.payload_bytes);
  return raw.sum == checksum(covered, raw.block.log_id, raw.block.segment, offset);
}

}  // namespace

std::optional<Block> parse_block(std::string_view segment, std::uint64_t offset, std::uint64_t log_id,
                                 std::uint64_t number) {
  if (offset > segment.size()) return std::nullopt;
  const auto here = segment.substr(offset);
  const auto raw = parse_header(here, log_id, number);
  // One that starts elsewhere than blocks of its version do was never written.
  if (!raw || offset % block_unit(raw->block.version) != 0 || !matches(*raw, here, offset)) return std::nullopt;
  return raw->block;
}

std::optional<BlockSearch::Found> BlockSearch::next(std::uint64_t from) {
  for (auto at = from; at < segment_.size() && !exhausted_; at += unit_) {
    const auto here = segment_.substr(at);
    const auto raw = parse_header(here, log_id_, number_);
    if (!raw || at % block_unit(raw->block.version) != 0) continue;
    const auto bytes = kBlockHeaderBytes + raw->block.payload_bytes;
    exhausted_ = bytes > bytes_left_;
    if (exhausted_) break;
    bytes_left_ -= bytes;
    if (matches(*raw, here, at)) return Found{at, raw->block};
  }
  return std::nullopt;
}

}  // namespace assent::wal
