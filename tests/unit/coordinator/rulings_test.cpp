#include "coordinator/rulings.hpp"

#include <gtest/gtest.h>

#include <array>

#include "protocol/xid.hpp"

namespace assent::coordinator {
namespace {

using protocol::Act;
using protocol::Era;
using protocol::Known;
using protocol::Ruling;
using protocol::Sight;
using protocol::Value;

/// Knows the same of everything.
class Same final : public Knowledge {
 public:
  Same(Known known, Era era, std::optional<Outcome> outcome = std::nullopt)
      : known_(known), era_(era), outcome_(outcome) {}
  Known known(const std::string&) const override { return known_; }
  Era era(std::uint32_t) const override { return era_; }
  std::optional<Outcome> outcome(const std::string&) const override { return outcome_; }
  std::vector<ports::LiveDecision> decisions() const override { return {}; }
  std::vector<Hazard> hazards() const override { return {}; }

 private:
  const Known known_;
  const Era era_;
  const std::optional<Outcome> outcome_;
};

SeenTransaction seen(Protocol protocol, const std::vector<Sight>& sights) {
  SeenTransaction one;
  one.gtrid = protocol::format_gtrid({"shop1", 3, 1, 9, protocol});
  one.protocol = protocol;
  for (const auto sight : sights) {
    const auto number = static_cast<std::uint16_t>(one.branches.size() + 1);
    const auto name = "p" + std::to_string(number);
    one.members.participants.push_back(name);
    one.branches.push_back({name, number, std::nullopt, sight, {}, {}});
  }
  return one;
}

/// With what three acceptors say; nothing: not reached.
SeenTransaction asked(const std::vector<std::optional<protocol::AcceptorRow>>& rows, std::size_t read,
                      std::size_t closed = 0) {
  auto one = seen(Protocol::three_phase, {Sight::prepared});
  one.acceptors = rows;
  one.acceptors_read = read;
  one.acceptors_closed = closed;
  return one;
}
protocol::AcceptorRow accepted(protocol::Ballot ballot, Value value) {
  return {ballot, protocol::Accepted{ballot, value}};
}

TEST(RuleByLog, SaysWhatTheRecoveryTableDoes) {
  for (const auto known : {Known::live, Known::decided, Known::nothing, Known::closed}) {
    for (const auto era : {Era::before_log, Era::past, Era::current, Era::future}) {
      for (const auto protocol : {Protocol::two_phase, Protocol::three_phase}) {
        auto one = seen(protocol, {Sight::prepared, Sight::prepared});
        rule_by_log(one, Same(known, era));
        EXPECT_FALSE(one.why.empty());
        switch (protocol::recovery_act(protocol::Whose::here, known, era, protocol)) {
          case Act::leave: EXPECT_EQ(one.ruling, Ruling::running); break;
          case Act::commit: EXPECT_EQ(one.ruling, Ruling::commit); break;
          case Act::roll_back: EXPECT_EQ(one.ruling, Ruling::roll_back); break;
          // Nobody says who its acceptors are.
          case Act::await_quorum: EXPECT_EQ(one.ruling, Ruling::undecidable); break;
          case Act::alarm: EXPECT_EQ(one.ruling, Ruling::undecidable); break;
        }
      }
    }
  }
}

TEST(RuleByLog, ADecisionCommitsTwoPhasesAndDecidesNothingInThree) {
  auto two = seen(Protocol::two_phase, {Sight::prepared});
  two.decision = ports::LiveDecision{};
  rule_by_log(two, Same(Known::decided, Era::past));
  EXPECT_EQ(two.ruling, Ruling::commit);
  auto three = asked({std::nullopt, std::nullopt, std::nullopt}, 3);
  three.decision = ports::LiveDecision{};
  rule_by_log(three, Same(Known::decided, Era::past));
  EXPECT_EQ(three.ruling, Ruling::roll_back) << "an intention that no acceptor has heard of";
}

TEST(RuleByLog, WhatItsCoordinatorRollsBackIsSaidSo) {
  auto one = seen(Protocol::two_phase, {Sight::prepared});
  rule_by_log(one, Same(Known::live, Era::current, Outcome::rolled_back));
  EXPECT_EQ(one.ruling, Ruling::roll_back);
}

TEST(RuleByQuorum, TheHighestAcceptedValueOfAMajorityBinds) {
  auto both = asked({accepted(0, Value::commit), accepted(5, Value::rollback), std::nullopt}, 2);
  rule_by_quorum(both);
  EXPECT_EQ(both.ruling, Ruling::roll_back);
  auto commit = asked({accepted(0, Value::commit), std::nullopt, std::nullopt}, 2);
  rule_by_quorum(commit);
  EXPECT_EQ(commit.ruling, Ruling::commit);
}

TEST(RuleByQuorum, WithoutAMajorityNothingIsDecided) {
  auto minority = asked({accepted(0, Value::commit), std::nullopt, std::nullopt}, 1);
  rule_by_quorum(minority);
  EXPECT_EQ(minority.ruling, Ruling::undecidable);
  auto nobody = asked({}, 0);
  rule_by_quorum(nobody);
  EXPECT_EQ(nobody.ruling, Ruling::undecidable);
}

TEST(RuleByQuorum, NothingAcceptedOrClosedMeansRollback) {
  auto nothing = asked({std::nullopt, std::nullopt, std::nullopt}, 2);
  rule_by_quorum(nothing);
  EXPECT_EQ(nothing.ruling, Ruling::roll_back);
  auto closed = asked({std::nullopt, std::nullopt, std::nullopt}, 3, 2);
  rule_by_quorum(closed);
  EXPECT_EQ(closed.ruling, Ruling::roll_back);
  EXPECT_NE(closed.why.find("it had ended"), std::string::npos);
}

TEST(RuleWithoutLog, AMemberThatIsNotKnownKeepsItUndecidable) {
  auto one = seen(Protocol::two_phase, {Sight::prepared});
  one.members = {};
  rule_without_log(one);
  EXPECT_EQ(one.ruling, Ruling::undecidable);
  EXPECT_EQ(one.ground, protocol::Ground::not_all_seen);
}

TEST(RuleWithoutLog, ChoicesThatContradictEachOtherDecideNothing) {
  auto one = seen(Protocol::two_phase, {Sight::prepared, Sight::prepared});
  one.choices["p1"] = {Value::commit, "ada", "paid", 0};
  rule_without_log(one);
  EXPECT_EQ(one.ruling, Ruling::commit);
  one.choices["p2"] = {Value::rollback, "bob", "not paid", 0};
  rule_without_log(one);
  EXPECT_EQ(one.ruling, Ruling::undecidable);
  EXPECT_NE(one.why.find("differently"), std::string::npos);
}

}  // namespace
}  // namespace assent::coordinator
