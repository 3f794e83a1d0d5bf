#include "coordinator/house.hpp"

#include "base/check.hpp"
#include "protocol/quorum.hpp"

namespace assent::coordinator {
namespace {

/// Ended transactions whose outcome txn.status still tells by gtrid.
constexpr std::size_t kRecentMax = 10'000;

}  // namespace

Result<std::vector<Place>> House::places_of(const protocol::Members& members) const {
  const auto missing_one = [](const std::string& role, const std::string& name) {
    return Error{Errc::conflict,
                 "it has " + role + " '" + name +
                     "', which the configuration does not name: add it back until the transaction has ended",
                 false};
  };
  std::vector<Place> branches;
  for (const auto& name : members.participants) {
    const auto found = places.find(name);
    if (found == places.end()) return missing_one("a branch at participant", name);
    branches.push_back(found->second);
  }
  std::size_t known = 0;
  std::string missing;
  for (const auto& name : members.acceptors) {
    if (places.contains(name)) {
      ++known;
    } else {
      missing = name;
    }
  }
  if (!members.acceptors.empty() && known < protocol::majority_of(members.acceptors.size())) {
    return missing_one("the acceptor", missing);
  }
  return branches;
}

std::shared_ptr<House> make_house(ports::DecisionLog& log, const std::vector<ports::Participant*>& participants,
                                  std::size_t live_max, std::size_t keys_max) {
  std::vector<std::uint32_t> slots;
  std::map<std::string, Place> places;
  for (auto* participant : participants) {
    const auto info = participant->info();
    places[info.name] = {participant, static_cast<Admission::ParticipantIndex>(slots.size()), info.proof_rows, nullptr};
    slots.push_back(info.sessions_max);
  }
  ASSENT_CHECK(places.size() == participants.size());
  std::shared_ptr<House> house(new House{.log = log,
                                         .admission = Admission(slots),
                                         .registry = Registry(live_max, kRecentMax),
                                         .keys = IdempotencyIndex(keys_max),
                                         .places = std::move(places),
                                         .rerun = nullptr});
  for (auto& [name, place] : house->places) place.lease = &house->leases[name];
  return house;
}

}  // namespace assent::coordinator
