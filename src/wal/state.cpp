#include "wal/state.hpp"

#include <algorithm>
#include <utility>

namespace assent::wal {

void StateBuilder::restore(std::string coordinator, std::uint32_t epoch, std::uint32_t first_epoch) {
  state_.coordinator = std::move(coordinator);
  state_.epoch = epoch;
  state_.first_epoch = first_epoch;
}

void StateBuilder::restore(ports::LiveDecision live) {
  auto gtrid = live.decision.gtrid;
  state_.live.insert_or_assign(std::move(gtrid), std::move(live));
}

void StateBuilder::restore(ports::HazardFound hazard) {
  std::pair place(hazard.gtrid, hazard.branch);
  state_.hazards.insert_or_assign(std::move(place), std::move(hazard));
}

void StateBuilder::keep(ports::KeptKey key) {
  auto name = key.key;
  const auto [place, added] = state_.kept_keys.insert_or_assign(name, std::move(key));
  if (!added) key_order_.erase(std::find(key_order_.begin(), key_order_.end(), name));
  key_order_.push_back(std::move(name));
  while (key_order_.size() > kept_keys_max_) {
    state_.kept_keys.erase(key_order_.front());
    key_order_.pop_front();
  }
}

void StateBuilder::apply(ports::LogRecord&& record) {
  std::visit([this](auto& held) { on(std::move(held)); }, record);
}

void StateBuilder::apply(const ports::LogRecord& record) {
  std::visit([this](const auto& held) { on(held); }, record);
}

void StateBuilder::on(ports::CommitDecision record) {
  const auto [place, added] = state_.live.try_emplace(record.gtrid);
  if (!added) return;
  if (!record.idempotency_key.empty()) {
    keep({record.idempotency_key, record.gtrid, record.request_fingerprint, record.decided_at_ms, record.participants});
  }
  place->second.decision = std::move(record);
}

void StateBuilder::on(const ports::BranchSettled& record) {
  const auto found = state_.live.find(record.gtrid);
  if (found == state_.live.end()) return;
  // The later word counts: one that is proven after it was acknowledged has come back, and committed.
  found->second.hazards.erase(record.branch);
  found->second.acknowledged.erase(record.branch);
  found->second.settled.insert(record.branch);
}

void StateBuilder::on(const ports::HazardAcknowledged& record) {
  state_.hazards.erase({record.gtrid, record.branch});
  const auto found = state_.live.find(record.gtrid);
  if (found == state_.live.end() || found->second.hazards.erase(record.branch) == 0) return;
  found->second.acknowledged.insert(record.branch);
}

void StateBuilder::on(const ports::TransactionEnded& record) {
  const auto found = state_.live.find(record.gtrid);
  if (found == state_.live.end()) return;
  contradict(found->second);
  state_.live.erase(found);
}

// The key of one that had a hazard to the end stands for no outcome.
bool StateBuilder::contradict(const ports::LiveDecision& ended) {
  const auto kept = state_.kept_keys.find(ended.decision.idempotency_key);
  if (ended.acknowledged.empty() || kept == state_.kept_keys.end() || kept->second.gtrid != ended.decision.gtrid) {
    return false;
  }
  return kept->second.contradicted = true;
}

void StateBuilder::on(ports::HazardFound record) {
  const auto found = state_.live.find(record.gtrid);
  if (found == state_.live.end()) return restore(std::move(record));
  // The later word counts: a branch that is a hazard after it was called settled is looked after again.
  found->second.settled.erase(record.branch);
  found->second.acknowledged.erase(record.branch);
  const auto branch = record.branch;
  found->second.hazards.insert_or_assign(branch, std::move(record));
}

void StateBuilder::on(const ports::EpochStarted& record) {
  restore(record.coordinator, record.epoch, state_.first_epoch == 0 ? record.epoch : state_.first_epoch);
}

void StateBuilder::on(const ports::TransactionRolledBack& record) {
  const auto found = state_.live.find(record.gtrid);
  if (found == state_.live.end()) return;
  const auto& key = found->second.decision.idempotency_key;
  const auto kept = state_.kept_keys.find(key);
  if (!contradict(found->second) && kept != state_.kept_keys.end() && kept->second.gtrid == record.gtrid) {
    key_order_.erase(std::find(key_order_.begin(), key_order_.end(), key));
    state_.kept_keys.erase(kept);
  }
  state_.live.erase(found);
}

}  // namespace assent::wal
