#include "log_world.hpp"

#include <algorithm>
#include <string>

#include "base/check.hpp"
#include "log_steps.hpp"

namespace assent::explore {
namespace {

using Branch = LogRun::Branch;
using Kind = LogStepKind;
using Hold = LogProcess::Hold;
using Status = LogProcess::Status;
using Told = LogRun::Told;

Action code(const LogStep& step) {
  return static_cast<Action>(static_cast<unsigned>(step.kind) << 8 | static_cast<unsigned>(step.process) << 4 |
                             step.place << 2 | step.run);
}

LogStep step_of(Action action) {
  return {static_cast<LogStepKind>(action >> 8), static_cast<std::uint8_t>((action >> 4) & 0xFU), (action >> 2) & 3U,
          action & 3U};
}

class LogWorld final : public World {
 public:
  LogWorld(LogSize size, Safeguard without) : size_(size), steps_(size.processes, without) {
    ASSENT_CHECK(size.processes >= 1 && size.processes <= kLogProcessesMax && size.hands <= 3);
  }

  std::string name() const override {
    return "log, " + std::to_string(size_.processes) + " processes, " + std::to_string(size_.hands) + " hands" +
           (size_.log_lost ? ", --log-lost" : "");
  }

  Packed start() const override {
    LogWorldState state;
    auto& first = state.processes[0];
    first.status = Status::running;
    first.epoch = 1;
    first.holds.fill(Hold::held);
    first.fresh.fill(true);
    state.directories[0].append(LogWord::epoch, 0);
    state.rows.fill({1, 1, false});
    return pack(state, size_.processes);
  }

  void each_next(const Packed& packed, const std::function<void(Action, const Packed&)>& visit) const override {
    const auto state = unpack_log_world(packed, size_.processes);
    if (is_full(state)) return;
    const auto go = [&](const LogStep& step) {
      auto next = state;
      steps_.take(next, step);
      const Packed after = pack(next, size_.processes);
      if (!(after == packed)) visit(code(step), after);
    };
    for (std::size_t p = 0; p < kLogParticipants; ++p) {
      if (state.rows[p].owner != kNobodys && !state.rows[p].silent) go({Kind::silence, kNobodys, p});
    }
    for (std::size_t d = 0; d < kLogDirectories && state.hand < size_.hands; ++d) {
      if (steps_.is_locked(state, d)) continue;
      go({Kind::empty, kNobodys, d});
      go({Kind::copy, kNobodys, d});
    }
    for (std::uint8_t i = 1; i <= size_.processes; ++i) each_of(state, i, go);
    for (std::size_t r = 0; r < kLogRuns; ++r) each_late(state, r, go);
  }

  std::optional<std::string> violation(const Packed& packed) const override {
    const auto state = unpack_log_world(packed, size_.processes);
    if (state.displaced) return "a start has displaced an owner that had just given a sign of life";
    for (std::size_t p = 0; p < kLogParticipants; ++p) {
      std::size_t acting = 0;
      for (const auto& process : state.processes) {
        acting += process.status == Status::running && process.fresh[p] && process.holds[p] == Hold::held ? 1U : 0U;
      }
      if (acting > 1) return "two processes act on decisions at participant " + std::to_string(p + 1);
    }
    std::size_t done = 0;
    for (std::size_t r = 0; r < kLogRuns; ++r) {
      const auto& run = state.runs[r];
      const bool committed = has_branch(run, Branch::committed);
      const bool rolled_back = has_branch(run, Branch::rolled_back);
      done += committed || run.told == Told::committed ? 1U : 0U;
      if (run.told == Told::rolled_back && committed)
        return "the client was told rolled_back, and a branch is committed";
      if (has_hazard(state, r) || comes_to_light(state, r)) continue;
      if (run.told == Told::committed && rolled_back)
        return "the client was told committed, a branch is rolled back, and no log has a hazard";
      if (committed && rolled_back)
        return "one branch is committed and another one rolled back, and no log has a hazard";
      if (committed && has_branch(run, Branch::none)) return "a branch is committed while another one is not prepared";
    }
    const bool said_lost = std::any_of(state.processes.begin(), state.processes.end(),
                                       [](const auto& process) { return process.log_lost; });
    if (done == kLogRuns && !said_lost) return "the key has run twice, and nobody said that the log is lost";
    return std::nullopt;
  }

