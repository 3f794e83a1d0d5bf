#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "assent/client.hpp"
#include "support/bank.hpp"
#include "support/record.hpp"

namespace assent::testing {

/// Clients that make random transfers, each on a connection of its own, until they are stopped. They connect again when
/// the coordinator has gone, and ask for what became of a transfer whose answer was lost.
class Tellers {
 public:
  struct Options {
    int clients = 4;
    std::uint64_t seed = 1;
    std::int64_t amount_max = 5;
    bool keys_last = true;  ///< Not when the coordinator loses its log: then a key that is not known says nothing.
  };

  /// `port`: where the coordinator listens now; called by all clients at once. Everything must outlive the tellers.
  Tellers(Bank& bank, Record& record, std::function<std::uint16_t()> port, Options options);
  ~Tellers() { stop(); }

  /// Waits until each has its last answer, where the coordinator can be reached.
  void stop();

 private:
  /// One connection, and the run of the coordinator that it leads to.
  struct Line {
    Client client;
    std::uint32_t epoch = 0;
  };

  void run(int number);
  std::optional<Line> connect() const;
  /// False when the connection is of no more use.
  bool transfer(Line& line, std::mt19937_64& random);
  /// Asks until there is an answer, or it is clear that there will be none.
  void ask_again(Told told, std::uint32_t submitted_in);
  /// False when it is worth to ask again.
  bool ask_once(Told& told, std::uint32_t submitted_in);
  /// A pause between attempts. True when the tellers are to stop.
  bool stopping(std::chrono::milliseconds pause = {});

  Bank& bank_;
  Record& record_;
  const std::function<std::uint16_t()> port_;
  const Options options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace assent::testing
