#pragma once

#include <cstdint>
#include <string_view>

namespace assent::protocol {

/// Whose a branch is that XA RECOVER lists at a participant. Hands off everything that is not ours.
enum class Whose : std::uint8_t {
  foreign,            ///< Another formatID, or names that Assent does not make.
  other_coordinator,  ///< An Assent of another identity.
  elsewhere,          ///< Ours, but of another participant (two databases of one server list each other's).
  here,               ///< Ours, of this participant.
};

/// Reads whose a listed XID is. Everything that is not exactly as Assent writes it is foreign. By its name: whether a
/// row vouches for it is for ruling.hpp.
Whose whose_branch(std::int64_t format_id, std::string_view gtrid, std::string_view bqual, std::string_view coordinator,
                   std::string_view participant);

}  // namespace assent::protocol
