#include "wal/repair.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.hpp"
#include "base/failpoints.hpp"
#include "wal/checkpoint.hpp"
#include "wal/format.hpp"

namespace assent::wal {
namespace {

/// Copies of torn ends, which versions before format 3 made at each.
constexpr std::size_t kTornCopiesKept = 4;

class Repair {
 public:
  Repair(Disk& disk, const std::string& directory, std::uint64_t segment_bytes, const Scan& scan)
      : disk_(disk), directory_(directory), segment_bytes_(segment_bytes), scan_(scan) {}

  Result<Ready> run() {
    // First of all, the names: a checkpoint or segment that was renamed and whose directory was not synced.
    if (const Errno failed = disk_.sync_directory(directory_)) return io_error("sync", directory_, failed);
    // And room, before anything needs it.
    if (auto removed = remove_leftovers(); !removed) return std::move(removed).error();
    ready_.checkpoint = scan_.checkpoint;
    ready_.current_first_sequence = scan_.end_first_sequence;
    if (auto reserve = take_reserve(); !reserve) return std::move(reserve).error();
    const bool old = scan_.end_version < kFormatVersion;
    if (auto sealed = old ? Status(Ok{}) : seal_again(); !sealed) return std::move(sealed).error();
    if (auto opened = old ? leave_old_format() : open_current(); !opened) return std::move(opened).error();
    if (scan_.torn) tell_torn();
    if (!old && scan_.last_batch && scan_.next_sequence - 1 > scan_.durable_through) {
      if (auto repeated = repeat_last_batch(); !repeated) return std::move(repeated).error();
      ASSENT_FAILPOINT(log_last_batch_repeated);
    }
    // The mark is lasting then, so that from here on a flipped bit in the last batch is told from a torn one.
    std::string mark(kBlockHeaderBytes, '\0');
    if (auto marked = put_block(BlockKind::mark, scan_.next_sequence, 0, mark); !marked) {
      return std::move(marked).error();
    }
    if (scan_.torn) ASSENT_FAILPOINT(log_torn_end_passed);
    return std::move(ready_);
  }

 private:
  std::string path_of(std::uint64_t number) const { return path_in(directory_, segment_name(number)); }

  /// Durable, where the log goes on in the current segment. A batch or seal is stepped over, a mark is not.
  Status put_block(BlockKind kind, std::uint64_t first_sequence, std::uint32_t records, std::string& bytes) {
    const auto number = ready_.current.number;
    const Block block{kind, scan_.checkpoint.log_id, number, first_sequence, first_sequence - 1, records, 0};
    finish_block(block, ready_.offset, bytes);
    if (const Errno failed = ready_.current.file->write_at(ready_.offset, bytes)) {
      return io_error("write", path_of(number), failed);
    }
    if (const Errno failed = ready_.current.file->sync()) return io_error("sync", path_of(number), failed);
    if (kind != BlockKind::mark) ready_.offset += bytes.size();
    return Ok{};
  }

  Status open_current() {
    ready_.current = {scan_.end.segment, scan_.end_segment_bytes, nullptr};
    ready_.offset = scan_.end.offset;
    const std::string path = path_of(scan_.end.segment);
    const Errno failed = disk_.open(path, OpenMode::read_write, ready_.current.file);
    if (failed != 0) return io_error("open", path, failed);
    // One in another segment stands in a reserve, which has gone.
    if (!scan_.torn || scan_.torn->segment != scan_.end.segment) return Ok{};
    ready_.offset = round_up_to_sector(scan_.torn_end);
    return ready_.offset + kSectorBytes <= ready_.current.bytes ? Status(Ok{}) : clear_torn_end();
  }

