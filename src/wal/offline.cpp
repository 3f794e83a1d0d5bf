#include "wal/offline.hpp"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "base/check.hpp"
#include "wal/backup.hpp"
#include "wal/files.hpp"
#include "wal/format.hpp"
#include "wal/lock.hpp"
#include "wal/repair.hpp"

namespace assent::wal {
namespace {

/// The directory and its lock, unless there is no log to own: a directory that is something else gets no trace of this.
Result<Owned> own(Disk& disk, const std::string& directory) {
  auto held = hold_directory(disk, directory);
  if (!held && held.error().code == Errc::not_found) return no_log(directory);
  if (!held) return std::move(held).error();
  if (auto known = check_versions(**held, directory); !known) return std::move(known).error();
  std::vector<std::string> names;
  if (const Errno failed = (*held)->list(directory, names)) return io_error("read", directory, failed);
  const bool is_log = std::any_of(names.begin(), names.end(), [](const auto& name) {
    return name == kCheckpointName || parse_segment_name(name).has_value();
  });
  if (!is_log) return no_log(directory);
  Owned owned;
  owned.directory = *std::move(held);
  if (auto taken = take_ownership(owned, directory, true); !taken) return std::move(taken).error();
  return owned;
}

/// What the log does not need once it begins with this segment. A start removes what is left of it. No file of the
/// log's is what is no regular one: that is set aside.
Status remove_before(Disk& disk, const std::string& directory, std::uint64_t segment,
                     std::vector<std::string>& set_aside) {
  std::vector<std::string> names;
  if (const Errno failed = disk.list(directory, names)) return io_error("read", directory, failed);
  for (const auto& name : names) {
    const auto number = parse_segment_name(name);
    if (number ? *number >= segment : !is_aside_name(name)) continue;
    const std::string path = path_in(directory, name);
    std::unique_ptr<File> file;
    if (disk.open(path, OpenMode::read, file) == kNoRegularFile) {
      if (const Errno failed = wal::set_aside(disk, directory, name, set_aside.emplace_back())) {
        return io_error("rename", path, failed);
      }
    } else if (const Errno failed = disk.remove(path)) {
      return io_error("remove", path, failed);
    }
  }
  const Errno failed = disk.sync_directory(directory);
  return failed == 0 ? Status(Ok{}) : io_error("sync", directory, failed);
}

/// Makes a copy, then goes on behind the torn end, as begin() does.
Status pass_torn_end(Disk& disk, const std::string& directory, const Scan& scan, File& lock, std::string& copy,
                     Ready& out) {
  auto copied = copy_beside(disk, directory);
  if (!copied) return std::move(copied).error();
  copy = *std::move(copied);
  if (auto is_signed = sign_lock(directory, lock); !is_signed) return is_signed;
  auto ready = make_ready(disk, directory, scan.end_segment_bytes, scan);
  if (!ready) return std::move(ready).error();
  out = *std::move(ready);
  return Ok{};
}

/// What was written is read back before anybody is told that it is good, and before what it replaces is removed.
Status check_repaired(Disk& disk, const std::string& directory, const ports::LogState& expected,
                      const std::string& copy) {
  const auto scanned = scan(disk, directory, kAllKeys);
  if (!scanned) return scanned.error();
  const bool is_damaged = scanned->tail == Tail::corrupt;
  if (scanned->tail == Tail::clean && scanned->state.state() == expected) return Ok{};
  std::string what = "the repaired decision log in " + directory + " does not read back as it was written";
  if (is_damaged) {
    const Finding& found = scanned->damage();
    what += ": " + path_in(directory, found.file) + " at byte " + std::to_string(found.offset) + ": " + found.what;
  }
  return Error{is_damaged ? Errc::io : Errc::internal,
               what + "; do not start on it: the log as it was is kept in " + copy +
                   "; move that to a device that can be read, in place of this one, and repair it there"};
}

/// The log goes on in a new segment, behind a checkpoint of all that was salvaged. Between the number of that segment
/// and all before it one is left out: until the checkpoint is in place, the old one finds a segment missing, so that no
/// crash can make a damaged log look whole (the new segment would pass for one that was lost). Nor can it when the old
/// checkpoint is out of the way already: it is missing then, and is known to have been there from that segment.
Status begin_anew(Disk& disk, const std::string& directory, RepairReport& report) {
  const Salvage& salvage = *report.salvage;
  const std::uint64_t number = salvage.newest_segment + 2;
  const auto log_id = salvage.state.state().log_id;
  const std::string checkpoint(kCheckpointName);
  std::unique_ptr<File> file;
  if (const auto failed = make_segment(disk, directory, {log_id, number, salvage.segment_bytes}, file)) {
    return failed.error();
  }
  if (salvage.checkpoint_lost) {
    // Replaced, it would give what the device has still of it back to the file system.
    std::string aside;
    const Errno failed = set_aside(disk, directory, checkpoint, aside);
    if (failed == 0) report.set_aside.push_back(std::move(aside));
    if (failed != 0 && failed != ENOENT) return io_error("rename", path_in(directory, checkpoint), failed);
  }
  const CheckpointHead head{log_id, salvage.next_sequence - 1, number, salvage.next_sequence};
  // Where both commands take effect: what they do before changes nothing of what the log says, and what they do after
  // only takes away what it no longer needs.
  if (auto put = put_checkpoint(disk, directory, head, salvage.state); !put) {
    if (!report.set_aside.empty()) {
      disk.rename(path_in(directory, report.set_aside.back()), path_in(directory, checkpoint));
    }
    return put;
  }
  if (auto good = check_repaired(disk, directory, salvage.state.state(), report.copy); !good) return good;
  return remove_before(disk, directory, number, report.set_aside);
}

std::uint64_t bytes_in(Disk& disk, const std::string& directory) {
  std::uint64_t bytes = 0;
  std::vector<std::string> names;
  if (disk.list(directory, names) != 0) return 0;
  for (const auto& name : names) {
    if (name != kCheckpointName && !parse_segment_name(name) && !is_aside_name(name)) continue;
    std::unique_ptr<File> file;
    FileInfo info;
    if (disk.open(path_in(directory, name), OpenMode::read, file) == 0 && file->info(info) == 0) bytes += info.bytes;
  }
  return bytes;
}

bool is_compact(const Scan& scan) {
  return scan.tail == Tail::clean && scan.leftovers.empty() && scan.reserves.size() <= 1 &&
         scan.checkpoint.covers_through == scan.next_sequence - 1 && scan.checkpoint.first_segment == scan.end.segment;
}

}  // namespace

Result<RepairReport> repair(const RepairOptions& options, Disk& whole_disk) {
  const auto& directory = options.directory;
  auto owned = own(whole_disk, directory);
  if (!owned) return std::move(owned).error();
  HeldDirectory& disk = *owned->directory;
  auto scanned = scan(disk, directory, kAllKeys);
  if (!scanned) return std::move(scanned).error();
  RepairReport report;
  report.tail = scanned->tail;
  report.findings = scanned->findings;
  if (scanned->presence == Scan::Presence::unfinished) {
    report.notes.push_back("its creation was cut off before it held anything; the next start makes it anew");
    return report;
  }
  if (report.tail == Tail::clean) return report;
  if (report.tail == Tail::torn) {
    if (options.dry_run) return report;
    Ready ready;
    if (auto passed = pass_torn_end(disk, directory, *scanned, *owned->lock, report.copy, ready); !passed) {
      return std::move(passed).error();
    }
    report.notes = std::move(ready.notes);
    report.repaired = true;
    return report;
  }
  auto salvaged = salvage(disk, directory);
  if (!salvaged) return std::move(salvaged).error();
  report.salvage = *std::move(salvaged);
  if (options.dry_run || !options.force_lose) return report;
  auto copied = copy_beside(disk, directory);
  if (!copied) return std::move(copied).error();
  report.copy = *std::move(copied);
  if (auto is_signed = sign_lock(directory, *owned->lock); !is_signed) return std::move(is_signed).error();
  if (auto begun = begin_anew(disk, directory, report); !begun) return std::move(begun).error();
  report.repaired = true;
  return report;
}

Result<CompactReport> compact(const std::string& directory, Disk& whole_disk) {
  auto owned = own(whole_disk, directory);
  if (!owned) return std::move(owned).error();
  HeldDirectory& disk = *owned->directory;
  auto scanned = scan_whole(disk, directory, kAllKeys);
  if (!scanned) return std::move(scanned).error();
  CompactReport report;
  report.bytes_before = report.bytes_after = bytes_in(disk, directory);
  if (is_compact(*scanned)) return report;
  Ready state_on_disk;
  if (scanned->tail == Tail::torn) {
    auto passed = pass_torn_end(disk, directory, *scanned, *owned->lock, report.copy, state_on_disk);
    if (!passed) return std::move(passed).error();
  } else {
    if (auto is_signed = sign_lock(directory, *owned->lock); !is_signed) return std::move(is_signed).error();
    // A checkpoint may only cover what is durable in the segments as well: what it calls so must be found there.
    auto ready = make_ready(disk, directory, scanned->end_segment_bytes, *scanned);
    if (!ready) return std::move(ready).error();
    state_on_disk = *std::move(ready);
  }
  report.notes = std::move(state_on_disk.notes);
  const CheckpointHead head{scanned->checkpoint.log_id, scanned->next_sequence - 1, state_on_disk.current.number,
                            state_on_disk.current_first_sequence};
  if (auto put = put_checkpoint(disk, directory, head, scanned->state); !put) return std::move(put).error();
  std::vector<std::string> odd;
  if (auto removed = remove_before(disk, directory, head.first_segment, odd); !removed) {
    return std::move(removed).error();
  }
  for (const auto& name : odd) report.notes.push_back("what was no regular file is set aside as " + name);
  report.bytes_after = bytes_in(disk, directory);
  report.changed = true;
  return report;
}

}  // namespace assent::wal
