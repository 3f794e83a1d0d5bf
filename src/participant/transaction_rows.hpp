#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "participant/config.hpp"
#include "participant/schema.hpp"
#include "participant/session.hpp"
#include "ports/participant.hpp"

namespace assent::participant {

// What Assent's tables at a participant say of single transactions, for whoever recovers them.

/// As ports::Participant::find_rows() says.
std::variant<std::map<std::string, ports::TransactionRows>, SqlError> find_rows(Session& session, const Config& config,
                                                                                const std::vector<std::string>& gtrids);

/// Takes those branches out that were made by somebody else under such names: each of Assent's that is prepared here
/// has its own row, unless proof rows were ever off.
Failure forget_planted(Session& session, const Config& config, std::vector<ports::ListedXid>& branches);

/// As ports::Participant::list_rows() says.
std::variant<std::vector<std::string>, SqlError> list_rows(Session& session, const Config& config,
                                                           const std::string& from, const std::string& to,
                                                           std::size_t most);

/// As ports::Participant::choose() says.
std::variant<ports::HeuristicChoice, SqlError> choose(Session& session, const Config& config, const std::string& gtrid,
                                                      const ports::HeuristicChoice& choice);

/// As ports::Participant::list_choices() says.
std::variant<std::map<std::string, ports::HeuristicChoice>, SqlError> list_choices(Session& session,
                                                                                   const Config& config);

}  // namespace assent::participant
