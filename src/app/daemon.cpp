#include "app/daemon.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <memory>
#include <optional>

#include <boost/program_options.hpp>

#include "app/address.hpp"
#include "app/config.hpp"
#include "app/daemon_help.hpp"
#include "app/engine.hpp"
#include "app/exit_codes.hpp"
#include "app/files.hpp"
#include "app/output.hpp"
#include "app/settings.hpp"
#include "base/log.hpp"
#include "base/version.hpp"
#include "coordinator/adopter.hpp"
#include "participant/participant.hpp"
#include "server/coordinator_service.hpp"
#include "server/server.hpp"

namespace assent::app {
namespace {

namespace po = boost::program_options;

constexpr const char* kName = "assentd";

// How often the main thread looks whether the log can still be trusted.
constexpr timespec kWatchPeriod{0, 200'000'000};

// SIGINT, SIGTERM and SIGHUP (of a terminal that is closed), taken by the main thread alone.
class StopSignals {
 public:
  // Before any thread is started, so that all of them leave these signals alone.
  StopSignals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGTERM);
    // nohup has it ignored.
    struct sigaction hangup {};
    sigaction(SIGHUP, nullptr, &hangup);
    if (hangup.sa_handler != SIG_IGN) sigaddset(&set_, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }
  // The name of the signal that came, or null after `patience`.
  const char* wait(const timespec& patience) const {
    const int signal = sigtimedwait(&set_, nullptr, &patience);
    switch (signal) {
      case SIGINT: return "SIGINT";
      case SIGTERM: return "SIGTERM";
      case SIGHUP: return "SIGHUP";
      default: return nullptr;
    }
  }
  // From here on they do what they do to any program.
  void let_through() const { pthread_sigmask(SIG_UNBLOCK, &set_, nullptr); }

 private:
  sigset_t set_{};
};

// The file that says where the coordinator serves, there only while it does.
class ReadyFile {
 public:
  explicit ReadyFile(std::string path) : path_(std::move(path)) { remove(); }
  ~ReadyFile() { remove(); }
  ReadyFile(const ReadyFile&) = delete;
  ReadyFile& operator=(const ReadyFile&) = delete;

  Status write(const std::string& host, std::uint16_t port) const {
    if (path_.empty()) return Ok{};
    return write_file_atomically(path_, host + ' ' + std::to_string(port) + '\n');
  }

