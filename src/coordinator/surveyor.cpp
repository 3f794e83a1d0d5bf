#include "coordinator/surveyor.hpp"

#include <algorithm>
#include <future>
#include <utility>

#include "base/check.hpp"
#include "base/clock.hpp"
#include "coordinator/decided_members.hpp"
#include "coordinator/hazard_book.hpp"
#include "coordinator/rulings.hpp"
#include "ports/asked.hpp"
#include "protocol/xid.hpp"

namespace assent::coordinator {

using ports::asked;
using protocol::Known;
using protocol::Sight;
using std::chrono::milliseconds;

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

std::map<std::string, std::optional<milliseconds>> Surveyor::silences() const {
  std::vector<std::future<Result<ports::Inspection>>> waiting;
  for (auto* participant : participants_) {
    waiting.push_back(asked<Result<ports::Inspection>>([&](auto done) { participant->inspect(std::move(done)); }));
  }
  std::map<std::string, std::optional<milliseconds>> silences;
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    const auto seen = waiting[i].get();
    const bool never = seen.ok() && (!seen->owner || !seen->owner->silent);
    if (!never) silences[participants_[i]->name()] = seen.ok() ? seen->owner->silent : std::nullopt;
  }
  return silences;
}

std::optional<milliseconds> Surveyor::silence() const {
  std::optional<milliseconds> least;
  for (const auto& [name, silent] : silences()) {
    if (silent) least = std::min(least.value_or(*silent), *silent);
  }
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
      one.members = members_of(decision.decision);
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
      branch.reason = reason_of(one, branch);
      if (branch.sight == Sight::prepared && !by_name_.contains(branch.participant)) {
        branch.verdict = Verdict::undecidable;
        branch.reason = "the configuration does not name its participant: add that to settle it (" + one.why + ")";
      } else if (branch.sight == Sight::prepared && !is_where_it_was(branch)) {
        branch.verdict = Verdict::undecidable;
        branch.reason = one.voiceless[branch.participant] + ", and lists a branch with its XID";
      }
    }
  }
  return seen;
}

bool Surveyor::is_where_it_was(const SeenBranch& branch) const {
  return protocol::is_same_server(branch.server, by_name_.at(branch.participant)->identity());
}

void Surveyor::find_voiceless(SeenTransaction& one, const RowsByName& rows) const {
  std::set<std::string> names(one.members.participants.begin(), one.members.participants.end());
  const std::set<std::string> acceptors(one.members.acceptors.begin(), one.members.acceptors.end());
  names.insert(acceptors.begin(), acceptors.end());
  for (const auto& name : names) {
    const auto at = rows.find(name);
    if (at == rows.end()) continue;
    const auto here = at->second.find(one.gtrid);
    const auto then = one.members.identity_of(name);
    const auto now = here == at->second.end() ? by_name_.at(name)->identity() : here->second.server;
    if (!protocol::is_same_server(then, now)) {
      one.voiceless[name] = protocol::another_server(name, then, now);
    } else if (acceptors.contains(name) && (here == at->second.end() || !here->second.remembers)) {
      one.voiceless[name] = "participant '" + name + "' has not kept what was written there at the time";
    }
  }
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
  RowsByName rows;
  for (auto& [name, future] : asking) {
    auto found = future.get();
    if (found.ok()) {
      rows[name] = std::move(*found);
    } else {
      seen.unreachable[name] = found.error().what;
    }
  }
  std::set<std::string> not_reached;
  for (const auto& [name, why] : seen.unreachable) not_reached.insert(name);
  for (auto& [gtrid, one] : seen.transactions) {
    for (const auto& [name, at] : rows) {
      const auto found = at.find(gtrid);
      if (found == at.end() || !found->second.members) continue;
      const auto& here = *found->second.members;
      if (one.members.participants.empty()) one.members = here;
      // What an older version had written into the log.
      if (one.members.identities.empty()) one.members.identities = here.identities;
    }
    find_voiceless(one, rows);
    auto unreachable = not_reached;
    for (const auto& [name, why] : one.voiceless) unreachable.insert(name);
    for (const auto& [name, at] : rows) {
      const auto found = at.find(gtrid);
      if (found == at.end() || unreachable.contains(name)) continue;
      const auto& here = found->second;
      if (one.label.empty()) one.label = here.label;
      if (!one.decision && here.age) one.age = std::max(one.age.value_or(*here.age), *here.age);
      if (here.chosen) one.choices[name] = *here.chosen;
    }
    add_unlisted(one, unreachable);
    for (auto& branch : one.branches) branch.server = one.members.identity_of(branch.participant);
    for (auto& branch : one.branches) {
      if (branch.sight != Sight::absent && branch.sight != Sight::not_kept) continue;
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
        const bool gone = branch.sight == Sight::absent || branch.sight == Sight::not_kept;
        const bool seen_to = one.decision->acknowledged.contains(branch.number);
        return (gone && (seen_to || one.decision->settled.contains(branch.number))) ||
               (seen_to && branch.sight == Sight::fenced);
      });
    }
    if (one.protocol != Protocol::three_phase) continue;
    one.acceptors.resize(one.members.acceptors.size());
    std::set<std::string> read;
    for (const auto& name : one.members.acceptors) {
      const auto at = rows.find(name);
      if (at == rows.end() || one.voiceless.contains(name) || !read.insert(name).second) continue;
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

}  // namespace assent::coordinator
