// What an operator asks of a running coordinator: what is in doubt, that it be settled now, and hazards.

#include <algorithm>

#include "base/check.hpp"
#include "coordinator/coordinator_impl.hpp"
#include "protocol/xid.hpp"

namespace assent::coordinator {
namespace {

/// Transactions that one survey tells of; the rest is asked for by `from`.
constexpr std::size_t kSurveyTransactionsMax = 5'000;

const Error kBusy{Errc::overloaded, "too many operators' requests wait; retry later", true};

}  // namespace

std::vector<Hazard> Coordinator::Impl::hazards() const {
  auto all = house_->hazards.all();
  const std::lock_guard lock(others_mutex_);
  for (const auto& others : others_) {
    auto theirs = others.hazards();
    std::move(theirs.begin(), theirs.end(), std::back_inserter(all));
  }
  return all;
}

void Coordinator::Impl::show(Others others) {
  const std::lock_guard lock(others_mutex_);
  others_.push_back(std::move(others));
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
          house->hazards.see_to(said.gtrid, said.branch);
          if (const auto live = house->registry.find(said.gtrid)) live->acknowledged(said.branch);
          spdlog::warn("{}: the hazard of branch {} was acknowledged by {}: {}", said.gtrid, said.branch, said.who,
                       said.reason);
          done(Ok{});
        });
  });
  if (!taken) done(kBusy);
}

namespace {

// Without transactions whose decision was live when the look began and that have ended since, with their rows deleted.
Seen look_beside(const Surveyor& surveyor, const Knowledge& knowledge, const Surveyor::Part& part) {
  auto seen = surveyor.look(surveyor.list(), part, &knowledge, false);
  std::erase_if(seen.transactions,
                [&](const auto& one) { return one.second.decision && !knowledge.is_alive(one.first); });
  surveyor.forget_ended(seen);
  return seen;
}

}  // namespace

void Coordinator::Impl::survey(SurveyQuery query, ports::Done<Result<Survey>> done) {
  const bool taken = chores_.post([this, query = std::move(query), done] {
    const auto seen = look_beside(resolver_->surveyor(), *knowledge_, {query.from, kSurveyTransactionsMax});
    auto told = resolver_->surveyor().survey(seen, query);
    told.next = seen.next;
    // The next survey reports what comes after that.
    if (!told.next.empty()) std::erase_if(told.branches, [&](const auto& one) { return one.gtrid >= told.next; });
    done(std::move(told));
  });
  if (!taken) done(kBusy);
}

void Coordinator::Impl::recover_now(std::string who, ports::Done<Result<std::uint64_t>> done) {
  const bool taken = chores_.post([this, who = std::move(who), done] {
    std::vector<ports::OperatorAct> acts;
    for (Surveyor::Part part{.from = "", .transactions_max = kSurveyTransactionsMax};;) {
      const auto seen = look_beside(resolver_->surveyor(), *knowledge_, part);
      for (const auto& [gtrid, one] : seen.transactions) {
        for (const auto* branch : one.to_settle()) {
          const bool commits = branch->verdict == Verdict::will_commit;
          acts.push_back({commits ? "commit" : "roll_back", gtrid, branch->number, who,
                          "at '" + branch->participant + "': " + branch->reason, base::wall_clock_ms()});
        }
      }
      if (seen.next.empty()) break;
      part.from = seen.next;
    }
    if (auto written = audit(acts); !written.ok()) return done(std::move(written).error());
    for (const auto& act : acts) house_->log.append(act);
    for (const auto& live : house_->registry.all()) {
      for (const auto* participant : participants_) live->participant_is_up(participant);
    }
    resolving_->wake();
    done(static_cast<std::uint64_t>(acts.size()));
  });
  if (!taken) done(kBusy);
}

Status Coordinator::Impl::audit(const std::vector<ports::OperatorAct>& acts) const {
  return settings_.audit && !acts.empty() ? settings_.audit(acts) : Status(Ok{});
}

}  // namespace assent::coordinator
