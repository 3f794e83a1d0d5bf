#include "app/databases.hpp"

#include "participant/participant.hpp"

namespace assent::app {

Status Databases::open(const Config& config, const std::string& coordinator_id) {
  for (const auto& participant : config.participants) {
    auto password = read_password(participant);
    if (!password) return std::move(password).error();
    auto connection = participant.connection;
    connection.password = std::move(*password);
    connection.coordinator_id = coordinator_id;
    owned_.push_back(participant::make_participant(std::move(connection), loop_));
    all_.push_back(owned_.back().get());
  }
  return Ok{};
}

void Databases::close() {
  for (auto* one : all_) one->stop();
}

}  // namespace assent::app
