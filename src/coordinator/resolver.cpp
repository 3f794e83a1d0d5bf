#include "coordinator/resolver.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <future>
#include <utility>

#include "base/check.hpp"
#include "base/failpoints.hpp"
#include "coordinator/live_transaction.hpp"
#include "ports/asked.hpp"
#include "protocol/xid.hpp"

namespace assent::coordinator {

using protocol::Decided;
using protocol::Finding;
using protocol::Ground;
using protocol::Ruling;
using protocol::Sight;

namespace {

/// Transactions that are looked at together, and so many times in one round.
constexpr std::size_t kPartMax = 256;
constexpr std::size_t kPartsPerRound = 8;
/// For one attempt at all branches that are settled together: sessions that held them may have to end first.
constexpr std::chrono::milliseconds kSettleMax{5'000};

class NoLog final : public ports::DecisionLog {
 public:
  void append_forced(ports::LogRecord, ports::Done<Status> done) override { done(Ok{}); }
  void append(ports::LogRecord, std::function<void()> on_durable) override {
    if (on_durable) on_durable();
  }
  ports::LogCondition condition() const override { return ports::LogCondition::accepting; }
  std::uint64_t durable_sequence() const override { return 0; }
  ports::LogStats stats() const override { return {}; }
};

// Its acceptors decide, and the process that asks them settles it.
bool is_for_acceptors(const SeenTransaction& one) {
  return one.ruled.ground == Ground::acceptors && one.is_left();
}

bool is_ruled(const SeenTransaction& one) {
  const auto ruling = one.ruled.ruling;
  return ruling == Ruling::commit || ruling == Ruling::roll_back || ruling == Ruling::over;
}

}  // namespace

std::shared_ptr<House> make_house_without_log(const std::vector<ports::Participant*>& participants) {
  static NoLog none;
  auto house = make_house(none, participants, 1, 0);
  house->acts_by_claims = false;
  return house;
}

Resolver::Resolver(Means means) : means_(std::move(means)), house_(means_.house), surveyor_(means_.participants) {}

bool Resolver::round() {
  if (ASSENT_FAILS_AT(without_sweeper)) return false;
  ++house_->sweeps;
  const auto lists = surveyor_.list();
  ASSENT_FAILPOINT(sweep_scanned);
  std::size_t settled = 0;
  for (std::size_t part = 0; part < kPartsPerRound && !interrupted(); ++part) {
    const auto from = next_;
    auto seen = surveyor_.look(lists, {from, kPartMax}, means_.knowledge.get(), false);
    const bool some_left = std::any_of(seen.transactions.begin(), seen.transactions.end(),
                                       [](const auto& one) { return !one.second.is_alive; });
    if (some_left) surveyor_.forget_ended(seen);
    // With an indeterminate log nothing may be presumed: the decision of a listed branch may be on the disk.
    if (house_->log.condition() != ports::LogCondition::poisoned) settled += settle(seen);
    {
      const std::lock_guard lock(mutex_);
      doubts_.note(seen, from, done_);
      done_.clear();
    }
    note_past(seen);
    next_ = seen.next;
    if (next_.empty()) {
      end_rotation();
      return false;
    }
  }
  return settled > 0;
}

std::size_t Resolver::settle(const Seen& seen) {
  for (const auto& [gtrid, choice] : seen.carried_out) {
    if (house_->hazards.has_any(gtrid) && !house_->registry.find(gtrid)) close_hazards(gtrid, choice);
  }
  std::vector<Plan> plans;
  std::set<std::string> involved;
  for (const auto& [gtrid, one] : seen.transactions) {
    if (const auto live = house_->registry.find(gtrid); live && live->waits_for_look()) tell(*live, one);
    if (one.is_alive) continue;
    if (means_.only_three_phase && one.protocol == Protocol::two_phase) continue;
    const bool presumes = is_for_acceptors(one) && ASSENT_FAILS_AT(without_quorum_rule);
    const bool for_acceptors = is_for_acceptors(one) && !presumes;
    // Its hazards must be durable before anything else is done about it. Where the acceptors decide, the
    // LiveTransaction that asks them finds its hazards by itself.
    if (!for_acceptors && !alarm(one)) continue;
    if (!is_ruled(one)) continue;
    if (for_acceptors) {
      for (const auto& name : one.prepared_at()) involved.insert(name);
      take_up(one);
      continue;
    }
    if (!one.is_in_doubt()) continue;
    const bool commits = one.ruled.ruling == Ruling::commit && !presumes;
    plans.push_back({&one, commits, one.ruled.ground != Ground::missing});
    for (const auto& branch : one.branches) {
      if (is_reachable(seen, branch)) involved.insert(branch.participant);
    }
  }
  if (means_.in_anothers_place) end_predecessors(seen, involved);
  fence(seen, plans);
  std::vector<Settling> all;
  for (const auto& plan : plans) {
    for (const auto& branch : plan.one->branches) {
      if (!plan.begins || branch.sight != Sight::prepared || !is_reachable(seen, branch)) continue;
      if (!branch.unfit.empty()) continue;
      all.push_back({branch, plan.commits ? Decided::commit : Decided::rollback, plan.one->why});
    }
  }
  if (means_.in_anothers_place) {
    const std::lock_guard lock(mutex_);
    for (const auto& one : all) unproven_[*one.branch.xid] = {one.branch, one.decided, "not tried"};
    all.clear();
    for (const auto& [xid, one] : unproven_) {
      if (is_reachable(seen, one.branch)) all.push_back({one.branch, one.decided, ""});
    }
  }
  for (const auto& one : all) {
    if (!interrupted()) begin(one);
  }
  return wait_settled();
}

bool Resolver::is_reachable(const Seen& seen, const SeenBranch& branch) const {
  return branch.xid && house_->places.contains(branch.participant) && !seen.unreachable.contains(branch.participant);
}

// Whether all hazards of it are in the log.
bool Resolver::alarm(const SeenTransaction& one) {
  for (const auto& branch : one.branches) {
    if (branch.verdict != Verdict::hazard || house_->hazards.has(one.gtrid, branch.number)) continue;
    const auto kind =
        one.ruled.ruling == Ruling::commit ? ports::HazardKind::lost : ports::HazardKind::committed_against;
    const ports::HazardFound hazard{one.gtrid, branch.number, "at '" + branch.participant + "': " + branch.reason,
                                    base::wall_clock_ms(), kind};
    ASSENT_FAILPOINT(hazard_unlogged);
    const auto logged = ports::asked<Status>([&](auto done) { house_->log.append_forced(hazard, done); }).get();
    if (!logged.ok()) return false;
    ASSENT_FAILPOINT(hazard_logged);
    ++house_->hazards_found;
    house_->hazards.add(hazard, branch.participant);
    spdlog::critical("HAZARD {}: branch {} at '{}': {}. Compare the databases before repairing them", one.gtrid,
                     branch.number, branch.participant, branch.reason);
  }
  return true;
}

// Every branch has come to what an operator chose. With that choice, hazards found until then count as acknowledged.
void Resolver::close_hazards(const std::string& gtrid, const ports::HeuristicChoice& choice) {
  for (const auto& hazard : house_->hazards.all()) {
    if (hazard.gtrid != gtrid) continue;
    const ports::HazardAcknowledged said{gtrid, hazard.branch, choice.who,
                                         "committed everywhere by choice: " + choice.reason, base::wall_clock_ms()};
    const auto logged = ports::asked<Status>([&](auto done) { house_->log.append_forced(said, done); }).get();
    if (!logged.ok()) return;
    house_->hazards.see_to(gtrid, hazard.branch);
    spdlog::warn("{}: the hazard of branch {} is closed: {}, as {} has chosen", gtrid, hazard.branch, said.reason,
                 said.who);
  }
}

// Its acceptors are asked, and could still decide the opposite of what a proof row says.
bool Resolver::commits_by_proof(const SeenTransaction& one) {
  return one.ruled.ruling == Ruling::commit &&
         std::any_of(one.branches.begin(), one.branches.end(), [](const auto& b) { return b.sight == Sight::proven; });
}

void Resolver::take_up(const SeenTransaction& one) {
  refused_.erase(one.gtrid);
  if (house_->registry.is_closed(one.gtrid) || house_->registry.find(one.gtrid)) return;
  auto made = LiveTransaction::left_behind(house_, one.gtrid, one.members, commits_by_proof(one));
  if (made.ok()) {
    house_->registry.take_up(*made);
  } else {
    refused_[one.gtrid] = made.error().what;
  }
}

// What its rows show of one that the log brought back in three phases. As long as they show nothing, since no majority
// of its acceptors was reached, it waits.
void Resolver::tell(LiveTransaction& live, const SeenTransaction& one) {
  switch (one.ruled.ruling) {
    case Ruling::running:
    case Ruling::undecidable:
    case Ruling::planted: return;
    case Ruling::contradicted:
      if (!alarm(one)) return;
      for (const auto& branch : one.branches) {
        if (branch.verdict == Verdict::hazard) live.contradicted(branch.number, branch.reason);
      }
      return;
    case Ruling::commit:
      if (one.ruled.ground != Ground::acceptors) return live.committed_everywhere();
      return live.go_on(commits_by_proof(one));
    case Ruling::roll_back:
    case Ruling::over: return live.go_on(false);
  }
}

void Resolver::end_predecessors(const Seen& seen, const std::set<std::string>& names) {
  std::vector<std::future<Status>> ending;
  for (const auto& name : names) {
    const auto place = house_->places.find(name);
    if (place == house_->places.end() || seen.unreachable.contains(name)) continue;
    ending.push_back(
        ports::asked<Status>([&](auto done) { place->second.participant->end_predecessors(std::move(done)); }));
  }
  // One that stays is met again: its branch then cannot be settled yet.
  for (auto& one : ending) one.wait();
}

// Fences missing branches. If a transaction is rolled back because a branch is missing, that branch must be fenced
// before the others are rolled back, since its prepare may be on its way.
void Resolver::fence(const Seen& seen, std::vector<Plan>& plans) {
  std::vector<std::future<ports::SettleReport>> fences;
  for (const auto& plan : plans) {
    if (plan.begins) continue;
    for (const auto& branch : plan.one->branches) {
      if (branch.sight != Sight::absent || !is_reachable(seen, branch) || interrupted()) continue;
      // As for a lost answer in one phase: a branch that has come to be listed meanwhile is not touched.
      fences.push_back(ports::asked<ports::SettleReport>([&](auto done) {
        house_->places.at(branch.participant)
            .participant->settle({*branch.xid, Decided::one_phase, false, branch.server}, std::move(done));
      }));
    }
  }
  for (auto& one : fences) one.wait();
  see_fences(plans);
}

// What counts is the row that stands there now: a fence, or the proof of a commit that overtook it.
void Resolver::see_fences(std::vector<Plan>& plans) const {
  using Found = Result<std::map<std::string, ports::TransactionRows>>;
  std::map<std::string, std::vector<std::string>> gtrids;
  for (const auto& plan : plans) {
    if (plan.begins) continue;
    for (const auto& branch : plan.one->branches) {
      const bool missing = branch.sight == Sight::absent || branch.sight == Sight::fenced;
      if (missing && house_->places.contains(branch.participant)) {
        gtrids[branch.participant].push_back(plan.one->gtrid);
      }
    }
  }
  std::map<std::string, std::future<Found>> asking;
  for (auto& [name, asked_for] : gtrids) {
    asking[name] = ports::asked<Found>(
        [&](auto done) { house_->places.at(name).participant->find_rows(std::move(asked_for), std::move(done)); });
  }
  std::map<std::string, Found> found;
  for (auto& [name, future] : asking) found.emplace(name, future.get());
  for (auto& plan : plans) {
    if (plan.begins) continue;
    for (const auto& branch : plan.one->branches) {
      const auto at = found.find(branch.participant);
      if (at == found.end() || !at->second.ok()) continue;
      const auto rows = at->second->find(plan.one->gtrid);
      if (rows == at->second->end()) continue;
      for (const auto& proof : rows->second.proofs) {
        if (proof.branch != branch.number || !proof.committed) continue;
        plan.begins = true;
        plan.commits |= !proof.fence;
      }
    }
  }
}

void Resolver::begin(const Settling& settling) {
  const auto& xid = *settling.branch.xid;
  {
    const std::lock_guard lock(mutex_);
    if (!under_way_.insert(xid).second) return;
  }
  auto& participant = *house_->places.at(settling.branch.participant).participant;
  // Where no row says which server holds it, it is the one that lists it.
  const auto server = settling.branch.server ? settling.branch.server : participant.identity();
  participant.settle(
      {xid, settling.decided, true, server},
      [self = shared_from_this(), settling](const ports::SettleReport& report) { self->on_settled(settling, report); });
}

void Resolver::on_settled(const Settling& settling, const ports::SettleReport& report) {
  const auto& xid = *settling.branch.xid;
  const bool commits = settling.decided == Decided::commit;
  const bool settled = report.finding == (commits ? Finding::committed : Finding::rolled_back);
  if (settled && !commits) ASSENT_FAILPOINT(orphan_rolled_back);
  if (report.finding == Finding::ambiguous) {
    ++house_->orphan_retries;
  } else if (settled) {
    ++(commits ? house_->orphans_committed : house_->orphans_rolled_back);
  }
  const std::lock_guard lock(mutex_);
  under_way_.erase(xid);
  if (settled) {
    done_.insert(xid);
    unproven_.erase(xid);
  } else if (const auto found = unproven_.find(xid); found != unproven_.end()) {
    found->second.detail = std::string(to_string(report.finding)) + ": " + report.detail;
  }
  settled_.notify_all();
}

std::size_t Resolver::wait_settled() {
  std::unique_lock lock(mutex_);
  settled_.wait_for(lock, kSettleMax, [&] { return under_way_.empty(); });
  return done_.size();
}

std::map<protocol::Xid, Resolver::Unproven> Resolver::unproven() const {
  const std::lock_guard lock(mutex_);
  return unproven_;
}

void Resolver::note_past(const Seen& seen) {
  all_reached_ = all_reached_ && seen.unreachable.empty();
  const auto seen_to = house_->hazards.seen_to();
  for (const auto& gtrid : seen_to) {
    const bool met = seen.transactions.contains(gtrid) || seen.over.contains(gtrid) || seen.not_known.contains(gtrid);
    if (met) met_.insert(gtrid);
  }
  const auto lower = [](std::optional<std::string>& lowest, const std::string& gtrid) {
    if (!lowest || gtrid < *lowest) lowest = gtrid;
  };
  const auto note = [&](const std::string& gtrid) {
    const bool three_phase = protocol::parse_gtrid(gtrid)->protocol == Protocol::three_phase;
    if (three_phase) lower(turning_.lowest_left_three_phase, gtrid);
    // What a log before this one has left in two phases is never deleted, and keeps nothing else.
    const auto era =
        means_.knowledge ? means_.knowledge->era(protocol::parse_gtrid(gtrid)->epoch) : protocol::Era::lost;
    if (!three_phase && era == protocol::Era::before_log) return;
    if (!house_->hazards.has_any(gtrid)) lower(turning_.lowest_left, gtrid);
  };
  for (const auto& [gtrid, one] : seen.transactions) {
    // The registry's transactions take care of themselves, and planted branches are not ours.
    if (!one.is_alive && one.ruled.ruling != Ruling::planted) note(gtrid);
  }
  for (const auto& gtrid : seen.not_known) {
    if (!house_->registry.find(gtrid)) note(gtrid);
  }
}

void Resolver::end_rotation() {
  ++house_->full_sweeps;
  const auto turned = std::exchange(turning_, {});
  const bool all_reached = std::exchange(all_reached_, true);
  const auto met = std::exchange(met_, {});
  if (!all_reached) return;
  for (const auto& gtrid : house_->hazards.seen_to()) {
    const auto epoch = protocol::parse_gtrid(gtrid)->epoch;
    if (met.contains(gtrid) || means_.knowledge == nullptr || house_->registry.find(gtrid)) continue;
    // Of this epoch its rows are not looked for.
    if (epoch >= means_.knowledge->rows_left_below_epoch()) continue;
    house_->hazards.forget(gtrid);
    house_->log.append(ports::TransactionEnded{gtrid});
  }
  const std::lock_guard lock(mutex_);
  past_ = turned;
}

std::optional<Resolver::Past> Resolver::past() const {
  const std::lock_guard lock(mutex_);
  return past_;
}

}  // namespace assent::coordinator
