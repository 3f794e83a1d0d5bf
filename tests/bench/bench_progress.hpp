#pragma once

#include <signal.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

namespace assent::bench {

/// The signals that end a run. They stay blocked and pending, and so do not reach what is started from here: the
/// scripts that start and stop servers are never cut off halfway. To be made before any thread.
class StopSignals {
 public:
  StopSignals();
  /// The number of one that has come, or 0.
  static int come();

 private:
  static constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP};
  sigset_t set_{};
};

/// Says on standard error how far it is: at a terminal in one line that changes, else in a line per step.
class Progress {
 public:
  explicit Progress(bool quiet);
  ~Progress() { clear(); }

  /// What comes now: "pair 2 of 5, assent".
  void step(std::string what);
  /// Since the step began; shown some times a second, and only at a terminal.
  void counted(std::uint64_t committed);
  /// How the step ended.
  void done(const std::string& how);
  void note(const std::string& text);

 private:
  void clear();

  const bool quiet_;
  const bool terminal_;
  std::string step_;
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace assent::bench
