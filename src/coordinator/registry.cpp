#include "coordinator/registry.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "coordinator/live_transaction.hpp"

namespace assent::coordinator {

bool Registry::insert(const std::shared_ptr<LiveTransaction>& transaction, bool past_bound) {
  const std::lock_guard lock(mutex_);
  if (!past_bound && live_ >= live_max_) return false;
  const bool inserted = transactions_.emplace(transaction->gtrid(), transaction).second;
  ASSENT_CHECK(inserted);
  ++live_;
  return true;
}

void Registry::take_up(const std::shared_ptr<LiveTransaction>& transaction) {
  const std::lock_guard lock(mutex_);
  if (transactions_.emplace(transaction->gtrid(), transaction).second) ++live_;
}

void Registry::ended(const LiveTransaction* transaction, const std::string& gtrid, TransactionStatus last) {
  const std::lock_guard lock(mutex_);
  const auto found = transactions_.find(gtrid);
  if (found == transactions_.end() || found->second.get() != transaction) return;
  ASSENT_CHECK(live_ > 0);
  --live_;
  recent_.emplace(gtrid, std::move(last));
  recent_order_.push_back(gtrid);
  if (recent_order_.size() > recent_max_) {
    recent_.erase(recent_order_.front());
    recent_order_.pop_front();
  }
}

void Registry::remove(const LiveTransaction* transaction, const std::string& gtrid) {
  std::shared_ptr<LiveTransaction> last;
  const std::lock_guard lock(mutex_);
  const auto found = transactions_.find(gtrid);
  if (found == transactions_.end() || found->second.get() != transaction) return;
  last = std::move(found->second);
  transactions_.erase(found);
}

void Registry::clear() {
  std::unordered_map<std::string, std::shared_ptr<LiveTransaction>> last;
  const std::lock_guard lock(mutex_);
  last.swap(transactions_);
  live_ = 0;
}

void Registry::closed(const std::string& gtrid) {
  const std::lock_guard lock(mutex_);
  if (!closed_.insert(gtrid).second) return;
  closed_order_.push_back(gtrid);
  if (closed_order_.size() > recent_max_) {
    closed_.erase(closed_order_.front());
    closed_order_.pop_front();
  }
}

bool Registry::is_closed(const std::string& gtrid) const {
  const std::lock_guard lock(mutex_);
  return gtrid < closed_below_ || closed_.contains(gtrid);
}

void Registry::closed_below(const std::string& bound) {
  const std::lock_guard lock(mutex_);
  closed_below_ = std::max(closed_below_, bound);
}

std::shared_ptr<LiveTransaction> Registry::find(const std::string& gtrid) const {
  const std::lock_guard lock(mutex_);
  const auto found = transactions_.find(gtrid);
  return found == transactions_.end() ? nullptr : found->second;
}

std::optional<TransactionStatus> Registry::recent(const std::string& gtrid) const {
  const std::lock_guard lock(mutex_);
  const auto found = recent_.find(gtrid);
  if (found == recent_.end()) return std::nullopt;
  return found->second;
}

std::vector<std::shared_ptr<LiveTransaction>> Registry::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<LiveTransaction>> copies;
  copies.reserve(transactions_.size());
  for (const auto& [gtrid, transaction] : transactions_) copies.push_back(transaction);
  return copies;
}

std::size_t Registry::live() const {
  const std::lock_guard lock(mutex_);
  return live_;
}

std::optional<std::string> Registry::lowest_gtrid(const std::string& from) const {
  const std::lock_guard lock(mutex_);
  const std::string* lowest = nullptr;
  for (const auto& [gtrid, transaction] : transactions_) {
    if (gtrid < from || !transaction->needs_proofs()) continue;
    if (lowest == nullptr || gtrid < *lowest) lowest = &gtrid;
  }
  if (lowest == nullptr) return std::nullopt;
  return *lowest;
}

}  // namespace assent::coordinator
