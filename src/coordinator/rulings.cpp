#include "coordinator/rulings.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "base/clock.hpp"
#include "protocol/xid.hpp"

namespace assent::coordinator {

using protocol::Chosen;
using protocol::Era;
using protocol::Ground;
using protocol::Known;
using protocol::Ruling;
using protocol::Sight;
using protocol::Some;

namespace {

constexpr Some some(bool yes) {
  return yes ? Some::yes : Some::no;
}

bool is_proven(const SeenBranch& branch) {
  return branch.sight == Sight::proven;
}
bool is_missing(const SeenBranch& branch) {
  return branch.sight == Sight::absent || branch.sight == Sight::fenced;
}

// What operators have chosen, where they agree. Said in `why`.
Chosen choice_of(const SeenTransaction& one, std::string& why) {
  if (one.choices.empty()) return Chosen::nothing;
  const auto& [first_at, first] = *one.choices.begin();
  for (const auto& [name, choice] : one.choices) {
    if (choice.value == first.value) continue;
    why = "operators have chosen differently at '" + first_at + "' and '" + name + "'";
    return Chosen::nothing;
  }
  why = "chosen by " + first.who + " on " + base::utc_text(first.made_at_ms) + ": " + first.reason;
  return first.value == protocol::Value::commit ? Chosen::commit : Chosen::rollback;
}

std::string named(const SeenTransaction& one, bool (*which)(const SeenBranch&)) {
  std::string names;
  for (const auto& branch : one.branches) {
    if (which(branch)) names += (names.empty() ? "'" : ", '") + branch.participant + "'";
  }
  return names;
}

std::string of_acceptors(const SeenTransaction& one) {
  return std::to_string(one.acceptors.size()) + " of its " + std::to_string(one.members.acceptors.size()) +
         " acceptors";
}

// Behind a clause: who was reached and has no say.
std::string of_voiceless(const SeenTransaction& one) {
  std::string text;
  for (const auto& [name, why] : one.voiceless) text += "; " + why;
  return text;
}

std::string acceptors_say(const SeenTransaction& one) {
  const auto has = [&](protocol::Value value) {
    return std::any_of(one.acceptors.begin(), one.acceptors.end(), [&](const auto& seen) {
      return !seen.closed && seen.accepted && seen.accepted->value == value;
    });
  };
  if (one.ruled.ruling == Ruling::commit) return "commit was accepted; read from " + of_acceptors(one);
  if (has(protocol::Value::rollback)) return "rollback was accepted; read from " + of_acceptors(one);
  return "nothing was accepted by " + of_acceptors(one);
}

std::string not_all_seen(const SeenTransaction& one) {
  const auto unseen = named(one, [](const SeenBranch& branch) {
    return branch.sight != Sight::prepared && branch.sight != Sight::proven && !is_missing(branch);
  });
  if (unseen.empty()) return "who else takes part in it is not known";
  const bool has_log = !one.without_log;
  return has_log ? "the log has no decision, and the branch at " + unseen +
                       ", which could not be looked at yet, may have committed: it is looked at before any branch is "
                       "rolled back"
                 : "the branch at " + unseen + " could not be looked at";
}

std::string why_of(const SeenTransaction& one) {
  std::string chosen_why;
  (void)choice_of(one, chosen_why);
  switch (one.ruled.ground) {
    case Ground::alive:
      return one.ruled.ruling == Ruling::running ? "its coordinator runs it" : "its coordinator rolls it back";
    case Ground::decided:
      return one.decision ? "decided on " + base::utc_text(one.decision->decision.decided_at_ms)
                          : "it had committed; a branch has come back";
    case Ground::presumed: return "the log has no decision for it (presumed abort)";
    case Ground::proven: return "its branch at " + named(one, is_proven) + " has committed, as its proof row says";
    case Ground::missing:
      return "its branch at " + named(one, is_missing) + " is neither prepared nor proven, so commit was never decided";
    case Ground::chosen: return chosen_why;
    case Ground::seen_to: return "the hazard of its branch at " + named(one, is_proven) + " was acknowledged";
    case Ground::acceptors: return acceptors_say(one);
    case Ground::closed:
      return "it had ended, as its coordinator has said; a branch that was rolled back has come back, or "
             "its participant was restored from an older copy";
    case Ground::contradicted: {
      const bool three_phase = one.protocol == Protocol::three_phase;
      return std::string(three_phase ? "its acceptors know of no decision to commit it"
                                     : "the log has no decision for it") +
             ", and its branch at " + named(one, is_proven) + " has committed, as its proof row says: by hand, or " +
             (three_phase ? "they have lost what they had accepted" : "by a log that this one does not have") +
             ". The rest waits for an operator: assentctl resolve commits it" +
             (three_phase ? ", while the coordinator is stopped" : "") + "; hazards acknowledge has it rolled back";
    }
    case Ground::not_all_seen:
      return not_all_seen(one) + of_voiceless(one) + (chosen_why.empty() ? "" : "; " + chosen_why);
    case Ground::all_prepared:
      return "every branch is prepared and none has a proof row: only the lost log knew" +
             (chosen_why.empty() ? "" : "; " + chosen_why);
    case Ground::no_majority: return of_acceptors(one) + " can be asked, and a majority is needed" + of_voiceless(one);
    case Ground::no_members: return "no row that can be reached says who its acceptors are";
    case Ground::older_log: return "it is older than this log: the log that knew is gone";
    case Ground::other_log:
      return "it is of an epoch that this log has not seen: another log, or another process, knows";
    case Ground::no_row:
      return "no row of Assent's stands for it, so it was made by somebody else under such a name; it settles nothing "
             "and is never touched. Whoever made it ends it, or a DBA";
  }
  return "";
}

// A sentence.
std::string reason_of(const SeenTransaction& one, const SeenBranch& branch) {
  switch (branch.verdict) {
    case Verdict::committed: return "its proof row is there";
    case Verdict::rolled_back:
      return branch.sight == Sight::fenced ? "fenced off: it never committed and never can"
                                           : "neither prepared nor proven";
    case Verdict::hazard:
      if (one.ruled.ruling == Ruling::contradicted) return one.why;
      return one.ruled.ruling == Ruling::commit
                 ? "it was to commit (" + one.why +
                       "), but is gone without its proof row: perhaps somebody rolled it back by hand"
                 : "it was to be rolled back (" + one.why +
                       "), but its proof row is there: perhaps somebody committed it by hand";
    default: break;
  }
  if (!branch.unfit.empty() && branch.sight == Sight::prepared) return branch.unfit + " (" + one.why + ")";
  switch (branch.sight) {
    case Sight::held:
      return one.why +
             "; not listed, and its row is held: it still runs, or its server has lost sight of it until it "
             "is restarted";
    case Sight::not_kept: return one.why + "; gone, and its participant keeps no proof rows: unproven";
    case Sight::unreachable: {
      const auto voiceless = one.voiceless.find(branch.participant);
      if (voiceless == one.voiceless.end()) return one.why + "; its participant was not reached";
      const bool told = one.why.find(voiceless->second) != std::string::npos;
      return told ? one.why : one.why + "; " + voiceless->second;
    }
    default: return one.why;
  }
}

// Of an epoch that this log has not seen.
bool is_of_another_log(const SeenTransaction& one, Era era) {
  return !one.decision && (era == Era::before_log || era == Era::future);
}

}  // namespace

protocol::Evidence evidence_of(const SeenTransaction& one, const Knowledge* knowledge, bool others_are_lost) {
  const auto parts = protocol::parse_gtrid(one.gtrid);
  ASSENT_CHECK(parts);
  protocol::Evidence evidence;
  evidence.protocol = one.protocol;
  evidence.era = knowledge == nullptr ? Era::lost : knowledge->era(parts->epoch);
  if (others_are_lost && (one.protocol == Protocol::three_phase || is_of_another_log(one, evidence.era))) {
    evidence.era = Era::lost;
  }
  evidence.known = knowledge == nullptr ? Known::nothing : knowledge->known(one.gtrid);
  const bool decided = one.decision && one.protocol == Protocol::two_phase;
  if (decided) evidence.known = Known::decided;
  // An open hazard is younger than whatever was said of all transactions below a bound.
  const bool closed = one.closed && !one.has_hazard;
  if (evidence.known == Known::nothing && closed) evidence.known = Known::closed;
  // If the acknowledged hazard of a missing branch was that it is gone, the transaction was decided for commit, and has
  // ended. Of one that was committed by hand only the row is gone: it tells of no decision.
  const bool ended = std::any_of(one.branches.begin(), one.branches.end(), [&](const auto& branch) {
    return is_missing(branch) && knowledge != nullptr &&
           knowledge->kind_seen_to(one.gtrid, branch.number) == ports::HazardKind::lost;
  });
  if (evidence.known == Known::nothing && ended) evidence.known = Known::decided;
  std::vector<Sight> sights;
  for (const auto& branch : one.branches) sights.push_back(branch.sight);
  protocol::add_sights(evidence, sights);
  if (one.members.participants.empty()) {
    // Some of its branches are not even known.
    const bool lost = evidence.era == Era::lost;
    if (lost || !one.all_read) evidence.unread = Some::yes;
    if (evidence.proven == protocol::Proven::all) evidence.proven = protocol::Proven::some;
  }
  // A single branch commits in one phase, whichever protocol was asked for: no acceptor was, and its row tells all.
  const bool single = one.members.participants.size() == 1 && evidence.proven == protocol::Proven::all;
  if (evidence.known == Known::nothing && single) evidence.known = Known::decided;
  // What is listed under its name at another server is not it, and what it would have shown is not known.
  for (const auto& branch : one.branches) {
    if (!branch.unfit.empty() && one.voiceless.contains(branch.participant)) evidence.unread = Some::yes;
  }
  evidence.vouched = some(one.vouched);
  const bool seen_to = std::all_of(one.branches.begin(), one.branches.end(), [&](const auto& branch) {
    return !is_proven(branch) || (knowledge != nullptr && knowledge->is_seen_to(one.gtrid, branch.number));
  });
  evidence.seen_to = some(seen_to);
  std::string why;
  evidence.chosen = choice_of(one, why);
  evidence.quorum = protocol::quorum_of(one.members.acceptors.size(), one.acceptors);
  return evidence;
}

void rule_on(SeenTransaction& one, const Knowledge* knowledge, bool others_are_lost) {
  const auto evidence = evidence_of(one, knowledge, others_are_lost);
  one.without_log = evidence.era == Era::lost;
  one.ruled = protocol::rule(evidence);
  one.why = why_of(one);
  for (auto& branch : one.branches) {
    branch.verdict = protocol::verdict_of(one.ruled.ruling, branch.sight);
    const bool settles = branch.verdict == Verdict::will_commit || branch.verdict == Verdict::will_roll_back;
    if (!branch.unfit.empty() && branch.sight == Sight::prepared && settles) branch.verdict = Verdict::undecidable;
    branch.reason = reason_of(one, branch);
  }
  std::erase_if(one.branches, [&](const auto& branch) {
    // Settled, one way or the other, as everything else of one that has ended.
    const bool ended = one.ruled.ruling == Ruling::over || (one.ruled.ground == Ground::decided && !one.decision);
    if (ended) return branch.sight != Sight::prepared && branch.sight != Sight::held;
    return branch.verdict == Verdict::hazard && knowledge != nullptr && knowledge->is_seen_to(one.gtrid, branch.number);
  });
}

}  // namespace assent::coordinator
