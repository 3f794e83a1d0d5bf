#include "coordinator/idempotency.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace assent::coordinator {

void IdempotencyIndex::restore(const ports::LogState& state) {
  // In the order of the log: a clock that was put right would have the newest given up first.
  std::vector<const ports::KeptKey*> oldest_first;
  for (const auto& [key, kept] : state.kept_keys) oldest_first.push_back(&kept);
  std::sort(oldest_first.begin(), oldest_first.end(), [](const auto* a, const auto* b) { return a->order < b->order; });
  const std::lock_guard lock(mutex_);
  for (const auto& [gtrid, live] : state.live) {
    const auto& decision = live.decision;
    if (decision.protocol != Protocol::three_phase || decision.idempotency_key.empty()) continue;
    entries_[decision.idempotency_key] = {decision.request_fingerprint, gtrid, std::nullopt, {}};
  }
  for (const auto* kept : oldest_first) {
    const auto running = entries_.find(kept->key);
    if (running != entries_.end() && running->second.gtrid == kept->gtrid) continue;
    TransactionResult result;
    result.gtrid = kept->gtrid;
    result.outcome = Outcome::committed;
    result.settled = !state.live.contains(kept->gtrid);
    auto each = result.settled ? BranchState::committed : BranchState::in_doubt;
    if (kept->contradicted) {
      result.outcome = Outcome::unknown;
      each = BranchState::unproven;
    } else if (kept->rolled_back) {
      result.outcome = Outcome::rolled_back;
      result.settled = true;
      result.cause = kept->cause;
      each = BranchState::rolled_back;
    }
    for (const auto& participant : kept->participants) result.branches.push_back({participant, each, {}});
    const auto outcome = result.outcome;
    entries_[kept->key] = {kept->request_fingerprint, kept->gtrid, std::move(result), {}};
    keep(kept->key, outcome);
  }
}

IdempotencyIndex::Claim IdempotencyIndex::claim(const std::string& key, std::uint64_t fingerprint,
                                                const SubmitDone& done) {
  const std::lock_guard lock(mutex_);
  const auto [found, is_new] = entries_.try_emplace(key);
  auto& entry = found->second;
  if (is_new) {
    entry.fingerprint = fingerprint;
    return Mine{};
  }
  if (entry.fingerprint != fingerprint) {
    return Error{Errc::conflict,
                 "idempotency_key '" + key +
                     "' was used for another transaction: send the same one again, or use a key of its own",
                 false};
  }
  if (entry.result) return *entry.result;
  entry.waiting.push_back(done);
  return Attached{};
}

bool IdempotencyIndex::awaits(const std::string& key, const std::string& gtrid) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  return found != entries_.end() && found->second.gtrid == gtrid && !found->second.result;
}

void IdempotencyIndex::finish(const std::string& key, const TransactionResult& result) {
  std::vector<SubmitDone> waiting;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    ASSENT_CHECK(found != entries_.end() && !found->second.result);
    waiting.swap(found->second.waiting);
    auto kept = result;
    for (auto& branch : kept.branches) branch.statements = {};
    found->second.result = std::move(kept);
    keep(key, result.outcome);
  }
  for (const auto& done : waiting) done(result);
}

void IdempotencyIndex::amend(const std::string& key, const std::string& gtrid, Outcome outcome) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end() || found->second.gtrid != gtrid || !found->second.result) return;
  auto& result = *found->second.result;
  if (result.outcome != Outcome::unknown || outcome == Outcome::unknown) return;
  result.outcome = outcome;
  result.settled = true;
  const auto state = outcome == Outcome::committed ? BranchState::committed : BranchState::rolled_back;
  for (auto& branch : result.branches) {
    if (branch.state != BranchState::unproven) branch.state = state;
  }
}

void IdempotencyIndex::contradict(const std::string& key, const std::string& gtrid) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end() || found->second.gtrid != gtrid) return;
  if (!found->second.result) {
    // Nobody runs it any more, so nobody can be waiting yet.
    ASSENT_CHECK(found->second.waiting.empty());
    found->second.result.emplace();
    found->second.result->gtrid = gtrid;
    keep(key, Outcome::unknown);
  }
  auto& result = *found->second.result;
  result.outcome = Outcome::unknown;
  result.settled = true;
  for (auto& branch : result.branches) branch.state = BranchState::unproven;
}

void IdempotencyIndex::abandon(const std::string& key, const Error& error) {
  std::vector<SubmitDone> waiting;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    ASSENT_CHECK(found != entries_.end() && !found->second.result);
    waiting.swap(found->second.waiting);
    entries_.erase(found);
  }
  for (const auto& done : waiting) done(error);
}

std::optional<TransactionResult> IdempotencyIndex::find(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  return found == entries_.end() ? std::nullopt : found->second.result;
}

std::optional<std::string> IdempotencyIndex::gtrid_of(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return std::nullopt;
  return found->second.gtrid;
}

void IdempotencyIndex::set_gtrid(const std::string& key, const std::string& gtrid) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  ASSENT_CHECK(found != entries_.end());
  found->second.gtrid = gtrid;
}

void IdempotencyIndex::keep(const std::string& key, Outcome outcome) {
  auto& order = outcome == Outcome::rolled_back ? rolled_back_ : committed_;
  order.push_back(key);
  while (order.size() > keys_max_) {
    entries_.erase(order.front());
    order.pop_front();
  }
}

}  // namespace assent::coordinator
