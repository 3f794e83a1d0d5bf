#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "assent/result.hpp"
#include "assent/status.hpp"
#include "base/clock.hpp"
#include "coordinator/house.hpp"
#include "coordinator/surveyor.hpp"
#include "ports/participant.hpp"
#include "protocol/quorum.hpp"

namespace assent::coordinator {

/// Finishes what a coordinator that is taken for dead has left, with neither it nor its log: in three phases by what
/// the acceptors say (protocol/quorum.hpp), in two by what the branches themselves say (protocol/verdict.hpp). Several
/// may do so at once, and the dead one may wake up meanwhile: all come to the same outcomes.
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
  Seen look() const { return surveyor_.look(nullptr); }
  /// As the Surveyor says.
  std::optional<std::chrono::milliseconds> silence() const { return surveyor_.silence(); }

  /// Takes up all of `left` that is in three phases: ends the connections of the lost coordinator that hold it, and has
  /// its acceptors asked. What cannot be taken up is named with the reason.
  std::map<std::string, std::string> take_up(const Seen& left);

  /// Brings every branch that is prepared of what is in two phases in `left`, and has a ruling without its log, to
  /// that. A branch that is missing is fenced before any other is rolled back for its sake; when it turns out to have
  /// committed, so do the others. Blocks; whatever cannot be settled now is left as it is. Once `interrupted` says so,
  /// nothing more is begun.
  void settle_two_phase(const Seen& left, const std::function<bool()>& interrupted);

  /// What settle_two_phase() has tried and not proven, by XID. That it is not listed any more is evidence of nothing:
  /// it is tried again by each further call.
  struct Unproven {
    SeenBranch branch;
    protocol::Decided decided = protocol::Decided::rollback;
    std::string detail;  ///< For people.
  };
  const std::map<protocol::Xid, Unproven>& unproven() const { return unproven_; }

  /// Rolls back again the branches in `left` of transactions whose acceptors, asked by tick(), have said that every
  /// branch was settled: they were rolled back, and came back with their server's restart. Blocks.
  void finish_closed(const Seen& left);

  void tick(base::SteadyTime now);
  /// Forgets what it has taken up and not finished: whoever comes next finishes it.
  void let_go();
  /// Taken up and not ended.
  std::size_t live() const { return house_->registry.live(); }
  /// What became of it, if it was taken up.
  std::optional<TransactionStatus> status(const std::string& gtrid) const;

 private:
  class NoLog;
  /// What is to be done about one transaction in two phases.
  struct Plan {
    const SeenTransaction* one = nullptr;
    bool commits = false;
    bool begins = false;  ///< Once what is missing is fenced.
    std::vector<std::future<ports::SettleReport>> fences;
  };
  void see_fences(std::vector<Plan>& plans) const;
  void roll_back_again(const SeenTransaction& one);
  void end_predecessors(const std::set<std::string>& names);
  std::future<ports::SettleReport> settle(const SeenBranch& branch, protocol::Decided decided, bool known_prepared);

  const std::vector<ports::Participant*> participants_;
  const Surveyor surveyor_;
  const std::unique_ptr<NoLog> log_;
  const std::shared_ptr<House> house_;
  std::map<protocol::Xid, Unproven> unproven_;
  std::map<std::string, TransactionStatus> came_back_;  ///< By gtrid; how rolling it back again went.
};

}  // namespace assent::coordinator
