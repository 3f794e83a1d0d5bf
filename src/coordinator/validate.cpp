#include "coordinator/validate.hpp"

#include <set>

#include "protocol/xid.hpp"

namespace assent::coordinator {
namespace {

Error invalid(std::string what) {
  return {Errc::invalid_argument, std::move(what), false};
}

std::string branch_path(std::size_t index) {
  return "branches[" + std::to_string(index) + "]";
}

}  // namespace

Result<std::vector<Place>> validate(Transaction& transaction, const Settings& settings,
                                    const std::map<std::string, Place>& participants) {
  if (transaction.protocol != Protocol::two_phase) {
    return invalid("protocol: this coordinator offers \"2pc\" only");
  }
  if (transaction.timeout.count() == 0) transaction.timeout = settings.default_timeout;
  if (transaction.timeout.count() < 0 || transaction.timeout > settings.timeout_max) {
    return invalid("timeout_ms: must be 1 to " + std::to_string(settings.timeout_max.count()));
  }
  if (transaction.branches.empty()) return invalid("branches: empty; name at least one participant with a statement");
  if (transaction.branches.size() > protocol::kBranchesMax) {
    return invalid("branches: more than " + std::to_string(protocol::kBranchesMax));
  }
  std::vector<Place> places;
  std::set<std::string> seen;
  std::size_t statements = 0;
  for (std::size_t i = 0; i < transaction.branches.size(); ++i) {
    const auto& branch = transaction.branches[i];
    const auto found = participants.find(branch.participant);
    if (found == participants.end()) {
      return invalid(branch_path(i) + ".participant: there is no participant '" + branch.participant +
                     "'; participant.list names those there are");
    }
    if (!seen.insert(branch.participant).second) {
      return invalid(branch_path(i) + ".participant: '" + branch.participant +
                     "' appears twice; put all its statements into one branch");
    }
    if (branch.statements.empty()) return invalid(branch_path(i) + ".statements: empty; leave the branch out instead");
    statements += branch.statements.size();
    if (const auto checked = found->second.participant->check(branch); !checked.ok()) {
      return invalid(branch_path(i) + "." + checked.error().what);
    }
    places.push_back(found->second);
  }
  if (statements > settings.statements_per_transaction_max) {
    return invalid("branches: " + std::to_string(statements) + " statements are more than the bound, " +
                   std::to_string(settings.statements_per_transaction_max));
  }
  for (const auto& place : places) {
    if (auto available = place.participant->available(); !available.ok()) return std::move(available).error();
  }
  return places;
}

}  // namespace assent::coordinator
