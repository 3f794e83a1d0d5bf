// Measures Assent under load and against a bare client: options in, results out.

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>

#include "bench/bench_compare.hpp"
#include "bench/bench_idle.hpp"
#include "bench/bench_targets.hpp"
#include "bench/plots.hpp"
#include "bench/table.hpp"

namespace {

using namespace assent::bench;

constexpr int kExitDone = 0;
constexpr int kExitWrong = 1;
constexpr int kExitUsage = 64;
constexpr int kExitUnavailable = 69;
constexpr int kExitSignal = 128;  ///< Added to the signal's number.

int judge(const Options& options, bool right, const std::vector<Target>& targets) {
  const bool held = std::all_of(targets.begin(), targets.end(), [](const auto& target) { return target.held; });
  return right && (held || !options.check_targets) ? kExitDone : kExitWrong;
}

template <typename Measured>
void show(const Options& options, const Measured& measured) {
  std::cout << (options.json ? to_json(measured).dump(2) + "\n" : table_of(measured)) << std::flush;
}

void draw(const Options& options, const Sweep& sweep) {
  if (options.svg.empty()) return;
  std::ofstream file(options.svg);
  file << svg_of(sweep);
  if (!file.flush()) throw std::runtime_error("the plots cannot be written to " + options.svg);
}

int run_compare(const Options& options, Progress& progress) {
  progress.step("starting");
  const Site site(options, options.run.clients, options.run.participants);
  const auto comparison = compare(options, site, progress);
  show(options, comparison);
  draw(options, {.axis = "clients", .points = {comparison}, .targets = {}});
  return judge(options, comparison.sums.right, comparison.targets);
}

int run_sweep(const Options& options, Progress& progress) {
  const auto most = *std::max_element(options.values.begin(), options.values.end());
  progress.step("starting");
  const Site site(options, options.axis == "clients" ? most : options.run.clients,
                  options.axis == "participants" ? most : options.run.participants);
  Sweep sweep;
  sweep.axis = options.axis;
  bool right = true;
  for (const auto value : options.values) {
    progress.note(options.axis + " " + std::to_string(value));
    const auto at = at_point(options, value);
    sweep.points.push_back(compare(at, site, progress));
    right = right && sweep.points.back().sums.right;
  }
  sweep.targets = targets_of(sweep);
  show(options, sweep);
  draw(options, sweep);
  auto targets = sweep.targets;
  for (const auto& point : sweep.points) targets.insert(targets.end(), point.targets.begin(), point.targets.end());
  return judge(options, right, targets);
}

int run_idle(const Options& options, Progress& progress) {
  progress.step("starting");
  const Site site(options, 1, options.run.participants);
  const auto idle = measure_idle(options, site);
  std::cout << (options.json ? to_json(idle).dump(2) + "\n" : text_of(idle)) << std::flush;
  return judge(options, true, {idle.target});
}

int run(const Options& options) {
  Progress progress(options.quiet);
  switch (options.command) {
    case Options::Command::sweep: return run_sweep(options, progress);
    case Options::Command::idle: return run_idle(options, progress);
    case Options::Command::run:
    case Options::Command::compare: return run_compare(options, progress);
    case Options::Command::help: break;
  }
  std::cout << help_text();
  return kExitDone;
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = parse_options({argv + 1, argv + argc});
  if (!options) {
    std::fprintf(stderr, "assent-bench: %s; --help tells more\n", options.error().what.c_str());
    return kExitUsage;
  }
  const StopSignals signals;
  try {
    return run(*options);
  } catch (const BrokenOff&) {
    std::fprintf(stderr, "assent-bench: broken off; nothing that it started is left\n");
    return kExitSignal + StopSignals::come();
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "assent-bench: %s\n", failure.what());
    return kExitUnavailable;
  }
}
