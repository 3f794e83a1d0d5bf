// The operators' runbook, executed: each of its situations is brought about on real servers, its commands are run as
// they stand there, and what they print and leave behind is held against what the page says.

#include "support/runbook.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iostream>
#include <set>

#include "protocol/xid.hpp"
#include "support/bank.hpp"
#include "support/failpoints.hpp"
#include "support/operator_shell.hpp"

namespace assent::testing {
namespace {

using namespace std::chrono_literals;

constexpr const char* kPage = ASSENT_SCRIPTS_DIR "/../src/app/RUNBOOK.md";
constexpr std::size_t kSituationsMin = 11;

const Runbook& page() {
  static const Runbook read = read_runbook(kPage);
  return read;
}

/// One that nobody listens on, for a coordinator that keeps it through its restarts.
std::uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  const bool bound = ::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(fd);
  if (!bound) throw std::runtime_error("no port is free");
  return ntohs(address.sin_port);
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class RunbookTest;
struct Situation {
  int number;
  const char* name;
  void (RunbookTest::*happens)();

  friend void PrintTo(const Situation& one, std::ostream* out) { *out << one.number << " " << one.name; }
};

/// The coordinator shop1 over `orders` on MariaDB and `stock` on MySQL, which both have a database `shop`, and a
/// `witness` on another MariaDB where a transaction runs in three phases.
class RunbookTest : public ::testing::TestWithParam<Situation> {
 public:
  void a_participant_is_down();
  void the_coordinator_was_killed();
  void something_in_doubt_keeps_sessions_waiting();
  void somebody_rolled_a_branch_back();
  void branches_of_others();
  void a_participant_is_refused();
  void the_logs_disk_is_full_or_has_failed();
  void the_log_is_damaged();
  void the_log_is_lost_in_three_phases();
  void the_log_is_lost_in_two_phases();
  void another_log_was_used_last();

 protected:
  static constexpr std::int64_t kAmount = 7;
  static constexpr int kAccounts = 10;
  static constexpr std::int64_t kOpening = 1000;
  static inline const std::vector<std::string> kAccountsOfAssent = {"'assent'@'%'", "'assent'@'localhost'"};

  RunbookTest()
      : servers_(Servers::start(2, 1)),
        bank_(fresh_bank()),
        daemon_({.coordinator_id = "shop1",
                 .participants = bank_.participants(),
                 .more_json = R"("limits": {"sweep_period_ms": 100}, "log": {"segment_bytes": 65536, )"
                              R"("checkpoint_every_segments": 100})"}),
        failpoints_(daemon_.folder() + "/failpoints") {
    daemon_.options().port = free_port();
    shell_.set("ASSENT_ADDRESS", "127.0.0.1:" + std::to_string(daemon_.options().port));
    shell_.set("CONFIG", daemon_.config_path());
    shell_.set("LOG", daemon_.log_folder());
    shell_.set("MESSAGES", "cat " + daemon_.folder() + "/output");
    shell_.set("ORDERS", shell_.client_options(orders()));
    shell_.set("STOCK", shell_.client_options(stock()));
    shell_.set_act("START_ASSENT", [this](const std::string& words) { return start_as_operators_do(words); });
    shell_.set_act("START_STOCK", [this](const std::string&) { return restart_stock(); });
    shell_.set_act("MAKE_ROOM", [this](const std::string&) {
      failpoints_.disarm();
      return OperatorShell::Act{};
    });
  }

  // What a failed test has left would keep the next one waiting.
  void TearDown() override {
    if (stock_is_down_) restart_stock();
    mend_servers();
    for (const auto& server : servers_.all()) {
      auto sql = dba(server);
      for (const auto& xid : listed(server)) sql.error_of("XA ROLLBACK " + xid);
    }
  }

  // --- The world ---

