#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "participant/participant.hpp"
#include "ports/participant.hpp"
#include "support/daemon.hpp"
#include "support/servers.hpp"

namespace assent::testing {

/// How long a test waits for anything at all.
inline constexpr std::chrono::seconds kPatience{30};

/// Where tests' logs lie, unless they say otherwise.
inline constexpr std::uint64_t kPlace = 7;

/// This process, with a log in which it is the only one so far.
inline ports::Claimant claimant_of(std::uint64_t log_id, std::uint32_t epoch, std::uint64_t place = kPlace) {
  ports::Claimant claimant;
  claimant.log.log_id = log_id;
  claimant.log.epoch = epoch;
  claimant.log.place = place;
  claimant.log.own_instance = base::process_instance();
  claimant.durable_sequence = [] { return std::uint64_t{1}; };
  claimant.held = [](std::chrono::milliseconds) {};
  claimant.refused = [](const std::string&) {};
  claimant.displaced = [](const std::string&) {};
  return claimant;
}

/// A participant as the coordinator uses it, with its calls made blocking.
class BlockingParticipant {
 public:
  explicit BlockingParticipant(participant::Config config)
      : port_(participant::make_participant(config, loop_)), config_(std::move(config)) {}

  ports::Participant& port() { return *port_; }
  const participant::Config& config() const { return config_; }

  /// With a log that has what every process of an earlier epoch has written into the log of this id.
  void enrol(std::uint64_t log_id = 1, std::uint32_t epoch = 1) {
    auto claimant = claimant_of(log_id, epoch);
    if (const auto seen = inspect(); seen && seen->owner) {
      const auto& owner = *seen->owner;
      if (owner.log_id == log_id && owner.epoch < epoch) {
        claimant.log.starts[owner.instance] = {owner.epoch, owner.sequence.value_or(0)};
      }
    }
    enrol(std::move(claimant));
  }
  void enrol(ports::Claimant claimant) {
    claimant.displaced = [this](const std::string& why) {
      const std::lock_guard lock(displaced_mutex_);
      displaced_ = why;
    };
    port_->enrol(std::move(claimant), std::nullopt, [this] { ups_.fetch_add(1); });
  }
  /// What it was displaced by; empty: nothing.
  std::string displaced() const {
    const std::lock_guard lock(displaced_mutex_);
    return displaced_;
  }
  int ups() const { return ups_.load(); }

  ports::Vote prepare(ports::BranchWork work) { return start_prepare(std::move(work)).get(); }
  std::future<ports::Vote> start_prepare(ports::BranchWork work) {
    return call<ports::Vote>([&](auto done) { port_->prepare(std::move(work), std::move(done)); });
  }
  ports::Vote one_phase(ports::BranchWork work) { return start_one_phase(std::move(work)).get(); }
  std::future<ports::Vote> start_one_phase(ports::BranchWork work) {
    return call<ports::Vote>([&](auto done) { port_->commit_one_phase(std::move(work), std::move(done)); });
  }
  ports::SettleReport settle(const protocol::Xid& xid, protocol::Decided decided, bool known_prepared = true) {
    return start_settle(xid, decided, known_prepared).get();
  }
  std::future<ports::SettleReport> start_settle(const protocol::Xid& xid, protocol::Decided decided,
                                                bool known_prepared = true) {
    return start_settle({xid, decided, known_prepared});
  }
  ports::SettleReport settle(const ports::SettleOrder& order) { return start_settle(order).get(); }
  std::future<ports::SettleReport> start_settle(const ports::SettleOrder& order) {
    return call<ports::SettleReport>([&](auto done) { port_->settle(order, std::move(done)); });
  }
  Result<ports::Inspection> inspect() {
    return call<Result<ports::Inspection>>([&](auto done) { port_->inspect(std::move(done)); }).get();
  }
  Result<std::vector<ports::ListedXid>> scan() {
    return call<Result<std::vector<ports::ListedXid>>>([&](auto done) { port_->scan(std::move(done)); }).get();
  }
  Result<ports::AcceptorAnswer> ask(ports::AcceptorQuestion question) {
    return call<Result<ports::AcceptorAnswer>>([&](auto done) { port_->ask(std::move(question), std::move(done)); })
        .get();
  }
  Result<ports::TransactionRows> find_rows(const protocol::Xid& xid) {
    using Found = Result<std::map<std::string, ports::TransactionRows>>;
    auto found = call<Found>([&](auto done) { port_->find_rows({xid.gtrid}, std::move(done)); }).get();
    if (!found.ok()) return found.error();
    return (*found)[xid.gtrid];
  }
  Result<std::vector<std::string>> list_rows(const std::string& from, const std::string& to, std::size_t most) {
    using Listed = Result<std::vector<std::string>>;
    return call<Listed>([&](auto done) { port_->list_rows(from, to, most, std::move(done)); }).get();
  }
  Result<std::uint64_t> close_acceptor(const std::string& from, const std::string& to) {
    return call<Result<std::uint64_t>>([&](auto done) { port_->close_acceptor(from, to, std::move(done)); }).get();
  }
  Result<std::uint64_t> purge(const std::string& from, const std::string& to) {
    return call<Result<std::uint64_t>>([&](auto done) { port_->purge_proofs({from, to}, std::move(done)); }).get();
  }

 private:
  template <typename T, typename Start>
  static std::future<T> call(Start start) {
    auto answer = std::make_shared<std::promise<T>>();
    auto future = answer->get_future();
    start([answer](T value) { answer->set_value(std::move(value)); });
    return future;
  }

