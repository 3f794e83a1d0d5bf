#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "micro_log.hpp"
#include "micro_options.hpp"
#include "micro_recovery.hpp"

// Opening a log, each time in a process of its own. The log is built before the clock runs.

namespace assent::bench {
namespace {

void open_log(benchmark::State& state, const LogContents& contents, bool cold) {
  const Scratch scratch;
  const std::string directory = scratch.path() + "/log";
  build_log(directory, contents);
  Opening opening;
  double peak_mib = 0;
  for (auto _ : state) {
    opening = open_in_child(directory, cold);
    state.SetIterationTime(opening.seconds);
    peak_mib = std::max(peak_mib, opening.peak_mib);
    if (opening.live != contents.live) state.SkipWithError("the log does not hold what was written");
  }
  state.counters["cpu_ms"] = opening.cpu_seconds * 1e3;
  state.counters["peak_mib"] = peak_mib;
  state.counters["peak_with_checkpoint_mib"] = opening.peak_with_checkpoint_mib;
  state.counters["program_mib"] = opening.program_mib;
  state.counters["log_mib"] = static_cast<double>(opening.log_mib);
  state.counters["live"] = static_cast<double>(opening.live);
  state.counters["kept_keys"] = static_cast<double>(opening.kept_keys);
}

void recover(benchmark::State& state, History history, bool keys, bool cold) {
  open_log(state, {micro_options().ended, 100, keys, history}, cold);
}
BENCHMARK_CAPTURE(recover, as_it_comes, History::as_it_comes, false, false)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(5);
BENCHMARK_CAPTURE(recover, worst_crash, History::worst_crash, false, false)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(5);
BENCHMARK_CAPTURE(recover, worst_crash_cold, History::worst_crash, false, true)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(5);
BENCHMARK_CAPTURE(recover, worst_crash_keys, History::worst_crash, true, false)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(5);
BENCHMARK_CAPTURE(recover, no_checkpoint, History::no_checkpoint, false, false)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(5);

void recover_in_doubt(benchmark::State& state) {
  open_log(state, {0, static_cast<std::uint64_t>(state.range(0)), false, History::as_it_comes}, false);
}
BENCHMARK(recover_in_doubt)
    ->Arg(0)
    ->Arg(1'000)
    ->Arg(10'000)
    ->ArgName("live")
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(5);

}  // namespace
}  // namespace assent::bench
