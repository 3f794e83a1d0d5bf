#include "support/crash.hpp"

#include <algorithm>

#include "protocol/xid.hpp"

namespace assent::testing {

CrashTest::CrashTest() : PairTest(Servers::Use::killable), failpoints_(daemon_.folder() + "/failpoints") {
  daemon_.options().program = "assentd-failpoints";
  daemon_.options().more_json =
      R"("limits": {"sweep_period_ms": 100}, "log": {"segment_bytes": 65536, "checkpoint_every_segments": 1})";
}

void CrashTest::start(const std::string& failpoints) {
  daemon_.options().environment = failpoint_environment(daemon_.folder() + "/failpoints", failpoints);
  daemon_.start();
  daemon_.wait_up();
}

void CrashTest::wait_passed(const std::string& point, std::uint64_t times) {
  EXPECT_TRUE(eventually([&] { return failpoints_.passed(point) >= times; })) << point << "\n" << daemon_.output();
}

std::vector<std::string> CrashTest::branch_connections(Sql& sql, bool sleepers) const {
  std::vector<std::string> ids;
  for (const auto& row : sql.rows("SELECT connection FROM assent.session JOIN information_schema.PROCESSLIST p ON p.ID="
                                  "connection WHERE coordinator='" +
                                  database_ + "'" + (sleepers ? "" : " AND IFNULL(p.INFO,'') NOT LIKE '%SLEEP%'") +
                                  " ORDER BY p.COMMAND='Sleep'")) {
    ids.push_back(row[0]);
  }
  return ids;
}

void CrashTest::kill_branch_connections(const Server& server) {
  auto sql = dba(server);
  for (const auto& id : branch_connections(sql)) sql.error_of("KILL " + id);
  EXPECT_TRUE(eventually([&] { return branch_connections(sql).empty(); }));
}

std::string CrashTest::orphan_gtrid(std::uint32_t epoch, std::uint64_t number, Protocol protocol) const {
  return protocol::format_gtrid({.coordinator = database_,
                                 .epoch = epoch,
                                 .sequence = (std::uint64_t{1} << 40) + number,
                                 .random = 0x0123456789abcdef,
                                 .protocol = protocol});
}

std::string CrashTest::xid_at(const Server& server, const std::string& gtrid) const {
  const bool in_east = server.name == east_;
  return protocol::xid_literal(
      {gtrid, protocol::format_bqual({in_east ? std::uint16_t{1} : std::uint16_t{2}, 2, in_east ? "east" : "west"})});
}

std::string CrashTest::prepare_by_hand(const Server& server, const std::string& gtrid, const std::string& statement,
                                       bool with_proof) const {
  Sql hand(server, database_);
  const auto xid = xid_at(server, gtrid);
  hand.run("XA START " + xid);
  if (with_proof) {
    hand.run("INSERT INTO assent.proof(gtrid,branch,kind,participants,protocol) VALUES ('" + gtrid + "'," +
             (server.name == east_ ? "1" : "2") + ",'proof','east,west',0)");
  }
  hand.run(statement);
  hand.run("XA END " + xid);
  hand.run("XA PREPARE " + xid);
  return hand.text("SELECT CONNECTION_ID()");
}

void CrashTest::prepare_unswept(const Server& server, const std::string& gtrid, const std::string& statement) {
  failpoints().arm("packet_unsent/control:XA=hold");
  const auto id = prepare_by_hand(server, gtrid, statement);
  auto look = dba(server);
  EXPECT_TRUE(eventually([&] {
    return look.number("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID=" + id) == 0 &&
           look.rows("SHOW ENGINE INNODB STATUS").at(0).at(2).find("thread id " + id + ",") == std::string::npos;
  }));
  failpoints().disarm();
}

std::set<std::string> CrashTest::listed(const Server& server) const {
  Sql sql(server);
  return branches_in_doubt(sql, server.kind, database_);
}

void CrashTest::expect_audited() {
  const auto found = audit(bank_, record_, database_);
  EXPECT_TRUE(found.problems.empty()) << ::testing::PrintToString(found.problems) << "\n" << daemon_.output();
}

}  // namespace assent::testing
