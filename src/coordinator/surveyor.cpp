#include "coordinator/surveyor.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/check.hpp"
#include "base/clock.hpp"
#include "coordinator/hazard_book.hpp"
#include "ports/asked.hpp"
#include "protocol/xid.hpp"

namespace assent::coordinator {
namespace {

using ports::asked;
using protocol::Ground;
using protocol::Known;
using protocol::Ruling;
using protocol::Sight;
using std::chrono::milliseconds;

std::string of_acceptors(const SeenTransaction& one) {
  return std::to_string(one.acceptors_read) + " of its " + std::to_string(one.acceptors.size()) + " acceptors";
}

// As the rule for one more ballot would have it.
void rule_by_quorum(SeenTransaction& one) {
  one.ruling = Ruling::undecidable;
  if (one.acceptors.empty()) {
    one.why = "no row that can be reached says who its acceptors are";
    return;
  }
  if (one.acceptors_read < protocol::majority_of(one.acceptors.size())) {
    one.why = of_acceptors(one) + " can be reached, and a majority is needed";
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

std::string words(const SeenTransaction& one, const SeenBranch& branch) {
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
    case Sight::unreachable: return one.why + "; its participant was not reached";
    default: return one.why;
  }
}

std::string printable_or_hex(const std::string& bytes) {
  const bool plain = std::all_of(bytes.begin(), bytes.end(), [](char c) { return c > ' ' && c < 127; });
  if (plain && !bytes.starts_with("0x")) return bytes;
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "0x";
  for (const char c : bytes) {
    text.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
    text.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
  }
  return text;
}

}  // namespace

Known LogKnowledge::known(const std::string& gtrid) const {
  return log_.live.contains(gtrid) ? Known::decided : Known::nothing;
}

protocol::Era LogKnowledge::era(std::uint32_t epoch) const {
  if (log_.first_epoch == 0 || epoch < log_.first_epoch) return protocol::Era::before_log;
  return epoch <= log_.epoch ? protocol::Era::past : protocol::Era::future;
}

std::vector<ports::LiveDecision> LogKnowledge::decisions() const {
  std::vector<ports::LiveDecision> all;
  for (const auto& [gtrid, live] : log_.live) all.push_back(live);
  return all;
}

std::vector<Hazard> LogKnowledge::hazards() const {
  return open_hazards(log_);
}

std::vector<const SeenBranch*> SeenTransaction::to_settle() const {
  std::vector<const SeenBranch*> found;
  for (const auto& branch : branches) {
    const bool ruled = branch.verdict == Verdict::will_commit || branch.verdict == Verdict::will_roll_back;
    if (ruled && branch.sight == Sight::prepared) found.push_back(&branch);
  }
  return found;
}

bool SeenTransaction::is_in_doubt() const {
  return std::any_of(branches.begin(), branches.end(), [](const auto& one) { return one.sight == Sight::prepared; });
}

std::vector<std::string> SeenTransaction::prepared_at() const {
  std::vector<std::string> names;
  for (const auto& branch : branches) {
    if (branch.sight == Sight::prepared) names.push_back(branch.participant);
  }
  return names;
}

Surveyor::Surveyor(std::vector<ports::Participant*> participants) : participants_(std::move(participants)) {
  for (auto* participant : participants_) by_name_[participant->name()] = participant;
}

void Surveyor::add_listed(Seen& seen, const std::string& participant, const ports::ListedXid& listed) const {
  const auto& coordinator = participants_.front()->coordinator_id();
  const auto whose = protocol::whose_branch(listed.format_id, listed.gtrid, listed.bqual, coordinator, participant);
  if (whose == protocol::Whose::foreign || whose == protocol::Whose::other_coordinator) {
    const auto verdict = whose == protocol::Whose::foreign ? Verdict::foreign : Verdict::other_coordinator;
    seen.others.push_back({participant, listed, verdict});
    return;
  }
  const auto parts = protocol::parse_bqual(listed.bqual);
  // Of another database of the same server, which lists it itself; unless nobody knows that one any more.
  if (whose == protocol::Whose::elsewhere && by_name_.contains(parts->participant)) return;
  auto& one = seen.transactions[listed.gtrid];
  const auto known = std::any_of(one.branches.begin(), one.branches.end(),
                                 [&](const auto& branch) { return branch.number == parts->branch; });
  if (known) return;
  one.branches.push_back(
      {parts->participant, parts->branch, protocol::Xid{listed.gtrid, listed.bqual}, Sight::prepared, {}, {}});
}

// Those of its branches that nobody lists.
void Surveyor::add_unlisted(SeenTransaction& one, const std::set<std::string>& unreachable) const {
  auto& names = one.members.participants;
  if (names.empty() && !one.branches.empty()) {
    // Each of its branches tells how many there are.
    const auto count = protocol::parse_bqual(one.branches.front().xid->bqual)->count;
    const bool agree = std::all_of(one.branches.begin(), one.branches.end(), [&](const auto& branch) {
      return protocol::parse_bqual(branch.xid->bqual)->count == count;
    });
    if (agree && one.branches.size() == count) {
      names.resize(count);
      for (const auto& branch : one.branches) names[branch.number - 1U] = branch.participant;
    }
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto number = static_cast<std::uint16_t>(i + 1);
    const bool listed = std::any_of(one.branches.begin(), one.branches.end(),
                                    [&](const auto& branch) { return branch.number == number; });
    if (listed) continue;
    const auto known = by_name_.find(names[i]);
    auto sight = Sight::absent;
    if (known == by_name_.end() || unreachable.contains(names[i])) {
      sight = Sight::unreachable;
    } else if (!known->second->info().proof_rows) {
      sight = Sight::not_kept;
    }
    const auto bqual = protocol::format_bqual({number, static_cast<std::uint16_t>(names.size()), names[i]});
    one.branches.push_back({names[i], number, protocol::Xid{one.gtrid, bqual}, sight, {}, {}});
  }
  std::sort(one.branches.begin(), one.branches.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
}

void Surveyor::forget_ended(Seen& seen) const {
  using Scan = Result<std::vector<ports::ListedXid>>;
  std::vector<std::future<Scan>> scans;
  for (auto* participant : participants_) {
    scans.push_back(asked<Scan>([&](auto done) { participant->scan(std::move(done)); }));
  }
  std::set<protocol::Xid> listed;
  for (std::size_t i = 0; i < scans.size(); ++i) {
    const auto scan = scans[i].get();
    if (!scan.ok()) seen.unreachable[participants_[i]->name()] = scan.error().what;
    if (!scan.ok()) continue;
    for (const auto& xid : *scan) listed.insert({xid.gtrid, xid.bqual});
  }
  for (auto& [gtrid, one] : seen.transactions) {
    std::erase_if(one.branches, [&](const auto& branch) {
      return branch.sight == Sight::prepared && !seen.unreachable.contains(branch.participant) &&
             !listed.contains(*branch.xid);
    });
  }
  std::erase_if(seen.transactions, [](const auto& one) { return !one.second.decision && !one.second.is_in_doubt(); });
}

std::map<std::string, milliseconds> Surveyor::silences() const {
  std::vector<std::future<Result<ports::Inspection>>> waiting;
  for (auto* participant : participants_) {
    waiting.push_back(asked<Result<ports::Inspection>>([&](auto done) { participant->inspect(std::move(done)); }));
  }
  std::map<std::string, milliseconds> silences;
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    const auto seen = waiting[i].get();
    if (seen.ok() && seen->owner && seen->owner->silent) silences[participants_[i]->name()] = *seen->owner->silent;
  }
  return silences;
}

std::optional<milliseconds> Surveyor::silence() const {
  std::optional<milliseconds> least;
  for (const auto& [name, silent] : silences()) least = std::min(least.value_or(silent), silent);
  return least;
}

Seen Surveyor::look(const Knowledge* knowledge, bool others_are_lost) const {
  Seen seen;
  using Scan = Result<std::vector<ports::ListedXid>>;
  std::vector<std::future<Scan>> scans;
  for (auto* participant : participants_) {
    scans.push_back(asked<Scan>([&](auto done) { participant->scan(std::move(done)); }));
  }
  using Choices = Result<std::map<std::string, ports::HeuristicChoice>>;
  std::vector<std::future<Choices>> choices;
  for (auto* participant : participants_) {
    choices.push_back(asked<Choices>([&](auto done) { participant->list_choices(std::move(done)); }));
  }
  for (std::size_t i = 0; i < scans.size(); ++i) {
    const auto scan = scans[i].get();
    if (!scan.ok()) {
      seen.unreachable[participants_[i]->name()] = scan.error().what;
      continue;
    }
    for (const auto& listed : *scan) add_listed(seen, participants_[i]->name(), listed);
  }
  for (std::size_t i = 0; i < choices.size(); ++i) {
    auto listed = choices[i].get();
    if (!listed.ok()) continue;
    for (auto& [gtrid, choice] : *listed) seen.choices[{gtrid, participants_[i]->name()}] = std::move(choice);
  }
  if (knowledge != nullptr) {
    seen.hazards = knowledge->hazards();
    for (auto& decision : knowledge->decisions()) {
      auto& one = seen.transactions[decision.decision.gtrid];
      one.label = decision.decision.label;
      one.members = {decision.decision.participants, decision.decision.acceptors};
      one.age = milliseconds(std::max<std::int64_t>(0, base::wall_clock_ms() - decision.decision.decided_at_ms));
      one.decision = std::move(decision);
    }
  }
  for (auto& [gtrid, one] : seen.transactions) {
    one.gtrid = gtrid;
    one.protocol = protocol::parse_gtrid(gtrid)->protocol;
  }
  find_rows(seen);
  for (auto& [gtrid, one] : seen.transactions) {
    const bool by_acceptors = one.protocol == Protocol::three_phase;
    const bool lost = knowledge == nullptr || (others_are_lost && (by_acceptors || is_of_another_log(one, *knowledge)));
    one.without_log = lost;
    if (!lost) {
      rule_by_log(one, *knowledge);
    } else if (one.protocol == Protocol::three_phase) {
      rule_by_quorum(one);
    } else {
      rule_without_log(one);
    }
    for (auto& branch : one.branches) {
      branch.verdict = protocol::verdict_of(one.ruling, branch.sight);
      branch.reason = words(one, branch);
      if (branch.sight == Sight::prepared && !by_name_.contains(branch.participant)) {
        branch.verdict = Verdict::undecidable;
        branch.reason = "the configuration does not name its participant: add that to settle it (" + one.why + ")";
      }
    }
  }
  return seen;
}

void Surveyor::find_rows(Seen& seen) const {
  std::vector<std::string> gtrids;
  for (const auto& [gtrid, one] : seen.transactions) gtrids.push_back(gtrid);
  using Found = Result<std::map<std::string, ports::TransactionRows>>;
  std::map<std::string, std::future<Found>> asking;
  if (!gtrids.empty()) {
    for (auto* participant : participants_) {
      if (seen.unreachable.contains(participant->name())) continue;
      asking[participant->name()] = asked<Found>([&](auto done) { participant->find_rows(gtrids, std::move(done)); });
    }
  }
  std::map<std::string, std::map<std::string, ports::TransactionRows>> rows;
  for (auto& [name, future] : asking) {
    auto found = future.get();
    if (found.ok()) {
      rows[name] = std::move(*found);
    } else {
      seen.unreachable[name] = found.error().what;
    }
  }
  std::set<std::string> unreachable;
  for (const auto& [name, why] : seen.unreachable) unreachable.insert(name);
  for (auto& [gtrid, one] : seen.transactions) {
    for (const auto& [name, at] : rows) {
      const auto found = at.find(gtrid);
      if (found == at.end()) continue;
      const auto& here = found->second;
      if (one.members.participants.empty() && here.members) one.members = *here.members;
      if (one.label.empty()) one.label = here.label;
      if (!one.decision && here.age) one.age = std::max(one.age.value_or(*here.age), *here.age);
      if (here.chosen) one.choices[name] = *here.chosen;
    }
    add_unlisted(one, unreachable);
    for (auto& branch : one.branches) {
      if (branch.sight != Sight::absent) continue;
      const auto at = rows.find(branch.participant);
      if (at == rows.end()) continue;
      const auto here = at->second.find(gtrid);
      if (here == at->second.end() || !here->second.proofs_kept) branch.sight = Sight::not_kept;
      if (here == at->second.end()) continue;
      for (const auto& proof : here->second.proofs) {
        if (proof.branch != branch.number) continue;
        branch.sight = !proof.committed ? Sight::held : proof.fence ? Sight::fenced : Sight::proven;
      }
    }
    if (one.decision) {
      // Settled, and acknowledged where it was a hazard: nothing is to be said of it any more.
      std::erase_if(one.branches, [&](const auto& branch) {
        return branch.sight == Sight::absent &&
               (one.decision->settled.contains(branch.number) || one.decision->acknowledged.contains(branch.number));
      });
    }
    if (one.protocol != Protocol::three_phase) continue;
    one.acceptors.resize(one.members.acceptors.size());
    std::set<std::string> read;
    for (const auto& name : one.members.acceptors) {
      const auto at = rows.find(name);
      if (at == rows.end() || !read.insert(name).second) continue;
      ++one.acceptors_read;
      const auto found = at->second.find(gtrid);
      if (found == at->second.end()) continue;
      if (found->second.closed) {
        ++one.acceptors_closed;
        continue;
      }
      for (const auto& [index, row] : found->second.acceptors) {
        if (index < one.acceptors.size()) one.acceptors[index] = row;
      }
    }
  }
}

Survey Surveyor::survey(const Seen& seen, const SurveyQuery& query) const {
  Survey survey;
  survey.coordinator = participants_.front()->coordinator_id();
  for (const auto& [name, why] : seen.unreachable) survey.unreachable.push_back({name, why});
  const auto wanted = [&](const std::string& gtrid, const std::string& participant, std::optional<milliseconds> age) {
    return (query.gtrid.empty() || query.gtrid == gtrid) &&
           (query.participant.empty() || query.participant == participant) &&
           (query.age_min_ms == 0 || (age && age->count() >= static_cast<std::int64_t>(query.age_min_ms))) &&
           gtrid >= query.from;
  };
  for (const auto& [gtrid, one] : seen.transactions) {
    for (const auto& branch : one.branches) {
      if (!wanted(gtrid, branch.participant, one.age)) continue;
      SurveyBranch shown{.gtrid = gtrid,
                         .participant = branch.participant,
                         .branch = branch.number,
                         .verdict = branch.verdict,
                         .reason = branch.reason,
                         .protocol = one.protocol,
                         .age_ms = std::nullopt,
                         .label = one.label,
                         .blocks = {}};
      if (one.age) shown.age_ms = one.age->count();
      survey.branches.push_back(std::move(shown));
    }
  }
  for (const auto& hazard : seen.hazards) {
    const auto shown = std::any_of(survey.branches.begin(), survey.branches.end(), [&](const auto& branch) {
      return branch.gtrid == hazard.gtrid && branch.branch == hazard.branch;
    });
    const milliseconds age(std::max<std::int64_t>(0, base::wall_clock_ms() - hazard.found_at_ms));
    if (shown || !wanted(hazard.gtrid, hazard.participant, age)) continue;
    survey.branches.push_back({.gtrid = hazard.gtrid,
                               .participant = hazard.participant,
                               .branch = hazard.branch,
                               .verdict = Verdict::hazard,
                               .reason = hazard.reason,
                               .protocol = std::nullopt,
                               .age_ms = age.count(),
                               .label = {},
                               .blocks = {}});
  }
  for (const auto& other : seen.others) {
    const bool assents = other.verdict == Verdict::other_coordinator;
    auto gtrid = printable_or_hex(other.xid.gtrid);
    if (!wanted(gtrid, other.participant, std::nullopt)) continue;
    SurveyBranch shown{.gtrid = std::move(gtrid),
                       .participant = other.participant,
                       .branch = 0,
                       .verdict = other.verdict,
                       .reason = {},
                       .protocol = std::nullopt,
                       .age_ms = std::nullopt,
                       .label = {},
                       .blocks = {}};
    if (assents) {
      shown.branch = protocol::parse_bqual(other.xid.bqual)->branch;
      shown.protocol = protocol::parse_gtrid(other.xid.gtrid)->protocol;
      shown.reason = "of coordinator '" + protocol::parse_gtrid(other.xid.gtrid)->coordinator + "', which settles it";
    } else {
      shown.reason = "of another transaction manager: formatID " + std::to_string(other.xid.format_id) + ", bqual " +
                     printable_or_hex(other.xid.bqual);
    }
    survey.branches.push_back(std::move(shown));
  }
  for (const auto& [place, choice] : seen.choices) {
    if (!wanted(place.first, place.second, std::nullopt)) continue;
    const auto outcome = choice.value == protocol::Value::commit ? Outcome::committed : Outcome::rolled_back;
    survey.heuristic.push_back({place.first, place.second, outcome, choice.who, choice.reason, choice.made_at_ms});
  }
  std::stable_sort(survey.branches.begin(), survey.branches.end(), [](const auto& a, const auto& b) {
    return std::tie(a.gtrid, a.branch, a.participant) < std::tie(b.gtrid, b.branch, b.participant);
  });
  find_waits(survey, seen);
  return survey;
}

void Surveyor::find_waits(Survey& survey, const Seen& seen) const {
  std::map<std::string, std::map<protocol::Xid, SurveyBranch*>> prepared;
  for (auto& shown : survey.branches) {
    const auto one = seen.transactions.find(shown.gtrid);
    if (one == seen.transactions.end()) continue;
    for (const auto& branch : one->second.branches) {
      if (branch.number != shown.branch || branch.sight != Sight::prepared) continue;
      if (shown.verdict == Verdict::running) continue;
      if (by_name_.contains(shown.participant)) prepared[shown.participant].emplace(*branch.xid, &shown);
    }
  }
  using Waits = Result<ports::LockWaits>;
  std::map<std::string, std::future<Waits>> asking;
  for (const auto& [name, branches] : prepared) {
    std::vector<protocol::Xid> xids;
    for (const auto& [xid, shown] : branches) xids.push_back(xid);
    asking[name] = asked<Waits>([&](auto done) { by_name_.at(name)->find_waits(std::move(xids), std::move(done)); });
  }
  for (auto& [name, future] : asking) {
    const auto waits = future.get();
    if (!waits.ok()) {
      survey.locks_not_seen.push_back({name, waits.error().what});
      continue;
    }
    if (!waits->incomplete.empty()) survey.locks_not_seen.push_back({name, waits->incomplete});
    for (const auto& [xid, sessions] : waits->by_branch) {
      const auto shown = prepared[name].find(xid);
      if (shown == prepared[name].end()) continue;
      for (const auto& session : sessions) {
        shown->second->blocks.push_back(
            {session.connection, session.user, session.host, session.waiting.count(), session.table, session.row});
      }
    }
  }
}

}  // namespace assent::coordinator
