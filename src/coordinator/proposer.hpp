#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "ports/participant.hpp"
#include "protocol/quorum.hpp"

namespace assent::coordinator {

/// The acceptors of one transaction in three phases.
struct Acceptors {
  std::string gtrid;
  protocol::Members members;
  std::vector<ports::Participant*> asked;  ///< In their order; null where this process does not know one.
};

/// Asks the acceptors of one transaction, by the rules of protocol/quorum.hpp, until they have decided. Never gives up:
/// an acceptor that cannot be reached, or that is another server now, is asked again. Where a majority has promised, it
/// waits a moment for the others before it counts, so that a value that only a minority has accepted, but that
/// everybody can see there, is the one that is chosen. If it is outbid, it tries a higher ballot after a random pause,
/// so that rivals do not outbid each other for ever. Thread safe. No lock is held while a participant or `told` is
/// called.
class Proposer : public std::enable_shared_from_this<Proposer> {
 public:
  enum class Outcome : std::uint8_t {
    commit,
    rollback,
    outbid,  ///< Of a pre-commit only.
    over,    ///< Closed: every branch was settled, and what was decided is kept nowhere any more.
  };
  /// Called once, on a participant's or the loop's thread, or before the call that started it returns.
  using Told = std::function<void(Outcome)>;

  Proposer(Acceptors acceptors, Told told)
      : acceptors_(std::move(acceptors)),
        members_(protocol::format_members(acceptors_.members)),
        told_(std::move(told)) {}

  /// The coordinator's, once every branch is prepared. One of these two, once.
  void pre_commit();
  void terminate();

  /// Called every so often. Asks the acceptors again that did not answer.
  void tick(base::SteadyTime now);
  /// An acceptor has come back: the next tick asks those again that did not answer.
  void hurry();

 private:
  struct Acceptor {
    bool asked = false;     ///< And not answered yet.
    bool promised = false;  ///< Among `promises_`.
    std::uint32_t failures = 0;
    base::SteadyTime again_at{};
  };
  /// What an answer belongs to.
  struct Asked {
    std::size_t acceptor;
    protocol::Ballot ballot;
    bool accepts;  ///< Was to accept; otherwise to promise.
  };
  using Asking = std::vector<std::pair<std::size_t, ports::AcceptorQuestion>>;

  void begin_locked(protocol::Proposal proposal);
  Asking due_locked(base::SteadyTime now);
  void ask(Asking asking);
  void on_answer(const Asked& asked, const Result<ports::AcceptorAnswer>& answer);
  bool has_answered_locked(std::size_t acceptor) const;
  void choose_locked(base::SteadyTime now);
  /// After anything has changed: the outcome, with the callback that takes it, or the acceptors to ask next.
  std::pair<Told, Outcome> go_on_locked(base::SteadyTime now, Asking& asking);
  void count_locked(const Asked& asked, const ports::AcceptorAnswer& answer);
  bool is_stuck_locked() const;
  /// What is to be told by now.
  std::optional<Outcome> outcome_locked() const;
  void outbid_locked();

  const Acceptors acceptors_;
  const std::string members_;  ///< As the acceptors' rows keep them.
  std::mutex mutex_;
  Told told_;  ///< Null once it was called.
  std::optional<protocol::Proposal> proposal_;
  std::vector<Acceptor> states_;
  std::vector<protocol::AcceptorSeen> promises_;  ///< Not counted yet, for what others may have to say.
  std::optional<base::SteadyTime> choose_by_;     ///< When they are counted, whatever is still to come.
  std::uint16_t round_ = 0;                       ///< 0: a pre-commit.
  std::optional<base::SteadyTime> next_round_at_;
};

}  // namespace assent::coordinator
