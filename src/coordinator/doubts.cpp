#include "coordinator/doubts.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace assent::coordinator {
namespace {

BranchState state_of(const SeenBranch& branch) {
  switch (branch.verdict) {
    case Verdict::committed: return BranchState::committed;
    case Verdict::rolled_back: return BranchState::rolled_back;
    case Verdict::hazard: return BranchState::hazard;
    default: return BranchState::in_doubt;
  }
}

std::optional<TransactionStatus> status_of(const SeenTransaction& one, const std::set<protocol::Xid>& done) {
  using protocol::Ruling;
  if (one.is_alive || one.ruled.ruling == Ruling::planted || one.ruled.ruling == Ruling::running) return std::nullopt;
  TransactionStatus status;
  status.gtrid = one.gtrid;
  status.protocol = one.protocol;
  status.label = one.label;
  if (one.age) status.age_ms = one.age->count();
  bool left = false;
  for (const auto& branch : one.branches) {
    auto state = state_of(branch);
    if (branch.xid && done.contains(*branch.xid)) {
      state = one.ruled.ruling == Ruling::commit ? BranchState::committed : BranchState::rolled_back;
    }
    const bool troubled = state == BranchState::in_doubt || state == BranchState::hazard;
    left = left || troubled;
    status.branches.push_back({branch.participant, state, troubled ? branch.reason : ""});
  }
  return left ? std::optional(std::move(status)) : std::nullopt;
}

std::string how_it_ended(const Seen& seen, const std::string& gtrid) {
  if (const auto chosen = seen.carried_out.find(gtrid); chosen != seen.carried_out.end()) {
    return "committed, chosen by " + chosen->second.who;
  }
  const auto found = seen.transactions.find(gtrid);
  const auto ruling = found == seen.transactions.end() ? protocol::Ruling::undecidable : found->second.ruled.ruling;
  if (ruling == protocol::Ruling::commit) return "committed";
  return ruling == protocol::Ruling::roll_back ? "rolled back" : "none of its branches is in doubt or a hazard now";
}

/// Writes the first ones, and counts the others.
class Lines {
 public:
  template <typename Write>
  void one(Write write) {
    if (++count_ <= Doubts::kLinesMax) write();
  }
  std::size_t others() const { return count_ > Doubts::kLinesMax ? count_ - Doubts::kLinesMax : 0; }

 private:
  std::size_t count_ = 0;
};

}  // namespace

void Doubts::note(const Seen& seen, const std::string& from, const std::set<protocol::Xid>& done) {
  std::map<std::string, TransactionStatus> now;
  for (const auto& [gtrid, one] : seen.transactions) {
    if (auto status = status_of(one, done)) now.emplace(gtrid, std::move(*status));
  }
  Lines begun, over;
  const std::lock_guard lock(mutex_);
  const auto first = shown_.lower_bound(from);
  const auto last = seen.next.empty() ? shown_.end() : shown_.lower_bound(seen.next);
  for (auto before = first; before != last; ++before) {
    if (now.contains(before->first)) continue;
    over.one([&] { spdlog::info("{}: settled: {}", before->first, how_it_ended(seen, before->first)); });
  }
  for (const auto& [gtrid, status] : now) {
    if (shown_.contains(gtrid)) continue;
    const auto troubled = std::find_if(status.branches.begin(), status.branches.end(),
                                       [](const auto& branch) { return !branch.detail.empty(); });
    begun.one([&] { spdlog::warn("{}: in doubt at '{}': {}", gtrid, troubled->participant, troubled->detail); });
  }
  shown_.erase(first, last);
  for (auto& [gtrid, status] : now) {
    if (shown_.size() >= kShownMax) break;
    shown_.emplace(gtrid, std::move(status));
  }
  if (begun.others() > 0) spdlog::warn("{} more transactions are in doubt; assentctl list shows them", begun.others());
  if (over.others() > 0) spdlog::info("{} more transactions are settled", over.others());
}

std::vector<TransactionStatus> Doubts::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<TransactionStatus> all;
  for (const auto& [gtrid, status] : shown_) all.push_back(status);
  return all;
}

std::optional<TransactionStatus> Doubts::find(const std::string& gtrid) const {
  const std::lock_guard lock(mutex_);
  const auto found = shown_.find(gtrid);
  return found == shown_.end() ? std::nullopt : std::optional(found->second);
}

std::size_t Doubts::in_doubt() const {
  const std::lock_guard lock(mutex_);
  std::size_t count = 0;
  for (const auto& [gtrid, status] : shown_) {
    for (const auto& branch : status.branches) count += branch.state == BranchState::in_doubt ? 1 : 0;
  }
  return count;
}

}  // namespace assent::coordinator
