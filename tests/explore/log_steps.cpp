#include "log_steps.hpp"

#include <algorithm>
#include <vector>

#include "protocol/ruling.hpp"

namespace assent::explore {
namespace {

using Branch = LogRun::Branch;
using Hold = LogProcess::Hold;
using Kind = LogStepKind;
using Status = LogProcess::Status;
using Told = LogRun::Told;
using protocol::FenceRuling;

bool is_up(const LogProcess& process) {
  return process.status == Status::looking || process.status == Status::running;
}

std::uint8_t number_of(std::uint8_t word) {
  const bool lost = word >= log_word(LogWord::epoch_lost, 0);
  return static_cast<std::uint8_t>(word - log_word(lost ? LogWord::epoch_lost : LogWord::epoch, 0) + 1);
}
bool is_epoch(std::uint8_t word) {
  return word != 0 && word < log_word(LogWord::decided, 0);
}

protocol::Sight sight_of(const LogRun& run, std::size_t participant) {
  switch (run.branches[participant]) {
    case Branch::prepared: return protocol::Sight::prepared;
    case Branch::committed: return run.purged ? protocol::Sight::absent : protocol::Sight::proven;
    case Branch::none:
    case Branch::rolled_back: break;
  }
  return protocol::Sight::absent;
}

}  // namespace

bool has_branch(const LogRun& run, Branch what) {
  return run.owner != kNobodys && std::count(run.branches.begin(), run.branches.end(), what) > 0;
}

bool has_hazard(const LogWorldState& state, std::size_t run) {
  return std::any_of(state.directories.begin(), state.directories.end(),
                     [&](const auto& directory) { return directory.has(LogWord::hazard, run); });
}

bool LogSteps::is_locked(const LogWorldState& state, std::size_t directory) const {
  if (is_without(Safeguard::log_lock)) return false;
  return std::any_of(state.processes.begin(), state.processes.end(),
                     [&](const auto& one) { return is_up(one) && one.directory == directory; });
}

bool LogSteps::has_session(const LogWorldState& state, std::uint8_t process, std::size_t participant) const {
  const auto& one = state.at(process);
  const bool held = one.status == Status::over || one.holds[participant] == Hold::held;
  return held && (state.rows[participant].owner == process || is_without(Safeguard::sessions_killed));
}

bool LogSteps::may_act(const LogProcess& process) const {
  if (is_without(Safeguard::lease)) return true;
  std::vector<std::chrono::milliseconds> ages;
  for (std::size_t p = 0; p < kLogParticipants; ++p) {
    const bool young = process.holds[p] == Hold::held && (process.fresh[p] || process.away[p]);
    ages.push_back(young ? std::chrono::milliseconds{0} : protocol::kOwnerSilence);
  }
  return protocol::may_act(ages);
}

bool LogSteps::may_run(const LogWorldState& state, std::uint8_t process, std::size_t run) {
  if (run == 0) return true;
  const auto& first = state.runs[0];
  if (first.owner == kNobodys || state.log_of(state.at(process)).has(LogWord::decided, 0)) return false;
  return first.owner != process || first.gave_up;
}

protocol::FenceLog LogSteps::fence_log(const LogWorldState& state, std::uint8_t i) const {
  const auto& process = state.at(i);
  const auto& directory = state.log_of(process);
  protocol::FenceLog log;
  log.log_id = process.directory + 1U;
  log.place = process.directory + 1U;
  std::uint8_t writer = kNobodys;
  for (std::size_t at = 0; at < directory.count; ++at) {
    const auto word = directory.records[at];
    if (!is_epoch(word)) {
      log.starts[writer].last_sequence = at + 1;
      continue;
    }
    const auto number = number_of(word);
    log.epoch = state.at(number).epoch;
    writer = number;
    log.starts[writer] = {log.epoch, at + 1};
    if (word >= log_word(LogWord::epoch_lost, 0)) log.given_up_below = log.epoch;
  }
  if (is_without(Safeguard::own_records)) {
    for (auto& [instance, start] : log.starts) start.last_sequence = directory.count;
  }
  const bool looking = process.status == Status::looking;
  if (!looking) log.own_instance = i;
  if (looking && process.log_lost) log.given_up_below = protocol::kEveryEpoch;
  if (is_without(Safeguard::log_contains)) log.given_up_below = protocol::kEveryEpoch;
  return log;
}

protocol::FenceSight LogSteps::fence_sight(const LogWorldState& state, std::uint8_t i, std::size_t p) const {
  protocol::FenceSight sight;
  const auto& row = state.rows[p];
  if (row.owner == kNobodys) return sight;
  const auto& owner = state.at(row.owner);
  auto& shown = sight.owner.emplace();
  shown.log_id = shown.place = owner.directory + 1U;
  shown.epoch = owner.epoch;
  shown.instance = row.owner;
  shown.sequence = row.sequence;
  if (is_without(Safeguard::sequence_test)) shown.sequence = 0;
  // It has looked for as long as it takes.
  const bool is_lost_word = is_without(Safeguard::lost_is_not_dead) && state.at(i).log_lost;
  const bool silent = row.silent || is_without(Safeguard::silence_watched) || is_lost_word;
  shown.silent = silent ? protocol::kOwnerSilence : std::chrono::milliseconds{0};
  sight.watched = *shown.silent;
  sight.renewed = !silent && owner.status == Status::running && owner.directory != state.at(i).directory;
  for (const auto& run : state.runs) sight.in_doubt += run.branches[p] == Branch::prepared ? 1U : 0U;
  return sight;
}

/// The copy that it starts on was made, and its owner lost, within the one second between a decision and the sign of
/// life that names it. Nothing tells that one: this world is one in which it does not happen.
bool LogSteps::lacks_the_last_second(const LogWorldState& state, std::uint8_t i, std::size_t p) const {
  if (is_without(Safeguard::signs_cover)) return false;
  for (std::size_t r = 0; r < kLogRuns; ++r) {
    const auto& run = state.runs[r];
    const bool acted = run.told == Told::committed || has_branch(run, Branch::committed);
    if (run.owner == state.rows[p].owner && acted && !run.covered &&
        !state.log_of(state.at(i)).has(LogWord::decided, r)) {
      return true;
    }
  }
  return false;
}

void LogSteps::inspect(LogWorldState& state, std::uint8_t i, std::size_t p) const {
  auto& process = state.at(i);
  const bool later = process.status == Status::running;
  auto ruling = protocol::rule(fence_log(state, i), fence_sight(state, i, p));
  if (later && is_without(Safeguard::later_enrolments)) ruling = FenceRuling::start;
  if (ruling == FenceRuling::start && lacks_the_last_second(state, i, p)) return;
  switch (ruling) {
    case FenceRuling::start: process.holds[p] = Hold::judged; return;
    case FenceRuling::watch: return;
    case FenceRuling::refuse_foreign:
    case FenceRuling::refuse_alive:
      // A refused start leaves nothing behind.
      if (!later) process = {};
      return;
  }
}

void LogSteps::begin(LogWorldState& state, std::uint8_t i) const {
  auto& process = state.at(i);
  process.epoch = static_cast<std::uint8_t>(fence_log(state, i).epoch + 1);
  for (std::size_t p = 0; p < kLogParticipants; ++p) {
    if (process.holds[p] != Hold::none && state.rows[p].owner != kNobodys) {
      process.epoch = std::max(process.epoch, static_cast<std::uint8_t>(state.at(state.rows[p].owner).epoch + 1));
    }
  }
  state.log_of(process).append(process.log_lost ? LogWord::epoch_lost : LogWord::epoch, i - 1U);
  process.status = Status::running;
}

void LogSteps::row_changed(LogWorldState& state, std::uint8_t by, std::size_t p) const {
  for (std::uint8_t i = 1; i <= processes_; ++i) {
    auto& hold = state.at(i).holds[p];
    if (i != by && hold == Hold::judged) {
      hold = is_without(Safeguard::conditional_claim) ? Hold::changed : Hold::none;
    }
  }
}

void LogSteps::claim(LogWorldState& state, std::uint8_t i, std::size_t p) const {
  auto& row = state.rows[p];
  if (lacks_the_last_second(state, i, p)) return;
  if (row.owner != kNobodys && state.at(row.owner).status == Status::running && !row.silent) state.displaced = true;
  auto& process = state.at(i);
  row = {i, state.log_of(process).count, false};
  process.holds[p] = Hold::held;
  process.fresh[p] = true;
  row_changed(state, i, p);
}

void LogSteps::renew(LogWorldState& state, std::uint8_t i, std::size_t p) const {
  auto& process = state.at(i);
  auto& row = state.rows[p];
  if (row.owner != i) {
    // Displaced: it ends.
    process.status = Status::over;
    process.holds = {};
    process.fresh = {};
    process.away = {};
    return;
  }
  row = {i, state.log_of(process).count, false};
  process.fresh[p] = true;
  process.away[p] = false;
  for (auto& run : state.runs) {
    if (run.owner == i && run.decision != 0 && run.decision <= row.sequence) run.covered = true;
  }
  row_changed(state, i, p);
}

void LogSteps::settle(LogWorldState& state, std::uint8_t i, std::size_t p, std::size_t r) const {
  auto& process = state.at(i);
  auto& run = state.runs[r];
  auto& branch = run.branches[p];
  if (!has_session(state, i, p)) return;
  if (state.log_of(process).has(LogWord::decided, r)) {
    if (!may_act(process)) return;
    if (branch == Branch::prepared) {
      // What it has sent, its own session runs, at once or late.
      if (run.owner == i) {
        run.sent = static_cast<std::uint8_t>(run.sent | 1U << p);
      } else {
        branch = Branch::committed;
      }
    }
    if (branch == Branch::rolled_back && !has_hazard(state, r)) state.log_of(process).append(LogWord::hazard, r);
    return;
  }
  if (run.owner != i) return settle_left_behind(state, i, p, r);
  if (run.gave_up && (branch == Branch::prepared || branch == Branch::none)) branch = Branch::rolled_back;
}

void LogSteps::settle_left_behind(LogWorldState& state, std::uint8_t i, std::size_t p, std::size_t r) const {
  auto& run = state.runs[r];
  auto& process = state.at(i);
  auto& directory = state.log_of(process);
  if (run.branches[p] != Branch::prepared) return;
  std::uint8_t first_epoch = 0;
  for (std::size_t at = 0; at < directory.count; ++at) {
    const auto word = directory.records[at];
    const bool lost = word >= log_word(LogWord::epoch_lost, 0);
    if (is_epoch(word) && (first_epoch == 0 || lost)) first_epoch = state.at(number_of(word)).epoch;
  }
  if (is_without(Safeguard::lost_presumes_nothing)) first_epoch = 0;
  const auto epoch = state.at(run.owner).epoch;
  const auto era = epoch < first_epoch      ? protocol::Era::before_log
                   : epoch > process.epoch  ? protocol::Era::future
                   : epoch == process.epoch ? protocol::Era::current
                                            : protocol::Era::past;
  protocol::Evidence evidence;
  evidence.era = era;
  const bool reads_other = has_session(state, i, 1 - p);
  const protocol::Sight sights[] = {protocol::Sight::prepared,
                                    reads_other ? sight_of(run, 1 - p) : protocol::Sight::unreachable};
  add_sights(evidence, sights);
  if (is_without(Safeguard::siblings_read)) evidence.unread = protocol::Some::no;
  const auto ruling = protocol::rule(evidence).ruling;
  if (ruling == protocol::Ruling::contradicted && !has_hazard(state, r)) directory.append(LogWord::hazard, r);
  if (ruling != protocol::Ruling::roll_back) return;
  run.branches[p] = Branch::rolled_back;
}

void LogSteps::take(LogWorldState& state, const LogStep& step) const {
  const auto i = step.process;
  const auto p = step.place;
  switch (step.kind) {
    case Kind::silence: {
      auto& row = state.rows[p];
      row.silent = true;
      state.at(row.owner).fresh[p] = false;
      return;
    }
    case Kind::lose:
      state.at(i).away[p] = true;
      state.at(i).fresh[p] = false;
      return;
    case Kind::lapse: state.at(i).fresh[p] = false; return;
    case Kind::copy:
      state.directories[p] = state.directories[1 - p];
      ++state.hand;
      return;
    case Kind::empty:
      state.directories[p] = {};
      ++state.hand;
      return;
    case Kind::start:
    case Kind::start_lost:
      state.at(i) = {};
      state.at(i).status = Status::looking;
      state.at(i).directory = static_cast<std::uint8_t>(p);
      state.at(i).log_lost = step.kind == Kind::start_lost;
      return;
    case Kind::inspect: return inspect(state, i, p);
    case Kind::begin: return begin(state, i);
    case Kind::claim: return claim(state, i, p);
    case Kind::renew: return renew(state, i, p);
    case Kind::crash:
      state.at(i).status = Status::over;
      state.at(i).holds = {};
      state.at(i).fresh = {};
      state.at(i).away = {};
      return;
    case Kind::submit: state.runs[step.run].owner = i; return;
    case Kind::prepare:
      state.runs[step.run].branches[p] = Branch::prepared;
      if (!state.runs[step.run].gave_up) {
        state.runs[step.run].votes = static_cast<std::uint8_t>(state.runs[step.run].votes | 1U << p);
      }
      return;
    case Kind::prepare_lost: state.runs[step.run].branches[p] = Branch::prepared; return;
    case Kind::give_up:
      state.runs[step.run].gave_up = true;
      state.runs[step.run].told = Told::rolled_back;
      return;
    case Kind::decide: {
      auto& log = state.log_of(state.at(i));
      log.append(LogWord::decided, step.run);
      state.runs[step.run].decision = log.count;
      return;
    }
    case Kind::settle: return settle(state, i, p, step.run);
    case Kind::arrive:
      state.runs[step.run].branches[p] = Branch::committed;
      state.runs[step.run].sent = static_cast<std::uint8_t>(state.runs[step.run].sent & ~(1U << p));
      return;
    case Kind::tell: state.runs[step.run].told = Told::committed; return;
    case Kind::purge: state.runs[step.run].purged = true; return;
  }
}

}  // namespace assent::explore
