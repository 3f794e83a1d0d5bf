#pragma once

#include <signal.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include <boost/program_options.hpp>

namespace assent::testing {

// What the long runs under random faults have in common: their options, how they end, and that they say how far they
// are.

inline constexpr int kExitHeld = 0;
inline constexpr int kExitNotHeld = 1;
inline constexpr int kExitUsage = 64;
inline constexpr int kExitUnavailable = 69;
inline constexpr int kExitSignal = 128;  ///< Added to the signal's number.

struct BadUsage {
  std::string what;
};
/// Throws BadUsage.
void check_usage(bool holds, const std::string& what);

/// Parses a command line without positional arguments. Throws BadUsage.
boost::program_options::variables_map parse_options(int argc, char** argv,
                                                    const boost::program_options::options_description& options);

/// SIGINT, SIGTERM and SIGHUP end a run early and in order. They stay blocked and pending, and so do not reach what is
/// started from here: the scripts that start and stop servers are never cut off halfway. To be made before any thread
/// is started.
class StopSignals {
 public:
  StopSignals();
  /// The number of one that has come, or 0.
  static int come();
};

/// Says on standard error how far a run is, as long as it lives.
class Progress {
 public:
  /// `line` is asked from a thread of its own.
  explicit Progress(std::function<std::string()> line);
  ~Progress();

 private:
  void run();

  const std::function<std::string()> line_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  std::thread thread_;
};

/// A new temporary folder for what a run leaves to be looked at. Throws when none can be made.
std::string make_folder(const std::string& program);

/// `run`, with its exceptions said on standard error and turned into exit codes.
int run_program(const char* program, const std::function<int()>& run);

}  // namespace assent::testing
