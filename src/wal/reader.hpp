#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "assent/result.hpp"
#include "ports/decision_log.hpp"
#include "wal/checkpoint.hpp"
#include "wal/disk.hpp"
#include "wal/state.hpp"

namespace assent::wal {

// Reads a log without changing it, and judges what it sees.
//
// One batch at a time is between its write and its sync. So a power cut or a kill leaves at most one place that does
// not parse, with nothing valid behind it, and nothing that calls anything there durable: a torn tail, which nobody
// was ever told about. The log goes on behind it, with the very next record, and that record proves to every later
// reader that none was lost there. Everything else that does not parse is damage, and damage is never read around.

enum class Tail : std::uint8_t { clean, torn, corrupt };

constexpr const char* to_string(Tail tail) noexcept {
  switch (tail) {
    case Tail::clean: return "clean";
    case Tail::torn: return "torn";
    case Tail::corrupt: return "corrupt";
  }
  return "";
}

struct Finding {
  enum class Grade : std::uint8_t {
    note,    ///< Nothing is lost by it.
    torn,    ///< The end of the last, unacknowledged write.
    damage,  ///< The log must not be used as it is.
  };
  Grade grade = Grade::note;
  std::string file;          ///< Its name in the directory.
  std::uint64_t offset = 0;  ///< In bytes.
  std::string what;          ///< What is there and what it means.
  std::string remedy;        ///< What to do.

  /// `00000003.seg at byte 1536: ...; ...`
  std::string text() const;
};

constexpr const char* to_string(Finding::Grade grade) noexcept {
  switch (grade) {
    case Finding::Grade::note: return "note";
    case Finding::Grade::torn: return "torn";
    case Finding::Grade::damage: return "damage";
  }
  return "";
}

/// A record as it stands in the log.
struct DumpedRecord {
  std::uint64_t sequence = 0;
  std::string file;
  std::uint64_t offset = 0;    ///< Of the batch that holds it.
  bool beyond_damage = false;  ///< Whole, but behind a place that is not: it is not part of the recovered state.
  ports::LogRecord record;
};
using RecordVisitor = std::function<void(const DumpedRecord&)>;

struct FileSummary {
  std::string name;
  std::uint64_t bytes = 0;
  std::uint64_t used_bytes = 0;      ///< Up to the end of the last batch, or of the checkpoint.
  std::uint64_t batches = 0;         ///< 0 in the checkpoint.
  std::uint64_t records = 0;         ///< 0 in the checkpoint.
  std::uint64_t first_sequence = 0;  ///< 0 when it has no record.
};

/// A place in the log.
struct Place {
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;
};

/// For readers that are not bound by a coordinator's settings: all the idempotency keys there are.
inline constexpr std::uint32_t kAllKeys = std::numeric_limits<std::uint32_t>::max();

/// All that reading tells, and what open() needs to go on writing.
struct Scan {
  explicit Scan(std::uint32_t kept_keys_max) : state(kept_keys_max) {}

  enum class Presence : std::uint8_t {
    absent,      ///< No file of a log.
    unfinished,  ///< Its creation was cut off before it could take a record.
    present,
  };
  Presence presence = Presence::absent;
  Tail tail = Tail::clean;
  std::vector<Finding> findings;
  std::vector<FileSummary> files;

  CheckpointHead checkpoint;
  StateBuilder state;
  std::uint64_t next_sequence = 1;
  std::uint64_t durable_through = 0;  ///< What the log itself proves to have been synced.
  Place end;                          ///< Where the next batch goes.
  std::uint64_t end_segment_bytes = 0;
  std::uint32_t end_version = 0;         ///< Of the format of that segment.
  std::uint64_t end_first_sequence = 1;  ///< Of the first record that is or will be in the end's segment.
  /// Of the segment before the end's, while that has no block yet.
  std::optional<Place> open_seal;
  std::uint64_t open_seal_first_sequence = 0;
  std::uint64_t open_seal_durable_through = 0;
  std::optional<Place> last_batch;
  std::uint64_t last_batch_first_sequence = 0;
  std::uint32_t last_batch_records = 0;
  std::string last_batch_payload;

  /// When torn: where its bytes begin, in the segment of the end, and where they end. The log goes on behind them.
  std::optional<Place> torn;
  std::uint64_t torn_end = 0;

  struct Empty {
    std::uint64_t number;
    std::uint64_t bytes;
    std::uint32_t version;
    bool clean;  ///< Nothing but zeroes; otherwise it is not to be used.
  };
  std::vector<Empty> reserves;         ///< Segments behind the end, never written to.
  std::vector<std::string> leftovers;  ///< Names of files that may go: temporary ones, segments before the checkpoint.
  std::vector<std::string> torn_copies;  ///< That earlier versions made of torn ends, oldest first.

  /// The damage that was found. Only when tail is corrupt.
  const Finding& damage() const;
};

/// Looks at the version numbers only: Errc::log_newer_format, or Errc::not_found when the directory does not exist. Any
/// other fault is left for scan() to find.
Status check_versions(Disk& disk, const std::string& directory);

/// Errc::log_newer_format when any file was written by a newer program; Errc::io when a file cannot be opened;
/// Errc::not_found when the directory does not exist. Damage is not an error here but a finding, and so is what the
/// device does not give.
Result<Scan> scan(Disk& disk, const std::string& directory, std::uint32_t kept_keys_max,
                  const RecordVisitor& visit = nullptr);

/// A scan of a log that is there and not damaged. Errors as of scan(), and Errc::not_found, Errc::log_corrupt.
Result<Scan> scan_whole(Disk& disk, const std::string& directory, std::uint32_t kept_keys_max);

/// What those say who will not go on with such a log, or without one.
Error damaged(const std::string& directory, const Scan& scan);
Error no_log(const std::string& directory);

}  // namespace assent::wal
