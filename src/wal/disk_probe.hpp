#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "assent/status.hpp"
#include "wal/disk.hpp"
#include "wal/log.hpp"

namespace assent::wal {

// What the doctor has to say of the place where the log is to be, without a log being opened.

/// Less room than what the log still has to take is refused; less than this many whole logs is a warning.
inline constexpr std::uint64_t kLogsOfRoomMin = 4;
/// Every commit waits for one write and sync, shared with others: half of them may take this long, and any this long.
inline constexpr std::chrono::milliseconds kMedianSyncMax{20};
inline constexpr std::chrono::milliseconds kWorstSyncMax{250};

/// Most that the log has on the disk by itself: checkpoint_every_segments and three more.
std::uint64_t log_bytes(const Options& options);

/// What was seen. Errnos are 0 where nothing failed.
struct DiskLook {
  enum class Presence : std::uint8_t {
    there,      ///< The log's directory is.
    parent,     ///< Not yet; the first start makes it.
    nothing,    ///< Nor the directory above it, which nobody makes.
    forbidden,  ///< It cannot even be looked for.
    no_directory,
  };
  Presence presence = Presence::nothing;
  std::string place;                  ///< The nearest directory that is there, where the rest was seen.
  std::string account;                ///< Who looks.
  std::string owner;                  ///< Of `place`.
  bool writable = false;              ///< `place`, to this account.
  bool others_write = false;          ///< Others than its owner may write in `place`.
  std::optional<std::string> barred;  ///< A file of the log that this account may not read and write.
  std::optional<std::string> in_use_by;
  bool in_memory = false;  ///< A file system that ends with the machine's run.
  Errno space_failed = 0;
  std::uint64_t free_bytes = 0;                  ///< To accounts that are not root.
  std::uint64_t taken_bytes = 0;                 ///< By segments that are there.
  std::vector<std::chrono::microseconds> syncs;  ///< How long each write and sync took; fewer on a very slow disk.
  Errno sync_failed = 0;
};

/// Looks, and times some tens of writes and syncs into a file of its own, which it removes again. A running log is not
/// touched. Blocks for disk operations.
DiskLook look_at_disk(const Options& options, Disk& disk);

/// Pure. A refusal is what assentd could not start or go on with.
std::vector<DoctorFinding> judge_disk(const DiskLook& look, const Options& options);

}  // namespace assent::wal
