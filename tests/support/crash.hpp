#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/audit.hpp"
#include "support/failpoints.hpp"
#include "support/pair.hpp"
#include "support/tellers.hpp"

namespace assent::testing {

/// A pair of servers that may be killed, and the daemon with failpoints over them, which sweeps often and whose log's
/// segments are so small that checkpoints come all the time.
class CrashTest : public PairTest {
 protected:
  CrashTest();

  /// Starts the daemon with `failpoints` armed from the beginning, and waits until both participants are up.
  void start(const std::string& failpoints = "");
  const FailpointSocket& failpoints() const { return failpoints_; }
  /// Waits until an action was taken at `point`, `times` in all. Fails the test when it was not.
  void wait_passed(const std::string& point, std::uint64_t times = 1);

  /// A connection of a DBA's.
  Sql dba(const Server& server) const { return Sql(server, database_, true); }
  /// The numbers of the connections on which the daemon runs branches at this server, those that are busy first. Ones
  /// that run a SLEEP may be left out.
  std::vector<std::string> branch_connections(Sql& sql, bool sleepers = true) const;
  /// Ends these connections and waits until they have left.
  void kill_branch_connections(const Server& server);

  /// `coordinator.epoch.sequence.random.protocol` of this test's coordinator, with a sequence that it does not reach.
  std::string orphan_gtrid(std::uint32_t epoch, std::uint64_t number, Protocol protocol = Protocol::two_phase) const;
  /// An XID in SQL: branch 1 (east) or 2 (west) of a transaction over both.
  std::string xid_at(const Server& server, const std::string& gtrid) const;
  /// Prepares by hand what Assent would have: a branch with this statement. With or without its proof row.
  /// Gives the number of its connection, which is just leaving.
  std::string prepare_by_hand(const Server& server, const std::string& gtrid, const std::string& statement,
                              bool with_proof = true) const;
  /// The same while the daemon runs, which touches no such branch until the session that prepared it is gone for good:
  /// it cannot know of it, and on MariaDB would lose the branch in between.
  void prepare_unswept(const Server& server, const std::string& gtrid, const std::string& statement);
  /// The gtrids of the coordinator in XA RECOVER of a server.
  std::set<std::string> listed(const Server& server) const;

  /// All holds: what clients were told, the sums, the proof rows, XA RECOVER. The tellers must have stopped.
  void expect_audited();

  Record record_;
  FailpointSocket failpoints_;
};

}  // namespace assent::testing
