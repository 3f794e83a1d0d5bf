#include "bench/bench_workload.hpp"

#include "bench/bench_workload_bank.hpp"
#include "bench/bench_workload_order.hpp"

namespace assent::bench {

const std::vector<WorkloadKind>& workload_kinds() {
  static const std::vector<WorkloadKind> kinds = {
      {"transfer", 2, "money between accounts at two participants (--touched for more): one UPDATE at each"},
      {"order", 3, "insert the order, take stock of which there must be enough, insert the payment"},
      {"read-mostly", 2, "nine in ten transactions read a handful of rows at each of two participants, one transfers"},
      {"hot", 2, "transfers paid by 8 accounts of each participant: waits for rows (with --accounts 8 deadlocks, too)"},
      {"single", 1, "one UPDATE at one participant"},
  };
  return kinds;
}

const WorkloadKind* find_workload(const std::string& name) {
  for (const auto& kind : workload_kinds()) {
    if (name == kind.name) return &kind;
  }
  return nullptr;
}

std::unique_ptr<Workload> make_workload(const std::string& name, Workload::Options options) {
  if (name == "order") return std::make_unique<OrderWorkload>(std::move(options));
  if (name == "single") return std::make_unique<BankWorkload>(BankWorkload::Kind::deposit, std::move(options));
  if (name == "read-mostly") return std::make_unique<BankWorkload>(BankWorkload::Kind::read_mostly, std::move(options));
  if (name == "hot") return std::make_unique<BankWorkload>(BankWorkload::Kind::hot, std::move(options));
  return std::make_unique<BankWorkload>(BankWorkload::Kind::transfer, std::move(options));
}

SumCheck check_sum(std::string name, std::int64_t expected, std::int64_t seen, std::int64_t uncertain) {
  auto words = "expected " + std::to_string(expected);
  if (uncertain > 0) words += " to " + std::to_string(expected + uncertain);
  words += ", seen " + std::to_string(seen);
  return {std::move(name), seen >= expected && seen <= expected + uncertain, std::move(words)};
}

}  // namespace assent::bench
