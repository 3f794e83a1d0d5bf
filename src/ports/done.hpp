#pragma once

#include <functional>

namespace assent::ports {

/// Called exactly once with the outcome of an operation, on a thread of whoever ran it, never while a lock of the
/// caller is held and never before the starting call has taken all it needs. It must not block or throw.
template <typename T>
using Done = std::function<void(T)>;

}  // namespace assent::ports
