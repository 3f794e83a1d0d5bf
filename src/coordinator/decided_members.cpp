#include "coordinator/decided_members.hpp"

#include <algorithm>

namespace assent::coordinator {
namespace {

constexpr protocol::ServerIdentity kUnknown = 0;

void note(protocol::Members& members, const std::vector<std::string>& names,
          const std::vector<std::uint64_t>& identities) {
  for (std::size_t i = 0; i < std::min(names.size(), identities.size()); ++i) {
    if (identities[i] != kUnknown) members.identities.emplace(names[i], identities[i]);
  }
}

std::vector<std::uint64_t> identities_of(const protocol::Members& members, const std::vector<std::string>& names) {
  std::vector<std::uint64_t> identities;
  for (const auto& name : names) identities.push_back(members.identity_of(name).value_or(kUnknown));
  return identities;
}

}  // namespace

protocol::Members members_of(const ports::CommitDecision& decision) {
  protocol::Members members{decision.participants, decision.acceptors};
  note(members, decision.participants, decision.identities);
  note(members, decision.acceptors, decision.acceptor_identities);
  return members;
}

void set_members(ports::CommitDecision& decision, const protocol::Members& members) {
  decision.participants = members.participants;
  decision.acceptors = members.acceptors;
  decision.identities = identities_of(members, members.participants);
  decision.acceptor_identities = identities_of(members, members.acceptors);
}

bool is_outcome(const ports::CommitDecision& decision, std::uint32_t given_up_below) {
  if (decision.protocol == Protocol::three_phase) return false;
  const auto parts = protocol::parse_gtrid(decision.gtrid);
  return !parts || parts->epoch >= given_up_below;
}

}  // namespace assent::coordinator
