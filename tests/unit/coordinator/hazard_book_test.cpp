#include "coordinator/hazard_book.hpp"

#include <gtest/gtest.h>

#include <array>

#include "coordinator/knowledge.hpp"

namespace assent::coordinator {
namespace {

using ports::HazardKind;

constexpr std::array kKinds{HazardKind::lost, HazardKind::committed_against};
constexpr const char* kGtrid = "shop1.00000001.000000000001.0123456789abcdef.2";
constexpr const char* kOther = "shop1.00000001.000000000002.0123456789abcdef.2";

TEST(HazardBook, TheKindOfAHazardOutlivesItsAcknowledgement) {
  for (const auto kind : kKinds) {
    HazardBook book;
    book.add({kGtrid, 1, "seen", 5, kind}, "east");
    EXPECT_EQ(book.kind_seen_to(kGtrid, 1), std::nullopt);
    book.see_to(kGtrid, 1);
    EXPECT_FALSE(book.has(kGtrid, 1));
    EXPECT_EQ(book.kind_seen_to(kGtrid, 1), kind);
    book.see_to(kGtrid, 1);
    EXPECT_EQ(book.kind_seen_to(kGtrid, 1), kind) << "acknowledged by two at the same time";
    book.forget(kGtrid);
    EXPECT_EQ(book.kind_seen_to(kGtrid, 1), std::nullopt);
  }
}

TEST(HazardBook, TheLaterKindCounts) {
  HazardBook book;
  for (const auto kind : kKinds) {
    book.add({kGtrid, 1, "seen", 5, kind}, "east");
    book.see_to(kGtrid, 1);
    EXPECT_EQ(book.kind_seen_to(kGtrid, 1), kind);
  }
}

TEST(HazardBook, WithoutAnOpenHazardAnAcknowledgementIsOfNoEffect) {
  HazardBook book;
  book.see_to(kGtrid, 1);
  EXPECT_FALSE(book.is_seen_to(kGtrid, 1));
  EXPECT_TRUE(book.seen_to().empty());
}

TEST(HazardBook, OpenAndAcknowledgedTheKindComesBackFromTheLog) {
  for (const auto kind : kKinds) {
    ports::LogState log;
    log.acknowledged.insert_or_assign({kGtrid, 1}, kind);
    log.hazards[{kGtrid, 2}] = {kGtrid, 2, "seen", 5, kind};
    auto& live = log.live[kOther];
    live.decision.gtrid = kOther;
    live.decision.participants = {"east", "west"};
    live.acknowledged.emplace(1, kind);
    live.hazards[2] = {kOther, 2, "seen", 5, kind};
    HazardBook book;
    book.restore(log);
    ASSERT_EQ(book.all().size(), 2U);
    EXPECT_EQ(book.all()[1].participant, "west");
    const LogKnowledge knowledge(log);
    for (const auto* gtrid : {kGtrid, kOther}) {
      EXPECT_EQ(book.kind_seen_to(gtrid, 1), kind);
      EXPECT_EQ(knowledge.kind_seen_to(gtrid, 1), kind);
      EXPECT_FALSE(knowledge.is_seen_to(gtrid, 2));
      book.see_to(gtrid, 2);
      EXPECT_EQ(book.kind_seen_to(gtrid, 2), kind);
    }
  }
}

}  // namespace
}  // namespace assent::coordinator
