#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "support/bank.hpp"
#include "support/daemon.hpp"
#include "support/record.hpp"
#include "support/servers.hpp"
#include "support/tellers.hpp"

namespace assent::testing {

struct RivalsOptions {
  std::uint64_t transactions = 10'000;
  std::uint64_t seed = 0;
  int clients = 4;  ///< Of each coordinator.
  int accounts = 1000;
  std::string record_path;
};

struct RivalsReport {
  std::vector<std::string> problems;
  std::map<std::string, int> deeds;  ///< How often each was done.
  std::vector<std::string> events;   ///< Each with its time and what came of it.
  Record::Counts transfers{};
  std::uint64_t ever_unknown = 0;
  std::uint64_t unknown_committed = 0;
  std::uint64_t unknown_rolled_back = 0;
  std::uint64_t adoptions = 0;  ///< How often one took another for gone.
  double seconds = 0;
  bool interrupted = false;
};

/// Three coordinators over the same databases, each ready to adopt the other two, while one after the other is paused,
/// killed, or loses its log, and somebody runs the recovery tool beside one that is only paused. Clients transfer money
/// through all three all the time. In the end everything is held against what they were told.
class Rivals {
 public:
  /// `interrupted`: asked between rounds and while one goes on; once true, the run ends early and in order.
  Rivals(RivalsOptions options, Servers& servers, std::function<bool()> interrupted);
  ~Rivals();

  /// Starts the coordinators. Throws when that fails.
  void start();
  /// Once, after start().
  RivalsReport run();
  /// One line on how far run() is; from any thread.
  std::string progress() const;
  /// Copies what a person needs to find out what happened into a folder. Throws when that fails.
  void keep_evidence(const std::string& folder);

 private:
  enum class Deed : std::uint8_t { nothing, pause, kill, lose_log, delete_log, tool };
  struct Plan {
    Deed deed = Deed::nothing;
    std::chrono::milliseconds length{0};
  };
  struct Rival {
    std::string id;
    std::unique_ptr<Daemon> daemon;
    std::unique_ptr<Tellers> tellers;
    std::atomic<std::uint16_t> port{0};
  };
  static const char* name_of(Deed deed);

  std::vector<Plan> draw_round();
  void do_round(const std::vector<Plan>& plans);
  void act(std::size_t number, const Plan& plan);
  void pause(Rival& rival, std::chrono::milliseconds length, bool with_tool);
  void use_tool(Rival& paused);
  void kill(Rival& rival);
  /// After a kill, or an end of its own.
  void bring_back(Rival& rival, bool log_lost);
  /// As the refusal of a start without its log demands.
  void start_after_loss(Rival& rival);
  void await_more(std::uint64_t transfers);

  void attempt(const std::string& what, const std::function<void()>& step);
  void finish();
  void note(const std::string& event);
  void problem(const std::string& what);
  std::uint64_t told() const;

  const RivalsOptions options_;
  const std::function<bool()> interrupted_;
  Bank bank_;
  Record record_;
  std::mt19937_64 random_;
  std::vector<std::unique_ptr<Rival>> rivals_;
  mutable std::mutex mutex_;  ///< Of the report.
  RivalsReport report_;
};

}  // namespace assent::testing
