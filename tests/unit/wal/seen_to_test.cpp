#include <gtest/gtest.h>

#include "wal/checkpoint.hpp"
#include "wal/state.hpp"

namespace assent::wal {
namespace {

constexpr const char* kGtrid = "shop1.00000001.000000000001.0123456789abcdef.2";
const std::pair<std::string, std::uint16_t> kPlace{kGtrid, 1};

ports::HazardFound found() {
  return {kGtrid, 1, "committed by hand", 5};
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

TEST(SeenTo, ACheckpointHasIt) {
  StateBuilder builder(10);
  builder.start(7);
  builder.apply(found());
  builder.apply(acknowledged());
  const auto bytes = encode_checkpoint({.log_id = 7}, builder);
  StateBuilder read(10);
  ASSERT_TRUE(decode_checkpoint(bytes, read).ok());
  EXPECT_TRUE(read.state().acknowledged.contains(kPlace));
}

}  // namespace
}  // namespace assent::wal
