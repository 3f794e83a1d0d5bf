#pragma once

#include <cstdint>

namespace assent::base {

/// Unguessable, from the kernel; in chunks, since one call costs as much as all else in making a gtrid. Thread safe.
std::uint64_t random_64();

}  // namespace assent::base
