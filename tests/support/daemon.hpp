#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "assent/client.hpp"

namespace assent::testing {

/// A folder under the temporary directory that goes when its owner does.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// One of this build's programs, run as a child process with its output in a file. Killed when its owner goes.
class Program {
 public:
  /// `name` with a slash is the path of any other program. `environment` comes on top of this program's own.
  Program(std::string name, std::vector<std::string> arguments, std::string output_path,
          const std::map<std::string, std::string>& environment = {}, bool own_group = false);
  ~Program();
  Program(Program&& other) noexcept;
  Program& operator=(Program&&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number);
  /// Waits at most `bound`. Exit code, or 128 + the signal that ended it, or -1 when it still runs.
  int wait(std::chrono::milliseconds bound);
  /// Without waiting. wait() still gives how.
  bool has_ended() const;
  std::string output() const;

 private:
  pid_t pid_ = -1;
  std::string output_path_;
};

/// The real assentd (or the same with failpoints), with a configuration of its own in a folder of its own.
class Daemon {
 public:
  struct Participant {
    std::string name;
    std::string host;
    std::uint16_t port = 0;
    std::string user;
    std::string password;
    std::string database;
    std::string more_json;  ///< Further keys: `"sessions_max": 2`.
  };
  struct Options {
    std::string coordinator_id = "test";
    std::vector<Participant> participants;
    std::string more_json;  ///< Further top-level keys: `"limits": {...}`.
    std::string program = "assentd";
    std::map<std::string, std::string> environment = {};  ///< For the next start, on top of the test's own.
    std::uint16_t port = 0;                               ///< Where it is to listen; 0: on a free one.
    std::vector<std::string> arguments = {};              ///< For the next start, after --config: `--log-lost`.
    bool own_group = false;                               ///< Ctrl-C in the test's terminal does not reach it.
  };

  explicit Daemon(Options options);

  /// Writes what it is configured with; so does every start.
  void write_config() const;
  /// Starts it and waits until it serves. Throws when it does not.
  void start();
  /// Starts it and gives at once: it may end before it serves.
  void launch();
  /// After launch(): waits until it serves (true) or has ended (false). Throws when neither comes.
  bool wait_ready();
  /// Runs it to its end, which must come by itself: exit code and all it wrote.
  std::pair<int, std::string> run_to_exit();
  /// Waits until every participant is up.
  void wait_up();
  void kill_9();
  /// SIGTERM, and the exit code; -1 when it did not stop within `bound`.
  int terminate(std::chrono::milliseconds bound = std::chrono::seconds(20));
  void signal(int number) { program_->signal(number); }
  /// The exit code it ends with by itself, 128 + the signal that ended it, or -1 when it did not within `bound`.
  int wait(std::chrono::milliseconds bound) { return program_->wait(bound); }

  bool has_ended() const { return program_->has_ended(); }

  pid_t pid() const { return program_->pid(); }
  std::uint16_t port() const { return port_; }
  std::string output() const;
  Client client() const;

  std::string folder() const { return folder_.path(); }
  std::string log_folder() const { return folder_.path() + "/log"; }
  std::string config_path() const { return folder_.path() + "/assentd.json"; }
  Options& options() { return options_; }
  const Options& options() const { return options_; }

 private:
  std::string ready_path() const { return folder_.path() + "/ready"; }

  Options options_;
  TempFolder folder_;
  std::unique_ptr<Program> program_;
  std::atomic<std::uint16_t> port_{0};  ///< Read by clients while it starts again.
};

/// User and system time of a process and its threads so far, in seconds.
double cpu_seconds(pid_t pid);

/// Waits until `done()` holds, looking every few milliseconds. False when `bound` passed first.
template <typename Done>
bool eventually(Done done, std::chrono::milliseconds bound = std::chrono::seconds(20)) {
  const auto until = std::chrono::steady_clock::now() + bound;
  while (!done()) {
    if (std::chrono::steady_clock::now() >= until) return false;
    struct timespec pause {
      0, 5'000'000
    };
    ::nanosleep(&pause, nullptr);
  }
  return true;
}

}  // namespace assent::testing
