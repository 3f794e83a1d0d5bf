#include "protocol/settle.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "protocol/settle_table.hpp"

namespace assent::protocol {
namespace {

void for_each_observation(const std::function<void(const Observation&)>& visit) {
  for (const auto decided : {Decided::commit, Decided::rollback, Decided::one_phase}) {
    for (const bool prepared : {false, true}) {
      for (const auto reply :
           {Reply::ok_owner, Reply::ok_other, Reply::unknown_xid, Reply::rolled_back, Reply::refused, Reply::none}) {
        for (const auto listed : {Listed::yes, Listed::no, Listed::not_read}) {
          for (const auto proof :
               {Proof::present, Proof::absent, Proof::fenced, Proof::locked, Proof::not_read, Proof::not_kept}) {
            for (const auto owner : {Owner::gone, Owner::alive, Owner::not_known}) {
              visit({decided, prepared, reply, listed, proof, owner});
            }
          }
        }
      }
    }
  }
}

TEST(SettleTable, ExactlyOneRowMatchesEveryObservation) {
  int observations = 0;
  for_each_observation([&](const Observation& seen) {
    int rows = 0;
    for (const auto& rule : settle_rules()) rows += rule.matches(seen) ? 1 : 0;
    EXPECT_EQ(rows, 1);
    ++observations;
  });
  EXPECT_EQ(observations, 3 * 2 * 6 * 3 * 6 * 3);
}

TEST(SettleTable, EveryRowIsNeeded) {
  for (const auto& rule : settle_rules()) {
    bool used = false;
    for_each_observation([&](const Observation& seen) { used = used || rule.matches(seen); });
    EXPECT_TRUE(used);
  }
}

TEST(Judge, CommittedNeedsTheOwnersOkOrTheRow) {
  for_each_observation([](const Observation& seen) {
    if (judge(seen) != Finding::committed) return;
    EXPECT_TRUE(seen.reply == Reply::ok_owner || seen.proof == Proof::present);
    EXPECT_NE(seen.decided, Decided::rollback);
  });
}

TEST(Judge, UnknownXidAloneIsNeverEvidence) {
  const Observation seen{.decided = Decided::commit, .known_prepared = true, .reply = Reply::unknown_xid};
  EXPECT_EQ(judge(seen), Finding::ambiguous);
}

TEST(Judge, OkFromAnotherSessionWithoutTheRowIsAHazard) {
  EXPECT_EQ(judge({Decided::commit, true, Reply::ok_other, Listed::no, Proof::absent, Owner::gone}), Finding::hazard);
  EXPECT_EQ(judge({Decided::commit, true, Reply::ok_other, Listed::no, Proof::present, Owner::gone}),
            Finding::committed);
}

TEST(Judge, UnknownXidWithTheRowIsCommittedAndWithoutItAHazard) {
  EXPECT_EQ(judge({Decided::commit, true, Reply::unknown_xid, Listed::no, Proof::present, Owner::gone}),
            Finding::committed);
  EXPECT_EQ(judge({Decided::commit, true, Reply::unknown_xid, Listed::no, Proof::absent, Owner::gone}),
            Finding::hazard);
}

TEST(Judge, StillListedOrLockedIsTriedAgain) {
  EXPECT_EQ(judge({Decided::commit, true, Reply::unknown_xid, Listed::yes, Proof::locked, Owner::alive}),
            Finding::ambiguous);
  EXPECT_EQ(judge({Decided::commit, true, Reply::ok_other, Listed::no, Proof::locked, Owner::gone}),
            Finding::ambiguous);
}

TEST(Judge, WithoutProofRowsAnAnswerFromElsewhereIsUnproven) {
  EXPECT_EQ(judge({Decided::commit, true, Reply::ok_other, Listed::no, Proof::not_kept, Owner::gone}),
            Finding::unproven);
}

TEST(Judge, ARollbackWhosePrepareMayStillFinishWaitsForItsOwnerOrAFence) {
  EXPECT_EQ(judge({Decided::rollback, false, Reply::unknown_xid, Listed::no, Proof::absent, Owner::not_known}),
            Finding::ambiguous);
  EXPECT_EQ(judge({Decided::rollback, false, Reply::unknown_xid, Listed::no, Proof::absent, Owner::gone}),
            Finding::rolled_back);
  EXPECT_EQ(judge({Decided::rollback, false, Reply::unknown_xid, Listed::no, Proof::fenced, Owner::alive}),
            Finding::rolled_back);
}

TEST(Judge, OnePhaseIsRolledBackOnlyBehindAFence) {
  for_each_observation([](const Observation& seen) {
    if (seen.decided != Decided::one_phase || judge(seen) != Finding::rolled_back) return;
    EXPECT_EQ(seen.proof, Proof::fenced);
  });
}

}  // namespace
}  // namespace assent::protocol
