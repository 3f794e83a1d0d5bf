// Whose log is it? Copies of a log, older ones, new ones and none at all, started while the owner of the databases
// lives and after it has gone.

#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <future>

#include "support/log_lab.hpp"
#include "support/proxy.hpp"

namespace assent::testing {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

class FaultsLogTest : public LogLab {
 protected:
  /// Stops in order, with its log moved aside.
  std::string stop_and_move_log() {
    EXPECT_EQ(daemon_.terminate(), kGood);
    auto aside = daemon_.folder() + "/aside";
    fs::rename(daemon_.log_folder(), aside);
    return aside;
  }
  void put_log_back(const std::string& aside) {
    fs::remove_all(daemon_.log_folder());
    fs::rename(aside, daemon_.log_folder());
  }
  Outcome outcome_of(Daemon& daemon, const std::string& key) {
    auto client = daemon.client();
    const auto result = client.submit(order(key));
    EXPECT_TRUE(result.ok()) << daemon.output();
    return result.ok() ? result->outcome : Outcome::unknown;
  }
  Outcome status_of(const std::string& key) {
    const auto status = daemon_.client().status_of_key(key);
    EXPECT_TRUE(status.ok()) << daemon_.output();
    return status.ok() ? status->outcome.value_or(Outcome::rolled_back) : Outcome::rolled_back;
  }
  /// This log decides the order, and is taken for lost before anything is committed; an operator ends it. Then it turns
  /// out to be the other log that is lost, while west cannot be reached before to_west_ is opened. Gives its gtrid.
  std::string decide_and_end_elsewhere(const std::string& key, const std::string& choice) {
    start("packet_unsent/branches:XA COMMIT=hold");
    auto transaction = order(key);
    transaction.timeout = 1s;
    auto client = daemon_.client();
    const auto told = submit(client, transaction);
    EXPECT_EQ(told.outcome, Outcome::committed) << daemon_.output();
    daemon_.kill_9();
    auto between = another();
    between->options().arguments = {"--log-lost"};
    EXPECT_TRUE(serves(*between)) << between->output();
    between->wait_up();
    EXPECT_EQ(between->terminate(), kGood);
    // It gave a sign of life just now.
    EXPECT_TRUE(eventually([&] {
      offline(*between, {"resolve", told.gtrid, choice, "--reason", "the log that knew seems lost"});
      return in_doubt() == 0;
    }));
    to_west_.shut();
    daemon_.options().environment.clear();
    daemon_.options().arguments = {"--log-lost"};
    daemon_.options().participants[1].port = to_west_.port();
    EXPECT_TRUE(serves(daemon_)) << daemon_.output();
    return told.gtrid;
  }

