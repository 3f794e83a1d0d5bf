// The DBA's recovery tool on a coordinator that was killed, with its log and without: what it says of each branch, what
// it does, what it refuses, and what it leaves alone.

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <random>
#include <thread>

#include <nlohmann/json.hpp>

#include "protocol/xid.hpp"
#include "support/crash.hpp"
#include "support/log_lab.hpp"
#include "wal/log.hpp"

namespace assent::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kClean = 0;
constexpr int kRolledBack = 1;
constexpr int kInDoubt = 2;
constexpr int kUsage = 64;
constexpr int kBadInput = 65;
constexpr int kNoLog = 73;
constexpr int kUnavailable = 69;

class RecoveryToolTest : public CrashTest {
 protected:
  static constexpr std::int64_t kAmount = 7;

  struct Ctl {
    int code = -1;
    std::string output;
  };
  Ctl ctl(const std::vector<std::string>& arguments) const {
    const TempFolder folder;
    Program program("assentctl", arguments, folder.path() + "/output");
    const int code = program.wait(90s);
    return {code, program.output()};
  }
  Ctl offline(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--config", daemon_.config_path()});
    return ctl(arguments);
  }
  Ctl live(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--address", "127.0.0.1:" + std::to_string(daemon_.port())});
    return ctl(arguments);
  }
  Ctl recover(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), "recover");
    return offline(more);
  }
  /// What the tool shows as JSON, by branch.
  std::vector<json> listing(std::vector<std::string> more = {}) const {
    more.emplace_back("--json");
    const auto shown = recover(more);
    const auto parsed = json::parse(shown.output, nullptr, false);
    if (parsed.is_object() && parsed.contains("branches")) return parsed["branches"];
    ADD_FAILURE() << shown.output;
    return {};
  }
  /// The verdicts by branch's participant, of the transactions that the tool shows.
  std::map<std::string, json> branches(const std::vector<std::string>& more = {}) const {
    std::map<std::string, json> found;
    for (const auto& branch : listing(more)) {
      if (std::string(branch["gtrid"]).starts_with(database_)) found[branch["participant"]] = branch;
    }
    return found;
  }
  /// Branches of this test's coordinator that are listed somewhere.
  std::size_t ours() const { return listed(east()).size() + listed(west()).size(); }

  /// Submits a transfer of kAmount, and lets the daemon die at `step`.
  void die_at(const std::string& step) {
    start();
    failpoints().arm(step);
    auto transaction = transfer(1, 2, kAmount);
    transaction.label = "order 4711";
    transaction.idempotency_key = "key-4711";
    // Answered or not.
    static_cast<void>(daemon_.client().submit(transaction).ok());
    EXPECT_EQ(daemon_.wait(20s), 128 + SIGKILL) << daemon_.output();
  }
  /// A coordinator that has been here, and is gone. With its log.
  void be_gone() {
    start();
    daemon_.kill_9();
  }
  /// As if its last sign of life was a while ago.
  void be_silent() {
    for (const auto& server : {east(), west()}) {
      dba(server).run("UPDATE assent.coordinator SET seen_at=NOW(3)-INTERVAL 1 HOUR WHERE id='" + database_ + "'");
    }
  }
  void lose_log() { std::filesystem::remove_all(daemon_.log_folder()); }

  std::string pay(int account) { return "UPDATE accounts SET balance=balance-7 WHERE id=" + std::to_string(account); }
  std::string get(int account) { return "UPDATE accounts SET balance=balance+7 WHERE id=" + std::to_string(account); }
  /// Both branches of a transaction that moves money between accounts of that number.
  std::string prepare_both(int account) {
    const auto gtrid = orphan_gtrid(1, static_cast<std::uint64_t>(account));
    prepare_by_hand(east(), gtrid, pay(account));
    prepare_by_hand(west(), gtrid, get(account));
    return gtrid;
  }
  /// The log says that these were decided.
  void write_decisions(const std::vector<std::string>& gtrids) {
    wal::Options options;
    options.directory = daemon_.log_folder();
    options.segment_bytes = 65536;
    options.allow_create = false;
    auto opened = wal::open(options, wal::posix_disk());
    ASSERT_TRUE(opened.ok()) << opened.error().what;
    for (const auto& gtrid : gtrids) {
      ports::CommitDecision decision;
      decision.gtrid = gtrid;
      decision.participants = {"east", "west"};
      decision.decided_at_ms = 1'700'000'000'000;
      opened->log->append(decision);
    }
    ASSERT_TRUE(opened->log->close().ok());
  }
  void expect_moved(int account, bool moved) {
    EXPECT_EQ(balance(east(), account), kOpening - (moved ? kAmount : 0)) << account;
    EXPECT_EQ(balance(west(), account), kOpening + (moved ? kAmount : 0)) << account;
  }
  std::vector<json> audit_lines() const {
    std::vector<json> lines;
    std::ifstream file(daemon_.log_folder() + ".audit");
    for (std::string line; std::getline(file, line);) lines.push_back(json::parse(line));
    return lines;
  }
  std::size_t audited(const std::string& act, const std::string& state) const {
    std::size_t count = 0;
    for (const auto& line : audit_lines()) count += line["act"] == act && line["state"] == state ? 1 : 0;
    return count;
  }
};
ASSENT_FOR_EVERY_PAIR(RecoveryToolTest);

