#include "wal/log.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <future>
#include <random>
#include <utility>

#include "base/clock.hpp"
#include "base/failpoints.hpp"
#include "wal/files.hpp"
#include "wal/format.hpp"
#include "wal/lock.hpp"
#include "wal/repair.hpp"

namespace assent::wal {
namespace {

Status check(const Options& options) {
  const auto refuse = [](std::string what) { return Error{Errc::invalid_argument, std::move(what)}; };
  if (options.directory.empty()) return refuse("the decision log needs a directory");
  if (options.segment_bytes < kSegmentBytesMin || options.segment_bytes > kSegmentBytesMax ||
      options.segment_bytes % kSectorBytes != 0) {
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

Error no_parent(const Options& options) {
  return {Errc::not_found, "cannot create the log's directory " + options.directory + ": " +
                               parent_of(options.directory) + " does not exist; create it first"};
}

Error changed(const Options& options) {
  return {Errc::conflict,
          "the log's directory " + options.directory +
              " was changed by somebody else while this process looked at it; start it again",
          true};
}

Status make_directory(const Options& options, Disk& disk) {
  const Errno failed = disk.make_directory(options.directory);
  if (failed == 0) return Ok{};
  if (failed == ENOENT) return no_parent(options);
  if (failed == EEXIST) return changed(options);
  return io_error("create the log's directory", options.directory, failed);
}

std::uint64_t random_id() {
  std::random_device random;
  std::uint64_t id = 0;
  while (id == 0) id = (std::uint64_t{random()} << 32) | random();
  return id;
}

WriterLog::Setup setup_for(const Options& options, const Scan& scan, const Ready& ready) {
  WriterLog::Setup setup;
  setup.directory = options.directory;
  setup.log_id = scan.checkpoint.log_id;
  setup.next_sequence = scan.next_sequence;
  setup.lazy_flush_ms = options.lazy_flush_ms;
  setup.quick_ms = options.quick_ms;
  setup.keeper.directory = options.directory;
  setup.keeper.segment_bytes = options.segment_bytes;
  setup.keeper.checkpoint_every_segments = options.checkpoint_every_segments;
  setup.keeper.room_retry_ms = options.room_retry_ms;
  setup.keeper.checkpoint = ready.checkpoint;
  setup.keeper.current_segment = ready.current.number;
  setup.keeper.current_first_sequence = ready.current_first_sequence;
  setup.keeper.durable_through = scan.next_sequence - 1;
  return setup;
}

/// A record's own sequence tells them apart, too, but not what was made twice.
bool is_same(const Scan& one, const Scan& other) {
  return one.presence == other.presence && one.tail == other.tail && one.next_sequence == other.next_sequence &&
         one.checkpoint.log_id == other.checkpoint.log_id && one.end.segment == other.end.segment &&
         one.end.offset == other.end.offset;
}

}  // namespace

std::optional<std::string> running_owner(const std::string& directory, Disk& disk) {
  if (!disk.is_locked(path_in(directory, kLockName))) return std::nullopt;
  return owner_of(disk, directory);
}

struct Candidate::Impl {
  Impl(Options chosen, Disk& whole_disk) : options(std::move(chosen)), disk(whole_disk), scan(options.kept_keys_max) {}

  Options options;
  Disk& disk;
  Owned owned;  ///< Without a directory while there is none.
  Scan scan;
  bool creates() const { return scan.presence != Scan::Presence::present; }
};

Candidate::Candidate(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Candidate::Candidate(Candidate&&) noexcept = default;
Candidate& Candidate::operator=(Candidate&&) noexcept = default;
Candidate::~Candidate() = default;

const ports::LogState& Candidate::state() const {
  return impl_->scan.state.state();
}
Tail Candidate::tail() const {
  return impl_->scan.tail;
}
bool Candidate::creates() const {
  return impl_->creates();
}
std::uint64_t Candidate::place() const {
  return impl_->owned.directory ? place_of(impl_->owned) : 0;
}

/// What begin() does, step by step.
struct Opener {
  Candidate::Impl& it;
  bool made_directory = false;

  /// Of what is made here, nothing stays when it could not be made whole.
  Result<Scan> create() {
    auto created = create_log(*it.owned.directory, it.options.directory, it.scan.state.state().log_id,
                              it.options.segment_bytes, it.scan);
    if (created) return scan_whole(*it.owned.directory, it.options.directory, it.options.kept_keys_max);
    take_away();
    return std::move(created).error();
  }

  void take_away() {
    HeldDirectory& held = *it.owned.directory;
    std::vector<std::string> names;
    if (held.list(it.options.directory, names) != 0) return;
    // Cut off in between, it is still one whose creation was: the last that was made goes first.
    std::sort(names.begin(), names.end(), std::greater<>());
    for (const auto& name : names) {
      if (is_log_name(name)) held.remove(path_in(it.options.directory, name));
    }
    held.remove(path_in(it.options.directory, kLockName));
    if (made_directory) it.disk.remove(it.options.directory);
  }

  /// The locks that look() could not take, since there was nothing to lock. Meanwhile somebody else may have come.
  Status own() {
    const bool was_sure = it.owned.directory && it.owned.is_sure();
    if (!it.owned.directory) {
      if (auto made = make_directory(it.options, it.disk); !made) return made;
      made_directory = true;
      auto held = hold_directory(it.disk, it.options.directory);
      if (!held) return std::move(held).error();
      it.owned.directory = *std::move(held);
    }
    if (auto taken = take_ownership(it.owned, it.options.directory, true); !taken) return taken;
    if (auto ours = check_ownership(it.owned, it.options.directory); !ours) return ours;
    if (was_sure) return Ok{};
    const auto again = scan(*it.owned.directory, it.options.directory, it.options.kept_keys_max);
    if (!again) return again.error();
    return is_same(*again, it.scan) ? Status(Ok{}) : changed(it.options);
  }

  Result<Opened> run(ports::Executor executor) {
    Opened opened;
    const bool creates = it.creates();
    if (auto owned = own(); !owned) return std::move(owned).error();
    if (const auto failed = sync_path_to(*it.owned.directory, it.options.directory, opened.notes)) {
      if (creates) take_away();
      return failed.error();
    }
    if (auto is_signed = sign_lock(it.options.directory, *it.owned.lock); !is_signed) {
      return std::move(is_signed).error();
    }
    if (creates) {
      auto scanned = create();
      if (!scanned) return std::move(scanned).error();
      it.scan = *std::move(scanned);
    }
    ASSENT_FAILPOINT(log_read);
    auto ready = make_ready(*it.owned.directory, it.options.directory, it.options.segment_bytes, it.scan);
    if (!ready) return std::move(ready).error();
    ASSENT_FAILPOINT(log_ready);
    opened.created = creates;
    opened.tail = it.scan.tail;
    for (auto& note : ready->notes) opened.notes.push_back(std::move(note));
    for (const auto& finding : it.scan.findings) {
      if (finding.grade == Finding::Grade::note) opened.notes.push_back(finding.text());
    }
    opened.state = it.scan.state.state();
    opened.place = place_of(it.owned);
    WriterLog::Setup setup = setup_for(it.options, it.scan, *ready);
    setup.executor = std::move(executor);
    opened.log =
        std::make_unique<WriterLog>(std::move(setup), std::move(it.scan.state), *std::move(ready), std::move(it.owned));
    return opened;
  }

  static Result<Opened> begin(Candidate& candidate, ports::Executor executor) {
    return Opener{*candidate.impl_}.run(std::move(executor));
  }
};

Result<Candidate> look(const Options& options, Disk& disk) {
  if (auto checked = check(options); !checked) return std::move(checked).error();
  auto impl = std::make_unique<Candidate::Impl>(options, disk);
  auto held = hold_directory(disk, options.directory);
  if (!held && held.error().code != Errc::not_found) return std::move(held).error();
  if (held) {
    impl->owned.directory = *std::move(held);
    HeldDirectory& directory = *impl->owned.directory;
    if (auto taken = take_ownership(impl->owned, options.directory, false); !taken) return std::move(taken).error();
    if (auto known = check_versions(directory, options.directory); !known) return std::move(known).error();
    auto scanned = scan(directory, options.directory, options.kept_keys_max);
    if (!scanned) return std::move(scanned).error();
    if (scanned->tail == Tail::corrupt) return damaged(options.directory, *scanned);
    impl->scan = *std::move(scanned);
  }
  if (impl->creates()) {
    if (!options.allow_create) return no_log(options.directory);
    std::vector<std::string> names;
    if (!impl->owned.directory && disk.list(parent_of(options.directory), names) == ENOENT) return no_parent(options);
    impl->scan.state.start(options.new_log_id != 0 ? options.new_log_id : random_id());
  }
  return Candidate(std::move(impl));
}

Result<Opened> begin(Candidate candidate, ports::Executor executor) {
  return Opener::begin(candidate, std::move(executor));
}

Result<Opened> open(const Options& options, Disk& disk, ports::Executor executor) {
  auto candidate = look(options, disk);
  if (!candidate) return std::move(candidate).error();
  return begin(*std::move(candidate), std::move(executor));
}

Result<Opened> open_for_tool(Options options, Disk& disk) {
  options.allow_create = false;
  auto opened = open(options, disk);
  if (!opened || opened->state.epoch == 0) return opened;
  const ports::EpochStarted same{opened->state.coordinator, opened->state.epoch, base::wall_clock_ms(), random_id()};
  std::promise<Status> durable;
  opened->log->append_forced(same, [&](Status status) { durable.set_value(std::move(status)); });
  if (auto status = durable.get_future().get(); !status) return std::move(status).error();
  return opened;
}

Result<ports::LogState> read_state(const std::string& directory, Disk& disk) {
  const auto held = hold_directory(disk, directory);
  if (!held) return held.error();
  auto scanned = scan_whole(**held, directory, kAllKeys);
  if (!scanned) return std::move(scanned).error();
  return scanned->state.state();
}

Result<Report> verify(const std::string& directory, Disk& disk) {
  const auto held = hold_directory(disk, directory);
  if (!held) return held.error();
  auto scanned = scan(**held, directory, kAllKeys);
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
  const auto held = hold_directory(disk, directory);
  if (!held) return held.error();
  const auto scanned = scan(**held, directory, kAllKeys, visit);
  if (!scanned) return scanned.error();
  if (scanned->presence == Scan::Presence::absent) {
    return no_log(directory);
  }
  if (scanned->tail == Tail::corrupt) return damaged(directory, *scanned);
  return Ok{};
}

}  // namespace assent::wal