  Proxy to_west_{west()};
};
ASSENT_FOR_EVERY_PAIR(FaultsLogTest);

TEST_P(FaultsLogTest, ACopyIsRefusedWhileItsOwnerLivesAndWhatWasToldHolds) {
  start();
  auto copy = another();
  copy_log(daemon_, *copy);
  commit_halfway("the order");
  expect_refused(*copy, kUnavailable, stop_the_other());
  failpoints().disarm();
  expect_paid(1);
  EXPECT_EQ(ask(daemon_, {"hazards"}).code, kGood);
  expect_known(daemon_, "the order");
  expect_paid(1);
}

// It holds all that the owner has written.
TEST_P(FaultsLogTest, AnExactCopyIsRefusedWhileItsOwnerIsIdle) {
  start();
  EXPECT_EQ(outcome_of(daemon_, "the order"), Outcome::committed);
  expect_paid(1);
  auto copy = another();
  copy_log(daemon_, *copy);
  expect_refused(*copy, kUnavailable, stop_the_other());
  EXPECT_EQ(outcome_of(daemon_, "another order"), Outcome::committed);
  expect_known(daemon_, "the order");
  expect_paid(2);
}

TEST_P(FaultsLogTest, ACopyOfAnOlderEpochGainsNothingByStartingBlind) {
  start();
  EXPECT_EQ(daemon_.terminate(), kGood);
  auto copy = another();
  copy_log(daemon_, *copy);
  start();
  commit_halfway("the order");
  daemon_.kill_9();
  expect_refused(*copy, kBadConfig, put_back_or_lost());
  const auto participants = copy->options().participants;
  for (auto& participant : copy->options().participants) participant.port = 1;
  for (int blind = 0; blind < 2; ++blind) {
    if (serves(*copy)) copy->kill_9();
  }
  copy->options().participants = participants;
  expect_refused(*copy, kBadConfig, put_back_or_lost());
  EXPECT_EQ(in_doubt(), 1U) << "somebody has settled it";
  start();
  expect_paid(1);
  expect_known(daemon_, "the order");
  expect_paid(1);
}

// A restored snapshot of the same epoch.
TEST_P(FaultsLogTest, ASnapshotThatLacksTheLastDecisionIsRefusedOnceItsOwnerIsDead) {
  start();
  EXPECT_EQ(outcome_of(daemon_, "an order before"), Outcome::committed);
  auto snapshot = another();
  copy_log(daemon_, *snapshot);
  commit_halfway("the order");
  // The owner says with its sign of life how far its log has come.
  const auto seen = [&](const Server& server) {
    return dba(server).text("SELECT seen_at FROM assent.coordinator WHERE id='" + database_ + "'");
  };
  if (dba(east()).error_of("SELECT seen_at FROM assent.coordinator LIMIT 0") == 0) {
    for (const auto& server : {east(), west()}) {
      for (int i = 0; i < 2; ++i) {
        const auto before = seen(server);
        EXPECT_TRUE(eventually([&] { return seen(server) != before; }));
      }
    }
  }
  daemon_.kill_9();
  expect_refused(*snapshot, kBadConfig, put_back_or_lost());
  EXPECT_EQ(in_doubt(), 1U) << "somebody has settled it";
  start();
  expect_paid(2);
  expect_known(daemon_, "the order");
  expect_paid(2);
}

TEST_P(FaultsLogTest, OneThatStartedBlindTakesNothingOnceTheDatabasesAreBackAndMonitoringTells) {
  Proxy to_east(east());
  Proxy to_west(west());
  start();
  EXPECT_EQ(daemon_.terminate(), kGood);
  auto copy = another();
  copy_log(daemon_, *copy);
  start();
  EXPECT_EQ(outcome_of(daemon_, "the order"), Outcome::committed);
  const auto rows = owners();
  to_east.shut();
  to_west.shut();
  copy->options().participants[0].port = to_east.port();
  copy->options().participants[1].port = to_west.port();
  ASSERT_TRUE(serves(*copy)) << copy->output();
  to_east.open();
  to_west.open();
  // It ends, or goes on without them.
  const auto all_refused = [&] {
    const auto infos = copy->client().participants();
    if (!infos.ok()) return false;
    for (const auto& info : *infos) {
      if (info.state != ParticipantInfo::State::refused) return false;
    }
    return true;
  };
  EXPECT_TRUE(eventually([&] { return copy->has_ended() || all_refused(); })) << copy->output();
  EXPECT_EQ(owners(), rows);
  if (copy->has_ended()) {
    EXPECT_NE(copy->wait(1s), kGood);
  } else {
    const auto refused = copy->client().submit(order("another order"));
    EXPECT_FALSE(refused.ok());
    for (const auto& [asked, code] : monitored(*copy)) {
      // Nothing is known of what they hold; of hazards it knows its own.
      if (asked == "hazards") continue;
      EXPECT_NE(code, kGood) << asked << " says that all is well";
    }
    const auto shown = ask(*copy, {"recover"});
    EXPECT_THAT(shown.output, Not(HasSubstr("nothing of coordinator")));
  }
  EXPECT_EQ(outcome_of(daemon_, "another order"), Outcome::committed);
  expect_paid(2);
}

TEST_P(FaultsLogTest, ANewLogIsRefusedWhileTheFirstOwnerLivesAndAfterwardsTakesAnOperatorsWord) {
  start();
  auto staging = another();
  expect_refused(*staging, kUnavailable, stop_the_other());
  staging->options().arguments = {"--log-lost"};
  expect_refused(*staging, kUnavailable, stop_the_other());
  EXPECT_EQ(outcome_of(daemon_, "the order"), Outcome::committed);
  EXPECT_EQ(monitored(daemon_), (std::map<std::string, int>{{"info", kGood},
                                                            {"list", kGood},
                                                            {"hazards", kGood},
                                                            {"participants", kGood},
                                                            {"doctor", kGood},
                                                            {"recover", kGood}}));
  EXPECT_EQ(daemon_.terminate(), kGood);
  staging->options().arguments = {};
  expect_refused(*staging, kBadConfig, put_back_or_lost());
  staging->options().arguments = {"--log-lost"};
  ASSERT_TRUE(serves(*staging)) << staging->output();
  staging->wait_up();
  EXPECT_EQ(outcome_of(*staging, "another order"), Outcome::committed);
  expect_paid(2);
  // Now the first log lacks something.
  daemon_.options().environment.clear();
  expect_refused(daemon_, kUnavailable, stop_the_other());
  EXPECT_EQ(staging->terminate(), kGood);
  expect_refused(daemon_, kBadConfig, put_back_or_lost());
}

TEST_P(FaultsLogTest, WithoutItsLogItIsRefusedThoughNothingIsInDoubtAndItsKeysAreNotForgottenQuietly) {
  start();
  EXPECT_EQ(outcome_of(daemon_, "the order"), Outcome::committed);
  expect_paid(1);
  const auto aside = stop_and_move_log();
  expect_refused(daemon_, kBadConfig, put_back_or_lost());
  // As the refusal says.
  put_log_back(aside);
  start();
  expect_known(daemon_, "the order");
  expect_paid(1);
  const auto first = stop_and_move_log();
  // Or as it also says.
  const auto said_before = daemon_.output().size();
  daemon_.options().arguments = {"--log-lost"};
  start();
  EXPECT_THAT(daemon_.output().substr(said_before), HasSubstr("Idempotency keys that were promised with the lost log"));
  EXPECT_EQ(outcome_of(daemon_, "another order"), Outcome::committed);
  expect_paid(2);
  daemon_.options().arguments = {};
  EXPECT_EQ(daemon_.terminate(), kGood);
  const auto second = contents_of(daemon_.log_folder());
  fs::rename(daemon_.log_folder(), daemon_.folder() + "/second");
  fs::rename(first, daemon_.log_folder());
  expect_refused(daemon_, kBadConfig, put_back_or_lost());
  put_log_back(daemon_.folder() + "/second");
  EXPECT_TRUE(contents_of(daemon_.log_folder()) == second);
  start();
  expect_known(daemon_, "another order");
  expect_paid(2);
}

TEST_P(FaultsLogTest, ADecisionFromBeforeAnotherLogWasLostIsToldOnceItIsProven) {
  const auto gtrid = decide_and_end_elsewhere("the order", "--commit");
  EXPECT_TRUE(eventually([&] { return daemon_.client().participants()->front().state == ParticipantInfo::State::up; }));
  EXPECT_EQ(status_of("the order"), Outcome::unknown) << "nobody knows what has become of it at west";
  EXPECT_EQ(outcome_of(daemon_, "the order"), Outcome::unknown);
  EXPECT_EQ(daemon_.client().status_of_gtrid(gtrid)->outcome, Outcome::unknown);
  // The log remembers that word.
  daemon_.kill_9();
  daemon_.options().arguments = {};
  EXPECT_TRUE(serves(daemon_)) << daemon_.output();
  EXPECT_EQ(status_of("the order"), Outcome::unknown);
  to_west_.open();
  EXPECT_TRUE(eventually([&] { return status_of("the order") == Outcome::committed; })) << daemon_.output();
  expect_known(daemon_, "the order");
  EXPECT_EQ(daemon_.terminate(), kGood);
  start();
  expect_known(daemon_, "the order");
  expect_paid(1);
}

TEST_P(FaultsLogTest, ADecisionThatAnotherLogHadRolledBackIsNeverToldAsCommittedAndNeverRunsAgain) {
  const auto gtrid = decide_and_end_elsewhere("the order", "--rollback");
  EXPECT_EQ(status_of("the order"), Outcome::unknown);
  EXPECT_EQ(outcome_of(daemon_, "the order"), Outcome::unknown);
  to_west_.open();
  EXPECT_TRUE(eventually([&] { return daemon_.client().hazards()->size() == 2; })) << daemon_.output();
  for (const auto* branch : {"1", "2"}) {
    EXPECT_EQ(ask(daemon_, {"hazards", "acknowledge", gtrid, branch, "--reason", "it was cancelled"}).code, kGood);
  }
  EXPECT_TRUE(eventually([&] { return daemon_.client().info()->live == 0; }));
  daemon_.options().arguments = {};
  for (int look = 0; look < 2; ++look) {
    EXPECT_EQ(status_of("the order"), Outcome::unknown);
    EXPECT_EQ(outcome_of(daemon_, "the order"), Outcome::unknown);
    EXPECT_EQ(daemon_.terminate(), kGood);
    start();
  }
  expect_paid(0);
}

// Both hold all that the dead one has written.
TEST_P(FaultsLogTest, OfTwoCopiesStartedAtOnceOneOwnsAllDatabasesOrNone) {
  start();
  EXPECT_EQ(outcome_of(daemon_, "the order"), Outcome::committed);
  expect_paid(1);
  daemon_.kill_9();
  std::vector<std::unique_ptr<Daemon>> copies;
  for (int i = 0; i < 2; ++i) {
    copies.push_back(another());
    copy_log(daemon_, *copies.back());
  }
  for (const auto& copy : copies) copy->launch();
  for (const auto& copy : copies) copy->wait_ready();
  const auto all_are = [](Daemon& copy, ParticipantInfo::State state) {
    const auto infos = copy.client().participants();
    return infos.ok() && std::all_of(infos->begin(), infos->end(), [&](const auto& one) { return one.state == state; });
  };
  Daemon* owner = nullptr;
  for (const auto& copy : copies) {
    EXPECT_TRUE(eventually([&] {
      if (copy->has_ended()) return true;
      if (all_are(*copy, ParticipantInfo::State::up)) owner = copy.get();
      return owner == copy.get() || all_are(*copy, ParticipantInfo::State::refused);
    })) << copy->output();
  }
  const auto rows = owners();
  EXPECT_EQ(rows[0], rows[1]) << "each of them owns one";
  ASSERT_NE(owner, nullptr) << copies[0]->output() << copies[1]->output();
  for (const auto& copy : copies) {
    if (copy.get() != owner && !copy->has_ended()) copy->kill_9();
  }
  expect_known(*owner, "the order");
  EXPECT_EQ(owner->terminate(), kGood);
  EXPECT_TRUE(serves(*owner)) << owner->output();
  owner->wait_up();
  expect_paid(1);
}

TEST_P(FaultsLogTest, OneWhosePortIsTakenClaimsNothingAndTheLivingOneServesOn) {
  start();
  const auto expect_undisturbed = [&](const std::string& key) {
    EXPECT_EQ(outcome_of(daemon_, key), Outcome::committed);
    EXPECT_EQ(ask(daemon_, {"participants"}).code, kGood);
    EXPECT_EQ(ask(daemon_, {"info"}).code, kGood);
  };
  auto second = another();
  second->options().port = daemon_.port();
  expect_refused(*second, kUnavailable, {});
  expect_undisturbed("the order");
  copy_log(daemon_, *second);
  expect_refused(*second, kUnavailable, {});
  expect_undisturbed("another order");
  // Whoever it is that listens there: one that has the log is refused as well, and takes nothing.
  const auto other = another();
  other->options().coordinator_id = "other";
  const auto port = daemon_.port();
  EXPECT_EQ(daemon_.terminate(), kGood);
  other->options().port = port;
  other->start();
  daemon_.options().port = port;
  expect_refused(daemon_, kUnavailable, {std::to_string(port)});
  EXPECT_EQ(other->terminate(), kGood);
  start();
  expect_known(daemon_, "the order");
  expect_paid(2);
}

TEST_P(FaultsLogTest, OneThatWasPausedAndDisplacedTellsNothingAsCommittedAndEnds) {
  start();
  failpoints().arm("packet_unsent/XA PREPARE=hold");
  auto late = std::async(std::launch::async, [client = std::make_shared<Client>(daemon_.client())] {
    return client->submit(order("the order"));
  });
  wait_passed("packet_unsent", 2);
  daemon_.signal(SIGSTOP);
  auto successor = another();
  successor->options().arguments = {"--log-lost"};
  const bool served = serves(*successor);
  if (served) successor->wait_up();
  daemon_.signal(SIGCONT);
  failpoints().disarm();
  const auto told = late.get();
  ASSERT_TRUE(served) << successor->output();
  EXPECT_TRUE(!told.ok() || told->outcome != Outcome::committed);
  // Until it has ended it does not call itself well.
  EXPECT_TRUE(eventually([&] { return daemon_.has_ended() || ask(daemon_, {"info"}).code != kGood; }));
  const int code = daemon_.wait(30s);
  EXPECT_GT(code, kGood) << "it goes on, or calls that a good end\n" << daemon_.output();
  EXPECT_EQ(outcome_of(*successor, "another order"), Outcome::committed);
  expect_paid(1);
}

}  // namespace
}  // namespace assent::testing
