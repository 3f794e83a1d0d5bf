#include <benchmark/benchmark.h>

#include <utility>

#include "micro_alloc.hpp"
#include "protocol/recovery.hpp"
#include "protocol/ruling.hpp"
#include "protocol/settle.hpp"
#include "protocol/transaction_rules.hpp"
#include "protocol/xid.hpp"

// The rules: what deciding costs, sockets and disks aside.

namespace assent::bench {
namespace {

using namespace protocol;

void count_allocations(benchmark::State& state, std::uint64_t before) {
  state.counters["allocations"] =
      benchmark::Counter(static_cast<double>(allocations() - before), benchmark::Counter::kAvgIterations);
}

/// Two votes, the durable decision, two settled branches: six states and all that they command.
void transaction_of_two_branches(benchmark::State& state) {
  const Event events[] = {Voted{0, Voted::Kind::prepared}, Voted{1, Voted::Kind::prepared}, DecisionDurable{},
                          Settled{0, Finding::committed}, Settled{1, Finding::committed}};
  const auto before = allocations();
  for (auto _ : state) {
    TransactionRules rules = begin(2, false);
    std::size_t commands = 0;
    for (const auto& event : events) {
      Step done = step(std::move(rules), event);
      commands += done.commands.size();
      rules = std::move(done.next);
    }
    if (rules.phase != Phase::ended) state.SkipWithError("the transaction did not end");
    benchmark::DoNotOptimize(commands);
  }
  count_allocations(state, before);
}
BENCHMARK(transaction_of_two_branches);

const GtridParts kGtrid{"shop1", 42, 303, 0x9f86d081884c7d65, Protocol::two_phase};
const BqualParts kBqual{1, 2, "orders"};

void xid_format(benchmark::State& state) {
  const auto before = allocations();
  for (auto _ : state) {
    benchmark::DoNotOptimize(xid_literal({format_gtrid(kGtrid), format_bqual(kBqual)}));
  }
  count_allocations(state, before);
}
BENCHMARK(xid_format);

void xid_parse(benchmark::State& state) {
  const std::string gtrid = format_gtrid(kGtrid);
  const std::string bqual = format_bqual(kBqual);
  const auto before = allocations();
  for (auto _ : state) {
    const auto transaction = parse_gtrid(gtrid);
    const auto branch = parse_bqual(bqual);
    if (!transaction || !branch) state.SkipWithError("it does not parse");
    benchmark::DoNotOptimize(transaction);
    benchmark::DoNotOptimize(branch);
  }
  count_allocations(state, before);
}
BENCHMARK(xid_parse);

/// One branch that XA RECOVER lists: whose it is, and what to do about it.
void recovery_of_a_listed_branch(benchmark::State& state) {
  const std::string gtrid = format_gtrid(kGtrid);
  const std::string bqual = format_bqual(kBqual);
  const auto before = allocations();
  for (auto _ : state) {
    const Whose whose = whose_branch(kFormatId, gtrid, bqual, "shop1", "orders");
    const Ruled ruled = rule({.protocol = Protocol::two_phase, .known = Known::nothing, .era = Era::past});
    if (whose != Whose::here || ruled.ruling != Ruling::roll_back) state.SkipWithError("the rule has changed");
    benchmark::DoNotOptimize(ruled);
  }
  count_allocations(state, before);
}
BENCHMARK(recovery_of_a_listed_branch);

/// The rule for an answer that was lost and a proof row that is there.
void judge_a_branch(benchmark::State& state) {
  Observation seen{Decided::commit, true, Reply::none, Listed::no, Proof::present, Owner::gone};
  for (auto _ : state) {
    benchmark::DoNotOptimize(seen);
    const Finding finding = judge(seen);
    if (finding != Finding::committed) state.SkipWithError("the rule has changed");
    benchmark::DoNotOptimize(finding);
  }
}
BENCHMARK(judge_a_branch);

}  // namespace
}  // namespace assent::bench
