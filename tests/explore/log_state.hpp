#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "packer.hpp"

namespace assent::explore {

inline constexpr std::size_t kLogParticipants = 2;
inline constexpr std::size_t kLogDirectories = 2;
inline constexpr std::size_t kLogRuns = 2;
inline constexpr std::size_t kLogProcessesMax = 4;
inline constexpr std::size_t kLogRecordsMax = 8;
inline constexpr std::uint8_t kNobodys = 0;  ///< Else a process's number, counted from 1.

/// One record of a log, in four bits.
enum class LogWord : std::uint8_t { none, epoch = 1, epoch_lost = 5, decided = 9, hazard = 11 };

constexpr std::uint8_t log_word(LogWord kind, std::size_t of) {
  return static_cast<std::uint8_t>(static_cast<std::size_t>(kind) + of);
}

/// What lies in a directory. Copying it copies all of this.
struct LogDirectory {
  std::array<std::uint8_t, kLogRecordsMax> records{};
  std::uint8_t count = 0;  ///< Also the sequence of its last record.

  bool has(LogWord kind, std::size_t of) const {
    for (std::size_t i = 0; i < count; ++i) {
      if (records[i] == log_word(kind, of)) return true;
    }
    return false;
  }
  /// False: it is full, and this world ends here.
  bool append(LogWord kind, std::size_t of) {
    if (count == kLogRecordsMax) return false;
    records[count++] = log_word(kind, of);
    return true;
  }
};

/// The owner row of one participant.
struct LogRow {
  std::uint8_t owner = kNobodys;
  std::uint8_t sequence = 0;
  bool silent = false;  ///< No sign of life for so long that its owner is taken for dead.
};

struct LogProcess {
  enum class Status : std::uint8_t { unborn, looking, running, over };
  enum class Hold : std::uint8_t {
    none,
    judged,   ///< It has looked at the row, may take it, and the row is what it was then.
    changed,  ///< The same, but the row is another one now. Only without the condition in the claim.
    held,     ///< As it believes.
  };
  Status status = Status::unborn;
  std::uint8_t directory = 0;
  std::uint8_t epoch = 0;
  bool log_lost = false;  ///< Started with --log-lost.
  std::array<Hold, kLogParticipants> holds{};
  std::array<bool, kLogParticipants> fresh{};  ///< By its own clock its last renewal is young enough to act.
  std::array<bool, kLogParticipants> away{};   ///< Cut off from it, and counting on the claim all the same.
};

/// A transaction under the one key of this world.
struct LogRun {
  enum class Branch : std::uint8_t { none, prepared, committed, rolled_back };
  enum class Told : std::uint8_t { nothing, committed, rolled_back };
  std::uint8_t owner = kNobodys;  ///< Nobody's: it has not begun.
  std::uint8_t votes = 0;         ///< A bit for each branch.
  bool gave_up = false;
  Told told = Told::nothing;
  bool purged = false;        ///< Its proof rows are.
  std::uint8_t decision = 0;  ///< The sequence of its decision in its owner's log.
  bool covered = false;       ///< An owner row has reached that.
  std::uint8_t sent = 0;      ///< Its owner's XA COMMIT is on the way, a bit for each branch.
  std::array<Branch, kLogParticipants> branches{};
};

struct LogWorldState {
  std::array<LogDirectory, kLogDirectories> directories{};
  std::array<LogRow, kLogParticipants> rows{};
  std::array<LogProcess, kLogProcessesMax> processes{};
  std::array<LogRun, kLogRuns> runs{};
  std::uint8_t hand = 0;   ///< How often somebody has copied or emptied a log.
  bool displaced = false;  ///< A start has taken over from an owner that had just given a sign of life.

  LogProcess& at(std::uint8_t number) { return processes[number - 1U]; }
  const LogProcess& at(std::uint8_t number) const { return processes[number - 1U]; }
  LogDirectory& log_of(const LogProcess& process) { return directories[process.directory]; }
  const LogDirectory& log_of(const LogProcess& process) const { return directories[process.directory]; }
};

/// Without what makes no difference any more.
Packed pack(const LogWorldState& state, std::size_t processes);
LogWorldState unpack_log_world(const Packed& packed, std::size_t processes);

}  // namespace assent::explore
