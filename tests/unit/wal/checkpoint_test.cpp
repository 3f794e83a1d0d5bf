#include "wal/checkpoint.hpp"

#include <gtest/gtest.h>

#include "base/bytes.hpp"
#include "support.hpp"
#include "wal/codec.hpp"
#include "wal/format.hpp"

namespace assent::wal::test {
namespace {

constexpr CheckpointHead kHead{.log_id = 77, .covers_through = 9, .first_segment = 2, .first_sequence = 8};

StateBuilder state_with_everything() {
  StateBuilder state(10);
  state.start(kHead.log_id);
  state.apply(ports::EpochStarted{"shop1", 4, 1, 0x1234});
  state.apply(ports::EpochStarted{"shop1", 5, 2, 0x5678});
  state.apply(
      ports::KeyRolledBack{"r1", gtrid(9), 3, {"orders"}, Cause{"orders", 1, 1205, "HY000", "waited", true}, 7});
  state.apply(decision(1));
  state.apply(ports::HazardFound{gtrid(1), 2, "gone", 5});
  state.apply(ports::HazardFound{gtrid(2), 1, "committed by hand", 6, ports::HazardKind::committed_against});
  state.apply(decision(3));
  state.apply(ports::HazardFound{gtrid(3), 1, "gone", 5});
  state.apply(ports::HazardAcknowledged{gtrid(3), 1, "ada", "seen to", 6});
  state.apply(decision(4));
  state.apply(ports::HazardFound{gtrid(4), 1, "gone", 5});
  state.apply(ports::HazardAcknowledged{gtrid(4), 1, "ada", "seen to", 6});
  state.apply(ports::TransactionEnded{gtrid(4)});
  state.reached(kHead.covers_through);
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

// As earlier formats wrote it, byte for byte: one epoch, one live decision with a settled branch, its key;
// in format 2 one of its hazards that was seen to, and an open one of another.
std::string older_checkpoint(std::uint32_t version) {
  std::string bytes;
  bytes.append("ALCKPNT1");
  base::put_int(bytes, version);
  base::put_int(bytes, kHead.log_id);
  base::put_int(bytes, kHead.covers_through);
  base::put_int(bytes, kHead.first_segment);
  base::put_int(bytes, kHead.first_sequence);
  base::put_int(bytes, std::uint64_t{0});
  base::put_string(bytes, "shop1");
  base::put_int(bytes, std::uint32_t{4});
  base::put_int(bytes, std::uint32_t{3});
  base::put_int(bytes, std::uint64_t{1});
  base::put_string(bytes, gtrid(1));
  base::put_int(bytes, std::uint8_t{2});
  put_names(bytes, {"orders", "stock"});
  base::put_string(bytes, "key-1");
  base::put_int(bytes, std::uint64_t{31});
  base::put_string(bytes, "xxxxx");
  base::put_int(bytes, decision(1).decided_at_ms);
  for (const int number : {1, 2, 0}) base::put_int(bytes, static_cast<std::uint16_t>(number));  // one: branch 2; none
  if (version >= 2) {
    for (const int number : {1, 1}) base::put_int(bytes, static_cast<std::uint16_t>(number));  // one seen to: branch 1
  }
  base::put_int(bytes, std::uint64_t{1});
  base::put_string(bytes, "key-1");
  base::put_string(bytes, gtrid(1));
  base::put_int(bytes, std::uint64_t{31});
  base::put_int(bytes, decision(1).decided_at_ms);
  put_names(bytes, {"orders", "stock"});
  if (version >= 2) {
    base::put_int(bytes, std::uint8_t{0});
    base::put_int(bytes, std::uint64_t{1});
    base::put_string(bytes, gtrid(2));
    base::put_int(bytes, std::uint16_t{1});
    base::put_string(bytes, "seen");
    base::put_int(bytes, std::int64_t{6});
  }
  std::string size;
  base::put_int(size, static_cast<std::uint64_t>(bytes.size() + 8));
  bytes.replace(44, size.size(), size);
  base::put_int(bytes, checksum(bytes, kHead.log_id, 0, 0));
  return bytes;
}

TEST(Checkpoint, OfEveryEarlierFormatIsRead) {
  StateBuilder expected(10);
  expected.start(kHead.log_id);
  expected.apply(decision(1));
  expected.apply(ports::BranchSettled{gtrid(1), 2});
  expected.restore("shop1", 4, 3);
  expected.restore_epochs(4, 0);
  expected.reached(kHead.covers_through);
  for (const std::uint32_t version : {1U, 2U}) {
    if (version == 2) {
      expected.apply(ports::HazardFound{gtrid(1), 1, "gone", 5});
      expected.apply(ports::HazardAcknowledged{gtrid(1), 1, "ada", "seen to", 6});
      expected.apply(ports::HazardFound{gtrid(2), 1, "seen", 6, ports::HazardKind::lost});
      expected.reached(kHead.covers_through);
    }
    StateBuilder back(10);
    const auto head = decode_checkpoint(older_checkpoint(version), back);
    ASSERT_TRUE(head.ok()) << head.error().what;
    EXPECT_EQ(back.state(), expected.state()) << "format " << version;
  }
}

}  // namespace
}  // namespace assent::wal::test