  Bank::Options fresh_bank() {
    for (const auto& server : servers_.all()) {
      auto sql = dba(server);
      sql.run("SET SESSION lock_wait_timeout=20");
      sql.run("DROP DATABASE IF EXISTS assent");
    }
    return {.database = "shop",
            .places = {{"orders", orders()}, {"stock", stock()}},
            .accounts = kAccounts,
            .opening = kOpening};
  }
  const Server& orders() const { return servers_.at("mariadb1"); }
  const Server& stock() const { return servers_.at("mysql1"); }
  static Sql dba(const Server& server) { return Sql(server, "", true); }

  void start(const std::string& argument = "") {
    daemon_.options().program = "assentd-failpoints";
    daemon_.options().environment = failpoint_environment(daemon_.folder() + "/failpoints", "");
    if (!argument.empty()) daemon_.options().arguments = {argument};
    daemon_.start();
    daemon_.options().arguments.clear();
    daemon_.wait_up();
  }
  /// Refused from the next look at them on.
  void spoil_servers() {
    dba(orders()).run("SET GLOBAL innodb_flush_log_at_trx_commit=2");
    for (const auto& account : kAccountsOfAssent) dba(stock()).run("REVOKE XA_RECOVER_ADMIN ON *.* FROM " + account);
  }
  void mend_servers() {
    dba(orders()).run("SET GLOBAL innodb_flush_log_at_trx_commit=1");
    for (const auto& account : kAccountsOfAssent) dba(stock()).run("GRANT XA_RECOVER_ADMIN ON *.* TO " + account);
  }
  OperatorShell::Act restart_stock() {
    servers_.restart("mysql1");
    stock_is_down_ = false;
    return {};
  }
  OperatorShell::Act start_as_operators_do(const std::string& words = "") {
    daemon_.options().program = "assentd";
    const auto before = daemon_.output().size();
    if (!words.empty()) daemon_.options().arguments = {words};
    daemon_.launch();
    daemon_.options().arguments.clear();
    const int code = daemon_.wait_ready() ? 0 : daemon_.wait(20s);
    return {code, daemon_.output().substr(before)};
  }
  /// Changes the log's only segment that has records.
  void change_log(const std::function<void(std::string&)>& change) const {
    std::set<std::string> segments;
    for (const auto& entry : std::filesystem::directory_iterator(daemon_.log_folder())) {
      if (entry.path().extension() == ".seg") segments.insert(entry.path());
    }
    for (const auto& path : segments) {
      auto bytes = read_file(path);
      if (bytes.find("shop1.") == std::string::npos) continue;
      change(bytes);
      // In place: the file keeps its size.
      std::fstream(path, std::ios::binary | std::ios::in | std::ios::out) << bytes;
      return;
    }
    FAIL() << "no segment is in use";
  }
  void lose_log() { std::filesystem::remove_all(daemon_.log_folder()); }