  std::string tell(const Packed& packed, Action action) const override;

 private:
  /// Here this world ends: what comes is not followed.
  static bool is_full(const LogWorldState& state) {
    return std::any_of(state.directories.begin(), state.directories.end(),
                       [](const auto& directory) { return directory.count == kLogRecordsMax; });
  }

  /// An operator has given up another log for this one, which has a decision that the other one contradicts: whoever
  /// runs on this one carries it out, and finds a hazard.
  static bool comes_to_light(const LogWorldState& state, std::size_t run) {
    return std::any_of(state.directories.begin(), state.directories.end(), [&](const LogDirectory& log) {
      bool lost = false;
      for (std::size_t i = 0; i < kLogProcessesMax; ++i) lost |= log.has(LogWord::epoch_lost, i);
      return lost && log.has(LogWord::decided, run);
    });
  }

  template <typename Go>
  void each_of(const LogWorldState& state, std::uint8_t i, const Go& go) const {
    const auto& process = state.at(i);
    if (process.status == Status::unborn) {
      // In order, so that no two states differ only by the processes' numbers.
      if (i > 1 && state.at(static_cast<std::uint8_t>(i - 1)).status == Status::unborn) return;
      for (std::size_t d = 0; d < kLogDirectories; ++d) {
        if (steps_.is_locked(state, d)) continue;
        go({Kind::start, i, d});
        if (size_.log_lost) go({Kind::start_lost, i, d});
      }
      return;
    }
    if (process.status == Status::over) return;
    for (std::size_t p = 0; p < kLogParticipants; ++p) {
      if (process.holds[p] == Hold::none) go({Kind::inspect, i, p});
    }
    if (process.status == Status::looking) return go({Kind::begin, i});
    go({Kind::crash, i});
    for (std::size_t p = 0; p < kLogParticipants; ++p) {
      if (process.holds[p] == Hold::judged || process.holds[p] == Hold::changed) go({Kind::claim, i, p});
      if (process.holds[p] != Hold::held) continue;
      go({Kind::renew, i, p});
      if (process.fresh[p] && steps_.is_without(Safeguard::lease_while_away)) go({Kind::lose, i, p});
      if (process.fresh[p] && state.rows[p].owner != i) go({Kind::lapse, i, p});
    }
    for (std::size_t r = 0; r < kLogRuns; ++r) each_act(state, i, r, go);
  }

  template <typename Go>
  void each_act(const LogWorldState& state, std::uint8_t i, std::size_t r, const Go& go) const {
    const auto& process = state.at(i);
    const auto& run = state.runs[r];
    const bool holds_all = process.holds[0] == Hold::held && process.holds[1] == Hold::held;
    if (run.owner == kNobodys) {
      if (holds_all && steps_.may_run(state, i, r)) go({Kind::submit, i, 0, r});
      return;
    }
    const bool decided = state.log_of(process).has(LogWord::decided, r);
    if (run.owner == i && !run.gave_up && run.decision == 0) {
      go({Kind::give_up, i, 0, r});
      if (run.votes == 3) go({Kind::decide, i, 0, r});
    }
    for (std::size_t p = 0; p < kLogParticipants; ++p) {
      if (process.holds[p] == Hold::held && !process.away[p]) go({Kind::settle, i, p, r});
    }
    if (!decided) return;
    if (run.told == Told::nothing && steps_.may_act(process)) go({Kind::tell, i, 0, r});
    const bool done = run.branches[0] == Branch::committed && run.branches[1] == Branch::committed;
    if (done && !run.purged && steps_.has_session(state, i, 0) && steps_.has_session(state, i, 1))
      go({Kind::purge, i, 0, r});
  }

