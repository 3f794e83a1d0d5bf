#pragma once

#include <memory>
#include <vector>

#include "assent/result.hpp"
#include "assent/status.hpp"
#include "participant/config.hpp"
#include "ports/participant.hpp"

namespace assent::participant {

/// A participant over Connector/C++. Nothing is connected before inspect() or enrol(). stop() or the destructor ends
/// it.
std::unique_ptr<ports::Participant> make_participant(Config config);

/// Connects, looks at everything that Assent's guarantees rest on, and changes nothing. For offline use.
Result<std::vector<DoctorFinding>> doctor(const Config& config);

}  // namespace assent::participant
