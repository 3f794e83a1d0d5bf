#include "coordinator/proposer.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "base/random.hpp"

namespace assent::coordinator {
namespace {

using Kind = ports::AcceptorAnswer::Kind;
using Phase = protocol::Proposal::Phase;
using std::chrono::milliseconds;

constexpr milliseconds kAskAgainFirst{20};
constexpr milliseconds kAskAgainMost{1'000};
constexpr std::uint32_t kDoublingsMax = 6;
constexpr std::uint32_t kFailuresUntilStuck = 3;
/// How long a majority of promises waits for those of the others.
constexpr milliseconds kOthersWait{1'000};
static_assert(kAskAgainFirst * (1U << kDoublingsMax) >= kAskAgainMost);

milliseconds pause_after(std::uint32_t times) {
  return std::min(kAskAgainMost, kAskAgainFirst * (1U << std::min(times, kDoublingsMax)));
}

// Between half of it and the whole.
milliseconds at_random(milliseconds pause) {
  const auto half = static_cast<std::uint64_t>(pause.count()) / 2;
  return milliseconds(half + base::random_64() % (half + 1));
}

protocol::Ballot new_ballot(std::uint16_t round) {
  return protocol::make_ballot(round, base::random_64());
}

}  // namespace

void Proposer::pre_commit() {
  Asking asking;
  {
    const std::lock_guard lock(mutex_);
    begin_locked(protocol::pre_commit(acceptors_.asked.size()));
    asking = due_locked(base::SteadyClock::now());
  }
  ask(std::move(asking));
}

void Proposer::terminate() {
  Asking asking;
  {
    const std::lock_guard lock(mutex_);
    round_ = 1;
    begin_locked(protocol::terminate(acceptors_.asked.size(), new_ballot(round_)));
    asking = due_locked(base::SteadyClock::now());
  }
  ask(std::move(asking));
}

void Proposer::tick(base::SteadyTime now) {
  Asking asking;
  std::pair<Told, Outcome> reached;
  {
    const std::lock_guard lock(mutex_);
    if (!told_ || !proposal_) return;
    if (next_round_at_ && now >= *next_round_at_) {
      next_round_at_.reset();
      begin_locked(protocol::terminate(acceptors_.asked.size(), new_ballot(round_)));
    }
    if (choose_by_ && !next_round_at_) {
      reached = go_on_locked(now, asking);
    } else {
      asking = due_locked(now);
    }
  }
  if (reached.first) return reached.first(reached.second);
  ask(std::move(asking));
}

void Proposer::hurry() {
  const std::lock_guard lock(mutex_);
  for (auto& state : states_) state.again_at = {};
}

void Proposer::begin_locked(protocol::Proposal proposal) {
  proposal_ = proposal;
  states_.assign(acceptors_.asked.size(), {});
  promises_.clear();
  choose_by_.reset();
}

Proposer::Asking Proposer::due_locked(base::SteadyTime now) {
  Asking asking;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    auto& state = states_[i];
    if (state.asked || state.promised || now < state.again_at) continue;
    if (acceptors_.asked[i] == nullptr || !asks(*proposal_, i)) continue;
    state.asked = true;
    ports::AcceptorQuestion question{.gtrid = acceptors_.gtrid,
                                     .acceptor = static_cast<std::uint16_t>(i),
                                     .ballot = proposal_->ballot,
                                     .value = std::nullopt,
                                     .members = members_,
                                     .server = acceptors_.members.identity_of(acceptors_.members.acceptors[i])};
    if (proposal_->phase == Phase::accepting) question.value = proposal_->value;
    asking.emplace_back(i, std::move(question));
  }
  return asking;
}

void Proposer::ask(Asking asking) {
  for (auto& [acceptor, question] : asking) {
    auto done = [self = shared_from_this(), asked = Asked{acceptor, question.ballot, question.value.has_value()}](
                    const Result<ports::AcceptorAnswer>& answer) { self->on_answer(asked, answer); };
    acceptors_.asked[acceptor]->ask(std::move(question), std::move(done));
  }
}

void Proposer::on_answer(const Asked& asked, const Result<ports::AcceptorAnswer>& answer) {
  Asking asking;
  std::pair<Told, Outcome> reached;
  {
    const std::lock_guard lock(mutex_);
    // One of an earlier ballot or phase no longer counts.
    if (!told_ || next_round_at_ || asked.ballot != proposal_->ballot) return;
    if (asked.accepts != proposal_->chosen) return;
    auto& state = states_[asked.acceptor];
    state.asked = false;
    if (answer.ok()) {
      count_locked(asked, *answer);
    } else {
      state.again_at = base::SteadyClock::now() + at_random(pause_after(state.failures++));
    }
    reached = go_on_locked(base::SteadyClock::now(), asking);
  }
  if (reached.first) return reached.first(reached.second);
  ask(std::move(asking));
}

std::pair<Proposer::Told, Proposer::Outcome> Proposer::go_on_locked(base::SteadyTime now, Asking& asking) {
  choose_locked(now);
  const auto reached = outcome_locked();
  if (!reached) {
    asking = due_locked(now);
  } else if (*reached == Outcome::outbid && round_ > 0) {
    outbid_locked();
  } else {
    return {std::exchange(told_, nullptr), *reached};
  }
  return {nullptr, Outcome::outbid};
}

bool Proposer::has_answered_locked(std::size_t acceptor) const {
  const auto& state = states_[acceptor];
  return state.promised || state.failures > 0 || acceptors_.asked[acceptor] == nullptr || !asks(*proposal_, acceptor);
}

// Counts the promises once they are enough, and everybody has answered or failed to, or was given the time.
void Proposer::choose_locked(base::SteadyTime now) {
  if (promises_.empty()) return;
  const auto all = protocol::step_all(*proposal_, promises_);
  if (!all.chosen && all.phase != Phase::over) return;
  if (!choose_by_) choose_by_ = now + kOthersWait;
  bool all_answered = true;
  for (std::size_t i = 0; i < states_.size(); ++i) all_answered = all_answered && has_answered_locked(i);
  if (!all_answered && now < *choose_by_) return;
  proposal_ = all;
  promises_.clear();
  choose_by_.reset();
  // All are asked again, those too that have not answered the first question.
  states_.assign(states_.size(), {});
}

void Proposer::count_locked(const Asked& asked, const ports::AcceptorAnswer& answer) {
  const auto acceptor = asked.acceptor;
  switch (answer.kind) {
    case Kind::granted:
      if (asked.accepts) {
        proposal_ = protocol::step(*proposal_, protocol::AcceptedBy{acceptor});
      } else if (!std::exchange(states_[acceptor].promised, true)) {
        promises_.push_back({acceptor, false, answer.row.accepted});
      }
      break;
    case Kind::refused: proposal_ = protocol::step(*proposal_, protocol::Refused{acceptor, answer.row.promised}); break;
    case Kind::closed: proposal_ = protocol::step(*proposal_, protocol::Closed{acceptor}); break;
  }
}

std::optional<Proposer::Outcome> Proposer::outcome_locked() const {
  switch (proposal_->phase) {
    case Phase::decided: return proposal_->value == protocol::Value::commit ? Outcome::commit : Outcome::rollback;
    case Phase::over: return Outcome::over;
    case Phase::outbid: break;
    case Phase::promising:
    case Phase::accepting:
      if (!is_stuck_locked()) return std::nullopt;
  }
  // Where one has closed it, what the others have to say counts before a next round drops it.
  const bool awaited = std::any_of(states_.begin(), states_.end(), [](const auto& one) { return one.asked; });
  if (proposal_->closed != 0 && awaited) return std::nullopt;
  return Outcome::outbid;
}

// A majority can only come from acceptors that have refused this ballot: they may grant a higher one.
bool Proposer::is_stuck_locked() const {
  if (proposal_->refused == 0) return false;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (states_[i].promised || !asks(*proposal_, i) || acceptors_.asked[i] == nullptr) continue;
    if (states_[i].failures < kFailuresUntilStuck) return false;
  }
  return true;
}

void Proposer::outbid_locked() {
  next_round_at_ = base::SteadyClock::now() + at_random(pause_after(round_));
  round_ = static_cast<std::uint16_t>(std::min<unsigned>(
      std::max<unsigned>(protocol::round_of(proposal_->outbid_by), round_) + 1, protocol::kRoundMax));
}

}  // namespace assent::coordinator
