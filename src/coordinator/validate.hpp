#pragma once

#include <map>
#include <string>
#include <vector>

#include "assent/result.hpp"
#include "coordinator/coordinator.hpp"
#include "coordinator/live_transaction.hpp"

namespace assent::coordinator {

/// Where a transaction is to run.
struct Placement {
  std::vector<Place> branches;
  std::vector<std::string> acceptors;  ///< In three phases.
};

/// Checks a request as far as that is possible before anything runs. Its protocol must be set; fills in the default
/// timeout.
Result<Placement> validate(Transaction& transaction, const Settings& settings,
                           const std::map<std::string, Place>& participants);

}  // namespace assent::coordinator
