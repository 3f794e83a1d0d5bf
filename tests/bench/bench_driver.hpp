#pragma once

#include <cstdint>
#include <string>

#include "bench/bench_transaction.hpp"

namespace assent::bench {

/// Who wants to know how transactions ended.
class Finisher {
 public:
  virtual ~Finisher() = default;
  /// `committed`: a bit per branch, in the order of the transaction; of use where the outcome is torn.
  virtual void finished(unsigned client, Outcome outcome, std::uint64_t committed) = 0;
};

/// One way to run transactions, all on the thread of an EventLoop. Throws std::runtime_error when what it speaks to
/// cannot be reached (any more): a measurement is then worth nothing.
class Driver {
 public:
  virtual ~Driver() = default;

  /// Starts a transaction of a client that has none running. The transaction must stay as it is until the finisher is
  /// told, which never happens within this call.
  virtual void start(unsigned client, const Transaction& transaction) = 0;
  /// Sends what start() has put together. Called after each round of the event loop.
  virtual void flush() {}

  /// What the first transaction that did not commit was told; empty when all did.
  const std::string& first_trouble() const { return first_trouble_; }

 protected:
  void trouble(const std::string& what) {
    if (first_trouble_.empty()) first_trouble_ = what;
  }

 private:
  std::string first_trouble_;
};

}  // namespace assent::bench
