#pragma once

#include <cstdint>
#include <string>

#include "micro_scratch.hpp"

namespace assent::bench {

/// What a log that is to be recovered was through. Always written by the log's own writer.
enum class History {
  as_it_comes,    ///< Default settings, killed at the end of a decision: checkpoints as they happened to be.
  worst_crash,    ///< The most that default settings can leave unread-for: killed while a checkpoint that was due had
                  ///< not made it, and the writer had filled the segment after, which is as far as it goes without one.
  no_checkpoint,  ///< Every record since the log was made: no default leads there.
};

struct LogContents {
  std::uint64_t ended = 0;
  std::uint64_t live = 0;  ///< Spread evenly among the ended ones.
  bool keys = false;       ///< Every transaction has an idempotency key.
  History history = History::as_it_comes;
};

/// Writes such a log into `directory`, which must not exist.
void build_log(const std::string& directory, const LogContents& contents);

/// One opening, in a process that did nothing else.
struct Opening {
  double seconds = 0;
  double cpu_seconds = 0;               ///< Of the process while it opened; steadier than time on a busy machine.
  double peak_mib = 0;                  ///< Resident, of the whole process, until the log is open.
  double peak_with_checkpoint_mib = 0;  ///< The same, until it has also written a checkpoint.
  double program_mib = 0;               ///< Of that, what was there before.
  std::uint64_t live = 0;
  std::uint64_t kept_keys = 0;
  std::uint64_t log_mib = 0;  ///< Segments and checkpoint on the disk.
};

/// Opens the log in a process of its own, and leaves it as it was. `cold`: none of it is in the kernel's memory.
Opening open_in_child(const std::string& directory, bool cold);

/// What that process runs: prints an Opening as JSON, and gives its exit code.
int open_and_print(const std::string& directory);

}  // namespace assent::bench
