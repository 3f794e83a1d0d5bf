#include "wal/log.hpp"

#include <cerrno>
#include <cstdint>
#include <random>
#include <utility>

#include "base/failpoints.hpp"
#include "wal/files.hpp"
#include "wal/format.hpp"
#include "wal/lock.hpp"
#include "wal/repair.hpp"

namespace assent::wal {
namespace {

constexpr std::uint64_t kPageBytes = 4096;

Status check(const Options& options) {
  const auto refuse = [](std::string what) { return Error{Errc::invalid_argument, std::move(what)}; };
  if (options.directory.empty()) return refuse("the decision log needs a directory");
  if (options.segment_bytes < kSegmentBytesMin || options.segment_bytes > kSegmentBytesMax ||
      options.segment_bytes % kPageBytes != 0) {
    return refuse("segment_bytes of the decision log is " + std::to_string(options.segment_bytes) +
                  "; it must be a multiple of 4096 from " + std::to_string(kSegmentBytesMin) + " to " +
                  std::to_string(kSegmentBytesMax));
  }
  if (options.checkpoint_every_segments == 0) return refuse("checkpoint_every_segments must be at least 1");
  if (options.lazy_flush_ms == 0 || options.room_retry_ms == 0) {
    return refuse("lazy_flush_ms and room_retry_ms must be at least 1");
  }
  return Ok{};
}

Status make_directory(const Options& options, Disk& disk) {
  const std::string parent = parent_of(options.directory);
  const Errno failed = disk.make_directory(options.directory);
  if (failed != 0) {
    Error error = io_error("create the log's directory", options.directory, failed);
    if (failed == ENOENT)
      error = {Errc::not_found, "cannot create the log's directory " + options.directory + ": " + parent +
                                    " does not exist; create it first"};
    return error;
  }
  if (const Errno unsynced = disk.sync_directory(parent)) return io_error("sync", parent, unsynced);
  return Ok{};
}

std::uint64_t random_id() {
  std::random_device random;
  std::uint64_t id = 0;
  while (id == 0) id = (std::uint64_t{random()} << 32) | random();
  return id;
}

WriterLog::Setup setup_for(const Options& options, const Scan& scan) {
  WriterLog::Setup setup;
  setup.directory = options.directory;
  setup.log_id = scan.checkpoint.log_id;
  setup.next_sequence = scan.next_sequence;
  setup.offset = scan.end.offset;
  setup.lazy_flush_ms = options.lazy_flush_ms;
  setup.quick_ms = options.quick_ms;
  setup.keeper.directory = options.directory;
  setup.keeper.segment_bytes = options.segment_bytes;
  setup.keeper.checkpoint_every_segments = options.checkpoint_every_segments;
  setup.keeper.room_retry_ms = options.room_retry_ms;
  setup.keeper.checkpoint = scan.checkpoint;
  setup.keeper.current_segment = scan.end.segment;
  setup.keeper.current_first_sequence = scan.end_first_sequence;
  setup.keeper.durable_through = scan.next_sequence - 1;
  return setup;
}

}  // namespace

std::optional<std::string> running_owner(const std::string& directory, Disk& disk) {
  if (!disk.is_locked(path_in(directory, kLockName))) return std::nullopt;
  return owner_of(disk, directory);
}

Result<Opened> open(const Options& options, Disk& disk, ports::Executor executor) {
  if (auto checked = check(options); !checked) return std::move(checked).error();
  // A look before the lock: taking that would leave a trace in a log of a newer program.
  if (auto known = check_versions(disk, options.directory); !known) {
    if (known.error().code != Errc::not_found || !options.allow_create) return std::move(known).error();
    if (auto made = make_directory(options, disk); !made) return std::move(made).error();
  }
  auto lock = take_lock(disk, options.directory);
  if (!lock) return std::move(lock).error();
  auto scanned = scan(disk, options.directory, options.kept_keys_max);
  if (!scanned) return std::move(scanned).error();
  if (scanned->tail == Tail::corrupt) return damaged(options.directory, *scanned);
  const bool create = scanned->presence != Scan::Presence::present;
  if (create && !options.allow_create) {
    return Error{Errc::not_found, "there is no decision log in " + options.directory + ", and none may be made there"};
  }
  if (auto signed_lock = sign_lock(options.directory, **lock); !signed_lock) return std::move(signed_lock).error();
  if (create) {
    const std::uint64_t id = options.new_log_id != 0 ? options.new_log_id : random_id();
    auto created = create_log(disk, options.directory, id, options.segment_bytes, *scanned);
    if (!created) return std::move(created).error();
    scanned = scan_whole(disk, options.directory, options.kept_keys_max);
    if (!scanned) return std::move(scanned).error();
  }
  ASSENT_FAILPOINT(log_read);
  auto ready = make_ready(disk, options.directory, options.segment_bytes, *scanned);
  if (!ready) return std::move(ready).error();
  ASSENT_FAILPOINT(log_ready);

  Opened opened;
  opened.created = create;
  opened.tail = scanned->tail;
  opened.notes = std::move(ready->notes);
  for (const auto& finding : scanned->findings) {
    if (finding.grade == Finding::Grade::note) opened.notes.push_back(finding.text());
  }
  opened.state = scanned->state.state();
  WriterLog::Setup setup = setup_for(options, *scanned);
  setup.executor = std::move(executor);
  opened.log = std::make_unique<WriterLog>(std::move(setup), std::move(scanned->state), *std::move(ready), disk,
                                           *std::move(lock));
  return opened;
}

Result<ports::LogState> read_state(const std::string& directory, Disk& disk) {
  auto scanned = scan_whole(disk, directory, kAllKeys);
  if (!scanned) return std::move(scanned).error();
  return scanned->state.state();
}

Result<Report> verify(const std::string& directory, Disk& disk) {
  auto scanned = scan(disk, directory, kAllKeys);
  if (!scanned) return std::move(scanned).error();
  if (scanned->presence == Scan::Presence::absent) {
    return no_log(directory);
  }
  Report report;
  report.tail = scanned->tail;
  report.findings = std::move(scanned->findings);
  report.files = std::move(scanned->files);
  report.log_id = scanned->checkpoint.log_id;
  report.last_sequence = scanned->next_sequence - 1;
  report.live = scanned->state.state().live.size();
  report.kept_keys = scanned->state.state().kept_keys.size();
  report.owner = running_owner(directory, disk);
  return report;
}

Status dump(const std::string& directory, Disk& disk, const RecordVisitor& visit) {
  const auto scanned = scan(disk, directory, kAllKeys, visit);
  if (!scanned) return scanned.error();
  if (scanned->presence == Scan::Presence::absent) {
    return no_log(directory);
  }
  if (scanned->tail == Tail::corrupt) return damaged(directory, *scanned);
  return Ok{};
}

}  // namespace assent::wal