 private:
  void remove() const {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  std::string path_;
};

// Every connection takes a descriptor, and the usual soft limit is lower than the bound on connections.
void raise_descriptor_limit(const Config& config) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  rlim_t needed = 64 + config.listen.connections_max;
  for (const auto& participant : config.participants) needed += 2 * participant.connection.sessions_max + 8;
  if (limit.rlim_cur < needed) {
    spdlog::warn(
        "the process may open {} files, and the configuration's bounds add up to {}: raise the limit (ulimit -n) "
        "or lower listen.connections_max",
        limit.rlim_cur, needed);
  }
}

// The parts of a serving coordinator. Destroyed from the last to the first, each before what it uses.
struct Parts {
  Engine engine;
  std::vector<std::unique_ptr<ports::Participant>> adopted;  ///< The same databases, under the names of others.
  std::vector<std::unique_ptr<coordinator::Adopter>> adopters;
  std::unique_ptr<server::Server> server;
};

// The log is locked and the address taken before anything is asked of a participant, let alone claimed there: a second
// process that fails at these has cost nobody anything.
Result<std::uint16_t> start(const Config& config, bool log_lost, Parts& parts) {
  if (auto looked = parts.engine.look(config); !looked) return std::move(looked).error();
  parts.server = std::make_unique<server::Server>(parts.engine.loop, config.listen);
  auto port = parts.server->bind();
  if (!port) return port;
  if (auto started = parts.engine.start(config, log_lost); !started) return std::move(started).error();
  for (const auto& id : config.adopt) {
    std::vector<ports::Participant*> databases;
    for (const auto& participant : config.participants) {
      auto connection = participant.connection;
      connection.coordinator_id = id;
      parts.adopted.push_back(participant::make_participant(std::move(connection), parts.engine.loop));
      databases.push_back(parts.adopted.back().get());
    }
    parts.adopters.push_back(std::make_unique<coordinator::Adopter>(id, config.adopt_after, std::move(databases)));
    auto* adopter = parts.adopters.back().get();
    parts.engine.coordinator->show(
        {.hazards = [adopter] { return adopter->hazards(); }, .in_doubt = [adopter] { return adopter->in_doubt(); }});
    adopter->start();
  }
  parts.server->serve(server::service_of(*parts.engine.coordinator));
  return port;
}

// In the order that lets every answer out that can still be given.
int stop(Parts& parts) {
  if (parts.server) parts.server->stop_accepting();
  for (const auto& adopter : parts.adopters) adopter->stop();
  const auto left = parts.engine.stop_coordinator();
  if (parts.server) parts.server->stop();
  const int code = parts.engine.close_log() ? kExitGood : kExitInternal;
  if (left > 0) spdlog::info("{} transactions are left to the next start", left);
  return code;
}

int serve(const Config& config, const std::string& ready_path, bool log_lost) {
  const StopSignals signals;
  raise_descriptor_limit(config);
  const ReadyFile ready(ready_path);
  Parts parts;
  auto port = start(config, log_lost, parts);
  auto started = port ? ready.write(config.listen.host, *port) : Status(port.error());
  if (!started) {
    complain(kName, "cannot start: " + started.error().what);
    stop(parts);
    return exit_code_of_start(started.error());
  }
  spdlog::info("ready: listening on {}", shown_address(config.listen.host, *port));

  const char* signal = nullptr;
  std::optional<std::string> displaced;
  while (signal == nullptr && !displaced && parts.engine.log->condition() != ports::LogCondition::poisoned) {
    signal = signals.wait(kWatchPeriod);
    displaced = parts.engine.coordinator->displaced();
  }
  signals.let_through();
  if (signal != nullptr) {
    spdlog::info("{}: stopping within {} ms; a second signal stops at once", signal,
                 config.coordinator.drain_timeout.count());
  } else if (displaced) {
    spdlog::critical(
        "{}. Stopping: the other process finishes what is open here. Do not start this one again while that one serves",
        *displaced);
  } else {
    spdlog::critical(
        "the log in {} could not be written: what was waiting may or may not be durable. Stopping; mend the "
        "disk and start again, which settles what is open",
        config.log.directory);
  }
  const int code = stop(parts);
  spdlog::info("stopped");
  return displaced && code == kExitGood ? kExitUnavailable : code;
}

int check(const std::string& path, const LoadedConfig& loaded) {
  std::string names;
  for (const auto& one : loaded.config.participants) names += (names.empty() ? "" : ", ") + one.connection.name;
  return print(
      path + ": good: coordinator " + loaded.config.coordinator.coordinator_id + ", participants " + names + '\n',
      kExitGood);
}

}  // namespace

int run_daemon(int argc, const char* const* argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const auto options = daemon_options();
  po::variables_map given;
  const auto wrong_usage = [](const std::string& what) {
    complain(kName, what + " (see assentd --help)");
    return static_cast<int>(kExitUsage);
  };
  try {
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    const po::positional_options_description none;
    po::store(po::command_line_parser(argc, argv).options(options).positional(none).style(style).run(), given);
  } catch (const po::error& error) {
    return wrong_usage(error.what());
  }
  if (given.count("help") > 0) return print(help_of(daemon_help(), "", options), kExitGood);
  if (given.count("help-config") > 0) return print(settings_help(), kExitGood);
  if (given.count("version") > 0) return print(std::string("assentd ") + base::kVersion + '\n', kExitGood);
  if (given.count("config") == 0) return wrong_usage("--config FILE is required");

  const auto path = given["config"].as<std::string>();
  auto loaded = load_config(path);
  if (loaded.ok()) loaded.problems = read_passwords(loaded.config);
  for (const auto& problem : loaded.problems) complain(path, problem);
  if (!loaded.ok()) return kExitBadConfig;
  if (given.count("check-config") > 0) return check(path, loaded);

  if (!base::init_log(loaded.config.log_level)) return kExitInternal;
  spdlog::info("assentd {}, coordinator {}, configuration {}", base::kVersion, loaded.config.coordinator.coordinator_id,
               path);
  return serve(loaded.config, given.count("ready-file") > 0 ? given["ready-file"].as<std::string>() : "",
               given.count("log-lost") > 0);
}

}  // namespace assent::app
