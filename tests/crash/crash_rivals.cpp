// Three coordinators that adopt each other while they are paused, killed and lose their logs; the accounts are audited
// at the end.

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <random>

#include "long_run.hpp"
#include "rivals.hpp"

namespace {

namespace po = boost::program_options;
using namespace assent::testing;

constexpr const char* kIntroduction =
    R"(Runs three coordinators over the same databases, each of which adopts the other two once they are silent, and lets
clients transfer money through all of them, in three phases, while one or two of the three at a time
  are paused (SIGSTOP) for up to nine seconds, and go on;
  are killed with SIGKILL, and started again;
  lose their log, alive or dead, and are started again with --log-lost, as their refusal demands;
  are paused while somebody runs `assentctl recover --apply` for them by mistake, beside them and elsewhere.
At the end the accounts are audited, and all that clients were told.

It starts throwaway servers of its own (two MariaDB, one MySQL) and the assentd beside it.

)";
constexpr const char* kEpilogue = R"(
Examples:
  crash_rivals                                   10,000 transfers
  crash_rivals --transactions 500 --seed 4711    the same deeds as the run that printed this seed

The seed repeats the choices, not how they fall together. When something does not hold, the coordinators' output and
logs and the record are kept in a folder.

Exit codes: 0 all held, 1 something did not, 64 wrong usage, 69 the servers or assentd cannot be had; 130 after Ctrl-C
(143 after SIGTERM), with all that was done until then audited and nothing found.
)";

/// Nothing: the help was asked for and printed.
std::optional<RivalsOptions> parse(int argc, char** argv) {
  RivalsOptions arguments;
  po::options_description options("Options");
  auto add = options.add_options();
  add("transactions", po::value(&arguments.transactions)->default_value(10'000)->value_name("N"),
      "how many transfers to make, at least; for each 200 of them there is a round of deeds");
  add("seed", po::value(&arguments.seed)->value_name("N"), "of all random choices; any, unless given");
  add("clients", po::value(&arguments.clients)->default_value(4)->value_name("N"),
      "transfers at once, per coordinator");
  add("record", po::value(&arguments.record_path)->value_name("FILE"),
      "write what each client is told there, as lines of JSON");
  add("help,h", "this text");
  const auto given = parse_options(argc, argv, options);
  if (given.contains("help")) {
    std::cout << kIntroduction << options << kEpilogue;
    return std::nullopt;
  }
  if (!given.contains("seed")) arguments.seed = std::random_device{}();
  check_usage(arguments.clients >= 1 && arguments.clients <= 100, "--clients takes a number from 1 to 100");
  return arguments;
}

void print(const RivalsOptions& options, const RivalsReport& report) {
  std::cout << "seed " << options.seed << ", " << static_cast<int>(report.seconds) << " s\n";
  for (const auto& [deed, count] : report.deeds) std::cout << "  " << count << " times " << deed << "\n";
  std::cout << "  " << report.adoptions << " times adopted by another\n";
  for (std::size_t i = report.transfers.size(); i-- > 0;) {
    std::cout << "  " << report.transfers[i] << " transfers told as " << kTold[i] << "\n";
  }
  std::cout << "  " << report.ever_unknown << " unknown at first; of those that stayed so " << report.unknown_committed
            << " had committed and " << report.unknown_rolled_back << " not\n";
  for (const auto& problem : report.problems) std::cout << "DOES NOT HOLD: " << problem << "\n";
  if (report.interrupted) std::cout << "interrupted\n";
  std::cout << (report.problems.empty() ? "all held\n" : "");
  std::cout.flush();
}

int run(RivalsOptions options) {
  std::fprintf(stderr, "crash_rivals: %llu transfers, seed %llu\n",
               static_cast<unsigned long long>(options.transactions), static_cast<unsigned long long>(options.seed));
  const auto folder = make_folder("assent-rivals");
  if (options.record_path.empty()) options.record_path = folder + "/told.jsonl";
  std::unique_ptr<Rivals> rivals;
  try {
    rivals = std::make_unique<Rivals>(options, Servers::start(2, 1), [] { return StopSignals::come() != 0; });
    rivals->start();
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "crash_rivals: %s\n", failure.what());
    std::filesystem::remove_all(folder);
    return kExitUnavailable;
  }
  RivalsReport report;
  {
    const Progress progress([&] { return rivals->progress(); });
    report = rivals->run();
  }
  print(options, report);
  if (report.problems.empty()) {
    std::filesystem::remove_all(folder);
    return report.interrupted ? kExitSignal + StopSignals::come() : kExitHeld;
  }
  rivals->keep_evidence(folder);
  std::cout << "kept in " << folder << "\n";
  return kExitNotHeld;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program("crash_rivals", [&] {
    const auto options = parse(argc, argv);
    if (!options) return kExitHeld;
    const StopSignals signals;
    return run(*options);
  });
}
