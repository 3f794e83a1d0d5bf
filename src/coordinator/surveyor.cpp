#include "coordinator/surveyor.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "base/clock.hpp"
#include "coordinator/decided_members.hpp"
#include "coordinator/rulings.hpp"
#include "protocol/recovery.hpp"
#include "protocol/xid.hpp"

namespace assent::coordinator {

using protocol::Sight;
using std::chrono::milliseconds;

namespace {

/// Transactions whose rows are read at a time where all are asked for.
constexpr std::size_t kPartMax = 5'000;

using Scan = std::vector<ports::ListedXid>;
using Choices = std::map<std::string, ports::HeuristicChoice>;
using Found = std::map<std::string, ports::TransactionRows>;

}  // namespace

std::vector<const SeenBranch*> SeenTransaction::to_settle() const {
  std::vector<const SeenBranch*> found;
  for (const auto& branch : branches) {
    const bool settles = branch.verdict == Verdict::will_commit || branch.verdict == Verdict::will_roll_back;
    if (settles && branch.sight == Sight::prepared) found.push_back(&branch);
  }
  return found;
}

bool SeenTransaction::is_in_doubt() const {
  return std::any_of(branches.begin(), branches.end(), [](const auto& one) { return one.sight == Sight::prepared; });
}

bool SeenTransaction::is_left() const {
  return std::any_of(branches.begin(), branches.end(), [](const auto& branch) {
    if (branch.is_remembered) return true;
    switch (branch.verdict) {
      case Verdict::committed:
      case Verdict::rolled_back: return branch.sight == Sight::prepared;
      default: return true;
    }
  });
}

bool SeenTransaction::is_left_here() const {
  return is_left() && std::any_of(branches.begin(), branches.end(), [](const auto& branch) {
           return branch.sight == Sight::prepared || branch.sight == Sight::held || branch.verdict == Verdict::hazard;
         });
}

std::vector<std::string> SeenTransaction::prepared_at() const {
  std::vector<std::string> names;
  for (const auto& branch : branches) {
    if (branch.sight == Sight::prepared) names.push_back(branch.participant);
  }
  return names;
}

Surveyor::Surveyor(std::vector<ports::Participant*> participants)
    : participants_(std::move(participants)), asker_(participants_) {
  for (auto* participant : participants_) by_name_[participant->name()] = participant;
}

Surveyor::Lists Surveyor::list() const {
  Lists lists;
  auto scans = asker_.ask<Scan>({}, [](auto& participant, auto done) { participant.scan(std::move(done)); });
  for (auto& [name, scan] : scans) {
    if (scan.ok()) {
      lists.listed[name] = std::move(*scan);
    } else {
      lists.unreachable[name] = scan.error().what;
    }
  }
  auto choices = asker_.ask<Choices>(lists.unreachable,
                                     [](auto& participant, auto done) { participant.list_choices(std::move(done)); });
  for (auto& [name, listed] : choices) {
    if (!listed.ok()) continue;
    for (auto& [gtrid, choice] : *listed) lists.choices[{gtrid, name}] = std::move(choice);
  }
  return lists;
}

void Surveyor::add_listed(Seen& seen, const Lists& lists, const std::string& participant,
                          const ports::ListedXid& listed) const {
  const auto& coordinator = participants_.front()->coordinator_id();
  const auto whose = protocol::whose_branch(listed.format_id, listed.gtrid, listed.bqual, coordinator, participant);
  if (whose == protocol::Whose::foreign || whose == protocol::Whose::other_coordinator) {
    const auto verdict = whose == protocol::Whose::foreign ? Verdict::foreign : Verdict::other_coordinator;
    seen.others.push_back({participant, listed, verdict});
    return;
  }
  const auto parts = protocol::parse_bqual(listed.bqual);
  std::string unfit;
  if (!by_name_.contains(parts->participant)) {
    unfit = "the configuration has no participant '" + parts->participant + "': add it, or give it that name again";
  } else if (whose == protocol::Whose::elsewhere) {
    // Of another database of the same server, which lists it itself.
    if (lists_too(lists, parts->participant, listed)) return;
    unfit = "it is listed at '" + participant +
            "', where the configuration has another participant than its own: two " +
            "addresses may have been exchanged";
  }
  auto& one = seen.transactions[listed.gtrid];
  auto& among = whose == protocol::Whose::elsewhere ? one.strays : one.branches;
  among.push_back({.participant = parts->participant,
                   .number = parts->branch,
                   .xid = protocol::Xid{listed.gtrid, listed.bqual},
                   .sight = Sight::prepared,
                   .unfit = unfit,
                   .listed_at = participant,
                   .verdict = {},
                   .reason = {}});
}

// Whether what is listed at `here` is listed at `there` as well: they are one server. Their identities do not show
// that, since the data of one may have been copied to the other.
bool Surveyor::lists_too(const Lists& lists, const std::string& there, const ports::ListedXid& listed) {
  const auto is_it = [&](const ports::ListedXid& one) {
    return one.gtrid == listed.gtrid && one.bqual == listed.bqual;
  };
  const auto at = lists.listed.find(there);
  return at != lists.listed.end() && std::any_of(at->second.begin(), at->second.end(), is_it);
}

// Of all that is listed under its gtrid, keeps what its members' rows name: anybody who may use XA can make another
// one. One that is listed elsewhere than at its participant must have its row there, and none where it belongs.
void Surveyor::keep_members(SeenTransaction& one, const RowsByPlace& rows, Seen& seen) const {
  const auto& names = one.members.participants;
  const auto is_member = [&](const SeenBranch& branch) {
    if (names.empty()) return true;
    if (branch.number < 1 || branch.number > names.size()) return false;
    const auto& name = names[branch.number - 1U];
    return branch.xid->bqual == protocol::format_bqual({branch.number, static_cast<std::uint16_t>(names.size()), name});
  };
  const auto has_row = [&](const std::string& at, std::uint16_t number, bool or_keeps_none) {
    const auto read = rows.find(at);
    if (read == rows.end()) return or_keeps_none;
    const auto found = read->second.find(one.gtrid);
    if (found == read->second.end()) return or_keeps_none;
    const auto& proofs = found->second.proofs;
    const auto is_it = [&](const auto& proof) { return proof.branch == number && !proof.fence; };
    return std::any_of(proofs.begin(), proofs.end(), is_it) || (or_keeps_none && !found->second.vouches);
  };
  std::vector<SeenBranch> kept;
  const auto take = [&](SeenBranch& branch, bool is_its) {
    const bool known = std::any_of(kept.begin(), kept.end(), [&](const auto& k) { return k.number == branch.number; });
    if (is_its && !known) return kept.push_back(std::move(branch));
    const bool same =
        known && std::any_of(kept.begin(), kept.end(), [&](const auto& k) { return k.xid == branch.xid; });
    // Two names of one server list the same one.
    if (same) return;
    seen.planted.push_back({branch.listed_at, {protocol::kFormatId, one.gtrid, branch.xid->bqual}, Verdict::foreign});
  };
  for (auto& branch : one.branches) take(branch, is_member(branch));
  for (auto& branch : one.strays) {
    // Two names of one server, which began to list it between the two looks.
    const auto own = by_name_.find(branch.participant);
    const bool one_server =
        own != by_name_.end() && own->second->identity() == by_name_.at(branch.listed_at)->identity() &&
        has_row(branch.listed_at, branch.number, false) && has_row(branch.participant, branch.number, false);
    if (one_server) continue;
    take(branch, is_member(branch) && has_row(branch.listed_at, branch.number, true) &&
                     !has_row(branch.participant, branch.number, false));
  }
  one.branches = std::move(kept);
  one.strays.clear();
}

// Adds the branches that no participant lists.
void Surveyor::add_unlisted(SeenTransaction& one, const Seen& seen) const {
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
    if (known == by_name_.end() || seen.unreachable.contains(names[i]) || one.voiceless.contains(names[i])) {
      sight = Sight::unreachable;
    } else if (!known->second->info().proof_rows) {
      sight = Sight::not_kept;
    }
    const auto bqual = protocol::format_bqual({number, static_cast<std::uint16_t>(names.size()), names[i]});
    one.branches.push_back({.participant = names[i],
                            .number = number,
                            .xid = protocol::Xid{one.gtrid, bqual},
                            .sight = sight,
                            .listed_at = {},
                            .verdict = {},
                            .reason = {}});
  }
  std::sort(one.branches.begin(), one.branches.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
}

// Finds the members of a transaction, and those among them that no longer have a say in it.
void Surveyor::find_members(SeenTransaction& one, const RowsByPlace& rows) const {
  for (const auto& [name, at] : rows) {
    const auto found = at.find(one.gtrid);
    if (found == at.end() || !found->second.members) continue;
    const auto& here = *found->second.members;
    if (one.members.participants.empty()) one.members = here;
    // What an older version had written into the log.
    if (one.members.identities.empty()) one.members.identities = here.identities;
  }
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

// What the rows say of its branches and of its acceptors.
void Surveyor::add_rows(SeenTransaction& one, const RowsByPlace& rows) const {
  const auto rows_at = [&](const std::string& name) -> const ports::TransactionRows* {
    const auto at = rows.find(name);
    if (at == rows.end()) return nullptr;
    const auto found = at->second.find(one.gtrid);
    return found == at->second.end() ? nullptr : &found->second;
  };
  for (auto& branch : one.branches) {
    branch.server = one.members.identity_of(branch.participant);
    const auto known = by_name_.find(branch.participant);
    if (branch.sight == Sight::prepared && branch.listed_at == branch.participant && known != by_name_.end() &&
        !protocol::is_same_server(branch.server, known->second->identity())) {
      branch.unfit = one.voiceless[branch.participant] + ", and lists a branch with its XID";
    }
    const auto* here = rows_at(branch.participant);
    if (branch.sight == Sight::prepared) {
      const auto* there = rows_at(branch.listed_at);
      one.vouched |= there == nullptr || !there->vouches;
    }
    if (branch.sight == Sight::prepared && here != nullptr && branch.listed_at == branch.participant &&
        !one.voiceless.contains(branch.participant)) {
      // Until a branch commits, its own row cannot be read.
      const bool has_committed = std::any_of(here->proofs.begin(), here->proofs.end(), [&](const auto& proof) {
        return proof.branch == branch.number && proof.committed && !proof.fence;
      });
      if (has_committed) branch.sight = Sight::proven;
      continue;
    }
    if (branch.sight != Sight::absent && branch.sight != Sight::not_kept) continue;
    if (!rows.contains(branch.participant)) continue;
    if (here == nullptr || !here->proofs_kept) branch.sight = Sight::not_kept;
    if (here == nullptr) continue;
    for (const auto& proof : here->proofs) {
      if (proof.branch != branch.number) continue;
      branch.sight = !proof.committed ? Sight::held : proof.fence ? Sight::fenced : Sight::proven;
    }
  }
  std::set<std::string> read;
  for (std::size_t i = 0; i < one.members.acceptors.size(); ++i) {
    const auto* here = rows_at(one.members.acceptors[i]);
    if (here == nullptr || one.voiceless.contains(one.members.acceptors[i])) continue;
    protocol::AcceptorSeen seen{i, here->closed, {}};
    for (const auto& [index, row] : here->acceptors) {
      if (index == i) seen.accepted = row.accepted;
    }
    one.acceptors.push_back(seen);
  }
}

// What was seen once is kept in the log: a participant that cannot be read now has not un-committed its branch.
void Surveyor::add_remembered(SeenTransaction& one, const Knowledge* knowledge) {
  if (knowledge == nullptr) return;
  for (auto& branch : one.branches) {
    if (branch.sight != Sight::unreachable || !knowledge->is_known_committed(one.gtrid, branch.number)) continue;
    branch.sight = Sight::proven;
    branch.is_remembered = true;
  }
}

// A branch that has committed and is listed nevertheless: it has committed since it was listed, or somebody has made
// another one under its XID, which was free again.
void Surveyor::find_planted_again(Seen& seen) const {
  std::map<std::string, std::set<protocol::Xid>> suspects;
  for (const auto& [gtrid, one] : seen.transactions) {
    // One that this process is committing has just done so.
    if (one.is_alive) continue;
    for (const auto& branch : one.branches) {
      if (branch.sight == Sight::proven && !branch.listed_at.empty()) suspects[branch.listed_at].insert(*branch.xid);
    }
  }
  if (suspects.empty()) return;
  const auto now = list();
  for (const auto& [name, xids] : now.listed) {
    for (const auto& listed : xids) {
      if (listed.format_id != protocol::kFormatId || !suspects[name].contains({listed.gtrid, listed.bqual})) continue;
      seen.planted.push_back({name, listed, Verdict::foreign});
    }
  }
}

void Surveyor::forget_ended(Seen& seen) const {
  const auto now = list();
  for (const auto& [name, why] : now.unreachable) seen.unreachable.emplace(name, why);
  std::set<protocol::Xid> listed;
  for (const auto& [name, xids] : now.listed) {
    for (const auto& xid : xids) listed.insert({xid.gtrid, xid.bqual});
  }
  std::erase_if(seen.transactions, [&](const auto& entry) {
    const auto& one = entry.second;
    return !one.decision && std::any_of(one.branches.begin(), one.branches.end(), [&](const auto& branch) {
      return branch.sight == Sight::prepared && !listed.contains(*branch.xid) &&
             !now.unreachable.contains(branch.participant);
    });
  });
}

std::map<std::string, std::optional<milliseconds>> Surveyor::silences() const {
  const auto inspections =
      asker_.ask<ports::Inspection>({}, [](auto& participant, auto done) { participant.inspect(std::move(done)); });
  std::map<std::string, std::optional<milliseconds>> silences;
  for (const auto& [name, seen] : inspections) {
    const bool never = seen.ok() && (!seen->owner || !seen->owner->silent);
    if (!never) silences[name] = seen.ok() ? seen->owner->silent : std::nullopt;
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
  const auto lists = list();
  Seen all;
  for (Part part{.from = "", .transactions_max = kPartMax};; part.from = all.next) {
    auto seen = look(lists, part, knowledge, others_are_lost);
    all.transactions.merge(seen.transactions);
    all.over.merge(seen.over);
    all.carried_out.merge(seen.carried_out);
    all.not_known.merge(seen.not_known);
    all.others = std::move(seen.others);
    all.planted.insert(all.planted.end(), seen.planted.begin(), seen.planted.end());
    all.hazards = std::move(seen.hazards);
    all.choices = std::move(seen.choices);
    all.unreachable.merge(seen.unreachable);
    all.next = std::move(seen.next);
    if (all.next.empty()) return all;
  }
}

Seen Surveyor::look(const Lists& lists, const Part& part, const Knowledge* knowledge, bool others_are_lost) const {
  Seen seen;
  seen.unreachable = lists.unreachable;
  seen.choices = lists.choices;
  for (const auto& [name, xids] : lists.listed) {
    for (const auto& listed : xids) add_listed(seen, lists, name, listed);
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
  std::set<std::string> with_hazard;
  for (const auto& hazard : seen.hazards) with_hazard.insert(hazard.gtrid);
  const auto left = rows_left(seen, part, knowledge);
  for (const auto& gtrid : left) seen.transactions[gtrid];
  std::erase_if(seen.transactions, [&](const auto& one) {
    return one.first < part.from || (!seen.next.empty() && one.first >= seen.next);
  });
  if (seen.transactions.size() > part.transactions_max) {
    const auto end = std::next(seen.transactions.begin(), static_cast<std::ptrdiff_t>(part.transactions_max));
    seen.next = end->first;
    seen.transactions.erase(end, seen.transactions.end());
  }
  for (auto& [gtrid, one] : seen.transactions) {
    one.gtrid = gtrid;
    one.protocol = protocol::parse_gtrid(gtrid)->protocol;
    one.has_hazard = with_hazard.contains(gtrid);
  }
  const auto rows = find_rows(seen);
  for (auto& [gtrid, one] : seen.transactions) {
    one.all_read = seen.unreachable.empty();
    one.vouched = one.decision.has_value();
    find_members(one, rows);
    for (const auto& [name, at] : rows) {
      const auto found = at.find(gtrid);
      if (found == at.end()) continue;
      const auto& here = found->second;
      one.vouched |= !here.proofs.empty() || !here.acceptors.empty();
      if (!protocol::is_same_server(one.members.identity_of(name), here.server)) continue;
      if (one.label.empty()) one.label = here.label;
      if (!one.decision && here.age) one.age = std::max(one.age.value_or(*here.age), *here.age);
      if (here.chosen) one.choices[name] = *here.chosen;
      const bool closed = one.protocol == Protocol::three_phase && here.closed;
      one.closed |= closed || here.ended;
    }
    keep_members(one, rows, seen);
    add_unlisted(one, seen);
    add_rows(one, rows);
    add_remembered(one, knowledge);
    one.is_alive = knowledge != nullptr && knowledge->is_alive(gtrid);
    rule_on(one, knowledge, others_are_lost);
    if (!one.decision) continue;
    // Settled, and acknowledged where it was a hazard: nothing is left to report.
    std::erase_if(one.branches, [&, &decision = *one.decision](const auto& branch) {
      const bool gone = branch.sight == Sight::absent || branch.sight == Sight::not_kept;
      const bool seen_to = decision.acknowledged.contains(branch.number);
      return (gone && (seen_to || decision.settled.contains(branch.number))) ||
             (seen_to && branch.sight == Sight::fenced);
    });
  }
  find_planted_again(seen);
  std::erase_if(seen.transactions, [&](const auto& one) {
    if (one.second.decision || one.second.is_left_here()) return false;
    (one.second.is_left() ? seen.not_known : seen.over).insert(one.first);
    const bool chosen = one.second.ruled == protocol::Ruled{protocol::Ruling::commit, protocol::Ground::chosen};
    if (chosen && !one.second.is_left()) seen.carried_out.emplace(one.first, one.second.choices.begin()->second);
    return true;
  });
  return seen;
}

// Adds transactions of which only rows may be left. Their outcome must be proven before the rows may be deleted,
// whether a branch is listed or not. Sets where this part ends, if not all are in it.
std::set<std::string> Surveyor::rows_left(Seen& seen, const Part& part, const Knowledge* knowledge) const {
  const auto& coordinator = participants_.front()->coordinator_id();
  const auto to = knowledge == nullptr
                      ? coordinator + "/"
                      : protocol::gtrid_range_bound(coordinator, knowledge->rows_left_below_epoch(), 0);
  const auto most = std::min(part.transactions_max, kPartMax);
  auto asked = asker_.ask<std::vector<std::string>>(seen.unreachable, [&](auto& participant, auto done) {
    participant.list_rows(part.from, to, most, std::move(done));
  });
  std::set<std::string> left;
  for (auto& [name, gtrids] : asked) {
    if (!gtrids.ok()) {
      seen.unreachable[name] = gtrids.error().what;
      continue;
    }
    // Behind the last one there may be more.
    if (gtrids->size() >= most) {
      const auto end = gtrids->back() + "~";
      if (seen.next.empty() || end < seen.next) seen.next = end;
    }
    left.insert(gtrids->begin(), gtrids->end());
  }
  std::erase_if(left, [&](const std::string& gtrid) {
    const auto parts = protocol::parse_gtrid(gtrid);
    if (!parts) return true;
    if (knowledge == nullptr) return false;
    return knowledge->era(parts->epoch) == protocol::Era::future;
  });
  return left;
}

Surveyor::RowsByPlace Surveyor::find_rows(Seen& seen) const {
  std::vector<std::string> gtrids;
  for (const auto& [gtrid, one] : seen.transactions) gtrids.push_back(gtrid);
  RowsByPlace rows;
  if (gtrids.empty()) return rows;
  auto asked = asker_.ask<Found>(seen.unreachable,
                                 [&](auto& participant, auto done) { participant.find_rows(gtrids, std::move(done)); });
  for (auto& [name, found] : asked) {
    if (found.ok()) {
      rows[name] = std::move(*found);
    } else {
      seen.unreachable[name] = found.error().what;
    }
  }
  return rows;
}

}  // namespace assent::coordinator
