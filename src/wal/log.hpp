#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "assent/result.hpp"
#include "ports/decision_log.hpp"
#include "wal/disk.hpp"
#include "wal/reader.hpp"
#include "wal/writer.hpp"

namespace assent::wal {

// The decision log: a directory of segments and a checkpoint, as FORMAT.md beside this file lays down.
//
//   append -> group in memory -> one write and one sync (writer.hpp) -> acknowledged
//                                        |
//                                        +-> keeper.hpp: next segment ahead of need, checkpoint, removal
//   open   -> lock -> read and judge (reader.hpp) -> cut a torn tail, make durable what was read (repair.hpp) -> append
//
// Only a torn tail is repaired. Damage is refused, by file and offset, and nothing is changed.

struct Options {
  std::string directory;
  std::uint64_t segment_bytes = 16ULL << 20;    ///< kSegmentBytesMin to kSegmentBytesMax, whole pages of 4 KiB.
  std::uint32_t checkpoint_every_segments = 2;  ///< At least 1. On the disk: about as many, and three more.
  std::uint32_t kept_keys_max = 100'000;        ///< Idempotency keys; those decided first go first.
  std::uint32_t lazy_flush_ms = 100;            ///< How long a record that is not forced may wait, and so the mark.
  std::uint32_t quick_ms = 5;                   ///< A write and sync that take longer are not for the executor.
  std::uint32_t room_retry_ms = 1'000;          ///< How often a full disk is tried again.
  bool allow_create = true;                     ///< Make a new log where there is none. Its parent must exist.
  std::uint64_t new_log_id = 0;                 ///< For a new log; 0: at random.
};

struct Opened {
  std::unique_ptr<WriterLog> log;
  ports::LogState state;
  Tail tail = Tail::clean;         ///< As it was found; a torn one has been cut.
  std::vector<std::string> notes;  ///< For people: what was repaired or looked odd.
  bool created = false;
};

/// Takes the owner lock, reads, repairs what a crash leaves, and starts writing. `disk` must outlive the log, as must
/// `executor`, where records are written while that is quick, and their callbacks run (see WriterLog). Blocks for disk
/// operations.
///
/// Errors: invalid_argument (an option, or the directory is a file), not_found (no log and none may be made, or its
/// parent is missing), log_locked, log_newer_format, log_corrupt (these three leave the log's files unchanged), io.
Result<Opened> open(const Options& options, Disk& disk, ports::Executor executor = nullptr);

/// Who runs on the log in this directory now, as its LOCK names it: `pid 4711 on db1`.
std::optional<std::string> running_owner(const std::string& directory, Disk& disk);

/// What the log comes to, without a lock or any change; for tools on a stopped coordinator. A torn tail is read over.
/// Errors: not_found, log_newer_format, log_corrupt, io.
Result<ports::LogState> read_state(const std::string& directory, Disk& disk);

/// What a look at every file found.
struct Report {
  Tail tail = Tail::clean;
  std::vector<Finding> findings;
  std::vector<FileSummary> files;
  std::uint64_t log_id = 0;
  std::uint64_t last_sequence = 0;
  std::size_t live = 0;
  std::size_t kept_keys = 0;
  std::optional<std::string> owner;  ///< Who runs on it now, from LOCK: then the end of the log moves under the look.
};

/// Reads every segment and checkpoint whole, and changes nothing. Damage is in the report, not an error.
/// Errors: not_found (no log there), log_newer_format, io.
Result<Report> verify(const std::string& directory, Disk& disk);

/// Every record in the segments, in order; behind damage too, marked so. What was before the checkpoint is gone.
/// Errors: not_found, log_newer_format, io, and log_corrupt, after all that could be read was shown.
Status dump(const std::string& directory, Disk& disk, const RecordVisitor& visit);

}  // namespace assent::wal
