#pragma once

#include <cstdint>

#include "assent/transaction.hpp"

namespace assent::coordinator {

/// A 64-bit hash (XXH3) of what a transaction does: participants, statements, arguments, expectations. The same
/// idempotency key with another fingerprint is another request, and is refused. Never zero.
std::uint64_t fingerprint(const Transaction& transaction);

}  // namespace assent::coordinator
