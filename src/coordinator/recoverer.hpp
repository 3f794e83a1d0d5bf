#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "assent/result.hpp"
#include "assent/status.hpp"
#include "base/clock.hpp"
#include "coordinator/house.hpp"
#include "ports/participant.hpp"
#include "protocol/quorum.hpp"

namespace assent::coordinator {

/// A transaction of the lost coordinator with a branch that is prepared somewhere.
struct LeftTransaction {
  std::string gtrid;
  Protocol protocol = Protocol::two_phase;
  std::vector<std::string> prepared_at;                         ///< Participants that list a branch of it.
  std::map<std::string, protocol::Xid> branches;                ///< Those, by participant.
  protocol::Members members;                                    ///< Empty where no row tells.
  std::vector<std::optional<protocol::AcceptorRow>> acceptors;  ///< In their order; nothing: not there, or not reached.
  std::size_t acceptors_read = 0;
  std::size_t acceptors_closed = 0;  ///< Of those that were read.
  bool over = false;                 ///< Every branch was settled: what is listed was rolled back, and has come back.
  /// What they would decide if they were asked now. Nothing: no majority of them can be reached, or who they are is not
  /// known.
  std::optional<protocol::Value> verdict;
};

/// What can be seen of a lost coordinator.
struct LeftBehind {
  std::vector<LeftTransaction> transactions;       ///< By gtrid.
  std::map<std::string, std::string> unreachable;  ///< Participants that could not be looked at, and why.
  /// Since its last sign of life at any participant; nothing when it was never at one of those.
  std::optional<std::chrono::milliseconds> silent;
};

/// Finishes what a coordinator that is taken for dead has left in three phases, with neither it nor its log: by what
/// its acceptors say (protocol/quorum.hpp). Several may do so at once, and the dead one may wake up meanwhile: all come
/// to the same outcomes. What is in two phases is shown and left alone.
///
/// Not thread safe. Blocks while it looks; what it has taken up goes on by itself while tick() is called.
class Recoverer {
 public:
  /// `participants` have the lost coordinator's identity, have not enrolled, and outlive this.
  explicit Recoverer(std::vector<ports::Participant*> participants);
  /// The participants must have been stopped before.
  ~Recoverer();
  Recoverer(const Recoverer&) = delete;
  Recoverer& operator=(const Recoverer&) = delete;

  /// Only looks.
  LeftBehind look();
  /// How long the coordinator has been silent, alone; nothing where nobody can tell.
  std::optional<std::chrono::milliseconds> silence();

  /// Takes up all of `left` that is in three phases: ends the connections of the lost coordinator that hold it, and has
  /// its acceptors asked. What cannot be taken up is named with the reason.
  std::map<std::string, std::string> take_up(const LeftBehind& left);

  /// Rolls back again the branches in `left` of transactions whose acceptors, asked by tick(), have said that every
  /// branch was settled: they were rolled back, and came back with their server's restart. Blocks.
  void finish_closed(const LeftBehind& left);

  void tick(base::SteadyTime now);
  /// Forgets what it has taken up and not finished: whoever comes next finishes it.
  void let_go();
  /// Taken up and not ended.
  std::size_t live() const { return house_->registry.live(); }
  /// What became of it, if it was taken up.
  std::optional<TransactionStatus> status(const std::string& gtrid) const;

 private:
  class NoLog;
  void roll_back_again(const LeftTransaction& one);

  const std::vector<ports::Participant*> participants_;
  const std::unique_ptr<NoLog> log_;
  const std::shared_ptr<House> house_;
  std::map<std::string, TransactionStatus> came_back_;  ///< By gtrid; how rolling it back again went.
};

}  // namespace assent::coordinator
