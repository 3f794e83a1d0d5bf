#include "wal/block_writer.hpp"

#include <cerrno>
#include <utility>

#include "base/failpoints.hpp"
#include "wal/files.hpp"

namespace assent::wal {

bool BlockWriter::fits(std::size_t bytes) const {
  return end_.offset + round_up_to_sector(bytes) + kSectorBytes <= end_.current.bytes;
}

Status BlockWriter::put_batch(std::uint32_t records, std::string& bytes) {
  if (auto written = write(BlockKind::batch, records, bytes); !written) return written;
  if (auto synced = sync(); !synced) return synced;
  // Here the decisions in the batch are made: nothing after this line can change their outcome.
  ASSENT_FAILPOINT(log_block_durable, "batch");
  end_.offset += bytes.size();
  end_.next_sequence += records;
  return Ok{};
}

Status BlockWriter::put_mark() {
  std::string mark(kBlockHeaderBytes, '\0');
  return write(BlockKind::mark, 0, mark);
}

/// The seal is durable before the next segment has anything in it, so that a lost segment is missed.
Status BlockWriter::move_on(SegmentFile next) {
  std::string seal(kBlockHeaderBytes, '\0');
  if (auto written = write(BlockKind::seal, 0, seal); !written) return written;
  if (auto synced = sync(); !synced) return synced;
  ASSENT_FAILPOINT(log_block_durable, "seal");
  end_.current = std::move(next);
  end_.offset = kBlocksOffset;
  return Ok{};
}

Status BlockWriter::write(BlockKind kind, std::uint32_t records, std::string& bytes) {
  const Block block{kind, end_.log_id, end_.current.number, end_.next_sequence, end_.next_sequence - 1, records, 0};
  finish_block(block, end_.offset, bytes);
  // A process that was held up may wake in a log that is another's by now.
  if (auto ours = check_still_ours(); !ours) return ours;
  const bool fails = ASSENT_FAILS_AT(log_block_unwritten, to_string(kind));
  const Errno failed = fails ? EIO : end_.current.file->write_at(end_.offset, bytes);
  return failed == 0 ? Status(Ok{}) : failed_to("write", failed);
}

Status BlockWriter::sync() {
  const Errno failed = ASSENT_FAILS_AT(log_block_unsynced) ? EIO : end_.current.file->sync();
  if (failed != 0) return failed_to("sync", failed);
  return check_still_ours();
}

/// A deleted segment vanishes with the process, without the lock file a second owner gets in, and another directory is
/// what the next start will read: none of them is a place for decisions.
Status BlockWriter::check_still_ours() {
  FileInfo segment;
  if (const Errno failed = end_.current.file->info(segment)) return failed_to("look at", failed);
  if (segment.links == 0) {
    return Error{Errc::io, segment_name(end_.current.number) + " was deleted while the log was in use"};
  }
  return check_ownership(owned_, directory_);
}

Error BlockWriter::failed_to(std::string_view what, Errno number) const {
  return io_error(what, path_in(directory_, segment_name(end_.current.number)), number);
}

}  // namespace assent::wal