  /// A seal is durable before anything stands in the next segment. This one may only be shown, its sync having failed.
  /// There is no record in its page that could be lost.
  Status seal_again() {
    if (!scan_.open_seal) return Ok{};
    // Something was written behind it, which nobody does before it is durable. Cut off now, both would be unreadable.
    if (scan_.torn) return Ok{};
    const auto& place = *scan_.open_seal;
    const std::string path = path_of(place.segment);
    std::string seal(kBlockHeaderBytes, '\0');
    finish_block({BlockKind::seal, scan_.checkpoint.log_id, place.segment, scan_.open_seal_first_sequence,
                  scan_.open_seal_durable_through, 0, 0},
                 place.offset, seal);
    std::unique_ptr<File> file;
    if (const Errno failed = disk_.open(path, OpenMode::read_write, file)) return io_error("open", path, failed);
    if (const Errno failed = file->write_at(place.offset, seal)) return io_error("write", path, failed);
    const Errno failed = file->sync();
    return failed == 0 ? Status(Ok{}) : io_error("sync", path, failed);
  }

  /// It reaches to the end of the segment, where at least a seal must find its place: nothing in it was ever durable.
  Status clear_torn_end() {
    ready_.offset = scan_.end.offset;
    const std::string path = path_of(scan_.end.segment);
    const std::string zeroes(static_cast<std::size_t>(scan_.torn_end - scan_.end.offset), '\0');
    if (const Errno failed = ready_.current.file->write_at(scan_.end.offset, zeroes)) {
      return io_error("write", path, failed);
    }
    const Errno failed = ready_.current.file->sync();
    return failed == 0 ? Status(Ok{}) : io_error("sync", path, failed);
  }

  void tell_torn() {
    ready_.notes.push_back(segment_name(scan_.torn->segment) + ": a write that was cut off by a crash, up to byte " +
                           std::to_string(scan_.torn_end) +
                           ", is passed over; it had never been acknowledged, and nothing is lost by it");
  }

  /// The last batch may stand in the kernel's memory only, or there although its sync had failed: then a sync now would
  /// say OK and prove nothing, so it is written again. Not in its place: it may also be durable, and a write that is
  /// cut off would take it away. Batches before it are vouched for by the one after.
  Status repeat_last_batch() {
    std::string batch(kBlockHeaderBytes, '\0');
    batch += scan_.last_batch_payload;
    const auto first = scan_.last_batch_first_sequence;
    if (ready_.offset + round_up_to_sector(batch.size()) + kSectorBytes > ready_.current.bytes) {
      if (auto moved = move_on(first); !moved) return moved;
    }
    ready_.current_first_sequence = std::min(ready_.current_first_sequence, first);
    return put_block(BlockKind::batch, first, scan_.last_batch_records, batch);
  }

  Status move_on(std::uint64_t first_sequence) {
    if (!ready_.reserve) {
      SegmentFile next{scan_.end.segment + 1, segment_bytes_, nullptr};
      const SegmentHeader header{scan_.checkpoint.log_id, next.number, next.bytes};
      if (const auto failed = make_segment(disk_, directory_, header, next.file)) return failed.error();
      ready_.reserve = std::move(next);
    }
    std::string seal(kBlockHeaderBytes, '\0');
    if (auto sealed = put_block(BlockKind::seal, first_sequence, 0, seal); !sealed) return sealed;
    enter(*std::exchange(ready_.reserve, std::nullopt), first_sequence);
    return Ok{};
  }

  void enter(SegmentFile segment, std::uint64_t first_sequence) {
    ready_.current = std::move(segment);
    ready_.offset = kBlocksOffset;
    ready_.current_first_sequence = first_sequence;
  }

