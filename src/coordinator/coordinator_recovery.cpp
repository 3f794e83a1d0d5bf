// What an operator asks of a running coordinator: what is in doubt, that it be settled now, and hazards.

#include <algorithm>

#include "base/check.hpp"
#include "coordinator/coordinator_impl.hpp"
#include "protocol/xid.hpp"

namespace assent::coordinator {
namespace {

/// Branches that one survey tells of; the rest is asked for by `from`.
constexpr std::size_t kSurveyBranchesMax = 10'000;

/// What the running coordinator knows.
class LiveKnowledge final : public Knowledge {
 public:
  LiveKnowledge(const House& house, std::uint32_t first_epoch, std::uint32_t epoch)
      : house_(house), first_epoch_(first_epoch), epoch_(epoch) {}

  protocol::Known known(const std::string& gtrid) const override { return known_to(house_, gtrid); }
  protocol::Era era(std::uint32_t epoch) const override { return era_of(epoch, first_epoch_, epoch_); }
  std::optional<Outcome> outcome(const std::string& gtrid) const override {
    const auto live = house_.registry.find(gtrid);
    return live ? live->status().outcome : std::nullopt;
  }
  std::vector<ports::LiveDecision> decisions() const override {
    std::vector<ports::LiveDecision> all;
    for (const auto& live : house_.registry.all()) {
      // What goes its way is running.
      const auto branches = live->status().branches;
      const bool troubled = std::any_of(branches.begin(), branches.end(), [](const auto& branch) {
        return branch.state == BranchState::in_doubt || branch.state == BranchState::hazard;
      });
      if (!troubled) continue;
      if (auto decision = live->decision()) all.push_back(std::move(*decision));
    }
    return all;
  }

  std::vector<Hazard> hazards() const override { return house_.hazards.all(); }

 private:
  const House& house_;
  const std::uint32_t first_epoch_;
  const std::uint32_t epoch_;
};

const Error kBusy{Errc::overloaded, "too many operators' requests wait; retry later", true};

// The list is in the order in which a later survey goes on.
void cut_short(Survey& survey) {
  auto& branches = survey.branches;
  // Of one transaction all branches, or none.
  if (branches.size() <= kSurveyBranchesMax || branches[kSurveyBranchesMax].gtrid == branches.front().gtrid) return;
  survey.next = branches[kSurveyBranchesMax].gtrid;
  std::erase_if(branches, [&](const auto& branch) { return branch.gtrid >= survey.next; });
}

}  // namespace

std::vector<Hazard> Coordinator::Impl::hazards() const {
  return house_->hazards.all();
}

void Coordinator::Impl::acknowledge(Acknowledgement said, ports::Done<Status> done) {
  if (!house_->hazards.has(said.gtrid, said.branch)) {
    return done(Error{Errc::not_found,
                      "there is no open hazard of branch " + std::to_string(said.branch) + " of " + said.gtrid, false});
  }
  const bool taken = chores_.post([this, said = std::move(said), done] {
    if (auto written = audit(
            {ports::OperatorAct{"acknowledge", said.gtrid, said.branch, said.who, said.reason, base::wall_clock_ms()}});
        !written.ok()) {
      return done(std::move(written));
    }
    house_->log.append_forced(
        ports::HazardAcknowledged{said.gtrid, said.branch, said.who, said.reason, base::wall_clock_ms()},
        [house = house_, said, done](const Status& status) {
          if (!status.ok()) return done(status);
          house->hazards.remove(said.gtrid, said.branch);
          if (const auto live = house->registry.find(said.gtrid)) live->acknowledged(said.branch);
          spdlog::warn("{}: the hazard of branch {} was acknowledged by {}: {}", said.gtrid, said.branch, said.who,
                       said.reason);
          done(Ok{});
        });
  });
  if (!taken) done(kBusy);
}

Seen Coordinator::Impl::look() const {
  const LiveKnowledge knowledge(*house_, first_epoch_, epoch_);
  auto seen = surveyor_.look(&knowledge);
  // What was decided then may have ended, and its rows have gone.
  std::erase_if(seen.transactions,
                [&](const auto& one) { return one.second.decision && !house_->registry.find(one.first); });
  surveyor_.forget_ended(seen);
  return seen;
}

void Coordinator::Impl::survey(SurveyQuery query, ports::Done<Result<Survey>> done) {
  const bool taken = chores_.post([this, query = std::move(query), done] {
    auto told = surveyor_.survey(look(), query);
    cut_short(told);
    done(std::move(told));
  });
  if (!taken) done(kBusy);
}

void Coordinator::Impl::recover_now(std::string who, ports::Done<Result<std::uint64_t>> done) {
  const bool taken = chores_.post([this, who = std::move(who), done] {
    const auto seen = look();
    std::vector<ports::OperatorAct> acts;
    for (const auto& [gtrid, one] : seen.transactions) {
      for (const auto* branch : one.to_settle()) {
        const bool commits = branch->verdict == Verdict::will_commit;
        acts.push_back({commits ? "commit" : "roll_back", gtrid, branch->number, who,
                        "at '" + branch->participant + "': " + branch->reason, base::wall_clock_ms()});
      }
    }
    if (auto written = audit(acts); !written.ok()) return done(std::move(written).error());
    for (const auto& act : acts) house_->log.append(act);
    for (const auto& live : house_->registry.all()) {
      for (const auto* participant : participants_) live->participant_is_up(participant);
    }
    for (const auto& sweeper : sweepers_) sweeper->sweep();
    done(static_cast<std::uint64_t>(acts.size()));
  });
  if (!taken) done(kBusy);
}

Status Coordinator::Impl::audit(const std::vector<ports::OperatorAct>& acts) const {
  return settings_.audit && !acts.empty() ? settings_.audit(acts) : Status(Ok{});
}

}  // namespace assent::coordinator