// --- with the log ---------------------------------------------------------------------------------------------------

TEST_P(RecoveryToolTest, WhatIsDecidedWillCommitAndIsLeftAloneUntilItIsApplied) {
  die_at("decision_durable=crash");
  for (int look = 0; look < 2; ++look) {
    const auto shown = recover();
    EXPECT_EQ(shown.code, kInDoubt);
    EXPECT_THAT(shown.output,
                AllOf(HasSubstr("2 will commit"), HasSubstr("decided on 20"), HasSubstr("order 4711"),
                      HasSubstr("next: assentctl recover --config " + daemon_.config_path() + " --apply")));
    EXPECT_EQ(ours(), 2U);
  }
  for (const auto& [name, branch] : branches()) {
    EXPECT_EQ(branch["verdict"], "will_commit") << name;
    EXPECT_EQ(branch["label"], "order 4711");
    EXPECT_LT(branch["age_ms"], 60'000);
  }
  EXPECT_TRUE(audit_lines().empty());
  const auto applied = recover({"--apply"});
  EXPECT_EQ(applied.code, kClean) << applied.output;
  expect_settled_and_balanced();
  EXPECT_EQ(balance(west(), 2), kOpening + kAmount);
  EXPECT_EQ(audited("commit", "begun"), 2U);
  EXPECT_EQ(audited("commit", "done"), 2U);
  EXPECT_THAT(offline({"--version"}).output, HasSubstr("assentctl"));
  const auto dump = ctl({"wal", "dump", daemon_.log_folder()});
  EXPECT_THAT(dump.output, AllOf(HasSubstr("operator"), HasSubstr("commit by"), HasSubstr("ended")));
  // Once more, with nothing to do.
  EXPECT_EQ(recover({"--apply"}).code, kClean);
  EXPECT_EQ(audit_lines().size(), 4U);
  // The coordinator goes on where the tool has left the log.
  daemon_.options().environment = failpoint_environment(daemon_.folder() + "/failpoints", "");
  daemon_.start();
  daemon_.wait_up();
  auto client = daemon_.client();
  EXPECT_EQ(submit(client, transfer(3, 4, 1)).outcome, Outcome::committed);
}

TEST_P(RecoveryToolTest, WhatNothingDecidedWillRollBack) {
  die_at("decision_unforced=crash");
  const auto found = branches();
  ASSERT_EQ(found.size(), 2U);
  for (const auto& [name, branch] : found) {
    EXPECT_EQ(branch["verdict"], "will_roll_back") << name;
    EXPECT_THAT(std::string(branch["reason"]), HasSubstr("presumed abort"));
    EXPECT_EQ(branch["label"], "order 4711") << "as its proof row says";
  }
  EXPECT_EQ(recover({"--apply"}).code, kClean);
  expect_settled_and_balanced();
  EXPECT_EQ(balance(east(), 1), kOpening);
  EXPECT_EQ(audited("roll_back", "done"), 2U);
}

TEST_P(RecoveryToolTest, WhatHasCommittedIsSaidToBeProven) {
  die_at("end_unlogged=crash");
  const auto found = branches();
  ASSERT_EQ(found.size(), 2U);
  for (const auto& [name, branch] : found) {
    EXPECT_EQ(branch["verdict"], "committed") << name;
    EXPECT_THAT(std::string(branch["reason"]), HasSubstr("proof row"));
  }
  EXPECT_EQ(recover().code, kClean);
}

TEST_P(RecoveryToolTest, ADecidedBranchRolledBackByHandIsAHazardUntilItIsAcknowledged) {
  die_at("decision_durable=crash");
  const auto gtrid = *listed(west()).begin();
  kill_branch_connections(west());
  dba(west()).run("XA ROLLBACK " + xid_at(west(), gtrid));
  auto found = branches();
  EXPECT_EQ(found["east"]["verdict"], "will_commit");
  EXPECT_EQ(found["west"]["verdict"], "hazard");
  EXPECT_THAT(std::string(found["west"]["reason"]), HasSubstr("rolled it back by hand"));
  const auto applied = recover({"--apply"});
  EXPECT_EQ(applied.code, kInDoubt) << applied.output;
  EXPECT_THAT(applied.output, HasSubstr("assentctl hazards"));
  EXPECT_EQ(balance(east(), 1), kOpening - kAmount);
  const auto open = offline({"hazards"});
  EXPECT_EQ(open.code, kInDoubt);
  EXPECT_THAT(open.output, AllOf(HasSubstr(gtrid), HasSubstr("2 west"), HasSubstr("hazards acknowledge " + gtrid)));
  EXPECT_EQ(offline({"hazards", "acknowledge", gtrid, "2"}).code, kUsage) << "without a reason";
  const auto log = contents_of(daemon_.log_folder());
  EXPECT_EQ(offline({"hazards", "acknowledge", gtrid, "1", "--reason", "x"}).code, kBadInput);
  EXPECT_TRUE(contents_of(daemon_.log_folder()) == log) << "what was refused has written into the log";
  EXPECT_EQ(offline({"hazards", "acknowledge", gtrid, "2", "--reason", "repaired by hand"}).code, kClean);
  EXPECT_EQ(offline({"hazards"}).code, kClean);
  EXPECT_EQ(recover().code, kClean);
  EXPECT_EQ(audited("acknowledge", "done"), 1U);
  for (int run = 0; run < 2; ++run) {
    start();
    EXPECT_TRUE(eventually([&] { return daemon_.client().info()->live == 0; })) << daemon_.output();
    EXPECT_EQ(live({"hazards"}).code, kClean);
    EXPECT_THAT(daemon_.output(), Not(HasSubstr("critical")));
    const auto status = daemon_.client().status_of_key("key-4711");
    ASSERT_TRUE(status.ok()) << status.error().what;
    EXPECT_EQ(status->outcome, Outcome::unknown) << "one of its branches did not commit";
    daemon_.kill_9();
  }
}

// Nobody decided it, and one branch has committed: the other waits for an operator's word, through restarts.
TEST_P(RecoveryToolTest, ABranchCommittedByHandBeforeAnyDecisionIsAHazardKeptThroughRestarts) {
  start("decision_unforced=hold");
  auto told = std::async(std::launch::async, [client = std::make_shared<Client>(daemon_.client())] {
    auto transaction = transfer(1, 2, kAmount);
    transaction.timeout = 60s;
    return client->submit(transaction).ok();
  });
  wait_passed("decision_unforced");
  const auto gtrid = *listed(west()).begin();
  kill_branch_connections(west());
  dba(west()).run("XA COMMIT " + xid_at(west(), gtrid));
  daemon_.kill_9();
  told.wait();
  auto found = branches();
  EXPECT_EQ(found["east"]["verdict"], "undecidable");
  EXPECT_EQ(found["west"]["verdict"], "hazard");
  EXPECT_THAT(std::string(found["west"]["reason"]), HasSubstr("no decision"));
  const auto applied = recover({"--apply"});
  EXPECT_EQ(applied.code, kInDoubt) << applied.output;
  EXPECT_EQ(ours(), 1U);
  EXPECT_EQ(balance(east(), 1), kOpening);
  EXPECT_EQ(balance(west(), 2), kOpening + kAmount);
  start();
  daemon_.kill_9();
  const auto open = offline({"hazards"});
  EXPECT_EQ(open.code, kInDoubt);
  EXPECT_THAT(open.output, AllOf(HasSubstr(gtrid), HasSubstr("at 'west'")));
  start();
  EXPECT_EQ(live({"hazards"}).code, kInDoubt);
  EXPECT_EQ(live({"recover"}).code, kInDoubt);
  EXPECT_EQ(daemon_.client().info()->hazards, 1U);
  EXPECT_EQ(ours(), 1U);
  EXPECT_EQ(live({"hazards", "acknowledge", gtrid, "2", "--reason", "taken back by hand"}).code, kClean);
  EXPECT_TRUE(eventually([&] { return ours() == 0; })) << daemon_.output();
  EXPECT_EQ(balance(east(), 1), kOpening);
  EXPECT_TRUE(eventually([&] { return live({"recover"}).code == kClean; })) << live({"recover"}).output;
  daemon_.kill_9();
  EXPECT_EQ(offline({"hazards"}).code, kClean);
}

TEST_P(RecoveryToolTest, BranchesOfOthersAreShownAndStayAsTheyWere) {
  be_gone();
  const auto others = protocol::format_gtrid({"other", 1, 7, 9, Protocol::two_phase});
  for (const auto& server : {east(), west()}) {
    Sql hand(server, database_);
    hand.run("XA START X'00ff27',X'01',4711");
    hand.run(get(5));
    hand.run("XA END X'00ff27',X'01',4711");
    hand.run("XA PREPARE X'00ff27',X'01',4711");
    Sql second(server, database_);
    const auto xid = xid_at(server, others);
    second.run("XA START " + xid);
    second.run(get(6));
    second.run("XA END " + xid);
    second.run("XA PREPARE " + xid);
  }
  const auto ours = prepare_both(9);
  EXPECT_TRUE(eventually([&] { return in_doubt() == 6; }));
  const auto shown = recover();
  EXPECT_EQ(shown.code, kInDoubt);
  EXPECT_THAT(shown.output, AllOf(HasSubstr("2 will roll back"), HasSubstr("2 foreign"), HasSubstr("0x00ff27"),
                                  HasSubstr("2 other coordinator's"), HasSubstr("coordinator 'other'")));
  const auto applied = recover({"--apply"});
  EXPECT_EQ(applied.code, kClean) << applied.output;
  EXPECT_EQ(in_doubt(), 4U);
  EXPECT_EQ(recover({"--log-lost", "--apply"}).code, kClean);
  EXPECT_EQ(in_doubt(), 4U);
  for (const auto& server : {east(), west()}) {
    auto admin = dba(server);
    EXPECT_TRUE(eventually([&] { return admin.error_of("XA ROLLBACK X'00ff27',X'01',4711") == 0; }));
    EXPECT_TRUE(eventually([&] { return admin.error_of("XA ROLLBACK " + xid_at(server, others)) == 0; }));
  }
}

TEST_P(RecoveryToolTest, FiltersShowWhatIsAskedForInAStableOrder) {
  be_gone();
  const auto first = prepare_both(11);
  const auto second = prepare_both(12);
  EXPECT_EQ(listing().size(), 4U);
  std::vector<std::string> order;
  for (const auto& branch : listing()) {
    order.push_back(std::string(branch["gtrid"]) + " " + std::string(branch["participant"]));
  }
  EXPECT_EQ(order, (std::vector<std::string>{first + " east", first + " west", second + " east", second + " west"}));
  EXPECT_EQ(listing({"--gtrid", second}).size(), 2U);
  EXPECT_EQ(listing({"--participant", "west"}).size(), 2U);
  EXPECT_EQ(listing({"--min-age-ms", "3600000"}).size(), 0U);
  EXPECT_EQ(recover({"--apply", "--gtrid", first}).code, kUsage);
  EXPECT_EQ(ours(), 4U);
  EXPECT_EQ(recover({"--apply"}).code, kClean);
}

TEST_P(RecoveryToolTest, SessionsThatABranchKeepsWaitingAreShown) {
  be_gone();
  prepare_both(21);
  prepare_both(22);
  for (const auto& server : {east(), west()}) {
    SCOPED_TRACE(server.name);
    auto waiting = std::async(std::launch::async, [&] {
      Sql session(server, database_);
      session.run("SET innodb_lock_wait_timeout=20");
      return session.error_of("UPDATE accounts SET note='waits' WHERE id=22");
    });
    const auto name = server.name == east().name ? "east" : "west";
    json branch;
    EXPECT_TRUE(eventually([&] {
      for (const auto& one : listing()) {
        if (one["participant"] == name && one.contains("blocks")) branch = one;
      }
      return !branch.is_null();
    })) << recover().output;
    EXPECT_EQ(branch["gtrid"], orphan_gtrid(1, 22)) << "and not the other";
    EXPECT_EQ(branch["blocks"].size(), 1U);
    EXPECT_THAT(std::string(branch["blocks"][0]["table"]), HasSubstr(".accounts"));
    EXPECT_EQ(branch["blocks"][0]["row"], "22");
    EXPECT_THAT(recover().output, HasSubstr("keeps session "));
    auto admin = dba(server);
    for (const auto& row :
         admin.rows("SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE 'UPDATE%waits%'")) {
      admin.error_of("KILL QUERY " + row[0]);
    }
    EXPECT_NE(waiting.get(), 0);
  }
  EXPECT_EQ(recover({"--apply"}).code, kClean);
}

TEST_P(RecoveryToolTest, AParticipantThatIsDownIsGonePastAndListed) {
  die_at("decision_durable=crash");
  const auto down = west();
  servers().kill(down.name);
  const auto applied = recover({"--apply", "--timeout-ms", "5000"});
  EXPECT_EQ(applied.code, kInDoubt) << applied.output;
  EXPECT_THAT(applied.output, AllOf(HasSubstr("NOT REACHED west"), HasSubstr("its participant was not reached")));
  EXPECT_EQ(balance(east(), 1), kOpening - kAmount) << applied.output;
  servers().restart(down.name);
  const auto again = recover({"--apply"});
  EXPECT_EQ(again.code, kClean) << again.output;
  expect_settled_and_balanced();
  EXPECT_EQ(balance(west(), 2), kOpening + kAmount);
}

TEST_P(RecoveryToolTest, ARunningCoordinatorIsAskedThroughItsSocket) {
  start("decision_durable=hold");
  auto told = std::async(std::launch::async, [client = std::make_shared<Client>(daemon_.client())] {
    return submit(*client, transfer(1, 2, kAmount)).outcome;
  });
  wait_passed("decision_durable");
  const auto refused = recover();
  EXPECT_EQ(refused.code, kUnavailable);
  EXPECT_THAT(refused.output, HasSubstr("assentctl --address 127.0.0.1"));
  EXPECT_EQ(recover({"--apply"}).code, kUnavailable);
  const auto shown = live({"recover"});
  EXPECT_THAT(shown.output, HasSubstr("2 running")) << "the loop has not heard of the log yet";
  EXPECT_EQ(shown.code, kClean);
  failpoints().disarm();
  EXPECT_EQ(told.get(), Outcome::committed);
  // One that nobody runs: the coordinator's own sweep is told to go now.
  prepare_unswept(east(), orphan_gtrid(1, 31), pay(31));
  const auto applied = live({"recover", "--apply"});
  EXPECT_EQ(applied.code, kClean) << applied.output;
  EXPECT_EQ(ours(), 0U);
}

TEST_P(RecoveryToolTest, HazardsOfARunningCoordinatorAreAcknowledgedThroughItsSocket) {
  start("decision_durable=hold");
  auto told = std::async(std::launch::async, [client = std::make_shared<Client>(daemon_.client())] {
    return submit(*client, transfer(1, 2, kAmount)).outcome;
  });
  wait_passed("decision_durable");
  const auto gtrid = *listed(west()).begin();
  kill_branch_connections(west());
  dba(west()).run("XA ROLLBACK " + xid_at(west(), gtrid));
  failpoints().disarm();
  EXPECT_EQ(told.get(), Outcome::unknown);
  const auto open = live({"hazards", "--json"});
  EXPECT_EQ(open.code, kInDoubt);
  EXPECT_EQ(json::parse(open.output)["hazards"][0]["gtrid"], gtrid);
  EXPECT_EQ(live({"recover"}).code, kInDoubt);
  EXPECT_EQ(live({"hazards", "acknowledge", gtrid, "2", "--reason", "repaired"}).code, kClean);
  EXPECT_EQ(live({"hazards"}).code, kClean);
  EXPECT_TRUE(eventually([&] { return daemon_.client().info()->live == 0; }));
  EXPECT_EQ(live({"list"}).code, kClean);
  EXPECT_EQ(audited("acknowledge", "asked"), 1U);
  daemon_.kill_9();
  start();
  EXPECT_EQ(live({"hazards"}).code, kClean);
  EXPECT_EQ(daemon_.client().info()->live, 0U);
}

TEST_P(RecoveryToolTest, WhatAnotherLogKnewIsLeftAloneUntilThatIsSaidToBeLost) {
  be_gone();
  lose_log();
  // A new log begins with the second epoch.
  daemon_.options().arguments = {"--log-lost"};
  be_gone();
  const std::vector<std::string> gtrids{orphan_gtrid(1, 33), orphan_gtrid(9, 34)};
  for (const auto& gtrid : gtrids) {
    prepare_by_hand(east(), gtrid, pay(33));
    prepare_by_hand(west(), gtrid, "UPDATE accounts SET note='x' WHERE id=35");
    const auto shown = recover({"--gtrid", gtrid});
    EXPECT_EQ(shown.code, kInDoubt);
    EXPECT_THAT(shown.output, AllOf(HasSubstr("2 UNDECIDABLE"), HasSubstr("--log-lost")));
    const auto applied = recover({"--apply"});
    EXPECT_EQ(applied.code, kInDoubt) << applied.output;
    EXPECT_EQ(ours(), 2U);
    be_silent();
    const auto lost = branches({"--log-lost"});
    EXPECT_EQ(lost.at("east")["verdict"], "undecidable") << "all are prepared";
    const auto chosen = offline({"resolve", gtrid, "--rollback", "--reason", "nobody was charged"});
    EXPECT_EQ(chosen.code, kRolledBack) << chosen.output;
    EXPECT_EQ(ours(), 0U);
  }
}

// --- without it -----------------------------------------------------------------------------------------------------

TEST_P(RecoveryToolTest, WithTheLogLostAProofRowMeansCommit) {
  be_gone();
  const auto gtrid = prepare_both(41);
  lose_log();
  EXPECT_TRUE(eventually([&] { return dba(east()).error_of("XA COMMIT " + xid_at(east(), gtrid)) == 0; }));
  const auto without = recover();
  EXPECT_EQ(without.code, kNoLog);
  EXPECT_THAT(without.output, HasSubstr("--log-lost"));
  auto found = branches({"--log-lost"});
  EXPECT_EQ(found["east"]["verdict"], "committed");
  EXPECT_EQ(found["west"]["verdict"], "will_commit");
  be_silent();
  const auto applied = recover({"--log-lost", "--apply"});
  EXPECT_EQ(applied.code, kClean) << applied.output;
  expect_moved(41, true);
  EXPECT_EQ(ours(), 0U);
}

TEST_P(RecoveryToolTest, WhoeverGivesASignOfLifeIsLeftAlone) {
  start("decision_durable=hold");
  auto told = std::async(std::launch::async, [client = std::make_shared<Client>(daemon_.client())] {
    return submit(*client, transfer(1, 2, kAmount)).outcome;
  });
  wait_passed("decision_durable");
  const auto gtrid = *listed(west()).begin();
  // Asked elsewhere, where its log is not.
  std::filesystem::rename(daemon_.log_folder(), daemon_.folder() + "/away");
  for (const auto& said :
       {recover({"--log-lost", "--apply"}), offline({"resolve", gtrid, "--rollback", "--reason", "it seems lost"})}) {
    EXPECT_EQ(said.code, kUnavailable) << said.output;
    EXPECT_THAT(said.output, HasSubstr("gave a sign of life"));
  }
  std::filesystem::rename(daemon_.folder() + "/away", daemon_.log_folder());
  failpoints().disarm();
  EXPECT_EQ(told.get(), Outcome::committed);
  EXPECT_TRUE(audit_lines().empty());
}

TEST_P(RecoveryToolTest, ACommitThatNoProofRowShowsIsNotToldAsDone) {
  be_gone();
  const auto gtrid = orphan_gtrid(1, 47);
  prepare_by_hand(east(), gtrid, pay(47));
  prepare_by_hand(west(), gtrid, get(47), false);
  lose_log();
  be_silent();
  EXPECT_TRUE(eventually([&] { return dba(east()).error_of("XA COMMIT " + xid_at(east(), gtrid)) == 0; }));
  const auto applied = recover({"--log-lost", "--apply", "--timeout-ms", "3000"});
  EXPECT_EQ(ours(), 0U) << "nothing is listed any more, which proves nothing";
  EXPECT_EQ(applied.code, kInDoubt) << applied.output;
  EXPECT_THAT(applied.output, AllOf(HasSubstr("2 west"), HasSubstr("gone without its proof row")));
  EXPECT_EQ(audited("commit", "not_done"), 1U);
  EXPECT_EQ(audited("commit", "done"), 0U);
}

TEST_P(RecoveryToolTest, WithTheLogLostAMissingBranchMeansRollbackAndIsFencedOff) {
  be_gone();
  const auto gtrid = orphan_gtrid(1, 42);
  prepare_by_hand(east(), gtrid, pay(42));
  lose_log();
  auto found = branches({"--log-lost"});
  EXPECT_EQ(found["east"]["verdict"], "will_roll_back");
  EXPECT_THAT(std::string(found["east"]["reason"]), HasSubstr("'west' is neither prepared nor proven"));
  EXPECT_EQ(found["west"]["verdict"], "rolled_back");
  be_silent();
  const auto applied = recover({"--log-lost", "--apply"});
  EXPECT_EQ(applied.code, kClean) << applied.output;
  expect_moved(42, false);
  // What was on its way is too late.
  Sql late(west(), database_);
  late.run("XA START " + xid_at(west(), gtrid));
  EXPECT_EQ(late.error_of("INSERT INTO assent.proof(gtrid,branch,kind,participants,protocol) VALUES ('" + gtrid +
                          "',2,'proof','east,west',2)"),
            1062);
  late.run("XA END " + xid_at(west(), gtrid));
  late.run("XA ROLLBACK " + xid_at(west(), gtrid));
}

TEST_P(RecoveryToolTest, WhatCannotBeKnownIsLeftUntilAnOperatorChooses) {
  be_gone();
  const std::vector<std::string> gtrids{prepare_both(43), prepare_both(44)};
  lose_log();
  be_silent();
  for (const auto& [name, branch] : branches({"--log-lost"})) EXPECT_EQ(branch["verdict"], "undecidable") << name;
  const auto applied = recover({"--log-lost", "--apply"});
  EXPECT_EQ(applied.code, kInDoubt);
  EXPECT_THAT(applied.output, HasSubstr("assentctl resolve " + gtrids[0]));
  EXPECT_EQ(ours(), 4U);
  // Nor does a new coordinator touch them.
  const auto [code, output] = daemon_.run_to_exit();
  EXPECT_NE(code, 0);
  EXPECT_THAT(output, HasSubstr("--log-lost"));

  EXPECT_EQ(offline({"resolve", gtrids[0], "--commit"}).code, kUsage) << "without a reason";
  EXPECT_EQ(offline({"resolve", gtrids[0], "--commit", "--rollback", "--reason", "x"}).code, kUsage);
  EXPECT_EQ(offline({"resolve", "nonsense", "--commit", "--reason", "x"}).code, kBadInput);
  const auto committed = offline({"resolve", gtrids[0], "--commit", "--reason", "the books say so"});
  EXPECT_EQ(committed.code, kClean) << committed.output;
  const auto rolled_back = offline({"resolve", gtrids[1], "--rollback", "--reason", "never charged"});
  EXPECT_EQ(rolled_back.code, kRolledBack) << rolled_back.output;
  expect_moved(43, true);
  expect_moved(44, false);
  EXPECT_EQ(audited("choose_commit", "done"), 1U);
  // From then on.
  const auto shown = recover({"--log-lost"});
  EXPECT_EQ(shown.code, kClean) << shown.output;
  EXPECT_THAT(shown.output, AllOf(HasSubstr("heuristic " + gtrids[0] + " at east, west: committed"),
                                  HasSubstr("the books say so"), HasSubstr("never charged")));
}

TEST_P(RecoveryToolTest, AnOperatorsChoiceIsRefusedWhereAnythingKnowsBetter) {
  be_gone();
  const auto decided = prepare_both(51);
  const auto undecided = prepare_both(52);
  write_decisions({decided});
  be_silent();
  const auto refused = [&](const std::string& gtrid, const std::string& choice, const std::string& why) {
    const auto said = offline({"resolve", gtrid, choice, "--reason", "I think so"});
    EXPECT_EQ(said.code, kInDoubt) << said.output;
    EXPECT_THAT(said.output, HasSubstr(why));
  };
  refused(decided, "--rollback", "the log says commit");
  refused(decided, "--commit", "the log says commit");
  refused(undecided, "--commit", "the log says rollback");
  EXPECT_EQ(recover({"--apply"}).code, kClean);
  expect_moved(51, true);
  expect_moved(52, false);

  lose_log();
  be_silent();
  const auto proven = prepare_both(53);
  EXPECT_TRUE(eventually([&] { return dba(east()).error_of("XA COMMIT " + xid_at(east(), proven)) == 0; }));
  refused(proven, "--rollback", "commit is certain");
  const auto missing = orphan_gtrid(1, 54);
  prepare_by_hand(east(), missing, pay(54));
  refused(missing, "--commit", "rollback is certain");
  const auto three = orphan_gtrid(1, 55, Protocol::three_phase);
  prepare_by_hand(east(), three, pay(55));
  prepare_by_hand(west(), three, get(55));
  refused(three, "--commit", "its acceptors decide");
  // Another operator's, which stands.
  const auto chosen = prepare_both(56);
  for (const auto& server : {east(), west()}) {
    dba(server).run("INSERT INTO assent.heuristic(gtrid,value,who,reason) VALUES ('" + chosen +
                    "','rollback','ada','she knows')");
  }
  refused(chosen, "--commit", "the opposite was chosen by ada");
  EXPECT_EQ(audited("choose_commit", "refused") + audited("choose_rollback", "refused"), 7U);
  const auto applied = recover({"--log-lost", "--apply"});
  EXPECT_EQ(applied.code, kClean) << applied.output;
  expect_moved(53, true);
  expect_moved(54, false);
  expect_moved(55, false);
  expect_moved(56, false);
  EXPECT_EQ(ours(), 0U);
}

TEST_P(RecoveryToolTest, WhereProofRowsWereNotKeptAMissingOneSaysNothing) {
  daemon_.options().participants[1].more_json = R"("proof_rows": false)";
  be_gone();
  // The same as with proof rows, as far as whoever looks is told.
  daemon_.options().participants[1].more_json = "";
  daemon_.write_config();
  const auto gtrid = orphan_gtrid(1, 45);
  prepare_by_hand(east(), gtrid, pay(45));
  lose_log();
  be_silent();
  auto found = branches({"--log-lost"});
  EXPECT_EQ(found["east"]["verdict"], "undecidable") << "the west may have committed";
  EXPECT_EQ(recover({"--log-lost", "--apply"}).code, kInDoubt);
  EXPECT_EQ(ours(), 1U);
  EXPECT_EQ(offline({"resolve", gtrid, "--rollback", "--reason", "the west has nothing of it"}).code, kRolledBack);
  EXPECT_EQ(ours(), 0U);
  expect_moved(45, false);
}

TEST_P(RecoveryToolTest, NothingIsConcludedWithoutALogThatMayKnow) {
  be_gone();
  const auto gtrid = prepare_both(46);
  be_silent();
  std::fstream file(daemon_.log_folder() + "/CHECKPOINT", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(60);
  file.put('x');
  file.close();
  for (const auto& said :
       {recover({"--log-lost", "--apply"}), offline({"resolve", gtrid, "--commit", "--reason", "x"})}) {
    EXPECT_EQ(said.code, kBadInput) << said.output;
    EXPECT_THAT(said.output, HasSubstr("repair"));
  }
  EXPECT_EQ(ours(), 2U);
  lose_log();
  EXPECT_EQ(offline({"resolve", gtrid, "--rollback", "--reason", "x"}).code, kRolledBack);
}

TEST_P(RecoveryToolTest, AParticipantThatMayKnowIsWaitedForUnlessItIsSaidToBeGone) {
  be_gone();
  const auto gtrid = prepare_both(61);
  lose_log();
  be_silent();
  const auto down = west();
  servers().kill(down.name);
  auto found = branches({"--log-lost"});
  EXPECT_EQ(found["east"]["verdict"], "undecidable");
  const auto refused = offline({"resolve", gtrid, "--rollback", "--reason", "x"});
  EXPECT_EQ(refused.code, kInDoubt);
  EXPECT_THAT(refused.output, HasSubstr("--without west"));
  EXPECT_EQ(recover({"--log-lost", "--apply", "--timeout-ms", "2000"}).code, kInDoubt);
  const auto chosen = offline(
      {"resolve", gtrid, "--rollback", "--reason", "its disk is gone", "--without", "west", "--timeout-ms", "3000"});
  EXPECT_EQ(chosen.code, kInDoubt) << "the west is still to be rolled back: " << chosen.output;
  EXPECT_EQ(balance(east(), 61), kOpening);
  servers().restart(down.name);
  const auto applied = recover({"--log-lost", "--apply"});
  EXPECT_EQ(applied.code, kClean) << applied.output;
  expect_moved(61, false);
}

TEST_P(RecoveryToolTest, RivalsWhoApplyAtOnceAgree) {
  be_gone();
  for (int account = 70; account < 80; ++account) {
    const auto gtrid = orphan_gtrid(1, static_cast<std::uint64_t>(account));
    prepare_by_hand(east(), gtrid, pay(account));
    if (account % 2 == 0) continue;
    prepare_by_hand(west(), gtrid, get(account));
    EXPECT_TRUE(eventually([&] { return dba(east()).error_of("XA COMMIT " + xid_at(east(), gtrid)) == 0; }));
  }
  lose_log();
  be_silent();
  std::vector<std::future<Ctl>> rivals;
  for (int i = 0; i < 3; ++i) {
    rivals.push_back(std::async(std::launch::async, [this] { return recover({"--log-lost", "--apply"}); }));
  }
  for (auto& rival : rivals) {
    const auto [code, output] = rival.get();
    EXPECT_EQ(code, kClean) << output;
  }
  for (int account = 70; account < 80; ++account) expect_moved(account, account % 2 == 1);
  EXPECT_EQ(ours(), 0U);
}

// --- killed ---------------------------------------------------------------------------------------------------------

TEST_P(RecoveryToolTest, KilledAHundredTimesWhileItAppliesItConverges) {
  constexpr int kKills = 34;  // On each of three pairs of servers.
  constexpr int kEach = 12;
  be_gone();
  std::mt19937 random(20261122);
  std::map<int, bool> moves;
  int next_account = 100;
  const auto prepare_more = [&] {
    std::vector<std::string> decided;
    for (int i = 0; i < kEach; ++i) {
      const int account = next_account++;
      const auto gtrid = prepare_both(account);
      moves[account] = account % 2 == 0;
      if (moves[account]) decided.push_back(gtrid);
    }
    write_decisions(decided);
  };
  for (int kill = 0; kill < kKills; ++kill) {
    if (ours() == 0) prepare_more();
    const TempFolder folder;
    Program tool("assentctl", {"recover", "--apply", "--config", daemon_.config_path()}, folder.path() + "/output");
    std::this_thread::sleep_for(std::chrono::milliseconds(std::uniform_int_distribution<int>(10, 250)(random)));
    tool.signal(SIGKILL);
    const int code = tool.wait(10s);
    EXPECT_TRUE(code == 128 + SIGKILL || code == kClean) << tool.output();
  }
  const auto last = recover({"--apply"});
  EXPECT_EQ(last.code, kClean) << last.output;
  EXPECT_EQ(ours(), 0U);
  for (const auto& [account, moved] : moves) expect_moved(account, moved);
  EXPECT_EQ(total(east()) + total(west()), 2LL * kAccounts * kOpening);
}

}  // namespace
}  // namespace assent::testing
