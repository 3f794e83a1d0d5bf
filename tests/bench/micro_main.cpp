#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include <boost/program_options.hpp>

#include "base/log.hpp"
#include "micro_options.hpp"
#include "micro_recovery.hpp"
#include "micro_targets.hpp"

// Micro-benchmarks: log, wire, rules, recovery. `--targets` measures only what has a target, and exits with 1 when one
// is missed; otherwise Google Benchmark runs, with its own flags.

namespace {

namespace po = boost::program_options;

constexpr int kExitMissed = 1;
constexpr int kExitUsage = 64;

struct Options {
  bool targets = false;
  bool json = false;
  bool help = false;
  std::string open_log;
  std::vector<std::string> others;  ///< For Google Benchmark.
};

Options parse(int argc, char** argv) {
  Options options;
  auto& micro = assent::bench::micro_options();
  const char* temporary = std::getenv("TMPDIR");
  micro.directory = temporary != nullptr && *temporary != '\0' ? temporary : "/tmp";
  unsigned window_ms = 0;
  po::options_description known("micro_bench, beside the flags of Google Benchmark (--help shows those too)");
  known.add_options()                                                                                         //
      ("help", po::bool_switch(&options.help), "show this")                                                   //
      ("targets", po::bool_switch(&options.targets), "measure what has a target; exit 1 when one is missed")  //
      ("json", po::bool_switch(&options.json), "with --targets: as JSON")                                     //
      ("directory", po::value(&micro.directory)->default_value(micro.directory),
       "where logs are made: the file system that is measured")  //
      ("window-ms", po::value(&window_ms)->default_value(static_cast<unsigned>(micro.window.count())),
       "length of one run of a log benchmark")                                                                //
      ("pairs", po::value(&micro.pairs)->default_value(micro.pairs), "runs of each, bare and group in turn")  //
      ("ended", po::value(&micro.ended)->default_value(micro.ended),
       "ended transactions in a log that is recovered")  //
      ("open-log", po::value(&options.open_log), "open this log, print time and memory, and exit");
  const auto parsed = po::command_line_parser(argc, argv).options(known).allow_unregistered().run();
  po::variables_map values;
  po::store(parsed, values);
  po::notify(values);
  if (window_ms == 0 || micro.pairs == 0) throw po::error("--window-ms and --pairs must be at least 1");
  micro.window = std::chrono::milliseconds(window_ms);
  options.others = po::collect_unrecognized(parsed.options, po::include_positional);
  if (options.help) {
    std::cout << known << '\n';
    options.others.emplace_back("--help");
  }
  return options;
}

int run_benchmarks(const char* program, std::vector<std::string> flags) {
  std::vector<char*> argv{const_cast<char*>(program)};
  for (auto& flag : flags) argv.push_back(flag.data());
  int argc = static_cast<int>(argv.size());
  argv.push_back(nullptr);
  benchmark::Initialize(&argc, argv.data());
  if (benchmark::ReportUnrecognizedArguments(argc, argv.data())) return kExitUsage;
  const auto ran = benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return ran > 0 ? 0 : kExitMissed;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  try {
    options = parse(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "micro_bench: %s\n", error.what());
    return kExitUsage;
  }
  if (!options.open_log.empty()) return assent::bench::open_and_print(options.open_log);
  if (options.targets) return assent::bench::run_targets(options.json) ? 0 : kExitMissed;
  return run_benchmarks(argv[0], std::move(options.others));
}
