// Whether the process that runs a transaction still owns the participants, as far as it can know.

#include <algorithm>
#include <array>
#include <utility>

#include "base/clock.hpp"
#include "coordinator/live_transaction.hpp"

namespace assent::coordinator {

bool LiveTransaction::may_act() const {
  if (!house_->acts_by_claims) return true;
  if (house_->displaced) return false;
  const auto now = base::since_boot();
  std::array<std::chrono::milliseconds, protocol::kBranchesMax> since;
  std::transform(runs_.begin(), runs_.end(), since.begin(),
                 [&](const auto& run) { return run.place.lease->since_renewal(now); });
  return protocol::may_act({since.data(), runs_.size()});
}

void LiveTransaction::look_whether_it_may_act(base::SteadyTime now) {
  bool acts = false;
  bool waits_no_longer = false;
  {
    const std::lock_guard lock(mutex_);
    if (!parked_) return;
    acts = may_act();
    waits_no_longer = now >= deadline_;
    if (acts) {
      parked_ = false;
      // If another thread is driving already, it looks for itself.
      acts = !std::exchange(driving_, true);
      set_wake_at_locked();
    }
  }
  if (acts) return drive();
  if (waits_no_longer) tell_unknown();
}

// By now another process may be the one that settles it.
void LiveTransaction::tell_unknown() {
  SubmitDone done;
  TransactionResult result;
  {
    const std::lock_guard lock(mutex_);
    // A recovered transaction has no client of its own, but clients may be waiting by its key.
    const bool is_awaited_by_key = !rules_.answered && rules_.phase != protocol::Phase::ended && !answered();
    if (told_unknown_ || (!done_ && !is_awaited_by_key)) return;
    if (done_) {
      note_cause_locked(house_->displaced
                            ? "another process has taken over from this coordinator"
                            : "this coordinator was stopped for so long that another process may have taken "
                              "over from it",
                        false);
    }
    result = result_locked();
    result.outcome = Outcome::unknown;
    result.settled = false;
    done = std::exchange(done_, nullptr);
    outcome_ = Outcome::unknown;
    told_unknown_ = true;
  }
  ++house_->unknown;
  if (!key_.empty()) house_->keys.finish(key_, result);
  if (done) done(std::move(result));
  tell_answered();
}

}  // namespace assent::coordinator
