#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "support/bank.hpp"
#include "support/record.hpp"

namespace assent::testing {

struct Audit {
  std::vector<std::string> problems;  ///< In words; empty: all holds.
  // How those that no client knows the outcome of truly ended.
  std::uint64_t unknown_committed = 0;
  std::uint64_t unknown_rolled_back = 0;
};

/// Holds what is in the databases against each other and against what clients were told. Nobody may use the bank any
/// more; the coordinator must run, and gets `patience` to settle what is left and to purge its proof rows. Throws when
/// a database cannot be read.
///
/// - The balances of all places add up to what they were at the beginning.
/// - A transfer is at all places or at none, with its amount.
/// - One that was told as committed is there; one that was told as rolled back, never run or not at all is not.
/// - Each balance is what the transfers make it.
/// - No branch of the coordinator is in doubt anywhere.
/// - A proof row is there only for a transfer that is, and none is left in the end.
/// - No client was told two outcomes of the same transfer.
Audit audit(const Bank& bank, const Record& record, const std::string& coordinator_id,
            std::chrono::milliseconds patience = std::chrono::seconds(30));

}  // namespace assent::testing
