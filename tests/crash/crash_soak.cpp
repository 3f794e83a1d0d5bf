// Kills the coordinator and its servers again and again under load, and audits the accounts at the end.

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include <boost/program_options.hpp>

#include "report.hpp"
#include "soak.hpp"

namespace {

namespace po = boost::program_options;
using assent::testing::Servers;
using assent::testing::Soak;
using assent::testing::SoakOptions;
using assent::testing::Victim;

constexpr int kExitHeld = 0;
constexpr int kExitNotHeld = 1;
constexpr int kExitUsage = 64;
constexpr int kExitUnavailable = 69;
constexpr int kExitSignal = 128;  ///< Added to the signal's number.

constexpr auto kProgressPeriod = std::chrono::seconds(2);

constexpr const char* kIntroduction =
    R"(Kills assentd and its servers again and again while clients transfer money, and audits the accounts at the end.

It starts throwaway servers of its own and the assentd beside it, lets the clients run, kills with SIGKILL at random
moments, starts again what it killed, and measures how long it takes until no branch is left in doubt:
  coordinator  from its start (without its log, from when it serves), until no branch of an earlier run of it is left at
               any server
  server       from when it answers again, until none of the branches that it listed then is left anywhere
  both         for each kill any of: the coordinator, a server, the coordinator and a server at the same time

)";
constexpr const char* kEpilogue = R"(
Examples:
  crash_soak --kills 30                          MariaDB and MySQL, coordinator and servers
  crash_soak --kills 500 --kill coordinator --servers mysql --record told.jsonl
  crash_soak --kills 200 --protocol 3pc          a third of the coordinators come back without their log
  crash_soak --kills 30 --seed 4711 --json       the same kills as the run that printed this seed

The seed repeats the choices (what is killed, when, and what the clients transfer), not how they fall together.
When something does not hold, the coordinator's output and log, the servers' logs and the record are kept in a folder.

Exit codes: 0 all held, 1 something did not, 64 wrong usage, 69 the servers or assentd cannot be had; 130 after Ctrl-C
(143 after SIGTERM), with all that was done until then audited and nothing found.
)";

struct Arguments {
  SoakOptions soak;
  std::string servers;
  std::string kill;
  std::string protocol;
  bool json = false;
};

struct BadUsage {
  std::string what;
};

void check(bool holds, const std::string& what) {
  if (!holds) throw BadUsage{what};
}

/// Nothing: the help was asked for and printed.
std::optional<Arguments> parse(int argc, char** argv) {
  Arguments arguments;
  std::int64_t settle_bound_ms = 0;
  po::options_description options("Options");
  auto add = options.add_options();
  add("kills", po::value(&arguments.soak.kills)->default_value(30)->value_name("N"), "how many times to kill");
  add("kill", po::value(&arguments.kill)->default_value("both")->value_name("WHAT"), "coordinator, server or both");
  add("servers", po::value(&arguments.servers)->default_value("mixed")->value_name("KIND"),
      "mariadb, mysql or mixed: two servers");
  add("protocol", po::value(&arguments.protocol)->default_value("2pc")->value_name("NAME"),
      "2pc, or 3pc: then a third of the coordinators that are killed lose their log as well");
  add("seed", po::value(&arguments.soak.seed)->value_name("N"), "of all random choices; any, unless given");
  add("clients", po::value(&arguments.soak.clients)->default_value(16)->value_name("N"), "transfers at once");
  add("settle-bound-ms", po::value(&settle_bound_ms)->default_value(2000)->value_name("MS"),
      "a kill that takes longer to settle is a failure");
  add("record", po::value(&arguments.soak.record_path)->value_name("FILE"),
      "write what each client is told there, as lines of JSON");
  add("json", po::bool_switch(&arguments.json), "the result as one JSON object");
  add("help,h", "this text");

  po::variables_map given;
  try {
    po::store(po::command_line_parser(argc, argv).options(options).positional({}).run(), given);
    po::notify(given);
  } catch (const po::error& error) {
    throw BadUsage{error.what()};
  }
  if (given.contains("help")) {
    std::cout << kIntroduction << options << kEpilogue;
    return std::nullopt;
  }
  if (!given.contains("seed")) arguments.soak.seed = std::random_device{}();
  check(arguments.soak.kills >= 0, "--kills takes a number from 0");
  check(arguments.soak.clients >= 1 && arguments.soak.clients <= 1000, "--clients takes a number from 1 to 1000");
  check(settle_bound_ms >= 1, "--settle-bound-ms takes a number from 1");
  arguments.soak.settle_bound = std::chrono::milliseconds(settle_bound_ms);
  check(arguments.servers == "mariadb" || arguments.servers == "mysql" || arguments.servers == "mixed",
        "--servers takes mariadb, mysql or mixed");
  check(arguments.protocol == "2pc" || arguments.protocol == "3pc", "--protocol takes 2pc or 3pc");
  arguments.soak.three_phase = arguments.protocol == "3pc";
  if (arguments.kill == "coordinator") {
    arguments.soak.kill = Victim::coordinator;
  } else if (arguments.kill == "server") {
    arguments.soak.kill = Victim::server;
  } else {
    check(arguments.kill == "both", "--kill takes coordinator, server or both");
  }
  return arguments;
}

