// Queries about transactions, participants and the coordinator itself. They change nothing.

#include <algorithm>
#include <map>
#include <set>

#include "base/clock.hpp"
#include "base/version.hpp"
#include "coordinator/coordinator_impl.hpp"
#include "protocol/xid.hpp"

namespace assent::coordinator {
namespace {

/// Of those whose branches were not looked at since the start, or cannot be for now: their hazards, which the log
/// keeps.
void add_those_with_hazards(std::vector<TransactionStatus>& listing, const std::vector<Hazard>& hazards) {
  std::map<std::string, TransactionStatus> more;
  std::set<std::string> listed;
  for (const auto& one : listing) listed.insert(one.gtrid);
  for (const auto& hazard : hazards) {
    if (listed.contains(hazard.gtrid)) continue;
    auto& status = more[hazard.gtrid];
    status.gtrid = hazard.gtrid;
    if (const auto parts = protocol::parse_gtrid(hazard.gtrid)) status.protocol = parts->protocol;
    status.age_ms = std::max<std::int64_t>({0, status.age_ms, base::wall_clock_ms() - hazard.found_at_ms});
    status.branches.push_back({hazard.participant, BranchState::hazard, hazard.reason});
  }
  for (auto& [gtrid, status] : more) listing.push_back(std::move(status));
}

}  // namespace

Result<TransactionStatus> Coordinator::Impl::status_of_gtrid(const std::string& gtrid) const {
  if (const auto live = house_->registry.find(gtrid)) return live->status();
  if (auto recent = house_->registry.recent(gtrid)) return std::move(*recent);
  if (auto left = resolver_ ? resolver_->doubts().find(gtrid) : std::nullopt) return std::move(*left);
  return Error{
      Errc::not_found,
      "no transaction '" + gtrid +
          "' is kept here: it has ended and was forgotten, was settled by an operator, or was never known here. "
          "assentctl recover shows what is left of it, and what operators have chosen",
      false};
}

Result<TransactionStatus> Coordinator::Impl::status_of_key(const std::string& key) const {
  if (const auto gtrid = house_->keys.gtrid_of(key)) {
    if (auto status = status_of_gtrid(*gtrid); status.ok()) {
      // Until the key has its outcome, a rollback may be followed by another run, under another gtrid.
      if (status->outcome == Outcome::rolled_back && !house_->keys.find(key)) {
        status->outcome.reset();
        status->cause.reset();
      }
      return status;
    }
  }
  if (const auto first = house_->keys.find(key)) {
    TransactionStatus status;
    status.gtrid = first->gtrid;
    status.outcome = first->outcome;
    // It is no longer alive, so nothing of it is left to settle.
    status.settled = true;
    status.idempotency_key = key;
    status.cause = first->cause;
    for (const auto& branch : first->branches) {
      const auto state = first->outcome == Outcome::committed && branch.state != BranchState::unproven
                             ? BranchState::committed
                             : branch.state;
      status.branches.push_back({branch.participant, state, ""});
    }
    return status;
  }
  return Error{Errc::not_found,
               "no transaction is kept for the idempotency key '" + key +
                   "': it was never received, was not run, was not decided before a crash, or is no longer kept. "
                   "assentctl list shows what is still open",
               false};
}

std::vector<TransactionStatus> Coordinator::Impl::list(std::size_t max) const {
  std::vector<TransactionStatus> listing;
  for (const auto& live : house_->registry.all()) {
    auto status = live->status();
    if (!status.settled) listing.push_back(std::move(status));
  }
  auto left = left_behind();
  std::move(left.begin(), left.end(), std::back_inserter(listing));
  {
    const std::lock_guard lock(others_mutex_);
    for (const auto& others : others_) {
      auto theirs = others.in_doubt();
      std::move(theirs.begin(), theirs.end(), std::back_inserter(listing));
    }
  }
  add_those_with_hazards(listing, hazards());
  std::sort(listing.begin(), listing.end(), [](const auto& a, const auto& b) { return a.gtrid < b.gtrid; });
  if (listing.size() > max) listing.resize(max);
  return listing;
}

std::vector<TransactionStatus> Coordinator::Impl::left_behind() const {
  if (!resolver_) return {};
  auto all = resolver_->doubts().all();
  std::erase_if(all, [&](const auto& one) { return house_->registry.find(one.gtrid) != nullptr; });
  return all;
}

std::vector<ParticipantInfo> Coordinator::Impl::participants() const {
  std::vector<ParticipantInfo> infos;
  for (const auto* participant : participants_) infos.push_back(participant->info());
  return infos;
}

// Monitoring may look at nothing else. So it must show when no work can be done, and when another process owns what
// this one takes for its own.
std::string Coordinator::Impl::state_of_service() const {
  if (house_->displaced) return "displaced";
  if (state_ != State::serving) return "draining";
  {
    const std::lock_guard lock(claims_mutex_);
    if (!refused_.empty()) return "kept_out";
  }
  const bool any_up = std::any_of(participants_.begin(), participants_.end(),
                                  [](const auto* participant) { return participant->available().ok(); });
  return any_up ? "serving" : "no_participant";
}

ServerInfo Coordinator::Impl::info() const {
  ServerInfo info;
  info.version = base::kVersion;
  info.coordinator = settings_.coordinator_id;
  info.epoch = epoch_;
  info.uptime_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(base::SteadyClock::now() - started_at_).count();
  switch (house_->log.condition()) {
    case ports::LogCondition::accepting: info.state = state_of_service(); break;
    case ports::LogCondition::reserve_only: info.state = "log_full"; break;
    case ports::LogCondition::poisoned: info.state = "log_poisoned"; break;
  }
  info.live = static_cast<std::uint32_t>(house_->registry.live());
  info.hazards = static_cast<std::uint32_t>(hazards().size());
  for (const auto& live : house_->registry.all()) {
    for (const auto& branch : live->status().branches) {
      if (branch.state == BranchState::in_doubt) ++info.in_doubt;
    }
  }
  if (resolver_) info.in_doubt += static_cast<std::uint32_t>(resolver_->doubts().in_doubt());
  info.limits = {{"live_transactions_max", settings_.live_transactions_max},
                 {"idempotency_keys_max", settings_.idempotency_keys_max},
                 {"statements_per_transaction_max", settings_.statements_per_transaction_max},
                 {"branches_max", protocol::kBranchesMax},
                 {"default_timeout_ms", static_cast<std::uint64_t>(settings_.default_timeout.count())},
                 {"timeout_max_ms", static_cast<std::uint64_t>(settings_.timeout_max.count())}};
  const auto log = house_->log.stats();
  info.counters = {{"submitted", submitted_},
                   {"committed", house_->committed},
                   {"rolled_back", house_->rolled_back},
                   {"unknown", house_->unknown},
                   {"refused_overloaded", overloaded_},
                   {"hazards_found", house_->hazards_found},
                   {"settle_retries", house_->settle_retries},
                   {"sweeps", house_->sweeps},
                   {"full_sweeps", house_->full_sweeps},
                   {"orphans_rolled_back", house_->orphans_rolled_back},
                   {"orphans_committed", house_->orphans_committed},
                   {"orphan_retries", house_->orphan_retries},
                   {"proof_rows_purged", house_->proof_rows_purged},
                   {"acceptor_rows_purged", house_->acceptor_rows_purged},
                   {"pre_commits_outbid", house_->pre_commits_outbid},
                   {"terminated_commit", house_->terminated_commit},
                   {"terminated_rollback", house_->terminated_rollback},
                   {"log_forced_records", log.forced_records},
                   {"log_records", log.records},
                   {"log_syncs", log.syncs},
                   {"log_bytes_written", log.bytes_written},
                   {"log_checkpoints", log.checkpoints}};
  for (const auto reason : kRollbackReasons) {
    info.counters.emplace(counter_of(reason), house_->rollbacks[static_cast<std::size_t>(reason)]);
  }
  return info;
}

}  // namespace assent::coordinator
