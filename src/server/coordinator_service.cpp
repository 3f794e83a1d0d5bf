#include "server/coordinator_service.hpp"

#include <utility>

namespace assent::server {

Service service_of(coordinator::Coordinator& coordinator) {
  return {
      .submit =
          [&](Transaction transaction, ports::Done<Result<TransactionResult>> done) {
            coordinator.submit(std::move(transaction), std::move(done));
          },
      .status_of_gtrid = [&](const std::string& gtrid) { return coordinator.status_of_gtrid(gtrid); },
      .status_of_key = [&](const std::string& key) { return coordinator.status_of_key(key); },
      .list = [&](std::size_t max) { return coordinator.list(max); },
      .participants = [&] { return coordinator.participants(); },
      .info = [&] { return coordinator.info(); },
  };
}

}  // namespace assent::server
