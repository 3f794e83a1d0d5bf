// One story: a shop's coordinator, and all that is started with its identity by mistake. Each is refused with a
// sentence that says what to do, the money is right afterwards, what is sent again runs once, and monitoring tells.

#include <gmock/gmock.h>

#include <filesystem>

#include "support/log_lab.hpp"

namespace assent::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class ForeignLogTest : public LogLab {
 protected:
  void pay(const std::string& key) {
    auto client = daemon_.client();
    EXPECT_EQ(submit(client, order(key)).outcome, Outcome::committed);
    keys_.push_back(key);
  }
  void pay_halfway(const std::string& key) {
    commit_halfway(key);
    keys_.push_back(key);
  }
  /// Twice, so that what a retry did would show.
  void expect_all_paid_once() {
    for (int look = 0; look < 2; ++look) {
      expect_paid(static_cast<int>(keys_.size()));
      for (const auto& key : keys_) expect_known(daemon_, key);
    }
  }
  void expect_monitoring(int list) {
    const std::map<std::string, int> codes{{"info", list},          {"list", list},    {"hazards", kGood},
                                           {"participants", kGood}, {"doctor", kGood}, {"recover", kGood}};
    EXPECT_EQ(monitored(daemon_), codes) << daemon_.output();
  }
  /// Without databases it may serve nobody, or end. With them again it is refused as before.
  void start_blind(Daemon& daemon) {
    const auto participants = daemon.options().participants;
    for (auto& participant : daemon.options().participants) participant.port = 1;
    if (serves(daemon)) {
      EXPECT_NE(ask(daemon, {"participants"}).code, kGood);
      EXPECT_FALSE(daemon.client().submit(order("of a blind one")).ok());
      daemon.kill_9();
    }
    daemon.options().participants = participants;
  }

  std::vector<std::string> keys_;
};
ASSENT_FOR_EVERY_PAIR(ForeignLogTest);

TEST_P(ForeignLogTest, WhoeverComesWithAnotherLogIsRefusedAndNoMoneyMoves) {
  start();
  pay("the first order");
  auto older = another();
  copy_log(daemon_, *older);
  EXPECT_EQ(daemon_.terminate(), kGood);
  start();
  pay("the second order");
  expect_all_paid_once();
  expect_monitoring(kGood);
  auto snapshot = another();
  copy_log(daemon_, *snapshot);

  {
    SCOPED_TRACE("while the owner lives, with a commit on its way");
    pay_halfway("the third order");
    auto copy = another();
    copy_log(daemon_, *copy);
    auto empty = another();
    auto on_its_port = another();
    on_its_port->options().port = daemon_.port();
    for (auto* other : {copy.get(), empty.get(), on_its_port.get(), older.get(), snapshot.get()}) {
      expect_refused(*other, kUnavailable, other == on_its_port.get() ? std::vector<std::string>{} : stop_the_other());
    }
    empty->options().arguments = {"--log-lost"};
    expect_refused(*empty, kUnavailable, stop_the_other());
    EXPECT_EQ(in_doubt(), 1U) << "somebody has settled it";
    // What is on its way is nothing to be alarmed about.
    expect_monitoring(kGood);
    failpoints().disarm();
    expect_all_paid_once();
    expect_monitoring(kGood);
  }
  {
    SCOPED_TRACE("once it is dead, with a commit on its way");
    pay_halfway("the fourth order");
    daemon_.kill_9();
    auto empty = another();
    for (auto* other : {older.get(), snapshot.get(), empty.get()}) {
      expect_refused(*other, kBadConfig, put_back_or_lost());
      if (other == empty.get()) continue;
      start_blind(*other);
      start_blind(*other);
      expect_refused(*other, kBadConfig, put_back_or_lost());
      const auto shown = offline(*other, {"recover", "--apply"});
      EXPECT_NE(shown.code, kGood) << shown.output;
      EXPECT_THAT(shown.output, Not(HasSubstr("will roll back")));
      const auto hazards = offline(*other, {"hazards"});
      EXPECT_EQ(hazards.code, kBadConfig) << hazards.output;
    }
    EXPECT_FALSE(fs::exists(empty->log_folder()));
    EXPECT_EQ(in_doubt(), 1U) << "somebody has settled it";
    EXPECT_EQ(offline(daemon_, {"recover"}).code, kNotSettled);
  }
  // Its own log, and all is as it was.
  start();
  expect_all_paid_once();
  pay("the fifth order");
  expect_all_paid_once();
  expect_monitoring(kGood);
}

}  // namespace
}  // namespace assent::testing
