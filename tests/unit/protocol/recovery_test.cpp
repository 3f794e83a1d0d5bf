#include "protocol/recovery.hpp"

#include <gtest/gtest.h>

#include "protocol/xid.hpp"

namespace assent::protocol {
namespace {

constexpr Whose kWhose[] = {Whose::foreign, Whose::other_coordinator, Whose::elsewhere, Whose::here};
constexpr Known kKnown[] = {Known::nothing, Known::live, Known::decided, Known::closed};
constexpr Era kEra[] = {Era::before_log, Era::past, Era::current, Era::future};
constexpr Protocol kProtocol[] = {Protocol::two_phase, Protocol::three_phase};

TEST(RecoveryTable, ExactlyOneRowMatchesTheFullProduct) {
  int cases = 0;
  for (const auto whose : kWhose) {
    for (const auto known : kKnown) {
      for (const auto era : kEra) {
        for (const auto protocol : kProtocol) {
          int rows = 0;
          for (const auto& rule : recovery_rules()) {
            rows += rule.whose.has(whose) && rule.known.has(known) && rule.era.has(era) && rule.protocol.has(protocol);
          }
          EXPECT_EQ(rows, 1);
          ++cases;

          const auto act = recovery_act(whose, known, era, protocol);
          // Never touches what is not its own.
          if (whose != Whose::here) {
            EXPECT_EQ(act, Act::leave);
          }
          // Never rolls back what is decided, alive, of three phases, or of an epoch that the log has not seen.
          if (act == Act::roll_back && known == Known::closed) {
            EXPECT_EQ(protocol, Protocol::three_phase);
          } else if (act == Act::roll_back) {
            EXPECT_EQ(known, Known::nothing);
            EXPECT_EQ(protocol, Protocol::two_phase);
            EXPECT_NE(era, Era::future);
            EXPECT_NE(era, Era::before_log);
          }
          // Commits only on a decision.
          if (act == Act::commit) {
            EXPECT_EQ(known, Known::decided);
          }
        }
      }
    }
  }
  EXPECT_EQ(cases, 4 * 4 * 4 * 2);
}

TEST(RecoveryTable, AnOrphanWithoutADecisionIsPresumedAborted) {
  EXPECT_EQ(recovery_act(Whose::here, Known::nothing, Era::past, Protocol::two_phase), Act::roll_back);
}

TEST(RecoveryTable, AnEmptyLogSaysNothingOfThreePhases) {
  for (const auto era : {Era::before_log, Era::past, Era::current}) {
    EXPECT_EQ(recovery_act(Whose::here, Known::nothing, era, Protocol::three_phase), Act::await_quorum);
  }
}

TEST(WhoseBranch, OnlyExactlyOurOwnIsHere) {
  const auto gtrid = format_gtrid({"shop1", 1, 2, 3, Protocol::two_phase});
  EXPECT_EQ(whose_branch(kFormatId, gtrid, "01.02.stock", "shop1", "stock"), Whose::here);
  EXPECT_EQ(whose_branch(kFormatId, gtrid, "01.02.stock", "shop1", "orders"), Whose::elsewhere);
  EXPECT_EQ(whose_branch(kFormatId, gtrid, "01.02.stock", "shop2", "stock"), Whose::other_coordinator);
  EXPECT_EQ(whose_branch(1, gtrid, "01.02.stock", "shop1", "stock"), Whose::foreign);
  EXPECT_EQ(whose_branch(kFormatId, std::string("\0\x01", 2), "01.02.stock", "shop1", "stock"), Whose::foreign);
  EXPECT_EQ(whose_branch(kFormatId, gtrid, "x", "shop1", "stock"), Whose::foreign);
}

}  // namespace
}  // namespace assent::protocol
