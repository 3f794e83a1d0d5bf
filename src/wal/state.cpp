#include "wal/state.hpp"

#include <algorithm>
#include <utility>

namespace assent::wal {
namespace {

constexpr std::size_t kInstanceBytes = 2 * sizeof(std::uint64_t) + sizeof(std::uint32_t);

/// About what it takes in a checkpoint.
std::uint64_t bytes_of(const ports::KeptKey& key) {
  std::uint64_t bytes = 64 + key.key.size() + key.gtrid.size();
  for (const auto& name : key.participants) bytes += sizeof(std::uint32_t) + name.size();
  if (key.cause) bytes += 64 + key.cause->participant.size() + key.cause->message.size();
  return bytes;
}

}  // namespace

void StateBuilder::restore(std::string coordinator, std::uint32_t epoch, std::uint32_t first_epoch) {
  state_.coordinator = std::move(coordinator);
  state_.epoch = epoch;
  state_.first_epoch = first_epoch;
}

void StateBuilder::restore(ports::LiveDecision live) {
  auto gtrid = live.decision.gtrid;
  state_.live.insert_or_assign(std::move(gtrid), std::move(live));
}

void StateBuilder::restore_acknowledged(std::string gtrid, std::uint16_t branch, ports::HazardKind kind) {
  state_.acknowledged.insert_or_assign({std::move(gtrid), branch}, kind);
}

void StateBuilder::restore(ports::HazardFound hazard) {
  std::pair place(hazard.gtrid, hazard.branch);
  state_.hazards.insert_or_assign(std::move(place), std::move(hazard));
}

void StateBuilder::restore(std::uint64_t instance, ports::LogStart start) {
  writer_ = nullptr;
  if (instance == 0) return;
  const auto [place, added] = state_.instances.insert_or_assign(instance, start);
  writer_ = &place->second;
  if (!added) return;
  instance_order_.push_back(instance);
  if (instance_order_.size() * kInstanceBytes <= ports::kInstanceBytesMax) return;
  state_.instances.erase(instance_order_.front());
  instance_order_.pop_front();
}

void StateBuilder::restore_epochs(std::uint32_t last_unsigned, std::uint32_t given_up_below) {
  state_.last_unsigned_epoch = last_unsigned;
  state_.given_up_below = given_up_below;
}

void StateBuilder::keep(ports::KeptKey key) {
  if (const auto before = state_.kept_keys.find(key.key); before != state_.kept_keys.end()) forget(before);
  if (key.order == 0) key.order = last_order_ + 1;
  last_order_ = std::max(last_order_, key.order);
  auto& order = order_of(key);
  key_bytes_ += bytes_of(key);
  order.emplace(key.order, key.key);
  auto name = key.key;
  state_.kept_keys.emplace(std::move(name), std::move(key));
  while (order.size() > kept_keys_max_) forget(state_.kept_keys.find(order.begin()->second));
  while (key_bytes_ > key_bytes_max_) {
    const auto& oldest = rolled_back_order_.empty() ? key_order_ : rolled_back_order_;
    forget(state_.kept_keys.find(oldest.begin()->second));
  }
}

void StateBuilder::forget(Keys::iterator key) {
  key_bytes_ -= bytes_of(key->second);
  order_of(key->second).erase(key->second.order);
  state_.kept_keys.erase(key);
}

std::vector<std::string> StateBuilder::key_order() const {
  std::vector<std::string> keys;
  keys.reserve(state_.kept_keys.size());
  for (const auto* order : {&key_order_, &rolled_back_order_}) {
    for (const auto& [place, key] : *order) keys.push_back(key);
  }
  return keys;
}

void StateBuilder::apply(ports::LogRecord&& record) {
  ++state_.last_sequence;
  std::visit([this](auto& held) { on(std::move(held)); }, record);
  count();
}

void StateBuilder::apply(const ports::LogRecord& record) {
  ++state_.last_sequence;
  std::visit([this](const auto& held) { on(held); }, record);
  count();
}

void StateBuilder::count() {
  if (writer_ != nullptr) writer_->last_sequence = state_.last_sequence;
}

void StateBuilder::on(ports::CommitDecision record) {
  const auto [place, added] = state_.live.try_emplace(record.gtrid);
  if (!added) return;
  if (!record.idempotency_key.empty()) {
    keep({record.idempotency_key, record.gtrid, record.request_fingerprint, record.decided_at_ms, record.participants,
          false, false, std::nullopt, 0});
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
  const auto open = state_.hazards.extract({record.gtrid, record.branch});
  const auto found = state_.live.find(record.gtrid);
  if (found == state_.live.end()) {
    if (open) restore_acknowledged(record.gtrid, record.branch, open.mapped().kind);
    return;
  }
  const auto hazard = found->second.hazards.extract(record.branch);
  if (hazard) found->second.acknowledged.insert_or_assign(record.branch, hazard.mapped().kind);
}

void StateBuilder::on(const ports::TransactionEnded& record) {
  const auto found = state_.live.find(record.gtrid);
  if (found == state_.live.end()) {
    std::erase_if(state_.acknowledged, [&](const auto& one) { return one.first.first == record.gtrid; });
    return;
  }
  contradict(found->second);
  end(found);
}

// What operators have said of it is needed until its rows are gone.
void StateBuilder::end(std::map<std::string, ports::LiveDecision>::iterator live) {
  for (const auto& [branch, kind] : live->second.acknowledged) restore_acknowledged(live->first, branch, kind);
  state_.live.erase(live);
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
  if (found == state_.live.end()) {
    state_.acknowledged.erase({record.gtrid, record.branch});
    return restore(std::move(record));
  }
  // The later word counts: a branch that is a hazard after it was called settled is looked after again.
  found->second.settled.erase(record.branch);
  found->second.acknowledged.erase(record.branch);
  const auto branch = record.branch;
  found->second.hazards.insert_or_assign(branch, std::move(record));
}

void StateBuilder::on(const ports::EpochStarted& record) {
  const bool begins = state_.first_epoch == 0 || record.log_lost;
  restore(record.coordinator, record.epoch, begins ? record.epoch : state_.first_epoch);
  restore(record.instance, {record.epoch, state_.last_sequence});
  if (record.instance == 0) state_.last_unsigned_epoch = record.epoch;
  if (record.log_lost) state_.given_up_below = record.epoch;
}

void StateBuilder::on(const ports::TransactionRolledBack& record) {
  const auto found = state_.live.find(record.gtrid);
  if (found == state_.live.end()) return;
  const auto& key = found->second.decision.idempotency_key;
  const auto kept = state_.kept_keys.find(key);
  const bool is_its_own =
      kept != state_.kept_keys.end() && kept->second.gtrid == record.gtrid && !kept->second.rolled_back;
  if (!contradict(found->second) && is_its_own) forget(kept);
  end(found);
}

// A transaction that committed, or may have, keeps its key: only its own rollback takes it over.
void StateBuilder::on(ports::KeyRolledBack record) {
  const auto kept = state_.kept_keys.find(record.idempotency_key);
  if (record.idempotency_key.empty()) return;
  if (kept != state_.kept_keys.end()) {
    const auto& other = kept->second;
    if (!other.rolled_back && (other.gtrid != record.gtrid || other.contradicted)) return;
  }
  keep({std::move(record.idempotency_key), std::move(record.gtrid), record.request_fingerprint,
        record.rolled_back_at_ms, std::move(record.participants), false, true, std::move(record.cause), 0});
}

}  // namespace assent::wal
