#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

#include "participant/config.hpp"
#include "participant/session.hpp"
#include "ports/participant.hpp"

namespace assent::participant {

/// The part of a range of gtrids that is this coordinator's.
std::pair<std::string, std::string> own_range(const Config& config, const std::string& from, const std::string& to);

/// As ports::Participant::purge_proofs() says. Never waits for a running branch's row, whatever lies beside the range:
/// the keys are read without locks, and each is deleted by its whole key. (A DELETE over the range itself would lock
/// the first row behind it.)
std::variant<std::uint64_t, SqlError> purge_range(Session& session, const Config& config,
                                                  const ports::Participant::PurgedRange& range);

}  // namespace assent::participant