  std::future<std::optional<TransactionResult>> submit() {
    ids_.push_back(bank_.next_id());
    return std::async(std::launch::async,
                      [client = std::make_shared<Client>(daemon_.client()),
                       transaction = bank_.transfer(ids_.back(), 1, 2, kAmount)]() -> std::optional<TransactionResult> {
                        auto result = client->submit(transaction);
                        return result.ok() ? std::optional(*result) : std::nullopt;
                      });
  }
  void wait_passed(const std::string& point) {
    EXPECT_TRUE(eventually([&] { return failpoints_.passed(point) > 0; })) << point << "\n" << daemon_.output();
  }
  /// Lets the daemon die over a transfer, which is `gtrid_` from then on.
  void die_at(const std::string& step) {
    failpoints_.arm(step);
    auto told = submit();
    EXPECT_EQ(daemon_.wait(20s), 128 + SIGKILL) << daemon_.output();
    EXPECT_FALSE(told.get());
    note_gtrid();
  }
  /// Leaves it committed at `orders` and prepared at `stock`.
  void die_between_commits() {
    failpoints_.arm("decision_durable=hold");
    auto told = submit();
    wait_passed("decision_durable");
    note_gtrid();
    const auto xid = protocol::xid_literal({gtrid_, protocol::format_bqual({2, 2, "stock"})});
    failpoints_.arm("packet_unsent/XA COMMIT " + xid + "=error");
    failpoints_.release();
    wait_listed(1);
    daemon_.kill_9();
    static_cast<void>(told.get());
  }
  /// Leaves it prepared at `orders`, and at `stock` never prepared.
  void die_between_prepares() {
    auto other = dba(stock());
    other.run("BEGIN");
    other.rows("SELECT * FROM shop.accounts WHERE id=2 FOR UPDATE");
    auto told = submit();
    wait_listed(1);
    note_gtrid();
    daemon_.kill_9();
    EXPECT_FALSE(told.get());
    // The session may outlive the coordinator, and would go on to prepare.
    auto killer = dba(stock());
    EXPECT_TRUE(eventually([&] {
      const auto sessions = killer.rows("SELECT ID FROM information_schema.PROCESSLIST WHERE USER='assent'");
      for (const auto& session : sessions) killer.error_of("KILL " + session[0]);
      return sessions.empty();
    }));
    other.run("ROLLBACK");
  }
  /// Until the servers have come to the end of what a dead coordinator sent them.
  void wait_listed(std::size_t branches) {
    const auto count = [&] { return listed(orders()).size() + listed(stock()).size(); };
    EXPECT_TRUE(eventually([&] { return count() == branches; })) << count();
  }
  /// Takes the transaction in doubt for the one that the page calls $GTRID.
  void note_gtrid() {
    std::set<std::string> gtrids;
    EXPECT_TRUE(eventually([&] {
      for (const auto& server : servers_.all()) {
        Sql sql(server);
        gtrids.merge(branches_in_doubt(sql, server.kind, "shop1"));
      }
      return !gtrids.empty();
    }));
    ASSERT_EQ(gtrids.size(), 1U) << ::testing::PrintToString(gtrids);
    gtrid_ = *gtrids.begin();
  }
  /// Until everybody may take the coordinator for dead.
  void wait_silent() {
    const auto signs = [this] {
      std::int64_t count = 0;
      for (const auto& server : servers_.all()) {
        auto sql = dba(server);
        if (sql.number("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA='assent' AND "
                       "TABLE_NAME='coordinator'") > 0) {
          count += sql.number(
              "SELECT COUNT(*) FROM assent.coordinator WHERE id='shop1' AND seen_at > NOW(3) - INTERVAL 5 SECOND");
        }
      }
      return count;
    };
    EXPECT_TRUE(eventually([&] { return signs() == 0; }));
  }

  // --- What is left ---

  /// The XIDs, whoever's, of prepared branches, as XA ROLLBACK takes them.
  static std::vector<std::string> listed(const Server& server) {
    auto sql = dba(server);
    std::vector<std::string> xids;
    for (const auto& row : sql.rows("XA RECOVER")) {
      const auto gtrid_bytes = static_cast<std::size_t>(std::stoi(row[1]));
      xids.push_back("'" + row[3].substr(0, gtrid_bytes) + "','" + row[3].substr(gtrid_bytes) + "'," + row[0]);
    }
    return xids;
  }
  /// At how many places a transfer was made.
  std::size_t made(std::uint64_t id) const {
    std::size_t count = 0;
    for (const auto& place : bank_.places()) {
      Sql sql(place.server, "shop");
      count += static_cast<std::size_t>(sql.number("SELECT COUNT(*) FROM transfers WHERE id=" + std::to_string(id)));
    }
    return count;
  }
  /// No branch is in doubt anywhere, no money was made or lost, and each transfer is at all places or none. The last
  /// one is `made_at` so many.
  void expect_settled(std::size_t made_at) {
    EXPECT_TRUE(eventually([&] {
      return std::all_of(servers_.all().begin(), servers_.all().end(),
                         [](const auto& server) { return listed(server).empty(); });
    })) << daemon_.output();
    std::int64_t sum = 0;
    for (const auto& place : bank_.places())
      sum += Sql(place.server, "shop").number("SELECT SUM(balance) FROM accounts");
    EXPECT_EQ(sum, 2 * kAccounts * kOpening);
    for (const auto id : ids_) EXPECT_TRUE(made(id) == 0 || made(id) == bank_.places().size()) << id;
    EXPECT_EQ(made(ids_.back()), made_at);
  }
  /// It serves, and makes a transfer as it should.
  void expect_serves() {
    EXPECT_TRUE(eventually([&] {
      const auto told = submit().get();
      return told && told->outcome == Outcome::committed;
    })) << daemon_.output();
    expect_settled(bank_.places().size());
  }

