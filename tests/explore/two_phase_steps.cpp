#include "two_phase_steps.hpp"

#include <algorithm>
#include <variant>
#include <vector>

#include "base/check.hpp"

namespace assent::explore {
namespace {

using Branch = TwoPhaseState::Branch;
using Kind = TwoPhaseKind;
using Log = TwoPhaseState::Log;
using Plan = TwoPhaseState::Plan;
using Sent = TwoPhaseState::Sent;
using Told = TwoPhaseState::Told;
using protocol::BranchIndex;
using protocol::Decided;
using protocol::Finding;
using protocol::Ground;
using protocol::Listed;
using protocol::Observation;
using protocol::Owner;
using protocol::Phase;
using protocol::Proof;
using protocol::Reply;
using protocol::Ruling;
using protocol::Sight;
using protocol::Voted;

void arrive(Branch& branch, Decided decided) {
  if (decided == Decided::commit && branch == Branch::prepared) branch = Branch::committed;
  if (decided == Decided::rollback && (branch == Branch::prepared || branch == Branch::running)) {
    branch = Branch::rolled_back;
  }
}

/// What a server does and says.
Reply ask(TwoPhaseState& state, std::size_t i, Decided decided, bool as_owner, TwoPhaseWay way) {
  auto& branch = state.branches[i];
  const auto before = branch;
  const bool open = branch == Branch::prepared || branch == Branch::running;
  if (!as_owner && open && state.owner_lives[i]) {
    return way == TwoPhaseWay::heard_from_mysql ? Reply::unknown_xid : Reply::ok_other;
  }
  if (!as_owner && branch == Branch::running) return Reply::unknown_xid;
  arrive(branch, decided);
  if (branch == before) return Reply::unknown_xid;
  return as_owner ? Reply::ok_owner : Reply::ok_other;
}

}  // namespace

void TwoPhaseSteps::take(State& state, const TwoPhaseStep& step) const {
  const auto i = step.place;
  const auto index = static_cast<BranchIndex>(i);
  auto& branch = state.branches[i];
  const bool hears = step.way != TwoPhaseWay::lost && runs_first(state);
  switch (step.kind) {
    case Kind::prepare:
      branch = Branch::prepared;
      if (frame_.is_tampered()) set(state.was_prepared, i);
      if (hears) feed(state, Voted{index, Voted::Kind::prepared});
      return;
    case Kind::refuse:
      branch = Branch::rolled_back;
      if (hears) feed(state, Voted{index, Voted::Kind::refused});
      return;
    case Kind::lose_vote: return feed(state, Voted{index, Voted::Kind::lost});
    case Kind::deadline: return feed(state, protocol::DeadlinePassed{});
    case Kind::durable:
      state.log = Log::durable;
      if (state.rules.phase == Phase::deciding) feed(state, protocol::DecisionDurable{});
      return;
    case Kind::not_written: state.log = Log::nothing; return feed(state, protocol::DecisionNotWritten{});
    case Kind::settle: return settle(state, i, step.way);
    case Kind::retry: return feed(state, protocol::RetryDue{index});
    case Kind::crash:
      state.alive = false;
      ++state.crashes;
      if (state.log == Log::asked) state.log = step.way == TwoPhaseWay::lost ? Log::nothing : Log::durable;
      // That it has ended was not forced.
      if (state.log == Log::ended && step.way == TwoPhaseWay::lost && !state.closed) state.log = Log::durable;
      state.has_rules = false;
      state.plan = State::Plan::nothing;
      state.planned = 0;
      return;
    case Kind::restart: return restart(state);
    case Kind::session_ends:
      state.owner_lives[i] = false;
      if (branch == Branch::running) branch = Branch::rolled_back;
      return;
    case Kind::late: arrive(branch, state.sent[i] == Sent::commit ? Decided::commit : Decided::rollback); return;
    case Kind::sweep: return sweep(state, i);
    case Kind::look: return look(state, i, step.way);
    case Kind::hand_commits:
    case Kind::hand_rolls_back:
    case Kind::come_back:
    case Kind::acknowledge:
    case Kind::choose_commit:
    case Kind::choose_rollback:
    case Kind::close:
    case Kind::purge: return tamper(state, step);
  }
}

Finding TwoPhaseSteps::judged(const State& state, std::size_t i, Decided decided, bool known_prepared,
                              Reply reply) const {
  if (decided == Decided::commit) {
    if (is_without(Safeguard::proof_of_commit) && reply == Reply::unknown_xid) return Finding::committed;
    if (is_without(Safeguard::owners_word) && reply == Reply::ok_other) return Finding::committed;
  }
  Observation seen;
  seen.decided = decided;
  seen.known_prepared = known_prepared;
  seen.reply = reply;
  seen.owner = state.owner_lives[i] ? Owner::alive : Owner::gone;
  seen.listed = state.branches[i] == Branch::prepared ? Listed::yes : Listed::no;
  switch (state.branches[i]) {
    case Branch::committed: seen.proof = has(state.purged, i) ? Proof::absent : Proof::present; break;
    case Branch::rolled_back: seen.proof = Proof::absent; break;
    case Branch::running:
    case Branch::prepared: seen.proof = Proof::locked; break;
  }
  return protocol::judge(seen);
}

void TwoPhaseSteps::settle(State& state, std::size_t i, TwoPhaseWay way) const {
  const auto decided = state.rules.phase == Phase::committing ? Decided::commit : Decided::rollback;
  const bool as_owner = runs_first(state) && state.owner_lives[i];
  Reply reply = ask(state, i, decided, as_owner, way);
  if (way == TwoPhaseWay::lost) return feed(state, protocol::Settled{static_cast<BranchIndex>(i), Finding::ambiguous});
  const auto finding = judged(state, i, decided, state.rules.branches[i].known_prepared, reply);
  // That it is committed after all ends its hazard.
  if (finding == Finding::committed) state.hazards = static_cast<State::Mask>(state.hazards & ~(1U << i));
  feed(state, protocol::Settled{static_cast<BranchIndex>(i), finding});
  if (finding == Finding::committed && is_without(Safeguard::end_at_the_end)) state.log = Log::ended;
}

void TwoPhaseSteps::feed(State& state, const protocol::Event& event) const {
  auto step = protocol::step(std::move(state.rules), event);
  state.rules = std::move(step.next);
  for (const auto& command : step.commands) {
    if (std::holds_alternative<protocol::ForceDecision>(command)) {
      state.log = Log::asked;
      if (is_without(Safeguard::decision_first)) return feed(state, protocol::DecisionDurable{});
    } else if (const auto* settle = std::get_if<protocol::Settle>(&command)) {
      if (runs_first(state) && state.owner_lives[settle->branch]) {
        state.sent[settle->branch] = settle->decided == Decided::commit ? Sent::commit : Sent::rollback;
      }
    } else if (const auto* answer = std::get_if<protocol::Answer>(&command)) {
      this->answer(state, answer->outcome);
    } else if (const auto* hazard = std::get_if<protocol::LogHazard>(&command)) {
      if (frame_.is_tampered()) set(state.hazards, hazard->branch);
    } else if (std::holds_alternative<protocol::LogEnd>(command)) {
      state.log = Log::ended;
    }
  }
}

void TwoPhaseSteps::answer(State& state, Outcome outcome) const {
  const bool hides_it = is_without(Safeguard::contradiction_told) && state.hazards != 0;
  if (hides_it && state.rules.phase == Phase::committing) outcome = Outcome::committed;
  state.told = outcome == Outcome::committed     ? Told::committed
               : outcome == Outcome::rolled_back ? Told::rolled_back
                                                 : Told::unknown;
  if (state.told == Told::committed && state.hazards != 0) state.hazard_told_committed = true;
}

void TwoPhaseSteps::restart(State& state) const {
  state.alive = true;
  state.has_rules = state.log == Log::durable;
  if (is_without(Safeguard::hazards_kept)) state.hazards = state.acknowledged;
  if (!state.has_rules) return;
  std::vector<bool> hazards;
  std::vector<bool> acknowledged;
  for (std::size_t i = 0; i < frame_.size.branches; ++i) {
    hazards.push_back(has(state.hazards, i));
    acknowledged.push_back(has(state.acknowledged, i));
  }
  state.rules = protocol::resume_decided(std::vector<bool>(frame_.size.branches, false), hazards, acknowledged);
}

// What follows is for whoever finds the transaction left behind, undecided or forgotten by the log.

Sight TwoPhaseSteps::sight_of(const State& state, std::size_t i) const {
  switch (state.branches[i]) {
    case Branch::prepared: return Sight::prepared;
    case Branch::committed: return has(state.purged, i) ? Sight::absent : Sight::proven;
    case Branch::running:  // What it was sent has not come yet.
    case Branch::rolled_back: break;
  }
  return Sight::absent;
}

protocol::Ruled TwoPhaseSteps::ruled(const State& state, const std::size_t* only) const {
  protocol::Evidence evidence;
  evidence.known = state.closed ? protocol::Known::closed : protocol::Known::nothing;
  evidence.era = state.crashes == 0 ? protocol::Era::current : protocol::Era::past;
  evidence.chosen = state.chosen;
  std::vector<Sight> sights;
  bool seen_to = true;
  for (std::size_t i = 0; i < frame_.size.branches; ++i) {
    sights.push_back(only && *only != i ? Sight::unreachable : sight_of(state, i));
    if (sights.back() == Sight::proven) seen_to = seen_to && has(state.acknowledged, i);
  }
  add_sights(evidence, sights);
  if (evidence.proven != protocol::Proven::none && seen_to) evidence.seen_to = protocol::Some::yes;
  if (is_without(Safeguard::siblings_read)) evidence.unread = protocol::Some::no;
  auto found = protocol::rule(evidence);
  if (is_without(Safeguard::siblings_wait) && found.ruling == Ruling::contradicted) {
    found.ruling = Ruling::roll_back;
  }
  return found;
}

void TwoPhaseSteps::look(State& state, std::size_t i, TwoPhaseWay way) const {
  const bool alone = way == TwoPhaseWay::lost;
  const auto found = ruled(state, alone ? &i : nullptr);
  bool stands = false;
  state.planned = 0;
  for (std::size_t j = 0; j < frame_.size.branches; ++j) {
    const auto sight = sight_of(state, j);
    stands |= sight == Sight::proven && !has(state.acknowledged, j);
    if (alone && j != i) continue;
    if (sight == Sight::prepared) set(state.planned, j);
    if (verdict_of(found.ruling, sight) == Verdict::hazard) set(state.hazards, j);
  }
  state.plan = found.ruling == Ruling::roll_back || found.ruling == Ruling::over ? Plan::roll_back
               : found.ruling == Ruling::commit                                  ? Plan::commit
                                                                                 : Plan::nothing;
  if (state.planned == 0) state.plan = Plan::nothing;
  if (state.plan == Plan::nothing) state.planned = 0;
  // What is closed is settled, and its hazards were seen to: what comes back was rolled back.
  const bool was_asked = state.closed || state.chosen == protocol::Chosen::rollback || !stands;
  if (state.plan == Plan::roll_back && !was_asked && state.crashes > 0) {
    state.overruled = true;
  }
}

void TwoPhaseSteps::sweep(State& state, std::size_t i) const {
  if (frame_.is_tampered()) {
    const auto decided = state.plan == Plan::commit ? Decided::commit : Decided::rollback;
    const auto reply = ask(state, i, decided, false, TwoPhaseWay::heard);
    if (judged(state, i, decided, true, reply) == Finding::hazard) set(state.hazards, i);
    return;
  }
  if (ruled(state).ruling != Ruling::roll_back) return;
  auto decided = Decided::rollback;
  const auto done = frame_.count(state, Branch::prepared) + frame_.count(state, Branch::committed);
  if (is_without(Safeguard::presumed_abort) && done == frame_.size.branches) decided = Decided::commit;
  (void)ask(state, i, decided, false, TwoPhaseWay::heard);
}

bool TwoPhaseSteps::may_close(const State& state) const {
  if (!state.alive || is_live(state) || state.log == Log::asked || state.log == Log::durable) return false;
  if (frame_.count(state, Branch::prepared) + frame_.count(state, Branch::running) > 0) return false;
  if (state.log == Log::ended || is_without(Safeguard::rows_until_seen)) return true;
  const auto found = ruled(state);
  for (std::size_t i = 0; i < frame_.size.branches; ++i) {
    const bool is_hazard = verdict_of(found.ruling, sight_of(state, i)) == Verdict::hazard || has(state.hazards, i);
    const auto seen = is_without(Safeguard::hazards_kept) ? state.hazards : state.acknowledged;
    if (is_hazard && !has(seen, i)) return false;
  }
  return true;
}

void TwoPhaseSteps::tamper(State& state, const TwoPhaseStep& step) const {
  const auto i = step.place;
  switch (step.kind) {
    case Kind::hand_commits:
    case Kind::hand_rolls_back:
      ++state.hands;
      state.branches[i] = step.kind == Kind::hand_commits ? Branch::committed : Branch::rolled_back;
      return;
    case Kind::come_back:
      ++state.comebacks;
      state.branches[i] = Branch::prepared;
      state.owner_lives[i] = false;
      return;
    case Kind::acknowledge:
      set(state.acknowledged, i);
      if (is_live(state)) feed(state, protocol::Acknowledged{static_cast<BranchIndex>(i)});
      return;
    case Kind::choose_commit: state.chosen = protocol::Chosen::commit; return;
    case Kind::choose_rollback: state.chosen = protocol::Chosen::rollback; return;
    case Kind::close: state.closed = true; return;
    case Kind::purge: set(state.purged, i); return;
    default: ASSENT_CHECK(false && "no hand in that");
  }
}

void TwoPhaseSteps::settle_rest(State& state) const {
  const bool decided = state.log == Log::durable;
  const auto found = frame_.is_tampered() && !decided ? ruled(state) : protocol::Ruled{Ruling::roll_back, {}};
  const auto ruling = decided ? Ruling::commit : found.ruling;
  for (std::size_t i = 0; i < frame_.size.branches; ++i) {
    if (state.owner_lives[i]) continue;
    if (frame_.is_tampered() && verdict_of(ruling, sight_of(state, i)) == Verdict::hazard) set(state.hazards, i);
    if (state.branches[i] != Branch::prepared) continue;
    if (ruling == Ruling::commit) state.branches[i] = Branch::committed;
    if (ruling == Ruling::roll_back || ruling == Ruling::over) state.branches[i] = Branch::rolled_back;
  }
}

}  // namespace assent::explore