/// The signals that end a run. They stay blocked and pending, and so do not reach what is started from here: the
/// scripts that start and stop servers are never cut off halfway.
class StopSignals {
 public:
  StopSignals() {
    sigemptyset(&set_);
    for (const int number : kSignals) sigaddset(&set_, number);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }
  /// The number of one that has come, or 0.
  static int come() {
    sigset_t pending;
    sigpending(&pending);
    for (const int number : kSignals) {
      if (sigismember(&pending, number) == 1) return number;
    }
    return 0;
  }

 private:
  static constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP};
  sigset_t set_{};
};

/// Says on standard error how far it is, as long as it lives.
class Progress {
 public:
  explicit Progress(const Soak& soak) : thread_([this, &soak] { run(soak); }) {}
  ~Progress() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

 private:
  void run(const Soak& soak) {
    const bool terminal = ::isatty(STDERR_FILENO) == 1;
    const auto started = std::chrono::steady_clock::now();
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, kProgressPeriod, [this] { return stop_; })) {
      const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - started);
      std::fprintf(stderr, "%s%4d s: %s%s", terminal ? "\r\033[K" : "", static_cast<int>(seconds.count()),
                   soak.progress().c_str(), terminal ? "" : "\n");
    }
    if (terminal) std::fprintf(stderr, "\r\033[K");
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  std::thread thread_;
};

std::string make_folder() {
  auto folder = (std::filesystem::temp_directory_path() / "assent-soak-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error("no temporary folder can be made");
  return folder;
}

int run(const Arguments& arguments, const StopSignals&) {
  auto options = arguments.soak;
  std::fprintf(stderr, "crash_soak: %d kills (%s), %s, seed %llu\n", options.kills, arguments.kill.c_str(),
               arguments.servers.c_str(), static_cast<unsigned long long>(options.seed));
  const auto folder = make_folder();
  if (options.record_path.empty()) options.record_path = folder + "/told.jsonl";

  std::unique_ptr<Soak> soak;
  try {
    const int mariadb = arguments.servers == "mariadb" ? 2 : arguments.servers == "mysql" ? 0 : 1;
    auto& servers = Servers::start(mariadb, 2 - mariadb, Servers::Use::killable);
    soak = std::make_unique<Soak>(options, servers, [] { return StopSignals::come() != 0; });
    soak->start();
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "crash_soak: %s\n", failure.what());
    std::filesystem::remove_all(folder);
    return kExitUnavailable;
  }

  assent::testing::SoakReport report;
  {
    const Progress progress(*soak);
    report = soak->run();
  }
  const bool held = report.problems.empty();
  std::string kept;
  if (held) {
    std::filesystem::remove_all(folder);
  } else {
    kept = folder;
    try {
      soak->keep_evidence(folder);
    } catch (const std::exception& failure) {
      std::fprintf(stderr, "crash_soak: not all could be kept: %s\n", failure.what());
    }
  }
  const assent::testing::RunLabels labels{arguments.servers, arguments.kill, kept};
  std::cout << (arguments.json ? report_json(options, labels, report) : report_text(options, labels, report))
            << std::flush;
  if (!held) return kExitNotHeld;
  return report.interrupted ? kExitSignal + StopSignals::come() : kExitHeld;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    // Before any thread is started, so that all of them leave these signals alone.
    const auto arguments = parse(argc, argv);
    if (!arguments) return kExitHeld;
    const StopSignals signals;
    return run(*arguments, signals);
  } catch (const BadUsage& usage) {
    std::fprintf(stderr, "crash_soak: %s; --help tells more\n", usage.what.c_str());
    return kExitUsage;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "crash_soak: %s\n", failure.what());
    return kExitNotHeld;
  }
}
