#include <benchmark/benchmark.h>

#include "micro_alloc.hpp"
#include "micro_log.hpp"
#include "micro_options.hpp"
#include "wal/codec.hpp"
#include "wal/format.hpp"

// The log against the file system under it. Time is per decision; `ratio_to_bare` is the median over pairs of runs.

namespace assent::bench {
namespace {

void bare_loop(benchmark::State& state, BareLoop::Place place) {
  BareLoop loop(place);
  LogRun last;
  for (auto _ : state) {
    last = loop.run(micro_options().window);
    state.SetIterationTime(last.seconds / static_cast<double>(last.decisions));
  }
  state.counters["writes_per_s"] = last.per_second();
  state.counters["bytes_per_write"] = static_cast<double>(last.bytes) / static_cast<double>(last.decisions);
}
BENCHMARK_CAPTURE(bare_loop, overwrite, BareLoop::Place::overwrite)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(5);
BENCHMARK_CAPTURE(bare_loop, append, BareLoop::Place::append)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(5);

void group_commit(benchmark::State& state, Waiting waiting) {
  const auto waiters = static_cast<std::uint32_t>(state.range(0));
  PairedRuns runs;
  for (auto _ : state) {
    runs = run_pairs(waiting, waiters, micro_options().pairs, micro_options().window);
    state.SetIterationTime(1 / runs.median_group_per_s());
  }
  state.counters["decisions_per_s"] = runs.median_group_per_s();
  state.counters["bare_per_s"] = runs.median_bare_per_s();
  state.counters["ratio_to_bare"] = runs.median_ratio();
  state.counters["cpu_us_per_decision"] = runs.cpu_us_per_decision();
  state.counters["syncs_per_decision"] = runs.syncs_per_decision();
}
BENCHMARK_CAPTURE(group_commit, callbacks, Waiting::callbacks)
    ->Arg(1)
    ->Arg(8)
    ->Arg(64)
    ->Arg(256)
    ->ArgName("waiters")
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(1);
BENCHMARK_CAPTURE(group_commit, threads, Waiting::threads)
    ->Arg(1)
    ->Arg(8)
    ->Arg(64)
    ->Arg(256)
    ->ArgName("waiters")
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(1);

void encode_decision(benchmark::State& state) {
  const ports::LogRecord record = decision_like(1);
  std::string out;
  const auto before = allocations();
  for (auto _ : state) {
    out.clear();
    benchmark::DoNotOptimize(wal::encode_record(record, out).ok());
  }
  state.counters["bytes"] = static_cast<double>(out.size());
  state.counters["allocations"] =
      benchmark::Counter(static_cast<double>(allocations() - before), benchmark::Counter::kAvgIterations);
}
BENCHMARK(encode_decision);

void decode_decision(benchmark::State& state) {
  std::string bytes;
  if (!wal::encode_record(decision_like(1), bytes)) state.SkipWithError("it does not encode");
  const auto before = allocations();
  for (auto _ : state) {
    const bool whole = wal::decode_records(bytes, wal::kFormatVersion, 1,
                                           [](ports::LogRecord record) { benchmark::DoNotOptimize(record); });
    if (!whole) state.SkipWithError("it does not decode");
  }
  state.counters["allocations"] =
      benchmark::Counter(static_cast<double>(allocations() - before), benchmark::Counter::kAvgIterations);
}
BENCHMARK(decode_decision);

/// A batch of so many decisions, from its header to its padding: what is done between two syncs.
void finish_batch(benchmark::State& state) {
  std::string payload(wal::kBlockHeaderBytes, '\0');
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    if (!wal::encode_record(decision_like(1), payload)) state.SkipWithError("it does not encode");
  }
  const auto records = static_cast<std::uint32_t>(state.range(0));
  std::string bytes = payload;
  for (auto _ : state) {
    bytes.resize(payload.size());
    wal::finish_block({wal::BlockKind::batch, 1, 1, 1, 0, records, 0}, wal::kBlocksOffset, bytes);
    benchmark::DoNotOptimize(bytes.data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes.size()) * static_cast<std::int64_t>(state.iterations()));
}
BENCHMARK(finish_batch)->Arg(1)->Arg(64)->Arg(256)->ArgName("decisions");

}  // namespace
}  // namespace assent::bench
