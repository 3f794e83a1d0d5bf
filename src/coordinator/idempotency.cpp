#include "coordinator/idempotency.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "base/clock.hpp"
#include "coordinator/decided_members.hpp"

namespace assent::coordinator {
namespace {

/// Places that keys have left behind, beyond as many as there are kept ones.
constexpr std::size_t kPlacesLeftMax = 1'024;

TransactionResult result_of(const ports::KeptKey& kept, bool ended) {
  TransactionResult result;
  result.gtrid = kept.gtrid;
  result.outcome = Outcome::committed;
  result.settled = ended;
  auto each = ended ? BranchState::committed : BranchState::in_doubt;
  if (kept.rolled_back) {
    result.outcome = Outcome::rolled_back;
    result.settled = true;
    result.cause = kept.cause;
    each = BranchState::rolled_back;
  } else if (kept.contradicted) {
    result.outcome = Outcome::unknown;
    each = BranchState::unproven;
  }
  for (const auto& participant : kept.participants) result.branches.push_back({participant, each, {}});
  return result;
}

}  // namespace

void IdempotencyIndex::restore(const ports::LogState& state, std::uint32_t given_up_below) {
  // In the order of the log: a clock that was put right would have the newest given up first.
  std::vector<const ports::KeptKey*> oldest_first;
  for (const auto& [key, kept] : state.kept_keys) oldest_first.push_back(&kept);
  std::sort(oldest_first.begin(), oldest_first.end(), [](const auto* a, const auto* b) { return a->order < b->order; });
  const std::lock_guard lock(mutex_);
  for (const auto& [gtrid, live] : state.live) {
    const auto& decision = live.decision;
    if (decision.idempotency_key.empty() || is_outcome(decision, given_up_below)) continue;
    auto& entry = entries_[decision.idempotency_key];
    entry.fingerprint = decision.request_fingerprint;
    entry.gtrid = gtrid;
  }
  for (const auto* kept : oldest_first) {
    const auto running = entries_.find(kept->key);
    if (running != entries_.end() && running->second.gtrid == kept->gtrid) continue;
    auto& entry = entries_[kept->key];
    entry.fingerprint = kept->request_fingerprint;
    entry.gtrid = kept->gtrid;
    entry.in_log = kept->rolled_back;
    entry.result = result_of(*kept, !state.live.contains(kept->gtrid));
    keep(kept->key, entry);
  }
}

IdempotencyIndex::Claim IdempotencyIndex::claim(const std::string& key, std::uint64_t fingerprint,
                                                OnRolledBack on_rolled_back, const SubmitDone& done) {
  const bool returns = on_rolled_back == OnRolledBack::return_outcome;
  const std::lock_guard lock(mutex_);
  const auto [found, is_new] = entries_.try_emplace(key);
  auto& entry = found->second;
  if (is_new) {
    entry.fingerprint = fingerprint;
    entry.returns = returns;
    return Mine{};
  }
  if (entry.fingerprint != fingerprint) {
    return Error{Errc::conflict,
                 "idempotency_key '" + key +
                     "' was used for another transaction: send the same one again, or use a key of its own",
                 false};
  }
  if (!entry.result) {
    entry.returns = entry.returns || returns;
    entry.waiting.push_back(done);
    return Attached{};
  }
  if (entry.result->outcome != Outcome::rolled_back) return *entry.result;
  if (returns && !entry.in_log) return Unkept{*entry.result};
  if (returns) return *entry.result;
  leave(entry);
  entry.before = std::exchange(entry.result, std::nullopt);
  entry.returns = false;
  return Mine{};
}

bool IdempotencyIndex::awaits(const std::string& key, const std::string& gtrid) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  return found != entries_.end() && found->second.gtrid == gtrid && !found->second.result;
}

bool IdempotencyIndex::finish(const std::string& key, const TransactionResult& result) {
  return finish(key, result, false);
}

void IdempotencyIndex::finish_kept(const std::string& key, const TransactionResult& result) {
  ASSENT_CHECK(finish(key, result, true));
}

