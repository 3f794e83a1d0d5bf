#pragma once

#include <map>
#include <string>
#include <vector>

#include "assent/result.hpp"
#include "coordinator/coordinator.hpp"
#include "coordinator/live_transaction.hpp"

namespace assent::coordinator {

/// Everything that can be told to be wrong with a request before anything runs. Fills in the default timeout, and gives
/// the branches' places.
Result<std::vector<Place>> validate(Transaction& transaction, const Settings& settings,
                                    const std::map<std::string, Place>& participants);

}  // namespace assent::coordinator
