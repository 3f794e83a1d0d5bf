#include "coordinator/rulings.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "base/clock.hpp"
#include "protocol/xid.hpp"

namespace assent::coordinator {

using protocol::Ground;
using protocol::Known;
using protocol::Ruling;
using protocol::Sight;

namespace {

std::string of_acceptors(const SeenTransaction& one) {
  return std::to_string(one.acceptors_read) + " of its " + std::to_string(one.acceptors.size()) + " acceptors";
}

// Behind a clause: who was reached and has no say.
std::string of_voiceless(const SeenTransaction& one) {
  std::string text;
  for (const auto& [name, why] : one.voiceless) text += "; " + why;
  return text;
}

std::optional<protocol::Value> choice_of(const SeenTransaction& one, std::string& why) {
  if (one.choices.empty()) return std::nullopt;
  const auto& [first_at, first] = *one.choices.begin();
  for (const auto& [name, choice] : one.choices) {
    if (choice.value == first.value) continue;
    why = "operators have chosen differently at '" + first_at + "' and '" + name + "'";
    return std::nullopt;
  }
  why = "chosen by " + first.who + " on " + base::utc_text(first.made_at_ms) + ": " + first.reason;
  return first.value;
}

std::string named(const SeenTransaction& one, bool (*which)(Sight)) {
  std::string names;
  for (const auto& branch : one.branches) {
    if (which(branch.sight)) names += (names.empty() ? "'" : ", '") + branch.participant + "'";
  }
  return names;
}

}  // namespace

// As the rule for one more ballot would have it.
void rule_by_quorum(SeenTransaction& one) {
  one.ruling = Ruling::undecidable;
  if (one.acceptors.empty()) {
    one.why = "no row that can be reached says who its acceptors are";
    return;
  }
  if (one.acceptors_read < protocol::majority_of(one.acceptors.size())) {
    one.why = of_acceptors(one) + " can be asked, and a majority is needed" + of_voiceless(one);
    return;
  }
  std::optional<protocol::Accepted> highest;
  for (const auto& row : one.acceptors) {
    if (!row || !row->accepted) continue;
    if (!highest || highest->ballot < row->accepted->ballot) highest = row->accepted;
  }
  if (highest && highest->value == protocol::Value::commit) {
    one.ruling = Ruling::commit;
    one.why = "commit was accepted; read from " + of_acceptors(one);
    return;
  }
  one.ruling = Ruling::roll_back;
  if (highest) {
    one.why = "rollback was accepted; read from " + of_acceptors(one);
  } else if (one.acceptors_closed > 0) {
    one.why = "it had ended, as " + std::to_string(one.acceptors_closed) +
              " of its acceptors say; a branch that was rolled back has come back";
  } else {
    one.why = "nothing was accepted by " + of_acceptors(one);
  }
}

void rule_without_log(SeenTransaction& one) {
  std::vector<Sight> sights;
  for (const auto& branch : one.branches) sights.push_back(branch.sight);
  // Some of its branches are not even known.
  if (one.members.participants.empty()) sights.push_back(Sight::unreachable);
  std::string chosen_why;
  const auto chosen = choice_of(one, chosen_why);
  const auto grounded = protocol::ruling_without_log(protocol::remains_of(sights, chosen));
  one.ruling = grounded.ruling;
  one.ground = grounded.ground;
  switch (grounded.ground) {
    case Ground::proven:
      one.why = "its branch at " + named(one, [](Sight sight) { return sight == Sight::proven; }) +
                " has committed, as its proof row says";
      break;
    case Ground::missing:
      one.why = "its branch at " +
                named(one, [](Sight sight) { return sight == Sight::absent || sight == Sight::fenced; }) +
                " is neither prepared nor proven, so commit was never decided";
      break;
    case Ground::chosen: one.why = chosen_why; break;
    case Ground::not_all_seen: {
      const auto unseen = named(one, [](Sight sight) { return sight != Sight::prepared; });
      one.why = unseen.empty() ? "who else takes part in it is not known" : "not known yet is the branch at " + unseen;
      one.why += of_voiceless(one);
      break;
    }
    case Ground::all_prepared:
      one.why = "every branch is prepared and none has a proof row: only the lost log knew";
      break;
  }
  if (one.ruling == Ruling::undecidable && !one.choices.empty()) one.why += "; " + chosen_why;
}

void rule_by_log(SeenTransaction& one, const Knowledge& knowledge) {
  const auto parts = protocol::parse_gtrid(one.gtrid);
  ASSENT_CHECK(parts);
  const auto known = knowledge.known(one.gtrid);
  const auto era = knowledge.era(parts->epoch);
  if (one.decision && one.protocol == Protocol::two_phase) {
    one.ruling = Ruling::commit;
    one.why = "decided on " + base::utc_text(one.decision->decision.decided_at_ms);
    return;
  }
  if (known == Known::live && knowledge.outcome(one.gtrid) == Outcome::rolled_back) {
    one.ruling = Ruling::roll_back;
    one.why = "its coordinator rolls it back";
    return;
  }
  if (known == Known::live && !one.decision) {
    one.ruling = Ruling::running;
    one.why = "its coordinator runs it";
    return;
  }
  // An intention in the log decides nothing.
  if (one.decision) return rule_by_quorum(one);
  switch (protocol::recovery_act(protocol::Whose::here, known, era, one.protocol)) {
    case protocol::Act::commit:
      one.ruling = Ruling::commit;
      one.why = "it had committed; a branch has come back";
      break;
    case protocol::Act::roll_back:
      one.ruling = Ruling::roll_back;
      one.why = known == Known::closed ? "it had ended; a branch that was rolled back has come back"
                                       : "the log has no decision for it (presumed abort)";
      break;
    case protocol::Act::await_quorum: rule_by_quorum(one); break;
    case protocol::Act::leave: one.ruling = Ruling::running; break;
    case protocol::Act::alarm:
      one.ruling = Ruling::undecidable;
      one.why = era == protocol::Era::before_log
                    ? "it is older than this log: the log that knew is gone"
                    : "it is of an epoch that this log has not seen: another log, or another process, knows";
      break;
  }
}

// Of an epoch that this log has not seen.
bool is_of_another_log(const SeenTransaction& one, const Knowledge& knowledge) {
  const auto era = knowledge.era(protocol::parse_gtrid(one.gtrid)->epoch);
  return !one.decision && (era == protocol::Era::before_log || era == protocol::Era::future);
}

std::string reason_of(const SeenTransaction& one, const SeenBranch& branch) {
  switch (branch.verdict) {
    case Verdict::committed: return "its proof row is there";
    case Verdict::rolled_back:
      return branch.sight == Sight::fenced ? "fenced off: it never committed and never can"
                                           : "neither prepared nor proven";
    case Verdict::hazard:
      return one.ruling == Ruling::commit
                 ? "to commit (" + one.why + "), and gone without its proof row: rolled back by hand?"
                 : "to be rolled back (" + one.why + "), and its proof row is there: committed by hand?";
    default: break;
  }
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

}  // namespace assent::coordinator
