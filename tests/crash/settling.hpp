#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "support/bank.hpp"

namespace assent::testing {

/// What XA RECOVER lists of one coordinator's at the places of a bank, which come and go. Not thread safe.
class Watch {
 public:
  Watch(const std::vector<Bank::Place>& places, std::string coordinator_id);

  std::size_t places() const { return places_.size(); }
  /// Gtrids at a place; nothing while it does not answer.
  std::optional<std::set<std::string>> listed(std::size_t place);

 private:
  const std::vector<Bank::Place> places_;
  const std::string coordinator_id_;
  std::vector<std::unique_ptr<Sql>> connections_;  ///< By place; null when there is none.
};

/// How long it takes after a crash until no branch is left that it left in doubt.
class Settling {
 public:
  using Clock = std::chrono::steady_clock;

  /// `left_behind`: whether the crash left this gtrid.
  Settling(Watch& watch, Clock::time_point since, std::function<bool(const std::string& gtrid)> left_behind)
      : watch_(&watch), since_(since), left_behind_(std::move(left_behind)) {}

  /// Looks at all places: true when nothing is left. A prepare that was running can still finish after that: whoever
  /// looks again finds it, and it has not settled yet.
  bool look();
  /// From the beginning to the first of the last looks that found nothing; nothing when the last one found something.
  std::optional<std::chrono::milliseconds> settled_after() const;
  /// What the last look that found something found.
  const std::set<std::string>& last_left() const { return last_left_; }
  /// What the last look found.
  const std::set<std::string>& left() const { return left_; }

 private:
  Watch* watch_;
  Clock::time_point since_;
  std::function<bool(const std::string& gtrid)> left_behind_;
  std::set<std::string> left_;
  std::set<std::string> last_left_;
  std::optional<Clock::time_point> settled_at_;
};

}  // namespace assent::testing
