#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "settling.hpp"
#include "support/bank.hpp"
#include "support/daemon.hpp"
#include "support/record.hpp"
#include "support/servers.hpp"
#include "support/tellers.hpp"

namespace assent::testing {

/// What a kill strikes.
enum class Victim : std::uint8_t { coordinator, server, both };
constexpr const char* to_string(Victim victim) {
  switch (victim) {
    case Victim::coordinator: return "coordinator";
    case Victim::server: return "server";
    case Victim::both: return "coordinator and server";
  }
  return "";
}

struct SoakOptions {
  int kills = 30;
  std::uint64_t seed = 0;
  Victim kill = Victim::both;  ///< `both`: for each kill any of the three.
  int clients = 16;
  int accounts = 1000;
  bool three_phase = false;  ///< And each third kill of the coordinator takes its log along.
  std::chrono::milliseconds settle_bound{2000};
  std::string record_path;
};

struct SoakReport {
  std::vector<std::string> problems;
  bool interrupted = false;
  std::map<Victim, std::vector<std::int64_t>> settle_ms;  ///< One for each kill that settled.
  std::map<Victim, int> kills;
  int logs_lost = 0;                ///< With the coordinator.
  int kills_leaving_doubt = 0;      ///< That left any transaction in doubt.
  std::uint64_t left_in_doubt = 0;  ///< Transactions, over all kills.
  std::vector<std::string> events;  ///< Each kill with its time and what came of it.
  double seconds = 0;
  Record::Counts transfers{};      ///< As they were told in the end.
  std::uint64_t ever_unknown = 0;  ///< Told as unknown at first.
  std::uint64_t unknown_committed = 0;
  std::uint64_t unknown_rolled_back = 0;
};

/// Transfers from many clients while the coordinator and its servers are killed and started again, and the audit at
/// the end.
class Soak {
 public:
  /// `interrupted`: asked all the time; once true, the run ends early and in order.
  Soak(SoakOptions options, Servers& servers, std::function<bool()> interrupted);
  ~Soak();

  /// Starts the coordinator. Throws when that fails.
  void start();
  /// Once, after start().
  SoakReport run();
  /// One line on how far run() is; from any thread.
  std::string progress() const;
  /// Copies what a person needs to find out what happened into a folder. Throws when that fails.
  void keep_evidence(const std::string& folder);

 private:
  struct Plan;
  struct Crash;
  struct Interrupted {};

  Plan plan();
  void kill_all();
  Crash kill(int number, const Plan& plan);
  Settling kill_coordinator(bool lose_log);
  Settling kill_server(std::size_t place);
  Settling kill_both(std::size_t place, bool coordinator_first, bool lose_log);
  void kill_daemon(bool lose_log);
  /// Notes what a kill has left in doubt.
  void note_doubt(const std::set<std::string>& gtrids);
  std::set<std::string> listed_at_all();
  void log_event(const std::string& what);
  /// Lets transfers run for a while, and looks for what a crash left all the same.
  void let_run(std::chrono::milliseconds pause, Crash* crash);
  void await_settled(Crash& crash);
  void log_what_is_left(const Crash& crash);
  void note_settled(const Crash& crash);

  void launch();
  Settling::Clock::time_point relaunch(bool log_lost);
  void sigkill(std::size_t place);
  /// Gives once the server answers: what it lists then.
  std::set<std::string> restart(std::size_t place);
  void join_restart();

  /// A step that fails is a problem, and the next is taken all the same.
  void attempt(const std::function<void()>& step);
  void bring_all_up();
  void await_quiet();
  void hold_audit();
  bool wait_until(const std::function<bool()>& done, std::chrono::milliseconds bound);
  std::uint64_t committed() const;

  const SoakOptions options_;
  Servers& servers_;
  const std::function<bool()> interrupted_;
  Bank bank_;
  Record record_;
  Daemon daemon_;
  Watch watch_;
  std::mt19937_64 random_;
  std::atomic<std::uint16_t> port_{0};
  std::atomic<int> kills_done_{0};
  std::uint32_t epoch_ = 0;          ///< Of the coordinator that runs, or ran last.
  bool serving_ = false;             ///< The coordinator has been started and not been killed.
  std::optional<std::size_t> down_;  ///< Place of a server that has been killed and not been started again.
  std::future<void> restarting_;
  std::map<std::string, std::filesystem::path> server_logs_;
  std::unique_ptr<Tellers> tellers_;
  SoakReport report_;
};

}  // namespace assent::testing