  // --- The page ---

  static const Runbook::Situation& situation(int number) {
    for (const auto& one : page().situations) {
      if (one.number == number) return one;
    }
    throw std::runtime_error("the page has no situation " + std::to_string(number));
  }

  /// Executes the commands of one part of this test's situation.
  void follow(const std::string& part = "") {
    shell_.set("GTRID", gtrid_);
    for (const auto& one : situation(GetParam().number).parts) {
      if (one.title != part) continue;
      for (const auto& block : one.blocks) {
        const auto output = shell_.run(block.commands);
        std::cout << "--- line " << block.line << "\n" << block.commands << "---\n" << output << std::flush;
        EXPECT_EQ(missing_line(block.output, output), "")
            << kPage << ":" << block.line << ": these commands print no such line, or not behind the one before it";
        executed_.insert(block.line);
      }
      return;
    }
    FAIL() << "situation " << GetParam().number << " has no part '" << part << "'";
  }

  Servers& servers_;
  Bank bank_;
  Daemon daemon_;
  FailpointSocket failpoints_;
  OperatorShell shell_;
  std::vector<std::uint64_t> ids_;
  std::string gtrid_;
  bool stock_is_down_ = false;
  std::set<std::size_t> executed_;  ///< Blocks, by their lines.
};

void RunbookTest::a_participant_is_down() {
  start();
  failpoints_.arm("decision_durable=hold");
  auto told = submit();
  wait_passed("decision_durable");
  note_gtrid();
  servers_.kill("mysql1");
  stock_is_down_ = true;
  failpoints_.disarm();
  EXPECT_TRUE(told.get());
  follow();
  expect_settled(2);
  expect_serves();
}

void RunbookTest::the_coordinator_was_killed() {
  start();
  die_at("decision_durable=crash");
  follow();
  expect_settled(2);
  expect_serves();
}

void RunbookTest::something_in_doubt_keeps_sessions_waiting() {
  start();
  die_at("decision_durable=crash");
  auto waiting = std::async(std::launch::async, [this] {
    Sql session(orders(), "shop");
    session.run("SET innodb_lock_wait_timeout=120");
    return session.error_of("UPDATE accounts SET note='seen' WHERE id=1");
  });
  auto look = dba(orders());
  EXPECT_TRUE(eventually([&] {
    // Who looks more often than ten times a second is shown the same again.
    look.rows("SELECT SLEEP(0.2)");
    return look.number("SELECT COUNT(*) FROM information_schema.INNODB_LOCK_WAITS") > 0;
  }));
  follow();
  EXPECT_EQ(waiting.get(), 0);
  expect_settled(2);
  start();
  expect_serves();
}

void RunbookTest::somebody_rolled_a_branch_back() {
  start();
  failpoints_.arm("decision_durable=hold");
  auto told = submit();
  wait_passed("decision_durable");
  note_gtrid();
  dba(stock()).run("XA ROLLBACK " + listed(stock()).at(0));
  failpoints_.disarm();
  EXPECT_EQ(told.get()->outcome, Outcome::unknown);
  follow("One that was decided was rolled back");
  expect_settled(2);
  expect_serves();
  die_at("decision_unforced=crash");
  dba(stock()).run("XA COMMIT " + listed(stock()).at(0));
  start();
  EXPECT_TRUE(eventually([&] { return daemon_.client().info()->hazards == 1; })) << daemon_.output();
  follow("One that nothing had decided was committed");
  expect_settled(2);
  expect_serves();
}

void RunbookTest::branches_of_others() {
  start();
  const auto prepare = [](const Server& server, const std::string& xid, const std::string& statement) {
    Sql sql(server, "shop");
    sql.run("XA START " + xid);
    sql.run(statement);
    sql.run("XA END " + xid);
    sql.run("XA PREPARE " + xid);
  };
  prepare(orders(), "'invoices','7',4711", "UPDATE accounts SET note='x' WHERE id=3");
  // The other coordinator was here a while ago.
  for (const auto& server : {orders(), stock()}) {
    dba(server).run(
        "REPLACE INTO assent.coordinator(id,log_id,epoch,host,instance,sequence,seen_at) VALUES "
        "('shop2',7,3,'elsewhere',7,7,NOW(3)-INTERVAL 1 HOUR)");
    dba(server).run("REPLACE INTO assent.pulse(coordinator,closed_below,proofs_kept) VALUES ('shop2','',1)");
  }
  const std::string others = "shop2.00000003.00000000002a.0123456789abcdef.2";
  prepare(stock(), "'" + others + "','02.02.stock',1095978580",
          "INSERT INTO assent.proof(gtrid,branch,kind,participants,protocol) VALUES ('" + others +
              "',2,'proof','orders,stock',2)");
  follow("Not named as ours");
  prepare(orders(), "'shop1.00000001.0000000000ff.0123456789abcdef.2','01.02.orders',1095978580",
          "UPDATE accounts SET note='x' WHERE id=4");
  follow("Named as ours, and made by somebody else");
  expect_serves();
}

void RunbookTest::a_participant_is_refused() {
  start();
  EXPECT_EQ(daemon_.terminate(), 0);
  spoil_servers();
  start_as_operators_do();
  EXPECT_TRUE(eventually([&] {
    const auto infos = daemon_.client().participants();
    return infos.ok() && std::all_of(infos->begin(), infos->end(),
                                     [](const auto& info) { return info.state == ParticipantInfo::State::refused; });
  }));
  follow();
  expect_serves();
}

void RunbookTest::the_logs_disk_is_full_or_has_failed() {
  start();
  failpoints_.arm("file_without_room=error");
  // Until the segment that was made ahead is in use.
  auto client = daemon_.client();
  EXPECT_TRUE(eventually([&] {
    static_cast<void>(submit().get());
    return client.info()->state == "log_full";
  })) << daemon_.output();
  follow("The disk is full");
  expect_serves();
  failpoints_.arm("log_block_unsynced=error");
  static_cast<void>(submit().get());
  EXPECT_EQ(daemon_.wait(20s), 70) << daemon_.output();
  follow("The disk has failed");
  expect_serves();
}

void RunbookTest::the_log_is_damaged() {
  start();
  EXPECT_EQ(submit().get()->outcome, Outcome::committed);
  die_at("log_block_unsynced=crash");
  // As a power cut leaves what was written and not synced.
  change_log([](std::string& bytes) {
    const auto last = bytes.find_last_not_of('\0');
    bytes.replace(last - 3, 4, 4, '\0');
  });
  follow("Its end is torn");
  expect_settled(0);
  EXPECT_EQ(daemon_.terminate(), 0);
  start();
  const auto earlier = submit().get();
  ASSERT_TRUE(earlier);
  die_at("decision_durable=crash");
  change_log([&](std::string& bytes) {
    auto& byte = bytes[bytes.find(earlier->gtrid)];
    byte = static_cast<char>(byte ^ 1);
  });
  follow("Bytes of it are wrong");
  expect_settled(2);
  expect_serves();
}

void RunbookTest::the_log_is_lost_in_three_phases() {
  const auto& witness = servers_.at("mariadb2");
  daemon_.options().participants.push_back(
      {"witness", witness.host, witness.port, witness.user, witness.password, "", "\"witness\": true"});
  daemon_.options().more_json +=
      R"(, "transactions": {"protocol": "3pc", "acceptors": ["orders", "stock", "witness"]})";
  start();
  die_at("quorum_decided=crash");
  lose_log();
  wait_silent();
  follow();
  expect_settled(2);
  expect_serves();
}

void RunbookTest::the_log_is_lost_in_two_phases() {
  start();
  die_between_commits();
  lose_log();
  wait_silent();
  follow();
  follow("A branch has committed");
  expect_settled(2);
  start("--log-lost");
  die_between_prepares();
  lose_log();
  wait_silent();
  follow("A branch is missing");
  expect_settled(0);
  start("--log-lost");
  die_at("decision_durable=crash");
  lose_log();
  wait_silent();
  follow("Every branch is prepared");
  expect_settled(2);
  expect_serves();
}

void RunbookTest::another_log_was_used_last() {
  start();
  EXPECT_EQ(daemon_.terminate(), 0);
  std::filesystem::rename(daemon_.log_folder(), daemon_.log_folder() + ".elsewhere");
  follow();
  expect_serves();
}

constexpr Situation kSituations[] = {
    {1, "AParticipantIsDown", &RunbookTest::a_participant_is_down},
    {2, "TheCoordinatorWasKilled", &RunbookTest::the_coordinator_was_killed},
    {3, "SomethingInDoubtKeepsSessionsWaiting", &RunbookTest::something_in_doubt_keeps_sessions_waiting},
    {4, "SomebodyRolledABranchBack", &RunbookTest::somebody_rolled_a_branch_back},
    {5, "BranchesOfOthers", &RunbookTest::branches_of_others},
    {6, "AParticipantIsRefused", &RunbookTest::a_participant_is_refused},
    {7, "TheLogsDiskIsFullOrHasFailed", &RunbookTest::the_logs_disk_is_full_or_has_failed},
    {8, "TheLogIsDamaged", &RunbookTest::the_log_is_damaged},
    {9, "TheLogIsLostInThreePhases", &RunbookTest::the_log_is_lost_in_three_phases},
    {10, "TheLogIsLostInTwoPhases", &RunbookTest::the_log_is_lost_in_two_phases},
    {11, "AnotherLogWasUsedLast", &RunbookTest::another_log_was_used_last},
};
INSTANTIATE_TEST_SUITE_P(Situations, RunbookTest, ::testing::ValuesIn(kSituations),
                         [](const auto& which) { return which.param.name; });

TEST_P(RunbookTest, ItsCommandsDoWhatThePageSays) {
  (this->*GetParam().happens)();
  for (const auto& part : situation(GetParam().number).parts) {
    for (const auto& block : part.blocks) {
      EXPECT_TRUE(executed_.contains(block.line)) << kPage << ":" << block.line << ": nobody executes this";
    }
  }
}

TEST(RunbookPageTest, EverySituationHasCommandsAndATest) {
  std::set<int> tested;
  for (const auto& one : kSituations) tested.insert(one.number);
  std::set<int> numbers;
  for (const auto& one : page().situations) {
    EXPECT_TRUE(numbers.insert(one.number).second) << "there are two of number " << one.number;
    EXPECT_TRUE(tested.contains(one.number)) << one.number << ". " << one.title << ": no test brings it about";
    const auto has_commands = [](const auto& part) { return !part.blocks.empty(); };
    EXPECT_TRUE(std::any_of(one.parts.begin(), one.parts.end(), has_commands))
        << one.number << ". " << one.title << ": no commands";
  }
  EXPECT_GE(numbers.size(), kSituationsMin);
  EXPECT_EQ(numbers, tested);
}

TEST(RunbookPageTest, WhatItsTextNamesIsExecutedSomewhere) {
  std::string commands;
  for (const auto& one : page().situations) {
    for (const auto& part : one.parts) {
      for (const auto& block : part.blocks) commands += block.commands;
    }
  }
  EXPECT_FALSE(page().named.empty());
  for (const auto& name : page().named) EXPECT_THAT(commands, ::testing::HasSubstr(name));
}

}  // namespace
}  // namespace assent::testing
