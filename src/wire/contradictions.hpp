#pragma once

#include <string>
#include <vector>

#include "assent/transaction.hpp"
#include "wire/message.hpp"

namespace assent::wire {

// What no single field can tell: a clause that follows the path, or an empty string.

inline std::string contradiction(const std::vector<Branch>& branches) {
  for (std::size_t i = 1; i < branches.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (branches[i].participant == branches[j].participant) {
        return "names the participant \"" + branches[i].participant + "\" twice; put its statements into one branch";
      }
    }
  }
  return {};
}

inline std::string contradiction(const Transaction& transaction) {
  if (transaction.on_rolled_back == OnRolledBack::run_again && transaction.idempotency_key.empty()) {
    return "has \"on_rolled_back\":\"run_again\" without an \"idempotency_key\", under which it would run again";
  }
  return {};
}

inline std::string contradiction(const StatusQuery& query) {
  if (query.gtrid.empty() == query.idempotency_key.empty()) {
    return "must have exactly one of \"gtrid\" and \"idempotency_key\"";
  }
  return {};
}

inline std::string contradiction(const AffectedRange& range) {
  return range.min > range.max ? "has a \"min\" above its \"max\"" : "";
}

inline std::string contradiction(const Rows& rows) {
  for (const auto& row : rows.rows) {
    if (row.size() != rows.columns.size()) return "has a row with more or fewer values than columns";
  }
  return {};
}

}  // namespace assent::wire
