#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "assent/status.hpp"
#include "coordinator/seen.hpp"

namespace assent::coordinator {

/// The unsettled transactions that no process is working on, as they were last seen. `list` shows them, and the
/// program's log gets a line when one is first seen and another when it is over. Bounded: at most kShownMax are kept,
/// and kLinesMax lines written for each part that is looked at, then one that counts the rest. Thread safe.
class Doubts {
 public:
  static constexpr std::size_t kShownMax = 10'000;
  static constexpr std::size_t kLinesMax = 20;

  /// Takes the place of what was seen before in the same part, from `from` on. `done`: branches settled since.
  void note(const Seen& seen, const std::string& from, const std::set<protocol::Xid>& done);

  std::vector<TransactionStatus> all() const;
  std::optional<TransactionStatus> find(const std::string& gtrid) const;
  /// Branches.
  std::size_t in_doubt() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, TransactionStatus> shown_;
};

}  // namespace assent::coordinator
