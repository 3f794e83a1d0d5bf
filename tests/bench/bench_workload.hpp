#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bench/bench_results.hpp"
#include "bench/bench_transaction.hpp"

namespace assent::bench {

/// What transactions do, and what must hold when they are done. Not thread safe.
class Workload {
 public:
  struct Options {
    std::vector<std::string> databases;  ///< By participant.
    unsigned touched = 2;                ///< Participants of one transaction, where the workload leaves a choice.
    unsigned statements = 1;             ///< Per branch, where it does.
    unsigned accounts = 10'000;
    std::uint64_t seed = 1;
  };
  /// One number out of a participant's database.
  using Ask = std::function<std::int64_t(unsigned participant, const std::string& query)>;

  virtual ~Workload() = default;

  /// The next transaction, in the memory of an earlier one.
  virtual void next(Transaction& into) = 0;
  /// How a transaction ended, `committed` with a bit per branch. Of a torn one, which nobody had promised not to be,
  /// the sums allow for what committed.
  virtual void ended(const Transaction& transaction, Outcome outcome, std::uint64_t committed) = 0;

  /// Statements that make and fill what a participant's new database needs.
  virtual std::vector<std::string> make_tables(unsigned participant) const = 0;
  virtual std::vector<SumCheck> check(const Ask& ask) const = 0;
  /// A statement at the first participant after which check() must find something wrong.
  virtual std::string spoil() const = 0;
};

struct WorkloadKind {
  const char* name;
  unsigned participants_min;
  const char* sentence;
};
/// "transfer", "order", "read-mostly", "hot" and "single".
const std::vector<WorkloadKind>& workload_kinds();
/// Null where the name is none of them.
const WorkloadKind* find_workload(const std::string& name);
std::unique_ptr<Workload> make_workload(const std::string& name, Workload::Options options);

/// Balance of each account and stock of each item at the beginning.
inline constexpr std::int64_t kOpening = 1'000'000;

/// Whether a sum is what it must be, or at most `uncertain` more.
SumCheck check_sum(std::string name, std::int64_t expected, std::int64_t seen, std::int64_t uncertain = 0);

}  // namespace assent::bench
