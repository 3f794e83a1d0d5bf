#include "coordinator/recoverer.hpp"

#include <algorithm>
#include <future>
#include <set>
#include <utility>

#include "coordinator/live_transaction.hpp"
#include "protocol/recovery.hpp"
#include "protocol/xid.hpp"

namespace assent::coordinator {
namespace {

using ports::Participant;

template <typename T, typename Start>
std::future<T> asked(Start start) {
  auto answer = std::make_shared<std::promise<T>>();
  auto future = answer->get_future();
  start([answer](T value) { answer->set_value(std::move(value)); });
  return future;
}

using FoundRows = Result<ports::TransactionRows>;

std::future<FoundRows> find_rows(Participant& participant, const protocol::Xid& xid) {
  return asked<FoundRows>([&](auto done) { participant.find_rows(xid, std::move(done)); });
}

// As the rule for one more ballot would have it.
void judge(LeftTransaction& one) {
  if (one.acceptors.empty() || one.acceptors_read < protocol::majority_of(one.acceptors.size())) return;
  std::optional<protocol::Accepted> highest;
  for (const auto& row : one.acceptors) {
    if (!row || !row->accepted) continue;
    if (!highest || highest->ballot < row->accepted->ballot) highest = row->accepted;
  }
  // Only shown: what is done about it, the acceptors say when they are asked.
  one.over = one.acceptors_closed > 0 && !highest;
  if (one.over) return;
  one.verdict = highest ? highest->value : protocol::Value::rollback;
}

}  // namespace

/// What is finished here needs no log: its acceptors keep the outcome, and whoever comes next finds it there.
class Recoverer::NoLog final : public ports::DecisionLog {
 public:
  void append_forced(ports::LogRecord, ports::Done<Status> done) override { done(Ok{}); }
  void append(ports::LogRecord, std::function<void()> on_durable) override {
    if (on_durable) on_durable();
  }
  ports::LogCondition condition() const override { return ports::LogCondition::accepting; }
  ports::LogStats stats() const override { return {}; }
};

Recoverer::Recoverer(std::vector<Participant*> participants)
    : participants_(std::move(participants)),
      log_(std::make_unique<NoLog>()),
      house_(make_house(*log_, participants_, 1, 0)) {}

Recoverer::~Recoverer() {
  house_->registry.clear();
}

std::optional<std::chrono::milliseconds> Recoverer::silence() {
  std::vector<std::future<Result<ports::Inspection>>> waiting;
  for (auto* participant : participants_) {
    waiting.push_back(asked<Result<ports::Inspection>>([&](auto done) { participant->inspect(std::move(done)); }));
  }
  std::optional<std::chrono::milliseconds> least;
  for (auto& one : waiting) {
    const auto seen = one.get();
    if (!seen.ok() || !seen->owner || !seen->owner->silent) continue;
    least = std::min(least.value_or(*seen->owner->silent), *seen->owner->silent);
  }
  return least;
}

LeftBehind Recoverer::look() {
  LeftBehind left;
  left.silent = silence();
  using Scan = Result<std::vector<ports::ListedXid>>;
  std::vector<std::future<Scan>> scans;
  for (auto* participant : participants_) {
    scans.push_back(asked<Scan>([&](auto done) { participant->scan(std::move(done)); }));
  }
  std::map<std::string, LeftTransaction> found;
  std::map<std::string, std::pair<Participant*, protocol::Xid>> seen_at;
  for (std::size_t i = 0; i < scans.size(); ++i) {
    auto& participant = *participants_[i];
    const auto scan = scans[i].get();
    if (!scan.ok()) {
      left.unreachable[participant.name()] = scan.error().what;
      continue;
    }
    for (const auto& [format_id, gtrid, bqual] : *scan) {
      const auto whose =
          protocol::whose_branch(format_id, gtrid, bqual, participant.coordinator_id(), participant.name());
      if (whose != protocol::Whose::here) continue;
      auto& one = found[gtrid];
      one.gtrid = gtrid;
      one.protocol = protocol::parse_gtrid(gtrid)->protocol;
      one.prepared_at.push_back(participant.name());
      one.branches[participant.name()] = {gtrid, bqual};
      seen_at[gtrid] = {&participant, {gtrid, bqual}};
    }
  }
  // All are asked before any is waited for.
  std::map<std::string, std::future<FoundRows>> members;
  for (const auto& [gtrid, one] : found) {
    if (one.protocol != Protocol::three_phase) continue;
    members[gtrid] = find_rows(*seen_at[gtrid].first, seen_at[gtrid].second);
  }
  std::vector<std::pair<LeftTransaction*, std::future<FoundRows>>> rows;
  for (auto& [gtrid, future] : members) {
    auto told = future.get();
    if (!told.ok() || !told->members) continue;
    auto& one = found[gtrid];
    one.members = std::move(*told->members);
    one.acceptors.resize(one.members.acceptors.size());
    std::set<Participant*> to_ask;
    for (const auto& name : one.members.acceptors) {
      const auto place = house_->places.find(name);
      if (place == house_->places.end() || left.unreachable.contains(name)) continue;
      if (!to_ask.insert(place->second.participant).second) continue;
      rows.emplace_back(&one, find_rows(*place->second.participant, seen_at[gtrid].second));
      ++one.acceptors_read;
    }
  }
  for (auto& [one, future] : rows) {
    const auto told = future.get();
    if (!told.ok()) {
      --one->acceptors_read;
      continue;
    }
    if (told->closed) ++one->acceptors_closed;
    for (const auto& [index, row] : told->acceptors) {
      if (index < one->acceptors.size() && !told->closed) one->acceptors[index] = row;
    }
  }
  for (auto& [gtrid, one] : found) {
    judge(one);
    left.transactions.push_back(std::move(one));
  }
  return left;
}

std::map<std::string, std::string> Recoverer::take_up(const LeftBehind& left) {
  std::map<std::string, std::string> refused;
  std::set<std::string> holding;
  for (const auto& one : left.transactions) {
    if (one.protocol != Protocol::three_phase) continue;
    // Again each time: a participant may have been out of reach, or the lost one have connected again.
    holding.insert(one.prepared_at.begin(), one.prepared_at.end());
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
  std::vector<std::future<Status>> ending;
  for (const auto& name : holding) {
    auto& participant = *house_->places.at(name).participant;
    ending.push_back(asked<Status>([&](auto done) { participant.end_predecessors(std::move(done)); }));
  }
  // One that stays is met again: its branch then cannot be settled yet.
  for (auto& one : ending) one.wait();
  return refused;
}

void Recoverer::finish_closed(const LeftBehind& left) {
  for (const auto& one : left.transactions) {
    if (one.protocol == Protocol::three_phase && house_->registry.is_closed(one.gtrid)) roll_back_again(one);
  }
}

void Recoverer::roll_back_again(const LeftTransaction& one) {
  TransactionStatus status;
  status.gtrid = one.gtrid;
  status.protocol = one.protocol;
  status.outcome = Outcome::rolled_back;
  status.settled = true;
  for (const auto& [name, xid] : one.branches) {
    const auto report =
        asked<ports::SettleReport>([&, &branch = xid](auto done) {
          house_->places.at(name).participant->settle(branch, protocol::Decided::rollback, true, std::move(done));
        }).get();
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
