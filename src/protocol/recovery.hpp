#pragma once

#include <cstdint>
#include <string_view>

namespace assent::protocol {

/// The owner of a branch that XA RECOVER lists at a participant. A branch that is not ours is never touched.
enum class Whose : std::uint8_t {
  foreign,            ///< Another formatID, or names that Assent does not make.
  other_coordinator,  ///< An Assent of another identity.
  elsewhere,          ///< Ours, but of another participant (two databases of one server list each other's).
  here,               ///< Ours, of this participant.
};

/// Finds the owner of a listed XID by its name alone; ruling.hpp looks at whether a row vouches for it. Everything that
/// is not exactly as Assent writes it is foreign.
Whose whose_branch(std::int64_t format_id, std::string_view gtrid, std::string_view bqual, std::string_view coordinator,
                   std::string_view participant);

}  // namespace assent::protocol
