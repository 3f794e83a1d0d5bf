#pragma once

#include <optional>
#include <string>
#include <vector>

#include "assent/result.hpp"
#include "assent/status.hpp"
#include "participant/config.hpp"
#include "participant/session.hpp"

namespace assent::participant {

/// Looks at everything about the server that Assent's guarantees rest on, and changes nothing. An error means that the
/// examination could not be finished, mostly because the connection broke.
std::variant<std::vector<DoctorFinding>, SqlError> examine(Session& session, const Config& config);

/// A finding about the identity of the server at this name, which must not change under a running process.
DoctorFinding judge_identity(const Config& config, const std::string& before, const std::string& now);

/// The findings that forbid to serve, as one line; empty when there are none.
std::string refusals(const std::vector<DoctorFinding>& findings);

}  // namespace assent::participant
