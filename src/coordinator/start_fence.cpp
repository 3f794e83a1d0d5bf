#include "coordinator/start_fence.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <future>
#include <optional>
#include <set>
#include <thread>

#include "base/clock.hpp"
#include "ports/asked.hpp"
#include "protocol/xid.hpp"

namespace assent::coordinator {
namespace {

using protocol::FenceRuling;

/// Between two looks at an owner that may live.
constexpr std::chrono::milliseconds kLookEvery{250};

using Inspections = std::map<std::string, ports::Inspection>;

class Start {
 public:
  Start(const StartQuestion& question, const ports::LogState& log, const std::vector<ports::Participant*>& participants)
      : question_(question), log_(fence_log_of(log, question.place)), participants_(participants) {
    log_.directory = question.directory;
  }

  Result<StartPlan> plan() {
    for (;;) {
      const auto seen = look();
      const auto worst = rule_on(seen);
      if (worst == FenceRuling::start) return plan_for(seen);
      if (worst != FenceRuling::watch) return refusal_;
      std::this_thread::sleep_for(kLookEvery);
    }
  }

 private:
  Inspections look() {
    std::vector<std::future<Result<ports::Inspection>>> waiting;
    for (auto* participant : participants_) {
      waiting.push_back(
          ports::asked<Result<ports::Inspection>>([&](auto done) { participant->inspect(std::move(done)); }));
    }
    Inspections seen;
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      auto inspection = waiting[i].get();
      const auto& name = participants_[i]->name();
      if (inspection.ok()) {
        seen.emplace(name, std::move(inspection).value());
      } else if (unreached_.insert(name).second) {
        spdlog::warn("participant '{}' could not be looked at and is left until it is reachable: {}", name,
                     inspection.error().what);
      }
    }
    return seen;
  }

  FenceRuling rule_on(const Inspections& seen) {
    auto worst = FenceRuling::start;
    gives_up_.clear();
    for (const auto& [name, inspection] : seen) {
      const auto& owner = inspection.owner;
      const auto sight = watches_[name].saw(owner, owner ? owner->renewal + '|' + owner->old_pulse : "",
                                            inspection.in_doubt.size(), base::since_boot());
      auto ruling = protocol::rule(log_, sight);
      const auto sentence = protocol::sentence(ruling, log_, sight, question_.coordinator_id, name);
      if (ruling == FenceRuling::refuse_foreign && question_.log_lost) {
        ruling = FenceRuling::start;
        gives_up_ = protocol::what_is_foreign(log_, sight, question_.coordinator_id, name);
      }
      if (ruling == FenceRuling::watch && told_.insert(name).second) spdlog::warn("{}", sentence);
      if (ruling == FenceRuling::refuse_foreign) refusal_ = {Errc::conflict, sentence, false};
      if (ruling == FenceRuling::refuse_alive) refusal_ = {Errc::unavailable, sentence, false};
      worst = std::max(worst, ruling);
      if (worst == FenceRuling::refuse_alive) break;
    }
    return worst;
  }

  StartPlan plan_for(const Inspections& seen) const {
    StartPlan plan;
    plan.place = question_.place;
    plan.log_lost = !gives_up_.empty();
    plan.gives_up = gives_up_;
    plan.epoch = log_.epoch;
    for (const auto& [name, inspection] : seen) {
      const auto& owner = inspection.owner;
      plan.judged[name] = {owner ? std::optional(owner->renewal) : std::nullopt};
      plan.closed_below = std::max(plan.closed_below, inspection.closed_below);
      if (owner) plan.epoch = std::max(plan.epoch, owner->epoch);
      // Its owner row may be gone: what is closed must stay below what is made from now on.
      if (const auto epoch = protocol::epoch_of(inspection.closed_below)) plan.epoch = std::max(plan.epoch, *epoch);
    }
    ++plan.epoch;
    return plan;
  }

  const StartQuestion& question_;
  protocol::FenceLog log_;
  const std::vector<ports::Participant*>& participants_;
  std::map<std::string, protocol::FenceWatch> watches_;
  std::set<std::string> unreached_;
  std::set<std::string> told_;
  std::string gives_up_;
  Error refusal_;
};

}  // namespace

protocol::FenceLog fence_log_of(const ports::LogState& log, std::uint64_t place) {
  protocol::FenceLog fence;
  fence.log_id = log.log_id;
  fence.epoch = log.epoch;
  for (const auto& [instance, start] : log.instances) fence.starts[instance] = {start.epoch, start.last_sequence};
  fence.last_unsigned_epoch = log.last_unsigned_epoch;
  fence.place = place;
  fence.given_up_below = log.given_up_below;
  return fence;
}

Result<StartPlan> plan_start(const StartQuestion& question, const ports::LogState& log,
                             const std::vector<ports::Participant*>& participants) {
  if (!log.coordinator.empty() && log.coordinator != question.coordinator_id) {
    return Error{Errc::conflict,
                 "the log belongs to the coordinator '" + log.coordinator + "', the configuration says '" +
                     question.coordinator_id +
                     "': set coordinator.id back, or give this one a log.directory of its own",
                 false};
  }
  return Start(question, log, participants).plan();
}

}  // namespace assent::coordinator
