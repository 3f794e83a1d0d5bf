#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <thread>

#include "support/crash.hpp"

namespace assent::testing {

/// What tellers do not do: transactions of one branch, which commit in one phase, ones that are refused, and a DBA who
/// ends the daemon's connections at random. With them a run comes by every step that the daemon knows. Until stop().
class Traffic {
 public:
  /// Makes a table `singles` at the first place of the bank. `end_a_connection` gives whether there was one.
  Traffic(const Bank& bank, std::function<std::uint16_t()> port, std::function<bool()> end_a_connection);
  ~Traffic() { stop(); }
  void stop();

  /// Connections that were ended so far.
  std::uint64_t ended() const { return ended_; }
  /// What was told of transactions of one branch, held against the table. In words; empty: all holds.
  std::vector<std::string> problems() const;

 private:
  void run_singles();
  void run_refused();
  std::optional<Client> connect() const;

  const Bank& bank_;
  const std::function<std::uint16_t()> port_;
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> ended_{0};
  // Of the thread of singles, until it has ended.
  std::map<std::int64_t, Outcome> told_;
  std::set<std::int64_t> never_run_;
  std::vector<std::thread> threads_;
};

}  // namespace assent::testing
