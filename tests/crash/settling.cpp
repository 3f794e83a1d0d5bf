#include "settling.hpp"

#include <cppconn/exception.h>

namespace assent::testing {

Watch::Watch(const std::vector<Bank::Place>& places, std::string coordinator_id)
    : places_(places), coordinator_id_(std::move(coordinator_id)), connections_(places.size()) {}

std::optional<std::set<std::string>> Watch::listed(std::size_t place) {
  const auto& server = places_[place].server;
  auto& connection = connections_[place];
  try {
    if (!connection) connection = std::make_unique<Sql>(server);
    return branches_in_doubt(*connection, server.kind, coordinator_id_);
  } catch (const sql::SQLException&) {
    connection.reset();
    return std::nullopt;
  }
}

bool Settling::look() {
  left_.clear();
  bool all_answer = true;
  for (std::size_t i = 0; i < watch_->places(); ++i) {
    const auto listed = watch_->listed(i);
    all_answer = all_answer && listed.has_value();
    if (!listed) continue;
    for (const auto& gtrid : *listed) {
      if (left_behind_(gtrid)) left_.insert(gtrid);
    }
  }
  if (!left_.empty()) last_left_ = left_;
  if (!all_answer || !left_.empty()) {
    settled_at_.reset();
    return false;
  }
  if (!settled_at_) settled_at_ = Clock::now();
  return true;
}

std::optional<std::chrono::milliseconds> Settling::settled_after() const {
  if (!settled_at_) return std::nullopt;
  return std::chrono::ceil<std::chrono::milliseconds>(*settled_at_ - since_);
}

}  // namespace assent::testing
