#pragma once

#include <cstddef>
#include <cstdint>

#include "protocol/settle.hpp"
#include "two_phase_state.hpp"

namespace assent::explore {

enum class TwoPhaseKind : std::uint8_t {
  prepare,
  refuse,
  lose_vote,
  deadline,
  durable,
  not_written,
  settle,
  retry,
  crash,
  restart,
  session_ends,
  late,
  sweep,

  // Where somebody lends a hand.
  look,  ///< With the rows of all branches, or, when lost, without those of the branches beside this one.
  hand_commits,
  hand_rolls_back,
  come_back,
  acknowledge,
  choose_commit,
  choose_rollback,
  close,
  purge,
};

/// How an answer goes: what a server says to others while the owner lives differs by its kind.
enum class TwoPhaseWay : std::uint8_t { heard, heard_from_mysql, lost };

struct TwoPhaseStep {
  TwoPhaseKind kind;
  std::size_t place = 0;
  TwoPhaseWay way = TwoPhaseWay::heard;
};

/// What happens in a world of two phases. The rules that the coordinator follows are the real ones.
class TwoPhaseSteps {
 public:
  using State = TwoPhaseState;

  explicit TwoPhaseSteps(const TwoPhaseFrame& frame) : frame_(frame) {}

  void take(State& state, const TwoPhaseStep& step) const;
  /// What becomes of it by what a look at all branches shows. `only` is one that is looked at alone.
  protocol::Ruled ruled(const State& state, const std::size_t* only = nullptr) const;
  /// As the next start does, when all it can reach is quiet.
  void settle_rest(State& state) const;
  /// Whether everything is settled, as whoever would close it sees it.
  bool may_close(const State& state) const;

 private:
  bool is_without(Safeguard safeguard) const { return frame_.is_without(safeguard); }
  protocol::Sight sight_of(const State& state, std::size_t i) const;
  protocol::Finding judged(const State& state, std::size_t i, protocol::Decided decided, bool known_prepared,
                           protocol::Reply reply) const;
  void restart(State& state) const;
  void settle(State& state, std::size_t i, TwoPhaseWay way) const;
  void look(State& state, std::size_t i, TwoPhaseWay way) const;
  void sweep(State& state, std::size_t i) const;
  void tamper(State& state, const TwoPhaseStep& step) const;
  void feed(State& state, const protocol::Event& event) const;
  void answer(State& state, Outcome outcome) const;

  const TwoPhaseFrame& frame_;
};

}  // namespace assent::explore
