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
//   look   -> lock -> read and judge (reader.hpp): leaves nothing behind
//   begin  -> make what is missing, make durable what was read (repair.hpp) -> append
//
// Damage is refused, by file and offset, and nothing is changed.

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

/// A log that was looked at and may be begun: its directory is held and locked, and as it was. It leaves nothing
/// behind, neither a directory nor a file, unless it is begun.
class Candidate {
 public:
  Candidate(Candidate&&) noexcept;
  Candidate& operator=(Candidate&&) noexcept;
  ~Candidate();

  /// What the log comes to. That of a log that is to be made has its id already, and else nothing.
  const ports::LogState& state() const;
  Tail tail() const;
  /// There is none yet.
  bool creates() const;
  /// Where it lies: a token of this boot of this host and its directory. Whoever wrote there before has ended. 0: not
  /// known, as before there is a directory, or where directories can't be locked.
  std::uint64_t place() const;

 private:
  friend Result<Candidate> look(const Options& options, Disk& disk);
  friend struct Opener;
  struct Impl;
  explicit Candidate(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct Opened {
  std::unique_ptr<WriterLog> log;
  ports::LogState state;
  Tail tail = Tail::clean;         ///< As it was found; the log goes on behind a torn one.
  std::vector<std::string> notes;  ///< For people: what was repaired or looked odd.
  bool created = false;
  std::uint64_t place = 0;  ///< As Candidate::place(), and known in a directory that was made.
};

/// Takes the owner's locks, as far as there is something to lock, reads and judges. `disk` must outlive what comes of
/// it. Blocks for disk operations.
///
/// Errors, all of which leave the log's files unchanged: invalid_argument (an option, or the directory is a file),
/// not_found (no log and none may be made, or its parent is missing), log_locked, log_newer_format, log_corrupt, io.
Result<Candidate> look(const Options& options, Disk& disk);

/// Makes a log where there is none, makes durable what was read and the way to it, and starts writing. `executor` must
/// outlive the log; records are written there while that is quick, and their callbacks run there (see WriterLog).
/// Errors: as of look(), when the directory is no longer what was looked at; io. A log that could not be made is taken
/// away again.
Result<Opened> begin(Candidate candidate, ports::Executor executor = nullptr);

/// Both at once.
Result<Opened> open(const Options& options, Disk& disk, ports::Executor executor = nullptr);

/// For tools that write into the log of a stopped coordinator: as open(), where there is a log, and says in the log
/// that what comes next was not written by the coordinator's last start.
Result<Opened> open_for_tool(Options options, Disk& disk);

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
