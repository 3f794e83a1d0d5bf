#pragma once

#include <cstdint>

namespace assent::base {

/// Unguessable, from the kernel; in chunks, since one call costs as much as all else in making a gtrid. Thread safe.
std::uint64_t random_64();

/// Made at random once per process, never 0: tells this start of a program from every other one.
std::uint64_t process_instance();

}  // namespace assent::base