  /// What was sent for a branch may run late, also when its process is dead.
  template <typename Go>
  void each_late(const LogWorldState& state, std::size_t r, const Go& go) const {
    const auto& run = state.runs[r];
    if (run.owner == kNobodys) return;
    for (std::size_t p = 0; p < kLogParticipants; ++p) {
      if (!steps_.has_session(state, run.owner, p)) continue;
      if (run.branches[p] == Branch::prepared && (run.sent >> p & 1U) != 0) go({Kind::arrive, run.owner, p, r});
      if (run.branches[p] != Branch::none) continue;
      if (state.at(run.owner).status == Status::running) go({Kind::prepare, run.owner, p, r});
      go({Kind::prepare_lost, run.owner, p, r});
    }
  }

  LogSize size_;
  LogSteps steps_;
};

std::string letter(std::uint8_t process) {
  return std::string("process ") + static_cast<char>('A' + process - 1);
}

std::string records(const LogDirectory& directory) {
  return std::to_string(directory.count) + (directory.count == 1 ? " record" : " records");
}

std::string LogWorld::tell(const Packed& packed, Action action) const {
  const auto before = unpack_log_world(packed, size_.processes);
  const LogStep step = step_of(action);
  auto after = before;
  steps_.take(after, step);
  const auto i = step.process;
  const auto p = step.place;
  const auto who = i == kNobodys ? std::string() : letter(i);
  const auto at = "participant " + std::to_string(p + 1);
  const auto directory = "directory " + std::to_string(p + 1);
  const auto key = step.run == 0 ? std::string("the first run") : std::string("the second run");
  const auto branch = "branch " + std::to_string(p + 1) + " of " + key;
  switch (step.kind) {
    case Kind::silence: return letter(before.rows[p].owner) + " has given no sign of life at " + at + " for the bound";
    case Kind::lose: return who + " is cut off from " + at + ", and counts on its claim there all the same";
    case Kind::lapse: return who + " has not renewed its claim at " + at + " for the bound";
    case Kind::copy:
      return "somebody copies the log of " + records(before.directories[1 - p]) + " over that in " + directory;
    case Kind::empty: return "the log in " + directory + " is gone, and the directory empty";
    case Kind::start:
    case Kind::start_lost:
      return who + " is started in " + directory + ", whose log has " + records(before.directories[p]) +
             (step.kind == Kind::start_lost ? ", with --log-lost" : "");
    case Kind::inspect:
      return who + " looks at " + at + ", whose row says " + letter(before.rows[p].owner) + " and record " +
             std::to_string(before.rows[p].sequence) +
             (after.at(i).status == Status::unborn ? ": it is refused" : ": it may claim it");
    case Kind::begin: return who + " begins epoch " + std::to_string(after.at(i).epoch) + " in its log";
    case Kind::claim:
      return who + " claims " + at + ", ending the sessions of " + letter(before.rows[p].owner) + " there";
    case Kind::renew:
      return after.at(i).status == Status::over
                 ? who + " finds that it was displaced at " + at + ", and ends"
                 : who + " gives a sign of life at " + at + ", with record " + std::to_string(after.rows[p].sequence);
    case Kind::crash: return who + " dies";
    case Kind::submit: return "the client sends the key to " + who + ", which begins " + key + " of it";
    case Kind::prepare: return branch + " prepares";
    case Kind::prepare_lost: return branch + " prepares, and the answer is lost";
    case Kind::give_up: return who + " rolls " + key + " back, and tells the client so";
    case Kind::decide: return who + " has both votes; the decision to commit " + key + " is durable";
    case Kind::settle: {
      const auto now = after.runs[step.run].branches[p];
      if (after.runs[step.run].sent != before.runs[step.run].sent) return who + " sends XA COMMIT for " + branch;
      if (now == before.runs[step.run].branches[p]) return who + " finds a hazard at " + branch + ", and logs it";
      return who + (now == Branch::committed ? " commits " : " rolls back ") + branch;
    }
    case Kind::arrive: return "the XA COMMIT of " + who + " is run: " + branch + " is committed";
    case Kind::tell: return who + " tells the client that " + key + " committed";
    case Kind::purge: return who + " deletes the proof rows of " + key;
  }
  return "";
}

}  // namespace

std::unique_ptr<World> log_world(LogSize size, Safeguard without) {
  return std::make_unique<LogWorld>(size, without);
}

}  // namespace assent::explore
