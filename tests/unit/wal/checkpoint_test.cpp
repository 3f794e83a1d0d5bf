#include "wal/checkpoint.hpp"

#include <gtest/gtest.h>

#include "base/bytes.hpp"
#include "support.hpp"
#include "wal/format.hpp"

namespace assent::wal::test {
namespace {

constexpr CheckpointHead kHead{.log_id = 77, .covers_through = 9, .first_segment = 2, .first_sequence = 8};

StateBuilder state_with_everything() {
  StateBuilder state(10);
  state.start(kHead.log_id);
  state.apply(ports::EpochStarted{"shop1", 4, 1});
  state.apply(decision(1));
  state.apply(ports::HazardFound{gtrid(1), 2, "gone", 5});
  state.apply(ports::HazardFound{gtrid(2), 1, "committed by hand", 6});
  state.apply(decision(3));
  state.apply(ports::HazardFound{gtrid(3), 1, "gone", 5});
  state.apply(ports::HazardAcknowledged{gtrid(3), 1, "ada", "seen to", 6});
  state.apply(decision(4));
  state.apply(ports::HazardFound{gtrid(4), 1, "gone", 5});
  state.apply(ports::HazardAcknowledged{gtrid(4), 1, "ada", "seen to", 6});
  state.apply(ports::TransactionEnded{gtrid(4)});
  return state;
}

TEST(Checkpoint, TheStateComesBackAsItWas) {
  const auto state = state_with_everything();
  StateBuilder back(10);
  const auto head = decode_checkpoint(encode_checkpoint(kHead, state), back);
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(head->covers_through, kHead.covers_through);
  EXPECT_EQ(back.state(), state.state());
  EXPECT_EQ(back.state().hazards.size(), 1U);
}

// What this program would have written then, of a state without anything that came later.
TEST(Checkpoint, OfFormatOneIsRead) {
  StateBuilder state(10);
  state.start(kHead.log_id);
  state.apply(ports::EpochStarted{"shop1", 4, 1});
  auto bytes = encode_checkpoint(kHead, state);
  // No count of hazards at its end.
  bytes.resize(bytes.size() - 16);
  bytes[8] = 1;
  std::string size;
  base::put_int(size, static_cast<std::uint64_t>(bytes.size() + 8));
  bytes.replace(44, size.size(), size);
  base::put_int(bytes, checksum(bytes, kHead.log_id, 0, 0));
  StateBuilder back(10);
  const auto head = decode_checkpoint(bytes, back);
  ASSERT_TRUE(head.ok()) << head.error().what;
  EXPECT_EQ(back.state(), state.state());
}

}  // namespace
}  // namespace assent::wal::test