bool IdempotencyIndex::finish(const std::string& key, const TransactionResult& result, bool in_log) {
  std::vector<SubmitDone> waiting;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    ASSENT_CHECK(found != entries_.end() && !found->second.result);
    auto& entry = found->second;
    if (result.outcome == Outcome::rolled_back && entry.returns && !in_log) return false;
    waiting.swap(entry.waiting);
    auto kept = result;
    for (auto& branch : kept.branches) branch.statements = {};
    entry.result = std::move(kept);
    entry.in_log = in_log;
    entry.before.reset();
    keep(key, entry);
  }
  for (const auto& done : waiting) done(result);
  return true;
}

bool IdempotencyIndex::keeps_late_rollback(const std::string& key, const std::string& gtrid) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end() || found->second.gtrid != gtrid) return false;
  const auto& entry = found->second;
  return entry.returns && !entry.in_log && entry.result && entry.result->outcome == Outcome::unknown;
}

void IdempotencyIndex::note_kept(const std::string& key, const std::string& gtrid) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  if (found != entries_.end() && found->second.gtrid == gtrid) found->second.in_log = true;
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
    // Nobody runs it now, so nobody can be waiting yet.
    ASSENT_CHECK(found->second.waiting.empty());
    found->second.result.emplace();
    found->second.result->gtrid = gtrid;
  }
  auto& result = *found->second.result;
  result.outcome = Outcome::unknown;
  result.settled = true;
  for (auto& branch : result.branches) branch.state = BranchState::unproven;
  if (found->second.order == nullptr) keep(key, found->second);
}

void IdempotencyIndex::abandon(const std::string& key, const Error& error) {
  std::vector<SubmitDone> waiting;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    ASSENT_CHECK(found != entries_.end() && !found->second.result);
    auto& entry = found->second;
    waiting.swap(entry.waiting);
    if (entry.before) {
      entry.result = std::exchange(entry.before, std::nullopt);
      entry.gtrid = entry.result->gtrid;
      keep(key, entry);
    } else {
      entries_.erase(found);
    }
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

// May erase it, where nothing is kept.
void IdempotencyIndex::keep(const std::string& key, Entry& entry) {
  auto& order = entry.result->outcome == Outcome::rolled_back ? rolled_back_ : committed_;
  entry.order = &order;
  entry.place = ++last_place_;
  order.places.emplace_back(entry.place, key);
  ++order.kept;
  while (order.kept > keys_max_) {
    const auto oldest = entries_.find(order.places.front().second);
    if (oldest != entries_.end() && oldest->second.place == order.places.front().first) {
      leave(oldest->second);
      entries_.erase(oldest);
    }
    order.places.pop_front();
  }
  tidy(order);
}

void IdempotencyIndex::leave(Entry& entry) {
  --entry.order->kept;
  entry.order = nullptr;
  entry.place = 0;
}

// A key that runs again and again must not grow it.
void IdempotencyIndex::tidy(Order& order) {
  if (order.places.size() <= 2 * order.kept + kPlacesLeftMax) return;
  std::erase_if(order.places, [this](const auto& place) {
    const auto found = entries_.find(place.second);
    return found == entries_.end() || found->second.place != place.first;
  });
}

ports::KeyRolledBack rolled_back_key(const std::string& key, std::uint64_t fingerprint,
                                     const TransactionResult& result) {
  ports::KeyRolledBack record{.idempotency_key = key,
                              .gtrid = result.gtrid,
                              .request_fingerprint = fingerprint,
                              .participants = {},
                              .cause = result.cause,
                              .rolled_back_at_ms = base::wall_clock_ms()};
  for (const auto& branch : result.branches) record.participants.push_back(branch.participant);
  if (record.cause && record.cause->message.size() > ports::kKeptCauseBytesMax) {
    // Not within a character.
    auto end = ports::kKeptCauseBytesMax;
    while (end > 0 && (static_cast<unsigned char>(record.cause->message[end]) & 0xC0U) == 0x80U) --end;
    record.cause->message.resize(end);
  }
  return record;
}

}  // namespace assent::coordinator
