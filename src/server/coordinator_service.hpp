#pragma once

#include "coordinator/coordinator.hpp"
#include "server/server.hpp"

namespace assent::server {

/// What a Server asks, answered by `coordinator`, which must outlive the server.
Service service_of(coordinator::Coordinator& coordinator);

}  // namespace assent::server
