#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "assent/transaction.hpp"
#include "bench/bench_driver.hpp"
#include "bench/bench_loop.hpp"
#include "wire/framer.hpp"
#include "wire/tape.hpp"

namespace assent::bench {

struct Address {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
};

/// Clients of a coordinator that share connections to it: each request carries its client's number as its id, and those
/// that are ready at the same time go out together.
class AssentDriver final : public Driver {
 public:
  /// `participants`: names at the coordinator, by their number in transactions. `protocol`: named in each request, if
  /// there is one.
  AssentDriver(EventLoop& loop, const Address& address, std::vector<std::string> participants, unsigned connections,
               std::chrono::milliseconds timeout, std::optional<Protocol> protocol, Finisher& finisher);
  ~AssentDriver() override;

  void start(unsigned client, const Transaction& transaction) override;
  void flush() override;

 private:
  class Connection;
  void answered(std::string_view line);

  Finisher& finisher_;
  std::vector<std::string> before_branch_;  ///< JSON of a branch up to its first statement, by participant.
  std::string before_branches_;             ///< JSON of a request behind its id.
  std::vector<std::unique_ptr<Connection>> connections_;
  wire::Tape tape_;
};

}  // namespace assent::bench
