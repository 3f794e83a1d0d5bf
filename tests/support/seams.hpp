#pragma once

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "support/crash.hpp"

namespace assent::testing {

/// What assentctl exits with.
constexpr int kCtlClean = 0;
constexpr int kCtlRolledBack = 1;
constexpr int kCtlInDoubt = 2;
constexpr int kCtlUnavailable = 69;
constexpr int kCtlBadConfig = 78;

/// A CrashTest in which one transfer is left at a step of it, operators and strangers do what they should not, and
/// everything that an operator could ask is asked: the tool with the log and without it, and the socket.
class SeamsTest : public CrashTest {
 protected:
  static constexpr std::int64_t kAmount = 7;
  static constexpr const char* kKey = "order-4711";

  struct Told {
    int code = -1;
    std::string output;
  };
  Told ctl(const std::vector<std::string>& arguments) const;
  /// With the configuration of the stopped coordinator.
  Told offline(std::vector<std::string> arguments) const;
  /// Through the socket of the running one.
  Told live(std::vector<std::string> arguments) const;
  /// Offline, with --json: the branches of this test's coordinator, by participant.
  std::map<std::string, nlohmann::json> survey(const std::vector<std::string>& more = {}) const;

  /// kAmount from account 1 in the east to account 2 in the west, with a key.
  static Transaction order(Protocol protocol);
  /// Starts the coordinator, submits an order, and lets the daemon die at `step`. Gives the order's gtrid, which stands
  /// in XA RECOVER of one server at least.
  std::string die_at(const std::string& step, Protocol protocol = Protocol::two_phase);
  /// A coordinator that has been here, and is gone. With its log.
  void be_gone();
  /// As if its last sign of life was a while ago, everywhere.
  void be_silent();
  /// Throws the log away.
  void lose_log();
  /// Starts on a new log, as an operator does who says that the one before is lost.
  void start_without_log();
  /// Waits until the running coordinator has swept so many times more.
  void wait_sweeps(std::uint64_t more);
  /// So often that it has purged twice since: it sweeps every 100 ms, and purges every second.
  void wait_purged() { wait_sweeps(25); }

  /// XA COMMIT or XA ROLLBACK by a DBA of a branch whose session is gone. Fails the test when it cannot be had.
  void settle_by_hand(const Server& server, const std::string& gtrid, const std::string& verb);
  /// Rows of the transaction in `table` of Assent's schema at a server.
  std::int64_t rows_in(const Server& server, const std::string& table, const std::string& gtrid);
  bool is_listed(const Server& server, const std::string& gtrid) const { return listed(server).contains(gtrid); }
  /// In all, at both servers, of this test's coordinator.
  std::size_t ours() const { return listed(east()).size() + listed(west()).size(); }
  /// Whether the order's money is where it belongs.
  void expect_moved(bool moved);
  std::vector<nlohmann::json> audit_lines() const;
  std::size_t audited(const std::string& act, const std::string& state, const std::string& participant) const;

  /// Prepares, with its proof row, branch `number` of `members` at a server, by a session that then leaves for good.
  /// `as_xid`: the participant's name in the branch's qualifier.
  struct Planted {
    std::string gtrid;
    std::uint16_t number = 1;
    std::uint16_t count = 2;
    std::string participant;
    std::string members;
    bool with_proof = true;
  };
  void prepare_branch(const Server& server, const Planted& branch, const std::string& statement);
  /// The same, and then commits it in such a way that the server says OK, commits nothing and lists it no more until it
  /// is restarted: MariaDB after a reset of the session that prepared it. MariaDB only.
  void prepare_and_hide(const Server& server, const Planted& branch, const std::string& statement);
  static std::string literal(const Planted& branch);

  /// An account with rights on a database of its own and nothing else prepares well-formed branches of this coordinator
  /// there: branch 1 or 2 of two, as the server is east or west.
  void plant(const Server& server, const std::vector<std::string>& gtrids);
  void plant_xids(const Server& server, const std::vector<std::string>& xids);
  void pull_out(const Server& server, const std::vector<std::string>& gtrids);
};

/// Has two more servers than the pair: started before it, since a program starts its servers once.
class MoreServers {
 protected:
  MoreServers();
};

/// A third server, and one that nobody has used: of the kinds of east and west.
class WideSeamsTest : MoreServers, public SeamsTest {
 protected:
  const Server& third();
  const Server& spare();
  /// The entry of a server in the daemon's configuration.
  Daemon::Participant entry(const std::string& name, const Server& server, const std::string& more_json = "") const;
  /// Where a participant's name leads from the next start on.
  void redirect(const std::string& name, const Server& server);
};

}  // namespace assent::testing
