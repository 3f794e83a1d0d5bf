#include "support/seams.hpp"

#include <mysql.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "protocol/xid.hpp"

namespace assent::testing {

using namespace std::chrono_literals;
using nlohmann::json;

namespace {

// On the C interface, which can reset a session.
class RawSession {
 public:
  RawSession(const Server& server, const std::string& database) : mysql_(::mysql_init(nullptr)) {
    if (::mysql_real_connect(mysql_, server.host.c_str(), server.user.c_str(), server.password.c_str(),
                             database.c_str(), server.port, nullptr, 0) == nullptr) {
      throw std::runtime_error(::mysql_error(mysql_));
    }
  }
  ~RawSession() { ::mysql_close(mysql_); }
  RawSession(const RawSession&) = delete;
  RawSession& operator=(const RawSession&) = delete;

  void run(const std::string& statement) {
    if (::mysql_query(mysql_, statement.c_str()) != 0) throw std::runtime_error(::mysql_error(mysql_));
    ::mysql_free_result(::mysql_store_result(mysql_));
  }
  void reset() {
    if (::mysql_reset_connection(mysql_) != 0) throw std::runtime_error(::mysql_error(mysql_));
  }
  std::string id() const { return std::to_string(::mysql_thread_id(mysql_)); }

 private:
  MYSQL* mysql_;
};

std::string proof_row(const std::string& members, std::uint16_t number, const std::string& gtrid) {
  const auto protocol = protocol::parse_gtrid(gtrid)->protocol == Protocol::three_phase ? "3" : "2";
  return "INSERT INTO assent.proof(gtrid,branch,kind,participants,protocol) VALUES ('" + gtrid + "'," +
         std::to_string(number) + ",'proof','" + members + "'," + protocol + ")";
}

// Whether the engine still shows a session with a prepared branch.
bool is_held(Sql& sql) {
  const auto status = sql.rows("SHOW ENGINE INNODB STATUS").at(0).at(2);
  constexpr std::string_view kHead = "---TRANSACTION";
  for (auto at = status.find(kHead); at != std::string::npos;) {
    const auto next = status.find(kHead, at + 1);
    const auto one = status.substr(at, next == std::string::npos ? next : next - at);
    if (one.find("PREPARED") != std::string::npos && one.find("thread id ") != std::string::npos) return true;
    at = next;
  }
  return false;
}

}  // namespace

SeamsTest::Told SeamsTest::ctl(const std::vector<std::string>& arguments) const {
  const TempFolder folder;
  Program program("assentctl", arguments, folder.path() + "/output");
  const int code = program.wait(90s);
  return {code, program.output()};
}

SeamsTest::Told SeamsTest::offline(std::vector<std::string> arguments) const {
  arguments.insert(arguments.end(), {"--config", daemon_.config_path()});
  return ctl(arguments);
}

SeamsTest::Told SeamsTest::live(std::vector<std::string> arguments) const {
  arguments.insert(arguments.end(), {"--address", "127.0.0.1:" + std::to_string(daemon_.port())});
  return ctl(arguments);
}

std::map<std::string, json> SeamsTest::survey(const std::vector<std::string>& more) const {
  std::vector<std::string> arguments{"recover", "--json"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const auto shown = offline(arguments);
  const auto parsed = json::parse(shown.output, nullptr, false);
  std::map<std::string, json> found;
  if (!parsed.is_object() || !parsed.contains("branches")) {
    ADD_FAILURE() << shown.output;
    return found;
  }
  for (const auto& branch : parsed["branches"]) {
    if (std::string(branch["gtrid"]).starts_with(database_)) found[branch["participant"]] = branch;
  }
  return found;
}

Transaction SeamsTest::order(Protocol protocol) {
  auto transaction = transfer(1, 2, kAmount);
  transaction.protocol = protocol;
  transaction.label = "order 4711";
  transaction.idempotency_key = kKey;
  return transaction;
}

std::string SeamsTest::die_at(const std::string& step, Protocol protocol) {
  start();
  failpoints().arm(step);
  // Answered or not.
  static_cast<void>(daemon_.client().submit(order(protocol)).ok());
  EXPECT_EQ(daemon_.wait(20s), 128 + SIGKILL) << daemon_.output();
  auto gtrids = listed(east());
  gtrids.merge(listed(west()));
  if (gtrids.size() == 1) return *gtrids.begin();
  ADD_FAILURE() << gtrids.size() << " transactions are in doubt\n" << daemon_.output();
  return "";
}

void SeamsTest::be_gone() {
  start();
  daemon_.kill_9();
}

void SeamsTest::be_silent() {
  for (const auto& server : servers().all()) {
    Sql admin(server, "", true);
    // Where there is nothing of it, there is no sign of life either.
    for (const auto* where : {"coordinator SET seen_at=NOW(3)-INTERVAL 1 HOUR WHERE id='",
                              "pulse SET seen_at=NOW(3)-INTERVAL 1 HOUR WHERE coordinator='"}) {
      admin.error_of("UPDATE assent." + std::string(where) + database_ + "'");
    }
  }
}

void SeamsTest::lose_log() {
  std::filesystem::remove_all(daemon_.log_folder());
}

void SeamsTest::start_without_log() {
  lose_log();
  daemon_.options().arguments = {"--log-lost"};
  start();
  daemon_.options().arguments.clear();
}

void SeamsTest::wait_sweeps(std::uint64_t more) {
  const auto sweeps = [&] { return daemon_.client().info()->counters.at("sweeps"); };
  const auto until = sweeps() + more;
  EXPECT_TRUE(eventually([&] { return sweeps() >= until; }, 60s)) << daemon_.output();
}

void SeamsTest::settle_by_hand(const Server& server, const std::string& gtrid, const std::string& verb) {
  auto sql = dba(server);
  // MariaDB gives it to nobody, or to nobody for good, before the session that prepared it has left the engine.
  EXPECT_TRUE(eventually([&] { return server.kind != "mariadb" || !is_held(sql); }));
  EXPECT_TRUE(eventually([&] { return sql.error_of("XA " + verb + " " + xid_at(server, gtrid)) == 0; })) << gtrid;
}

std::int64_t SeamsTest::rows_in(const Server& server, const std::string& table, const std::string& gtrid) {
  return Sql(server, "", true).number("SELECT COUNT(*) FROM assent." + table + " WHERE gtrid='" + gtrid + "'");
}

void SeamsTest::expect_moved(bool moved) {
  EXPECT_EQ(balance(east(), 1), kOpening - (moved ? kAmount : 0)) << daemon_.output();
  EXPECT_EQ(balance(west(), 2), kOpening + (moved ? kAmount : 0)) << daemon_.output();
}

std::vector<json> SeamsTest::audit_lines() const {
  std::vector<json> lines;
  std::ifstream file(daemon_.log_folder() + ".audit");
  for (std::string line; std::getline(file, line);) lines.push_back(json::parse(line));
  return lines;
}

std::size_t SeamsTest::audited(const std::string& act, const std::string& state, const std::string& participant) const {
  std::size_t count = 0;
  for (const auto& line : audit_lines()) {
    const bool here = line.value("participant", "") == participant;
    count += here && line["act"] == act && line["state"] == state ? 1 : 0;
  }
  return count;
}

std::string SeamsTest::literal(const Planted& branch) {
  return protocol::xid_literal(
      {branch.gtrid, protocol::format_bqual({branch.number, branch.count, branch.participant})});
}

void SeamsTest::prepare_branch(const Server& server, const Planted& branch, const std::string& statement) {
  std::string id;
  {
    RawSession hand(server, database_);
    const auto xid = literal(branch);
    hand.run("XA START " + xid);
    if (branch.with_proof) hand.run(proof_row(branch.members, branch.number, branch.gtrid));
    hand.run(statement);
    hand.run("XA END " + xid);
    hand.run("XA PREPARE " + xid);
    id = hand.id();
  }
  auto look = dba(server);
  EXPECT_TRUE(eventually([&] {
    return look.number("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID=" + id) == 0 &&
           look.rows("SHOW ENGINE INNODB STATUS").at(0).at(2).find("thread id " + id + ",") == std::string::npos;
  }));
}

void SeamsTest::prepare_and_hide(const Server& server, const Planted& branch, const std::string& statement) {
  RawSession hand(server, database_);
  const auto xid = literal(branch);
  hand.run("XA START " + xid);
  if (branch.with_proof) hand.run(proof_row(branch.members, branch.number, branch.gtrid));
  hand.run(statement);
  hand.run("XA END " + xid);
  hand.run("XA PREPARE " + xid);
  hand.reset();
  Sql other(server, database_);
  EXPECT_TRUE(eventually([&] { return other.error_of("XA COMMIT " + xid) == 0; }));
  EXPECT_FALSE(is_listed(server, branch.gtrid)) << "the server was to lose sight of it";
}

void SeamsTest::plant(const Server& server, const std::vector<std::string>& gtrids) {
  std::vector<std::string> xids;
  for (const auto& gtrid : gtrids) xids.push_back(xid_at(server, gtrid));
  plant_xids(server, xids);
}

void SeamsTest::plant_xids(const Server& server, const std::vector<std::string>& xids) {
  const std::string name = database_ + "_stranger";
  // Not again: any of this would wait for those of its branches that are prepared.
  if (Sql admin(server, "", true);
      admin.rows("SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME='" + name + "'").empty()) {
    admin.run("CREATE DATABASE " + name);
    admin.run("CREATE TABLE " + name + ".mine(id INT AUTO_INCREMENT PRIMARY KEY) ENGINE=InnoDB");
    admin.run("CREATE USER '" + name + "'@'%' IDENTIFIED BY 'secret'");
    admin.run("GRANT ALL PRIVILEGES ON " + name + ".* TO '" + name + "'@'%'");
  }
  auto stranger = server;
  stranger.user = name;
  stranger.password = "secret";
  for (const auto& xid : xids) {
    RawSession session(stranger, name);
    session.run("XA START " + xid);
    session.run("INSERT INTO mine VALUES ()");
    session.run("XA END " + xid);
    session.run("XA PREPARE " + xid);
  }
  auto look = dba(server);
  EXPECT_TRUE(eventually([&] { return !is_held(look); }));
}

void SeamsTest::pull_out(const Server& server, const std::vector<std::string>& gtrids) {
  auto sql = dba(server);
  for (const auto& gtrid : gtrids) EXPECT_EQ(sql.error_of("XA ROLLBACK " + xid_at(server, gtrid)), 0) << gtrid;
}

MoreServers::MoreServers() {
  const auto& pair = ::testing::TestWithParam<std::string>::GetParam();
  if (pair == "mariadb_mariadb") {
    Servers::start(4, 0);
  } else if (pair == "mysql_mysql") {
    Servers::start(0, 4);
  } else {
    Servers::start(2, 2);
  }
}

const Server& WideSeamsTest::third() {
  return servers().at(GetParam() == "mariadb_mariadb" ? "mariadb3"
                      : GetParam() == "mysql_mysql"   ? "mysql3"
                                                      : "mariadb2");
}

const Server& WideSeamsTest::spare() {
  return servers().at(GetParam() == "mariadb_mariadb" ? "mariadb4" : GetParam() == "mysql_mysql" ? "mysql4" : "mysql2");
}

Daemon::Participant WideSeamsTest::entry(const std::string& name, const Server& server,
                                         const std::string& more_json) const {
  return {name, server.host, server.port, server.user, server.password, database_, more_json};
}

void WideSeamsTest::redirect(const std::string& name, const Server& server) {
  for (auto& participant : daemon_.options().participants) {
    if (participant.name != name) continue;
    participant.host = server.host;
    participant.port = server.port;
    participant.user = server.user;
    participant.password = server.password;
  }
}

}  // namespace assent::testing
