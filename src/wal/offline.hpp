#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "assent/result.hpp"
#include "wal/disk.hpp"
#include "wal/reader.hpp"
#include "wal/salvage.hpp"

namespace assent::wal {

// What can be done to the log of a stopped coordinator. Both hold the owner lock meanwhile, refuse a newer format
// unchanged, and change nothing before a copy of the whole log stands beside it, when something is to be cut or given
// up. Killed at any moment, they leave the log that was there or the one that was asked for; doing it again is safe.

struct RepairOptions {
  std::string directory;
  bool force_lose = false;  ///< Go on without what damage has made unreadable. Otherwise only a torn tail is cut.
  bool dry_run = false;     ///< Only tell.
};

struct RepairReport {
  Tail tail = Tail::clean;  ///< As it was found.
  std::vector<Finding> findings;
  std::optional<Salvage> salvage;  ///< Of a damaged log: what is left of it.
  bool repaired = false;
  std::string copy;  ///< The directory with the log as it was; empty when none was made.
  /// Names, in the log's directory, of what could not be used as the checkpoint or a segment and was moved out of the
  /// way: the copy has nothing of a pipe, and of a file only what the device gave.
  std::vector<std::string> set_aside;
  std::vector<std::string> notes;  ///< For people: what was done.
};

/// Makes a torn log whole, as open() would, and with `force_lose` a damaged one usable again (see salvage.hpp for what
/// becomes of its records, FORMAT.md for how it is written). A damaged log without `force_lose` is a report that says
/// so, and no error. Errors: not_found, log_locked, log_newer_format, log_corrupt (salvage() found nothing to go by),
/// io.
Result<RepairReport> repair(const RepairOptions& options, Disk& disk);

struct CompactReport {
  std::uint64_t bytes_before = 0;  ///< Of checkpoint, segments and temporary files.
  std::uint64_t bytes_after = 0;
  bool changed = false;
  std::string copy;  ///< As in RepairReport, when a torn tail was cut.
  std::vector<std::string> notes;
};

/// Writes a checkpoint of the current state and removes the segments before the last one. Does nothing where there is
/// nothing to gain. Errors: not_found, log_locked, log_newer_format, log_corrupt, io.
Result<CompactReport> compact(const std::string& directory, Disk& disk);

}  // namespace assent::wal
