#include <gtest/gtest.h>

#include <array>

#include "wal/checkpoint.hpp"
#include "wal/state.hpp"

namespace assent::wal {
namespace {

constexpr const char* kGtrid = "shop1.00000001.000000000001.0123456789abcdef.2";
const std::pair<std::string, std::uint16_t> kPlace{kGtrid, 1};

constexpr std::array kKinds{ports::HazardKind::lost, ports::HazardKind::committed_against};

ports::HazardFound found(ports::HazardKind kind = ports::HazardKind::committed_against) {
  return {kGtrid, 1, "committed by hand", 5, kind};
}
ports::HazardAcknowledged acknowledged() {
  return {kGtrid, 1, "ada", "repaired", 6};
}

TEST(SeenTo, OfATransactionThatIsNotLiveItIsKeptUntilNothingOfItIsLeft) {
  StateBuilder builder(10);
  builder.apply(found());
  builder.apply(acknowledged());
  EXPECT_TRUE(builder.state().hazards.empty());
  EXPECT_TRUE(builder.state().acknowledged.contains(kPlace));
  builder.apply(ports::TransactionEnded{kGtrid});
  EXPECT_TRUE(builder.state().acknowledged.empty());
}

TEST(SeenTo, OfALiveOneItIsKeptBeyondItsEnd) {
  StateBuilder builder(10);
  builder.apply(ports::CommitDecision{.gtrid = kGtrid, .participants = {"a"}, .idempotency_key = {}, .label = {}});
  builder.apply(found());
  builder.apply(acknowledged());
  EXPECT_TRUE(builder.state().acknowledged.empty()) << "its decision has it";
  builder.apply(ports::TransactionEnded{kGtrid});
  EXPECT_TRUE(builder.state().live.empty());
  EXPECT_TRUE(builder.state().acknowledged.contains(kPlace));
}

TEST(SeenTo, AHazardFoundAgainIsOpenAgain) {
  StateBuilder builder(10);
  builder.apply(found());
  builder.apply(acknowledged());
  builder.apply(found());
  EXPECT_FALSE(builder.state().acknowledged.contains(kPlace));
  EXPECT_TRUE(builder.state().hazards.contains(kPlace));
}

TEST(SeenTo, AnAcknowledgementOfNothingIsNotKept) {
  StateBuilder builder(10);
  builder.apply(acknowledged());
  EXPECT_TRUE(builder.state().acknowledged.empty());
}

// Live and ended, straight from the records and by a checkpoint.
TEST(SeenTo, TheKindOfTheHazardStaysWithIt) {
  for (const auto kind : kKinds) {
    for (const bool is_live : {false, true}) {
      for (const bool by_checkpoint : {false, true}) {
        StateBuilder builder(10);
        builder.start(7);
        const auto go_on = [&] {
          if (!by_checkpoint) return;
          const auto bytes = encode_checkpoint({.log_id = 7, .first_segment = 1, .first_sequence = 1}, builder);
          StateBuilder read(10);
          ASSERT_TRUE(decode_checkpoint(bytes, read).ok());
          builder = std::move(read);
        };
        if (is_live) {
          builder.apply(
              ports::CommitDecision{.gtrid = kGtrid, .participants = {"a"}, .idempotency_key = {}, .label = {}});
        }
        builder.apply(found(kind));
        go_on();
        builder.apply(acknowledged());
        go_on();
        if (is_live) {
          EXPECT_EQ(builder.state().live.at(kGtrid).acknowledged.at(1), kind);
          builder.apply(ports::TransactionEnded{kGtrid});
          go_on();
        }
        ASSERT_TRUE(builder.state().acknowledged.contains(kPlace));
        EXPECT_EQ(builder.state().acknowledged.at(kPlace), kind);
      }
    }
  }
}

TEST(SeenTo, TheLaterKindCounts) {
  StateBuilder builder(10);
  for (const auto kind : kKinds) {
    builder.apply(found(kind));
    builder.apply(acknowledged());
    EXPECT_EQ(builder.state().acknowledged.at(kPlace), kind);
  }
}

}  // namespace
}  // namespace assent::wal
