#include "coordinator/house.hpp"

#include "base/check.hpp"

namespace assent::coordinator {
namespace {

/// Ended transactions whose outcome txn.status still tells by gtrid.
constexpr std::size_t kRecentMax = 10'000;

}  // namespace

std::shared_ptr<House> make_house(ports::DecisionLog& log, const std::vector<ports::Participant*>& participants,
                                  std::size_t live_max, std::size_t keys_max) {
  std::vector<std::uint32_t> slots;
  std::map<std::string, Place> places;
  for (auto* participant : participants) {
    const auto info = participant->info();
    places[info.name] = {participant, static_cast<Admission::ParticipantIndex>(slots.size()), info.proof_rows};
    slots.push_back(info.sessions_max);
  }
  ASSENT_CHECK(places.size() == participants.size());
  return std::shared_ptr<House>(new House{.log = log,
                                          .admission = Admission(slots),
                                          .registry = Registry(live_max, kRecentMax),
                                          .keys = IdempotencyIndex(keys_max),
                                          .places = std::move(places),
                                          .rerun = nullptr});
}

}  // namespace assent::coordinator
