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
      .hazards = [&] { return coordinator.hazards(); },
      .acknowledge = [&](Acknowledgement said,
                         ports::Done<Status> done) { coordinator.acknowledge(std::move(said), std::move(done)); },
      .survey = [&](SurveyQuery query,
                    ports::Done<Result<Survey>> done) { coordinator.survey(std::move(query), std::move(done)); },
      .recover_now =
          [&](std::string who, ports::Done<Result<std::uint64_t>> done) {
            coordinator.recover_now(std::move(who), std::move(done));
          },
  };
}

}  // namespace assent::server
