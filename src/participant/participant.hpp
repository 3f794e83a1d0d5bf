#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "assent/result.hpp"
#include "assent/status.hpp"
#include "base/event_loop.hpp"
#include "participant/config.hpp"
#include "ports/participant.hpp"

namespace assent::participant {

/// A MySQL or MariaDB server. Its branches run on `loop`, which must outlive it. Nothing is connected before inspect()
/// or enrol(). stop() or the destructor ends it, not on the loop's thread.
std::unique_ptr<ports::Participant> make_participant(Config config, base::EventLoop& loop);

/// What the doctor has to say of a server.
struct Diagnosis {
  std::string server_kind;  ///< "MariaDB" or "MySQL".
  std::string server_version;
  std::chrono::milliseconds clock_ahead{0};  ///< Of this host's, within half of a round trip.
  std::vector<DoctorFinding> findings;
  std::optional<ports::OwnerRow> owner;  ///< Who was last here with the coordinator's identity.
};

/// Connects, looks at everything that Assent's guarantees rest on, and changes nothing. For offline use.
Result<Diagnosis> doctor(const Config& config);

}  // namespace assent::participant
