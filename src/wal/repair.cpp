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

constexpr std::uint64_t kZeroesAtOnceBytes = 1ULL << 20;

class Repair {
 public:
  Repair(Disk& disk, const std::string& directory, std::uint64_t segment_bytes, const Scan& scan)
      : disk_(disk), directory_(directory), segment_bytes_(segment_bytes), scan_(scan) {}

  Result<Ready> run() {
    // First of all, the names: a checkpoint or segment that was renamed and whose directory was not synced.
    if (const Errno failed = disk_.sync_directory(directory_)) return io_error("sync", directory_, failed);
    if (scan_.cut) {
      if (auto cut = cut_tail(); !cut) return std::move(cut).error();
      ASSENT_FAILPOINT(log_torn_end_cut);
    }
    if (auto opened = open_current(); !opened) return std::move(opened).error();
    if (auto proved = make_durable(); !proved) return std::move(proved).error();
    if (auto removed = remove_leftovers(); !removed) return std::move(removed).error();
    if (auto reserve = take_reserve(); !reserve) return std::move(reserve).error();
    return std::move(ready_);
  }

 private:
  std::string path_of(std::uint64_t number) const { return path_in(directory_, segment_name(number)); }

  Status cut_tail() {
    const std::string path = path_of(scan_.cut->segment);
    std::string bytes;
    if (const Errno failed = read_file(disk_, path, kSegmentBytesMax, bytes)) return io_error("read", path, failed);
    ASSENT_CHECK(scan_.cut->offset >= kBlocksOffset && scan_.cut_end <= bytes.size());
    const std::string copy_name = segment_name(scan_.cut->segment) + ".torn-" + utc_stamp();
    const auto worth_keeping = std::string_view(bytes).substr(0, scan_.cut_end);
    if (const auto failed = write_aside(disk_, directory_, copy_name, worth_keeping)) {
      Error error = failed.error();
      error.what = "the torn end of the log was not cut, since no copy of it could be made: " + error.what;
      return error;
    }
    ASSENT_FAILPOINT(log_torn_end_kept);
    std::unique_ptr<File> file;
    if (const Errno failed = disk_.open(path, OpenMode::read_write, file)) return io_error("open", path, failed);
    const std::string zeroes(std::min(kZeroesAtOnceBytes, scan_.cut_end - scan_.cut->offset), '\0');
    for (auto at = scan_.cut->offset; at < scan_.cut_end; at += zeroes.size()) {
      const auto count = std::min<std::uint64_t>(zeroes.size(), scan_.cut_end - at);
      const Errno failed = file->write_at(at, std::string_view(zeroes).substr(0, count));
      if (failed != 0) return io_error("write", path, failed);
    }
    if (const Errno failed = file->sync()) return io_error("sync", path, failed);
    ready_.notes.push_back(segment_name(scan_.cut->segment) + ": a write that was cut off by a crash, bytes " +
                           std::to_string(scan_.cut->offset) + " to " + std::to_string(scan_.cut_end) +
                           ", was removed; it had never been acknowledged. The segment as it was is kept in " +
                           path_in(directory_, copy_name));
    return Ok{};
  }

  Status open_current() {
    const std::string path = path_of(scan_.end.segment);
    ready_.current.number = scan_.end.segment;
    ready_.current.bytes = scan_.end_segment_bytes;
    const Errno failed = disk_.open(path, OpenMode::read_write, ready_.current.file);
    return failed == 0 ? Status(Ok{}) : io_error("open", path, failed);
  }

  /// The last batch may stand in the kernel's memory only, or there although its sync had failed: then a sync now
  /// would say OK and prove nothing, so it is written again. Batches before it are vouched for by the one after.
  Status make_durable() {
    if (scan_.last_batch && scan_.next_sequence - 1 > scan_.durable_through) {
      if (auto written = write_again(*scan_.last_batch, scan_.last_batch_bytes); !written) return written;
      ASSENT_FAILPOINT(log_last_batch_rewritten);
    }
    // The mark is lasting then, so that from here on a flipped bit in the last batch is told from a torn one.
    std::string mark(kBlockHeaderBytes, '\0');
    Block block{BlockKind::mark,
                scan_.checkpoint.log_id,
                scan_.end.segment,
                scan_.next_sequence,
                scan_.next_sequence - 1,
                0,
                0};
    finish_block(block, scan_.end.offset, mark);
    const std::string path = path_of(scan_.end.segment);
    if (const Errno failed = ready_.current.file->write_at(scan_.end.offset, mark)) {
      return io_error("write", path, failed);
    }
    if (const Errno failed = ready_.current.file->sync()) return io_error("sync", path, failed);
    return Ok{};
  }

  Status write_again(const Place& place, std::uint64_t bytes) {
    const std::string path = path_of(place.segment);
    std::unique_ptr<File> file;
    if (const Errno failed = disk_.open(path, OpenMode::read_write, file)) return io_error("open", path, failed);
    std::string batch;
    if (const Errno failed = file->read_at(place.offset, bytes, batch)) return io_error("read", path, failed);
    if (const Errno failed = file->write_at(place.offset, batch)) return io_error("write", path, failed);
    if (const Errno failed = file->sync()) return io_error("sync", path, failed);
    return Ok{};
  }

  Status remove_leftovers() {
    std::vector<std::string> names = scan_.leftovers;
    for (const auto& empty : scan_.reserves) {
      if (!is_fitting(empty)) names.push_back(segment_name(empty.number));
    }
    for (const auto& name : names) {
      const std::string path = path_in(directory_, name);
      const Errno failed = disk_.remove(path);
      // A copy of the torn end may have taken its temporary name over.
      if (failed != 0 && failed != ENOENT) return io_error("remove", path, failed);
    }
    if (names.empty()) return Ok{};
    const Errno failed = disk_.sync_directory(directory_);
    return failed == 0 ? Status(Ok{}) : io_error("sync", directory_, failed);
  }

  bool is_fitting(const Scan::Empty& empty) const {
    return empty.number == scan_.end.segment + 1 && empty.bytes == segment_bytes_;
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
  const std::string checkpoint = encode_checkpoint({log_id, 0, 1, 1}, empty);
  if (const auto failed = write_aside(disk, directory, std::string(kCheckpointName), checkpoint)) {
    return failed.error();
  }
  return Ok{};
}

Result<Ready> make_ready(Disk& disk, const std::string& directory, std::uint64_t segment_bytes, const Scan& scan) {
  return Repair(disk, directory, segment_bytes, scan).run();
}

}  // namespace assent::wal
