#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "assent/status.hpp"

namespace assent::coordinator {

class LiveTransaction;

/// The transactions that are alive, by gtrid, and how lately ended ones ended. A transaction is in here before its
/// first branch starts, and leaves once nothing of it is left to do and its end, if it had a decision, is durable.
/// Bounded: `live_max` that have not ended, `recent_max` ended ones. Thread safe.
class Registry {
 public:
  Registry(std::size_t live_max, std::size_t recent_max) : live_max_(live_max), recent_max_(recent_max) {}

  /// False when the bound on live transactions is reached. Those that must be settled (recovered), or
  /// take another's place, are taken past it.
  bool insert(const std::shared_ptr<LiveTransaction>& transaction, bool past_bound);

  /// One that was left behind, past the bound, unless it is in here already.
  void take_up(const std::shared_ptr<LiveTransaction>& transaction);

  /// Its acceptors have closed it: nobody is to ask them again. Kept as long as ended ones are.
  void closed(const std::string& gtrid);
  /// The same of everything below, in byte order.
  void closed_below(const std::string& bound);
  bool is_closed(const std::string& gtrid) const;

  /// It has ended: it no longer counts against the bound. It stays findable until remove(). Of no effect on one that
  /// was let go of.
  void ended(const LiveTransaction* transaction, const std::string& gtrid, TransactionStatus last);
  void remove(const LiveTransaction* transaction, const std::string& gtrid);
  /// Lets go of everything that is alive.
  void clear();

  std::shared_ptr<LiveTransaction> find(const std::string& gtrid) const;
  std::optional<TransactionStatus> recent(const std::string& gtrid) const;

  std::vector<std::shared_ptr<LiveTransaction>> all() const;
  std::size_t live() const;

  /// The least gtrid from `from` on, in byte order, whose proof rows may still be needed; nothing when there is none.
  std::optional<std::string> lowest_gtrid(const std::string& from) const;

 private:
  const std::size_t live_max_;
  const std::size_t recent_max_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<LiveTransaction>> transactions_;
  std::size_t live_ = 0;
  std::unordered_map<std::string, TransactionStatus> recent_;
  std::deque<std::string> recent_order_;  ///< Oldest first.
  std::string closed_below_;
  std::unordered_set<std::string> closed_;
  std::deque<std::string> closed_order_;  ///< Oldest first.
};

}  // namespace assent::coordinator
