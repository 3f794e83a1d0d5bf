#include "coordinator/recoverer.hpp"

#include <algorithm>
#include <utility>

#include "coordinator/live_transaction.hpp"
#include "ports/asked.hpp"
#include "protocol/recovery.hpp"
#include "protocol/xid.hpp"

namespace assent::coordinator {

using ports::asked;
using ports::Participant;

/// What is finished here needs no log: its acceptors keep the outcome, and whoever comes next finds it there.
class Recoverer::NoLog final : public ports::DecisionLog {
 public:
  void append_forced(ports::LogRecord, ports::Done<Status> done) override { done(Ok{}); }
  void append(ports::LogRecord, std::function<void()> on_durable) override {
    if (on_durable) on_durable();
  }
  ports::LogCondition condition() const override { return ports::LogCondition::accepting; }
  std::uint64_t durable_sequence() const override { return 0; }
  ports::LogStats stats() const override { return {}; }
};

Recoverer::Recoverer(std::vector<Participant*> participants)
    : participants_(std::move(participants)),
      surveyor_(participants_),
      log_(std::make_unique<NoLog>()),
      house_(make_house(*log_, participants_, 1, 0)) {}

Recoverer::~Recoverer() {
  house_->registry.clear();
}

std::map<std::string, std::string> Recoverer::take_up(const Seen& left) {
  std::map<std::string, std::string> refused;
  std::set<std::string> holding;
  for (const auto& [gtrid, one] : left.transactions) {
    if (one.protocol != Protocol::three_phase) continue;
    // Again each time: a participant may have been out of reach, or the lost one have connected again.
    for (const auto& name : one.prepared_at()) {
      if (house_->places.contains(name)) holding.insert(name);
    }
    if (house_->registry.is_closed(one.gtrid) || house_->registry.find(one.gtrid)) continue;
    if (one.members.participants.empty()) {
      refused[one.gtrid] = "no row that can be reached says whose acceptors to ask";
      continue;
    }
    auto made = LiveTransaction::left_behind(house_, one.gtrid, one.members);
    if (!made.ok()) {
      refused[one.gtrid] = made.error().what;
      continue;
    }
    house_->registry.take_up(*made);
  }
  end_predecessors(holding);
  return refused;
}

void Recoverer::end_predecessors(const std::set<std::string>& names) {
  std::vector<std::future<Status>> ending;
  for (const auto& name : names) {
    auto& participant = *house_->places.at(name).participant;
    ending.push_back(asked<Status>([&](auto done) { participant.end_predecessors(std::move(done)); }));
  }
  // One that stays is met again: its branch then cannot be settled yet.
  for (auto& one : ending) one.wait();
}

std::future<ports::SettleReport> Recoverer::settle(const SeenBranch& branch, protocol::Decided decided,
                                                   bool known_prepared) {
  auto& participant = *house_->places.at(branch.participant).participant;
  return asked<ports::SettleReport>(
      [&](auto done) { participant.settle({*branch.xid, decided, known_prepared, branch.server}, std::move(done)); });
}

// What counts is the row that stands there now: a fence, or the proof of a commit that overtook it.
void Recoverer::see_fences(std::vector<Plan>& plans) const {
  using Found = Result<std::map<std::string, ports::TransactionRows>>;
  std::map<std::string, std::vector<std::string>> gtrids;
  for (const auto& plan : plans) {
    if (plan.begins) continue;
    for (const auto& branch : plan.one->branches) {
      const bool missing = branch.sight == protocol::Sight::absent || branch.sight == protocol::Sight::fenced;
      if (missing && house_->places.contains(branch.participant)) {
        gtrids[branch.participant].push_back(plan.one->gtrid);
      }
    }
  }
  std::map<std::string, std::future<Found>> asking;
  for (auto& [name, asked_for] : gtrids) {
    asking[name] = asked<Found>(
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

void Recoverer::settle_two_phase(const Seen& left, const std::function<bool()>& interrupted) {
  const auto reachable = [&](const SeenBranch& branch) {
    return branch.xid && house_->places.contains(branch.participant) && !left.unreachable.contains(branch.participant);
  };
  std::vector<Plan> plans;
  std::set<std::string> involved;
  for (const auto& [gtrid, one] : left.transactions) {
    if (!one.ground || one.ruling == protocol::Ruling::undecidable || !one.is_in_doubt()) continue;
    const bool commits = one.ruling == protocol::Ruling::commit;
    plans.push_back({&one, commits, commits || one.ground != protocol::Ground::missing, {}});
    for (const auto& branch : one.branches) {
      if (reachable(branch)) involved.insert(branch.participant);
    }
  }
  end_predecessors(involved);
  for (auto& plan : plans) {
    for (const auto& branch : plan.one->branches) {
      if (plan.begins || branch.sight != protocol::Sight::absent || !reachable(branch) || interrupted()) continue;
      // As for a lost answer in one phase: a branch that has come to be listed meanwhile is not touched.
      plan.fences.push_back(settle(branch, protocol::Decided::one_phase, false));
    }
  }
  for (auto& plan : plans) {
    for (auto& fence : plan.fences) fence.wait();
  }
  see_fences(plans);
  for (const auto& plan : plans) {
    for (const auto& branch : plan.one->branches) {
      if (!plan.begins || branch.sight != protocol::Sight::prepared || !reachable(branch)) continue;
      unproven_[*branch.xid] = {branch, plan.commits ? protocol::Decided::commit : protocol::Decided::rollback,
                                "not tried"};
    }
  }
  std::vector<std::pair<protocol::Xid, std::future<ports::SettleReport>>> settling;
  for (const auto& [xid, one] : unproven_) {
    if (reachable(one.branch) && !interrupted()) settling.emplace_back(xid, settle(one.branch, one.decided, true));
  }
  for (auto& [xid, settled] : settling) {
    const auto report = settled.get();
    const bool commits = unproven_.at(xid).decided == protocol::Decided::commit;
    if (report.finding == (commits ? protocol::Finding::committed : protocol::Finding::rolled_back)) {
      unproven_.erase(xid);
    } else {
      unproven_.at(xid).detail = std::string(to_string(report.finding)) + ": " + report.detail;
    }
  }
}

void Recoverer::finish_closed(const Seen& left) {
  for (const auto& [gtrid, one] : left.transactions) {
    if (one.protocol == Protocol::three_phase && house_->registry.is_closed(one.gtrid)) roll_back_again(one);
  }
}

void Recoverer::roll_back_again(const SeenTransaction& one) {
  TransactionStatus status;
  status.gtrid = one.gtrid;
  status.protocol = one.protocol;
  status.outcome = Outcome::rolled_back;
  status.settled = true;
  for (const auto& branch : one.branches) {
    const auto& name = branch.participant;
    if (branch.sight != protocol::Sight::prepared || !house_->places.contains(name)) continue;
    const auto report = settle(branch, protocol::Decided::rollback, true).get();
    const bool done = report.finding == protocol::Finding::rolled_back;
    status.settled = status.settled && done;
    status.branches.push_back(
        {name, done ? BranchState::rolled_back : BranchState::in_doubt, done ? "" : report.detail});
  }
  came_back_[one.gtrid] = std::move(status);
}

void Recoverer::tick(base::SteadyTime now) {
  for (const auto& live : house_->registry.all()) live->tick(now);
}

void Recoverer::let_go() {
  came_back_.clear();
  house_->registry.clear();
}

std::optional<TransactionStatus> Recoverer::status(const std::string& gtrid) const {
  if (const auto found = came_back_.find(gtrid); found != came_back_.end()) return found->second;
  if (const auto live = house_->registry.find(gtrid)) return live->status();
  return house_->registry.recent(gtrid);
}

}  // namespace assent::coordinator
