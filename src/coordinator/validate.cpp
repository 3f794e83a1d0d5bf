#include "coordinator/validate.hpp"

#include <set>

#include "base/check.hpp"
#include "protocol/quorum.hpp"
#include "protocol/xid.hpp"

namespace assent::coordinator {
namespace {

Error invalid(std::string what) {
  return {Errc::invalid_argument, std::move(what), false};
}

std::string branch_path(std::size_t index) {
  return "branches[" + std::to_string(index) + "]";
}

// A transaction that its acceptors cannot decide now would only wait, with its locks.
Status check_acceptors(const std::vector<std::string>& acceptors, const std::map<std::string, Place>& participants) {
  std::size_t available = 0;
  std::string missing;
  for (const auto& name : acceptors) {
    const auto found = participants.find(name);
    ASSENT_CHECK(found != participants.end());
    if (found->second.participant->available().ok()) {
      ++available;
    } else {
      missing += (missing.empty() ? "'" : ", '") + name + "'";
    }
  }
  if (available >= protocol::majority_of(acceptors.size())) return Ok{};
  return Error{Errc::unavailable,
               "protocol: of " + std::to_string(acceptors.size()) + " acceptors " + std::to_string(available) +
                   " can be reached, and a majority is needed; not " + missing,
               true};
}

}  // namespace

Result<Placement> validate(Transaction& transaction, const Settings& settings,
                           const std::map<std::string, Place>& participants) {
  const bool three_phase = transaction.protocol == Protocol::three_phase;
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
    if (settings.witnesses.contains(branch.participant)) {
      return invalid(branch_path(i) + ".participant: '" + branch.participant +
                     "' is a witness, which keeps outcomes and runs no branches");
    }
    if (three_phase && !found->second.keeps_proofs) {
      return invalid("protocol: \"3pc\" needs proof_rows, which are turned off at '" + branch.participant + "'");
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
  Placement placement{std::move(places), {}};
  if (three_phase) {
    placement.acceptors = settings.acceptors;
    if (placement.acceptors.empty()) {
      for (const auto& branch : transaction.branches) placement.acceptors.push_back(branch.participant);
    }
    if (auto checked = check_acceptors(placement.acceptors, participants); !checked.ok()) {
      return std::move(checked).error();
    }
  }
  return placement;
}

}  // namespace assent::coordinator