  std::atomic<int> ups_{0};
  mutable std::mutex displaced_mutex_;
  std::string displaced_;
  base::EventLoop loop_;
  std::unique_ptr<ports::Participant> port_;
  participant::Config config_;
};

/// The configuration for one database of a test server.
inline participant::Config config_for(const Server& server, const std::string& database,
                                      const std::string& coordinator_id) {
  participant::Config config;
  config.name = "stock";
  config.host = server.host;
  config.port = server.port;
  config.user = server.user;
  config.password = server.password;
  config.database = database;
  config.coordinator_id = coordinator_id;
  config.sessions_max = 8;
  return config;
}

/// An XID that no test of this program has used, of branch `branch` of two.
inline protocol::Xid next_xid(const std::string& coordinator_id, std::uint16_t branch = 1, std::uint32_t epoch = 1) {
  static std::atomic<std::uint64_t> sequence{0};
  protocol::GtridParts gtrid;
  gtrid.coordinator = coordinator_id;
  gtrid.epoch = epoch;
  gtrid.sequence = ++sequence;
  gtrid.random = 0x1234567890abcdef;
  return {protocol::format_gtrid(gtrid), protocol::format_bqual({branch, 2, "stock"})};
}

inline ports::BranchWork work_for(const protocol::Xid& xid, std::vector<Statement> statements,
                                  std::chrono::milliseconds deadline = std::chrono::seconds(10)) {
  ports::BranchWork work;
  work.xid = xid;
  work.branch = std::make_shared<Branch>(Branch{"stock", std::move(statements)});
  work.deadline = base::SteadyClock::now() + deadline;
  work.members = "stock,orders";
  return work;
}

inline Statement sql(std::string text, std::vector<Value> args = {}, std::optional<AffectedRange> expect = {}) {
  return {std::move(text), std::move(args), expect};
}

/// A failure's text, for messages of EXPECT.
inline std::string told(const ports::Vote& vote) {
  return vote.cause ? std::to_string(vote.cause->server_errno) + " " + vote.cause->message : "no cause";
}

/// A database of its own on a server of the kind that the test's parameter names, with three rows of 100 in `stock`.
class ParticipantTest : public ::testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() { Servers::start(1, 1); }

  // Started again, a server has another pid.
  ParticipantTest()
      : server(Servers::get().at(GetParam() + "1")),
        database("app" + std::to_string(++g_databases)),
        coordinator("t" + std::to_string(g_databases)) {
    Sql admin(server, "", true);
    admin.run("CREATE DATABASE " + database);
    reconnect();
    direct->run("CREATE TABLE stock(id INT PRIMARY KEY, amount INT NOT NULL) ENGINE=InnoDB");
    direct->run("INSERT INTO stock VALUES (1, 100), (2, 100), (3, 100)");
  }

  ~ParticipantTest() override {
    reconnect();
    EXPECT_EQ(direct->error_of("DROP DATABASE " + database), 0) << "a test has left its branch prepared";
  }

  /// After the server's restart.
  void reconnect() {
    direct = std::make_unique<Sql>(server, database, true);
    direct->run("SET SESSION lock_wait_timeout=5, innodb_lock_wait_timeout=5");
  }

  std::unique_ptr<BlockingParticipant> up(std::function<void(participant::Config&)> change = nullptr) {
    auto config = config_for(server, database, coordinator);
    if (change) change(config);
    auto made = std::make_unique<BlockingParticipant>(std::move(config));
    made->enrol();
    wait_up(*made);
    return made;
  }
  static void wait_up(BlockingParticipant& participant) {
    EXPECT_TRUE(eventually([&] { return participant.port().info().state == ParticipantInfo::State::up; }, kPatience))
        << to_string(participant.port().info().state) << ": " << participant.port().info().reason;
  }

  std::int64_t amount(int id) { return direct->number("SELECT amount FROM stock WHERE id=" + std::to_string(id)); }
  std::int64_t proofs(const protocol::Xid& xid) {
    return direct->number("SELECT COUNT(*) FROM assent.proof WHERE kind='proof' AND gtrid='" + xid.gtrid + "'");
  }
  bool listed(BlockingParticipant& participant, const protocol::Xid& xid) {
    const auto rows = participant.scan();
    if (!rows) return ADD_FAILURE() << rows.error().what, false;
    const ports::ListedXid wanted{protocol::kFormatId, xid.gtrid, xid.bqual};
    return std::find(rows->begin(), rows->end(), wanted) != rows->end();
  }
  /// The server's connections of the participants' account to this test's database.
  std::vector<std::string> branch_connections() {
    std::vector<std::string> ids;
    for (const auto& row : direct->rows("SELECT ID FROM information_schema.PROCESSLIST WHERE DB='" + database +
                                        "' AND USER='" + server.user + "'")) {
      ids.push_back(row[0]);
    }
    return ids;
  }
  /// Ends every connection of the participants' account, and waits until they have left.
  void kill_connections() {
    for (const auto& id : branch_connections()) direct->error_of("KILL " + id);
    EXPECT_TRUE(eventually([&] { return branch_connections().empty(); }));
  }
  bool is_mysql() const { return GetParam() == "mysql"; }

  const Server server;
  const std::string database;
  const std::string coordinator;
  std::unique_ptr<Sql> direct;

 private:
  static inline int g_databases = 0;
};

}  // namespace assent::testing
