#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "assent/status.hpp"
#include "base/clock.hpp"
#include "coordinator/doubts.hpp"
#include "coordinator/house.hpp"
#include "coordinator/knowledge.hpp"
#include "coordinator/surveyor.hpp"
#include "ports/participant.hpp"
#include "protocol/settle.hpp"

namespace assent::coordinator {

/// Settles transactions that no process is working on, by the same ruling that is shown of them (surveyor.hpp,
/// protocol/ruling.hpp). Used at a start, by the sweep that follows it and never ends, for another coordinator that is
/// taken for dead, and by the recovery tool. The sweep is needed because a prepare that was running when its process
/// died can finish after a look, and MariaDB was seen to bring acknowledged rollbacks back at its restart. Several
/// resolvers may run at once: they all come to the same outcomes.
///
/// A hazard is durable in the log before anything is done about its transaction. What is in three phases is taken up as
/// a LiveTransaction, which has its acceptors asked; in two phases its branches are settled here.
///
/// Blocks while it looks and settles. One thread at a time may look and settle; what it has learned may be asked for by
/// any. The participants must have been stopped before it goes.
class Resolver : public std::enable_shared_from_this<Resolver> {
 public:
  struct Means {
    std::vector<ports::Participant*> participants;
    std::shared_ptr<House> house;
    std::shared_ptr<const Knowledge> knowledge;  ///< Null: its log is lost.
    /// The participants have not enrolled: the lost coordinator's connections are ended first where they hold branches.
    bool in_anothers_place = false;
    bool only_three_phase = false;
    std::function<bool()> interrupted;  ///< Asked often: then nothing more is begun.
  };
  explicit Resolver(Means means);

  const Surveyor& surveyor() const { return surveyor_; }
  const Doubts& doubts() const { return doubts_; }

  /// Looks at the next part of all there is, and settles it; several parts, within a bound on transactions, so that
  /// whatever cannot be settled starves nobody. Whether there is more that can be done at once.
  bool round();

  /// Settles what has a ruling in `seen`, and waits for it for as long as one attempt may take. What cannot be settled
  /// is left as it is. Gives how many branches were.
  std::size_t settle(const Seen& seen);

  /// What is known of the rows of earlier epochs, once all of them were looked at while every participant could be.
  struct Past {
    std::optional<std::string> lowest_left;              ///< With no end; but for those with an open hazard.
    std::optional<std::string> lowest_left_three_phase;  ///< In three phases, open hazards too.
  };
  std::optional<Past> past() const;

  /// Why one cannot be taken up, by gtrid.
  const std::map<std::string, std::string>& refused() const { return refused_; }

  /// What was tried and not proven, by XID; in another's place only. That it is not listed any more is evidence of
  /// nothing: it is tried again by each further call.
  struct Unproven {
    SeenBranch branch;
    protocol::Decided decided = protocol::Decided::rollback;
    std::string detail;  ///< For people.
  };
  std::map<protocol::Xid, Unproven> unproven() const;

 private:
  /// What is to be done about one transaction in two phases.
  struct Plan {
    const SeenTransaction* one = nullptr;
    bool commits = false;
    bool begins = false;  ///< Once what is missing is fenced.
  };
  struct Settling {
    SeenBranch branch;
    protocol::Decided decided = protocol::Decided::rollback;
    std::string why;
  };

  bool alarm(const SeenTransaction& one);
  void close_hazards(const std::string& gtrid, const ports::HeuristicChoice& choice);
  static bool commits_by_proof(const SeenTransaction& one);
  void take_up(const SeenTransaction& one);
  void tell(LiveTransaction& live, const SeenTransaction& one);
  void end_predecessors(const Seen& seen, const std::set<std::string>& names);
  void fence(const Seen& seen, std::vector<Plan>& plans);
  void see_fences(std::vector<Plan>& plans) const;
  bool is_reachable(const Seen& seen, const SeenBranch& branch) const;
  void begin(const Settling& settling);
  void on_settled(const Settling& settling, const ports::SettleReport& report);
  std::size_t wait_settled();
  void note_past(const Seen& seen);
  void end_rotation();
  bool interrupted() const { return means_.interrupted && means_.interrupted(); }

  const Means means_;
  const std::shared_ptr<House> house_;
  const Surveyor surveyor_;
  Doubts doubts_;
  std::map<std::string, std::string> refused_;
  std::string next_;  ///< Where the next round goes on.

  // Of the rotation that is under way.
  Past turning_;
  bool all_reached_ = true;
  std::set<std::string> met_;  ///< Of those whose hazards were seen to.

  mutable std::mutex mutex_;
  std::condition_variable settled_;
  std::set<protocol::Xid> under_way_;
  std::set<protocol::Xid> done_;  ///< Settled since the last time that was asked.
  std::map<protocol::Xid, Unproven> unproven_;
  std::optional<Past> past_;
};

/// A house without a log: what is finished there needs none, since acceptors or rows keep the outcome.
std::shared_ptr<House> make_house_without_log(const std::vector<ports::Participant*>& participants);

}  // namespace assent::coordinator
