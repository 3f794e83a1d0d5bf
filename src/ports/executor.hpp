#pragma once

#include <functional>

namespace assent::ports {

/// Runs tasks soon, on a thread of its own, one after the other; those of one giver in the order in which they were
/// given. Thread safe; does not wait for the task.
using Executor = std::function<void(std::function<void()> task)>;

}  // namespace assent::ports
