// Kills the coordinator and its servers again and again under load, and audits the accounts at the end.

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <random>

#include "long_run.hpp"
#include "report.hpp"
#include "soak.hpp"

namespace {

namespace po = boost::program_options;
using namespace assent::testing;

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

  const auto given = parse_options(argc, argv, options);
  if (given.contains("help")) {
    std::cout << kIntroduction << options << kEpilogue;
    return std::nullopt;
  }
  if (!given.contains("seed")) arguments.soak.seed = std::random_device{}();
  check_usage(arguments.soak.kills >= 0, "--kills takes a number from 0");
  check_usage(arguments.soak.clients >= 1 && arguments.soak.clients <= 1000, "--clients takes a number from 1 to 1000");
  check_usage(settle_bound_ms >= 1, "--settle-bound-ms takes a number from 1");
  arguments.soak.settle_bound = std::chrono::milliseconds(settle_bound_ms);
  check_usage(arguments.servers == "mariadb" || arguments.servers == "mysql" || arguments.servers == "mixed",
              "--servers takes mariadb, mysql or mixed");
  check_usage(arguments.protocol == "2pc" || arguments.protocol == "3pc", "--protocol takes 2pc or 3pc");
  arguments.soak.three_phase = arguments.protocol == "3pc";
  if (arguments.kill == "coordinator") {
    arguments.soak.kill = Victim::coordinator;
  } else if (arguments.kill == "server") {
    arguments.soak.kill = Victim::server;
  } else {
    check_usage(arguments.kill == "both", "--kill takes coordinator, server or both");
  }
  return arguments;
}

int run(const Arguments& arguments) {
  auto options = arguments.soak;
  std::fprintf(stderr, "crash_soak: %d kills (%s), %s, seed %llu\n", options.kills, arguments.kill.c_str(),
               arguments.servers.c_str(), static_cast<unsigned long long>(options.seed));
  const auto folder = make_folder("assent-soak");
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

  SoakReport report;
  {
    const Progress progress([&] { return soak->progress(); });
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
  const RunLabels labels{arguments.servers, arguments.kill, kept};
  std::cout << (arguments.json ? report_json(options, labels, report) : report_text(options, labels, report))
            << std::flush;
  if (!held) return kExitNotHeld;
  return report.interrupted ? kExitSignal + StopSignals::come() : kExitHeld;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program("crash_soak", [&] {
    const auto arguments = parse(argc, argv);
    if (!arguments) return kExitHeld;
    const StopSignals signals;
    return run(*arguments);
  });
}