  /// Segments of older formats are read and never written to: their blocks share sectors of 4 KiB.
  Status leave_old_format() {
    SegmentFile next{scan_.end.segment + 1, segment_bytes_, nullptr};
    const CheckpointHead head{scan_.checkpoint.log_id, scan_.next_sequence - 1, next.number, scan_.next_sequence};
    if (const auto failed = make_segment(disk_, directory_, {head.log_id, next.number, next.bytes}, next.file)) {
      return failed.error();
    }
    // With this, and not before, the log goes on there.
    if (auto put = put_checkpoint(disk_, directory_, head, scan_.state); !put) return put;
    ready_.checkpoint = head;
    enter(std::move(next), scan_.next_sequence);
    ready_.notes.push_back(
        "the log was of an older format, and goes on in that of this program, which older ones do "
        "not read");
    return remove_segments_before(head.first_segment);
  }

  Status remove_segments_before(std::uint64_t number) {
    for (auto old = scan_.checkpoint.first_segment; old < number; ++old) {
      // What was torn is of no use, and yet may tell somebody how it came.
      const bool keep = scan_.torn && scan_.torn->segment == old;
      const Errno failed =
          keep ? disk_.rename(path_of(old), path_of(old) + ".torn-" + utc_stamp()) : disk_.remove(path_of(old));
      if (failed != 0 && failed != ENOENT) return io_error("remove", path_of(old), failed);
    }
    const Errno failed = disk_.sync_directory(directory_);
    return failed == 0 ? Status(Ok{}) : io_error("sync", directory_, failed);
  }

  Status remove_leftovers() {
    std::vector<std::string> names = scan_.leftovers;
    const auto copies = scan_.torn_copies.size();
    for (std::size_t i = 0; i + kTornCopiesKept < copies; ++i) names.push_back(scan_.torn_copies[i]);
    for (const auto& empty : scan_.reserves) {
      if (!is_fitting(empty)) names.push_back(segment_name(empty.number));
    }
    for (const auto& name : names) {
      const std::string path = path_in(directory_, name);
      const Errno failed = disk_.remove(path);
      if (failed != 0 && failed != ENOENT) return io_error("remove", path, failed);
    }
    if (names.empty()) return Ok{};
    const Errno failed = disk_.sync_directory(directory_);
    return failed == 0 ? Status(Ok{}) : io_error("sync", directory_, failed);
  }

  bool is_fitting(const Scan::Empty& empty) const {
    return empty.number == scan_.end.segment + 1 && empty.bytes == segment_bytes_ && empty.clean &&
           empty.version == kFormatVersion && scan_.end_version == kFormatVersion;
  }

  Status take_reserve() {
    const auto fitting = std::find_if(scan_.reserves.begin(), scan_.reserves.end(),
                                      [this](const auto& empty) { return is_fitting(empty); });
    if (fitting == scan_.reserves.end()) return Ok{};
    SegmentFile reserve{fitting->number, fitting->bytes, nullptr};
    const std::string path = path_of(reserve.number);
    if (const Errno failed = disk_.open(path, OpenMode::read_write, reserve.file)) {
      return io_error("open", path, failed);
    }
    ready_.reserve = std::move(reserve);
    return Ok{};
  }

  Disk& disk_;
  const std::string& directory_;
  const std::uint64_t segment_bytes_;
  const Scan& scan_;
  Ready ready_;
};

}  // namespace

Status create_log(Disk& disk, const std::string& directory, std::uint64_t log_id, std::uint64_t segment_bytes,
                  const Scan& found) {
  for (const auto& name : found.leftovers) {
    const std::string path = path_in(directory, name);
    if (const Errno failed = disk.remove(path)) return io_error("remove", path, failed);
  }
  for (const std::uint64_t number : {1, 2}) {
    std::unique_ptr<File> file;
    if (const auto failed = make_segment(disk, directory, {log_id, number, segment_bytes}, file)) {
      return failed.error();
    }
  }
  StateBuilder empty(0);
  empty.start(log_id);
  return put_checkpoint(disk, directory, {log_id, 0, 1, 1}, empty);
}

Result<Ready> make_ready(Disk& disk, const std::string& directory, std::uint64_t segment_bytes, const Scan& scan) {
  return Repair(disk, directory, segment_bytes, scan).run();
}

}  // namespace assent::wal
