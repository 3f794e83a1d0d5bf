#include "protocol/ruling.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace assent::protocol {
namespace {

constexpr std::array kProtocols{Protocol::two_phase, Protocol::three_phase};
constexpr std::array kKnown{Known::nothing, Known::running, Known::rolling_back, Known::decided, Known::closed};
constexpr std::array kEras{Era::lost, Era::before_log, Era::past, Era::current, Era::future};
constexpr std::array kProven{Proven::none, Proven::some, Proven::all};
constexpr std::array kSome{Some::no, Some::yes};
constexpr std::array kChosen{Chosen::nothing, Chosen::commit, Chosen::rollback};
constexpr std::array kQuorums{Quorum::not_known, Quorum::no_majority, Quorum::commit, Quorum::rollback, Quorum::over};
constexpr std::array kRulings{Ruling::running,      Ruling::commit, Ruling::roll_back, Ruling::undecidable,
                              Ruling::contradicted, Ruling::over,   Ruling::planted};
constexpr std::array kSights{Sight::prepared, Sight::held,     Sight::proven,     Sight::fenced,
                             Sight::absent,   Sight::not_kept, Sight::unreachable};

// Bits: prepared, missing, held, not_kept, unread, vouched, seen_to.
constexpr unsigned kFlags = 7;

/// The full product of all that can be seen.
template <typename Each>
void for_all_evidence(Each each) {
  for (const auto protocol : kProtocols) {
    for (const auto known : kKnown) {
      for (const auto era : kEras) {
        for (const auto proven : kProven) {
          for (const auto chosen : kChosen) {
            for (const auto quorum : kQuorums) {
              for (unsigned flags = 0; flags < 1U << kFlags; ++flags) {
                const auto flag = [&](unsigned at) { return kSome[flags >> at & 1U]; };
                each(Evidence{protocol, known, era, proven, flag(0), flag(1), flag(2), flag(3), flag(4), flag(5),
                              flag(6), chosen, quorum});
              }
            }
          }
        }
      }
    }
  }
}

TEST(Ruling, ExactlyOneRowMatchesTheFullProduct) {
  std::size_t cases = 0;
  for_all_evidence([&](const Evidence& evidence) {
    int matches = 0;
    for (const auto& one : ruling_rules()) matches += one.matches(evidence);
    if (matches != 1) ADD_FAILURE() << matches << " rows match case " << cases;
    ++cases;
  });
  EXPECT_EQ(cases, 2U * 5 * 5 * 3 * 3 * 5 * 128);
}

TEST(Ruling, EveryRowIsNeeded) {
  std::vector<bool> used(ruling_rules().size());
  for_all_evidence([&](const Evidence& evidence) {
    for (std::size_t i = 0; i < used.size(); ++i) used[i] = used[i] || ruling_rules()[i].matches(evidence);
  });
  for (std::size_t i = 0; i < used.size(); ++i) EXPECT_TRUE(used[i]) << i;
}

TEST(Ruling, NothingOfAnEarlierEpochIsPresumedAbortedBeforeAllSiblingsWereRead) {
  for_all_evidence([](const Evidence& evidence) {
    const auto [ruling, ground] = rule(evidence);
    if (ground != Ground::presumed) return;
    EXPECT_EQ(evidence.protocol, Protocol::two_phase);
    EXPECT_EQ(evidence.proven, Proven::none);
    EXPECT_TRUE(evidence.era == Era::current || (evidence.era == Era::past && evidence.unread == Some::no));
  });
}

TEST(Ruling, AProofThatNoDecisionCoversRollsNothingBackUntilAnOperatorHasSpoken) {
  for_all_evidence([](const Evidence& evidence) {
    const bool left = evidence.known == Known::nothing || evidence.known == Known::closed;
    if (!left || evidence.proven == Proven::none) return;
    if (evidence.seen_to == Some::yes || evidence.chosen != Chosen::nothing) return;
    const auto ruled = rule(evidence);
    EXPECT_NE(ruled.ruling, Ruling::roll_back);
    // Nor is anything rolled back as one that came back.
    if (ruled.ruling == Ruling::over) {
      EXPECT_TRUE(evidence.prepared == Some::no || evidence.proven == Proven::all);
    }
  });
}

// Whatever can be seen when it is carried out: what it was about may be out of reach by then.
TEST(Ruling, WhatAnOperatorChoseBindsUnlessADecisionIsKnown) {
  for_all_evidence([](const Evidence& evidence) {
    if (evidence.known != Known::nothing || evidence.vouched == Some::no || evidence.era == Era::future) return;
    const bool three_phase = evidence.protocol == Protocol::three_phase;
    if (three_phase && evidence.quorum != Quorum::rollback) return;
    if (evidence.chosen == Chosen::commit) {
      EXPECT_EQ(rule(evidence).ruling, Ruling::commit);
    }
    if (evidence.chosen == Chosen::rollback && evidence.proven != Proven::all) {
      EXPECT_EQ(rule(evidence).ruling, Ruling::roll_back);
    }
  });
}

TEST(Ruling, InThreePhasesOnlyTheAcceptorsOrAClosingDecide) {
  for_all_evidence([](const Evidence& evidence) {
    if (evidence.protocol != Protocol::three_phase || evidence.known != Known::nothing) return;
    const auto [ruling, ground] = rule(evidence);
    if (ruling == Ruling::commit && evidence.proven != Proven::all && evidence.chosen != Chosen::commit) {
      EXPECT_EQ(evidence.quorum, Quorum::commit);
    }
    if (ruling == Ruling::roll_back && ground != Ground::chosen && ground != Ground::seen_to) {
      EXPECT_EQ(evidence.quorum, Quorum::rollback);
    }
    if (ruling == Ruling::over) {
      EXPECT_EQ(evidence.quorum, Quorum::over);
    }
  });
}

TEST(Ruling, WhatNoRowVouchesForIsNeverActedOn) {
  for_all_evidence([](const Evidence& evidence) {
    if (evidence.vouched == Some::yes) return;
    if (evidence.known != Known::nothing && evidence.known != Known::closed) return;
    EXPECT_EQ(rule(evidence).ruling, Ruling::planted);
  });
}

TEST(Ruling, AnotherLogsTransactionsAreLeftAlone) {
  for_all_evidence([](const Evidence& evidence) {
    if (evidence.known != Known::nothing || evidence.vouched == Some::no) return;
    const auto ruling = rule(evidence).ruling;
    if (evidence.era == Era::future) {
      EXPECT_EQ(ruling, Ruling::undecidable);
    }
    if (evidence.era == Era::before_log && evidence.protocol == Protocol::two_phase && evidence.proven != Proven::all &&
        evidence.chosen == Chosen::nothing) {
      EXPECT_TRUE(ruling == Ruling::undecidable || evidence.prepared == Some::no);
      EXPECT_NE(ruling, Ruling::roll_back);
    }
  });
}

TEST(Ruling, WithoutTheLogAChoiceBindsAndElseAProofMeansCommitAndAMissingBranchRollback) {
  for_all_evidence([](const Evidence& evidence) {
    if (evidence.era != Era::lost || evidence.protocol != Protocol::two_phase) return;
    if (evidence.known != Known::nothing || evidence.vouched == Some::no) return;
    const auto ruled = rule(evidence);
    if (evidence.chosen != Chosen::nothing && evidence.proven != Proven::all) {
      EXPECT_EQ(ruled.ground, Ground::chosen);
      EXPECT_EQ(ruled.ruling == Ruling::commit, evidence.chosen == Chosen::commit);
    } else if (evidence.proven != Proven::none) {
      EXPECT_EQ(ruled.ruling, Ruling::commit);
    } else if (evidence.missing == Some::yes) {
      EXPECT_EQ(ruled, (Ruled{Ruling::roll_back, Ground::missing}));
    } else {
      const bool all_seen = evidence.held == Some::no && evidence.not_kept == Some::no && evidence.unread == Some::no;
      EXPECT_EQ(ruled, (Ruled{Ruling::undecidable, all_seen ? Ground::all_prepared : Ground::not_all_seen}));
    }
  });
}

TEST(Sights, ProvenIsAllOnlyWhereEveryBranchIs) {
  Evidence evidence;
  add_sights(evidence, std::array{Sight::proven, Sight::proven});
  EXPECT_EQ(evidence.proven, Proven::all);
  add_sights(evidence, std::array{Sight::proven, Sight::prepared});
  EXPECT_EQ(evidence.proven, Proven::some);
  EXPECT_EQ(evidence.prepared, Some::yes);
  add_sights(evidence, std::array{Sight::fenced, Sight::held, Sight::not_kept, Sight::unreachable});
  EXPECT_EQ(evidence.proven, Proven::none);
  EXPECT_TRUE(evidence.missing == Some::yes && evidence.held == Some::yes && evidence.not_kept == Some::yes &&
              evidence.unread == Some::yes && evidence.prepared == Some::no);
  add_sights(evidence, {});
  EXPECT_EQ(evidence.proven, Proven::none);
}

TEST(Verdict, EveryRulingAndSightMatchExactlyOneRow) {
  for (const auto ruling : kRulings) {
    for (const auto sight : kSights) {
      int matches = 0;
      for (const auto& one : verdict_rules()) matches += one.ruling.has(ruling) && one.sight.has(sight);
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
  EXPECT_EQ(verdict_of(Ruling::contradicted, Sight::proven), Verdict::hazard);
  EXPECT_EQ(verdict_of(Ruling::contradicted, Sight::prepared), Verdict::undecidable);
  // Nothing is evidence of nothing.
  EXPECT_EQ(verdict_of(Ruling::commit, Sight::not_kept), Verdict::undecidable);
}

TEST(QuorumOf, IsWhatOneMoreBallotWouldComeTo) {
  const AcceptorSeen nothing{0};
  const auto accepted = [](std::size_t acceptor, Ballot ballot, Value value) {
    return AcceptorSeen{acceptor, false, Accepted{ballot, value}};
  };
  const auto closed = [](std::size_t acceptor) { return AcceptorSeen{acceptor, true}; };
  const auto of_three = [](std::vector<AcceptorSeen> read) { return quorum_of(3, read); };
  EXPECT_EQ(quorum_of(0, {}), Quorum::not_known);
  EXPECT_EQ(of_three({nothing}), Quorum::no_majority);
  EXPECT_EQ(of_three({nothing, {1}}), Quorum::rollback);
  EXPECT_EQ(of_three({nothing, accepted(1, 0, Value::commit)}), Quorum::commit);
  EXPECT_EQ(of_three({accepted(0, 0, Value::commit), accepted(1, 5, Value::rollback), {2}}), Quorum::rollback);
  EXPECT_EQ(of_three({closed(0), closed(1), accepted(2, 0, Value::commit)}), Quorum::over);
  EXPECT_EQ(of_three({closed(0), {1}, {2}}), Quorum::over);
  EXPECT_EQ(of_three({closed(0)}), Quorum::no_majority);
}

}  // namespace
}  // namespace assent::protocol
