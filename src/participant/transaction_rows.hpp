#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "participant/config.hpp"
#include "participant/session.hpp"
#include "ports/participant.hpp"

namespace assent::participant {

// What Assent's tables at a participant say of single transactions, for whoever recovers them.

/// As ports::Participant::find_rows() says.
std::variant<std::map<std::string, ports::TransactionRows>, SqlError> find_rows(Session& session, const Config& config,
                                                                                const std::vector<std::string>& gtrids);

/// As ports::Participant::choose() says.
std::variant<ports::HeuristicChoice, SqlError> choose(Session& session, const Config& config, const std::string& gtrid,
                                                      const ports::HeuristicChoice& choice);

/// As ports::Participant::list_choices() says.
std::variant<std::map<std::string, ports::HeuristicChoice>, SqlError> list_choices(Session& session,
                                                                                   const Config& config);

}  // namespace assent::participant
