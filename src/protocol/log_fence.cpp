#include "protocol/log_fence.hpp"

#include <algorithm>
#include <utility>

namespace assent::protocol {
namespace {

using std::chrono::milliseconds;

// The owner has ended: it held the lock on the directory that it wrote in, and this process holds that lock now.
bool is_predecessor_here(const FenceLog& log, const FenceOwner& owner) noexcept {
  return owner.place != 0 && owner.place == log.place;
}

bool is_own(const FenceLog& log, const FenceOwner& owner) noexcept {
  return log.own_instance != 0 && owner.instance == log.own_instance;
}

std::string is_new(const FenceLog& log) {
  return log.directory.empty() ? "this log is new" : "there is no log in " + log.directory;
}

std::string named(const FenceOwner& owner, const std::string& coordinator) {
  return "coordinator '" + coordinator + "' on host '" + owner.host + "' (epoch " + std::to_string(owner.epoch) + ")";
}

std::string what_is_wrong(const FenceLog& log, const FenceOwner& owner) {
  if (log.epoch == 0) return is_new(log);
  const auto start = log.starts.find(owner.instance);
  if (start == log.starts.end()) return "this log was never written by that process";
  return "this log ends at record " + std::to_string(start->second.last_sequence) +
         " of that process, which had written record " + std::to_string(owner.sequence.value_or(0)) +
         ": this is an older copy, or was repaired with a loss";
}

constexpr const char* kWaysOut =
    " Decisions that are not in this log would be taken for rollbacks, and kept idempotency keys would run again. Put "
    "the log that was used then back into log.directory; if it is lost for good, start once with: assentd --config "
    "FILE --log-lost";

}  // namespace

bool contains(const FenceLog& log, const FenceOwner& owner) noexcept {
  if (is_own(log, owner)) return true;
  if (!owner.sequence) {
    // Of a version that knew only epochs: as good a proof as it left.
    return owner.log_id == log.log_id && owner.epoch <= log.last_unsigned_epoch;
  }
  const auto start = log.starts.find(owner.instance);
  return start != log.starts.end() && *owner.sequence <= start->second.last_sequence;
}

bool may_act(std::span<const milliseconds> since_renewal) noexcept {
  return std::any_of(since_renewal.begin(), since_renewal.end(), [](auto since) { return since < kOwnerSilence; });
}

FenceSight FenceWatch::saw(std::optional<FenceOwner> owner, const std::string& renewal, std::size_t in_doubt,
                           milliseconds now) {
  if (renewal_ != renewal) {
    renewed_ = renewal_.has_value();
    renewal_ = renewal;
    since_ = now;
  }
  const auto watched = now - since_;
  // It did live, and no longer does.
  if (watched >= kOwnerSilence) renewed_ = false;
  return {.owner = std::move(owner), .in_doubt = in_doubt, .renewed = renewed_, .watched = watched};
}

milliseconds watch_for(const FenceOwner& owner) noexcept {
  return owner.silent && *owner.silent >= kOwnerSilence ? kOwnerWatch : kOwnerSilence;
}

FenceRuling rule(const FenceLog& log, const FenceSight& sight) noexcept {
  if (!sight.owner) {
    // Nobody's: but branches were prepared there, and this log cannot have decided them.
    const bool knows = sight.in_doubt == 0 || log.epoch > 0 || log.given_up_below > 0;
    return knows ? FenceRuling::start : FenceRuling::refuse_foreign;
  }
  const auto& owner = *sight.owner;
  if (is_own(log, owner)) return FenceRuling::start;
  if (sight.renewed) return FenceRuling::refuse_alive;
  if (!is_predecessor_here(log, owner) && sight.watched < watch_for(owner)) return FenceRuling::watch;
  return contains(log, owner) || owner.epoch < log.given_up_below ? FenceRuling::start : FenceRuling::refuse_foreign;
}

std::string what_is_foreign(const FenceLog& log, const FenceSight& sight, const std::string& coordinator,
                            const std::string& participant) {
  const auto at = "participant '" + participant + "'";
  if (!sight.owner) {
    return at + " holds " + std::to_string(sight.in_doubt) + " branches in doubt of coordinator '" + coordinator +
           "', and " + is_new(log) + ".";
  }
  return at + " was last used by " + named(*sight.owner, coordinator) + ", and " + what_is_wrong(log, *sight.owner) +
         ".";
}

std::string sentence(FenceRuling ruling, const FenceLog& log, const FenceSight& sight, const std::string& coordinator,
                     const std::string& participant) {
  const auto at = "participant '" + participant + "'";
  if (!sight.owner) {
    if (ruling == FenceRuling::start) return {};
    return what_is_foreign(log, sight, coordinator, participant) + kWaysOut;
  }
  const auto& owner = *sight.owner;
  const auto who = named(owner, coordinator);
  switch (ruling) {
    case FenceRuling::start: return {};
    case FenceRuling::watch:
      return at + " was used by " + who + ", which may still run: waiting up to " +
             std::to_string(watch_for(owner).count() / 1000) + " s for a sign of life";
    case FenceRuling::refuse_alive:
      return at + " is used by " + who +
             ", which has just given a sign of life: it runs. Stop it, or give this one another coordinator.id";
    case FenceRuling::refuse_foreign: return what_is_foreign(log, sight, coordinator, participant) + kWaysOut;
  }
  return {};
}

}  // namespace assent::protocol
