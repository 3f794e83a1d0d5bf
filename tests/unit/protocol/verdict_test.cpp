#include "protocol/verdict.hpp"

#include <gtest/gtest.h>

#include <array>

namespace assent::protocol {
namespace {

constexpr std::array kRulings{Ruling::running, Ruling::commit, Ruling::roll_back, Ruling::undecidable};
constexpr std::array kSights{Sight::prepared, Sight::held,     Sight::proven,     Sight::fenced,
                             Sight::absent,   Sight::not_kept, Sight::unreachable};

TEST(Verdict, EveryRulingAndSightMatchExactlyOneRow) {
  for (const auto ruling : kRulings) {
    for (const auto sight : kSights) {
      int matches = 0;
      for (const auto& rule : verdict_rules()) {
        if (rule.ruling.has(ruling) && rule.sight.has(sight)) ++matches;
      }
      EXPECT_EQ(matches, 1) << static_cast<int>(ruling) << " " << static_cast<int>(sight);
    }
  }
}

TEST(Verdict, OnlyWhatIsProvenIsCalledCommitted) {
  for (const auto ruling : kRulings) {
    for (const auto sight : kSights) {
      if (verdict_of(ruling, sight) == Verdict::committed) {
        EXPECT_EQ(sight, Sight::proven);
      }
    }
  }
}

TEST(Verdict, NothingThatIsPreparedIsCalledOver) {
  for (const auto ruling : kRulings) {
    for (const auto sight : {Sight::prepared, Sight::held}) {
      const auto verdict = verdict_of(ruling, sight);
      EXPECT_TRUE(verdict != Verdict::committed && verdict != Verdict::rolled_back && verdict != Verdict::hazard);
    }
  }
}

TEST(Verdict, WhatContradictsTheRulingIsAHazard) {
  EXPECT_EQ(verdict_of(Ruling::commit, Sight::absent), Verdict::hazard);
  EXPECT_EQ(verdict_of(Ruling::commit, Sight::fenced), Verdict::hazard);
  EXPECT_EQ(verdict_of(Ruling::roll_back, Sight::proven), Verdict::hazard);
  // Nothing is evidence of nothing.
  EXPECT_EQ(verdict_of(Ruling::commit, Sight::not_kept), Verdict::undecidable);
}

// All that two branches of a transaction may show, with and without a choice.
template <typename Each>
void for_all_remains(Each each) {
  for (const auto first : kSights) {
    for (const auto second : kSights) {
      for (const auto chosen : {std::optional<Value>(), std::optional(Value::commit), std::optional(Value::rollback)}) {
        const std::array sights{first, second};
        each(sights, chosen, ruling_without_log(remains_of(sights, chosen)));
      }
    }
  }
}

TEST(LostLog, EveryRemainsMatchExactlyOneRow) {
  for (const auto proven : {Some::no, Some::yes}) {
    for (const auto missing : {Some::no, Some::yes}) {
      for (const auto unseen : {Some::no, Some::yes}) {
        for (const auto chosen : {Chosen::nothing, Chosen::commit, Chosen::rollback}) {
          int matches = 0;
          for (const auto& rule : lost_log_rules()) {
            if (rule.proven.has(proven) && rule.missing.has(missing) && rule.unseen.has(unseen) &&
                rule.chosen.has(chosen)) {
              ++matches;
            }
          }
          EXPECT_EQ(matches, 1);
        }
      }
    }
  }
}

TEST(LostLog, AProofRowMeansCommitWhateverElseIsSeen) {
  for_all_remains([](const auto& sights, auto, const auto& ruling) {
    const bool proven = sights[0] == Sight::proven || sights[1] == Sight::proven;
    if (proven) {
      EXPECT_EQ(ruling, (GroundedRuling{Ruling::commit, Ground::proven}));
    } else {
      EXPECT_NE(ruling.ground, Ground::proven);
    }
  });
}

TEST(LostLog, OnlyAMissingBranchOrAChoiceMeansRollback) {
  for_all_remains([](const auto& sights, auto chosen, const auto& ruling) {
    if (ruling.ruling != Ruling::roll_back) return;
    const auto missing = [](Sight sight) { return sight == Sight::absent || sight == Sight::fenced; };
    EXPECT_TRUE(missing(sights[0]) || missing(sights[1]) || chosen == Value::rollback);
  });
}

TEST(LostLog, AChoiceCountsOnlyWhereNothingKnowsBetter) {
  for_all_remains([](const auto& sights, auto chosen, const auto& ruling) {
    if (ruling.ground != Ground::chosen) return;
    ASSERT_TRUE(chosen);
    EXPECT_EQ(ruling.ruling == Ruling::commit, *chosen == Value::commit);
    for (const auto sight : sights) {
      EXPECT_TRUE(sight != Sight::proven && sight != Sight::absent && sight != Sight::fenced);
    }
  });
}

TEST(LostLog, AllPreparedAndNoneProvenCannotBeKnown) {
  const std::array sights{Sight::prepared, Sight::prepared};
  EXPECT_EQ(ruling_without_log(remains_of(sights, {})), (GroundedRuling{Ruling::undecidable, Ground::all_prepared}));
  const std::array one_away{Sight::prepared, Sight::unreachable};
  EXPECT_EQ(ruling_without_log(remains_of(one_away, {})), (GroundedRuling{Ruling::undecidable, Ground::not_all_seen}));
}

}  // namespace
}  // namespace assent::protocol
