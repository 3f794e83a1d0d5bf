#pragma once

#include <cstdint>

namespace assent::bench {

/// How often the calling thread has asked for memory. The program's operator new counts; malloc by itself does not.
std::uint64_t allocations() noexcept;

}  // namespace assent::bench
