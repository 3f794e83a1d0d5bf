#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <variant>

#include <nlohmann/json.hpp>

#include "micro_alloc.hpp"
#include "wire/framer.hpp"
#include "wire/message.hpp"
#include "wire/tape.hpp"

// A transfer as a client submits it, and its answer. Beside the wire's own reader and writer stands what a tree of
// nlohmann::json costs for the same text, without a look at any field.

namespace assent::bench {
namespace {

constexpr std::size_t kLineBytesMax = 1 << 20;
constexpr std::size_t kNestingMax = 64;

std::string submit_frame() {
  Transaction transaction;
  transaction.timeout = std::chrono::milliseconds(5'000);
  transaction.idempotency_key = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
  const auto branch = [](std::string participant, std::string sql, std::int64_t amount) {
    Statement statement;
    statement.sql = std::move(sql);
    statement.args = {amount, std::int64_t{4711}};
    statement.expect_affected = AffectedRange{1, 1};
    return Branch{std::move(participant), {std::move(statement)}};
  };
  transaction.branches = {
      branch("orders", "UPDATE accounts SET balance = balance - ? WHERE id = ? AND balance >= 0", 25),
      branch("stock", "UPDATE accounts SET balance = balance + ? WHERE id = ?", 25)};
  std::string frame;
  if (!wire::append_request(frame, 12345, transaction)) std::abort();
  frame.pop_back();
  return frame;
}

TransactionResult submit_result() {
  TransactionResult result;
  result.gtrid = "shop1.0000002a.00000000012f.9f86d081884c7d65.2";
  result.outcome = Outcome::committed;
  result.settled = true;
  result.branches = {{"orders", BranchState::committed, {{1, std::nullopt, std::nullopt}}},
                     {"stock", BranchState::committed, {{1, std::nullopt, std::nullopt}}}};
  return result;
}

void report(benchmark::State& state, std::uint64_t before, std::size_t bytes) {
  state.counters["allocations"] =
      benchmark::Counter(static_cast<double>(allocations() - before), benchmark::Counter::kAvgIterations);
  state.counters["bytes"] = static_cast<double>(bytes);
}

void parse_submit(benchmark::State& state) {
  const std::string frame = submit_frame();
  wire::Parser parser;
  const auto before = allocations();
  for (auto _ : state) {
    auto parsed = parser.parse_request(frame);
    if (!std::holds_alternative<wire::Request>(parsed)) state.SkipWithError("the request was refused");
    benchmark::DoNotOptimize(parsed);
  }
  report(state, before, frame.size());
}
BENCHMARK(parse_submit);

/// The JSON alone, before its fields are read.
void parse_submit_to_tape(benchmark::State& state) {
  const std::string frame = submit_frame();
  wire::Tape tape;
  const auto before = allocations();
  for (auto _ : state) {
    if (!tape.parse(frame, kNestingMax).empty()) state.SkipWithError("the request is no JSON");
    benchmark::DoNotOptimize(tape);
  }
  report(state, before, frame.size());
}
BENCHMARK(parse_submit_to_tape);

void parse_submit_to_nlohmann_tree(benchmark::State& state) {
  const std::string frame = submit_frame();
  const auto before = allocations();
  for (auto _ : state) {
    auto tree = nlohmann::json::parse(frame, nullptr, false);
    if (tree.is_discarded()) state.SkipWithError("the request is no JSON");
    benchmark::DoNotOptimize(tree);
  }
  report(state, before, frame.size());
}
BENCHMARK(parse_submit_to_nlohmann_tree);

void print_answer(benchmark::State& state) {
  const auto result = submit_result();
  const wire::Id id{"12345"};
  std::string out;
  const auto before = allocations();
  for (auto _ : state) {
    out.clear();
    wire::append_answer(out, id, result);
    benchmark::DoNotOptimize(out.data());
  }
  report(state, before, out.size());
}
BENCHMARK(print_answer);

void print_answer_by_nlohmann_tree(benchmark::State& state) {
  std::string text;
  wire::append_answer(text, wire::Id{"12345"}, submit_result());
  const auto tree = nlohmann::json::parse(text);
  std::string out;
  const auto before = allocations();
  for (auto _ : state) {
    out = tree.dump();
    benchmark::DoNotOptimize(out.data());
  }
  report(state, before, out.size());
}
BENCHMARK(print_answer_by_nlohmann_tree);

/// A connection that pipelines: so many requests wait in the socket at each read. Time is per request.
void frame_lines(benchmark::State& state) {
  const auto at_once = static_cast<std::size_t>(state.range(0));
  std::string stream;
  for (std::size_t i = 0; i < at_once; ++i) stream += submit_frame() + '\n';
  wire::Framer framer(kLineBytesMax);
  const auto before = allocations();
  std::size_t lines = 0;
  std::size_t at = 0;
  while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(at_once))) {
    for (std::size_t found = 0; found < at_once;) {
      const auto space = framer.space();
      const auto count = std::min(space.size(), stream.size() - at);
      std::memcpy(space.data(), stream.data() + at, count);
      framer.fed(count);
      at = (at + count) % stream.size();
      while (auto line = framer.next()) {
        benchmark::DoNotOptimize(line->data());
        ++found;
        ++lines;
      }
    }
  }
  if (lines == 0 || framer.overflowed()) state.SkipWithError("no line came out");
  report(state, before, stream.size() / at_once);
}
BENCHMARK(frame_lines)->Arg(1)->Arg(64)->ArgName("pipelined");

}  // namespace
}  // namespace assent::bench
