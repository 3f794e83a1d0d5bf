#include "wal/codec.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "support.hpp"
#include "wal/checkpoint.hpp"
#include "wal/format.hpp"

namespace assent::wal::test {
namespace {

std::vector<ports::LogRecord> one_of_each() {
  auto three_phase = decision(7);
  three_phase.protocol = Protocol::three_phase;
  three_phase.acceptors = {"stock", "witness"};
  three_phase.idempotency_key.clear();
  three_phase.label = std::string("zero\0inside", 11);
  three_phase.decided_at_ms = -1;
  three_phase.request_fingerprint = std::numeric_limits<std::uint64_t>::max();
  auto known = three_phase;
  known.gtrid = gtrid(8);
  known.identities = {1, 0};
  known.acceptor_identities = {0, std::numeric_limits<std::uint64_t>::max()};
  return {decision(1),
          three_phase,
          ports::CommitDecision{},
          ports::BranchSettled{gtrid(1), 65535},
          ports::TransactionEnded{gtrid(1)},
          ports::HazardFound{gtrid(2), 2, "gone without its proof row", 99, ports::HazardKind::lost},
          ports::HazardFound{gtrid(2), 3, "committed by hand", 99, ports::HazardKind::committed_against},
          ports::EpochStarted{"shop1", 42, 1'700'000'000'000},
          ports::TransactionRolledBack{gtrid(3)},
          ports::HazardAcknowledged{gtrid(2), 2, "ada (root, pid 7) on db1", "repaired by hand", 100},
          ports::OperatorAct{"choose_commit", gtrid(4), 0, "ada", "paid, ticket 4711", 101},
          ports::EpochStarted{"shop1", 43, 1'700'000'000'001, 0xfedcba9876543210, true},
          known,
          ports::KeyRolledBack{
              "order-1", gtrid(5), 77, {"orders"}, Cause{"orders", 2, 1213, "40001", "deadlock", true}, 102},
          ports::KeyRolledBack{"order-2", gtrid(6), 78, {"orders", "stock"}, std::nullopt, 103}};
}

TEST(Codec, EveryRecordComesBackAsItWas) {
  const auto records = one_of_each();
  std::string bytes;
  for (const auto& record : records) ASSERT_TRUE(encode_record(record, bytes));
  std::vector<ports::LogRecord> back;
  ASSERT_TRUE(decode_records(bytes, kFormatVersion, static_cast<std::uint32_t>(records.size()),
                             [&](ports::LogRecord record) { back.push_back(std::move(record)); }));
  EXPECT_EQ(back, records);
}

TEST(Codec, NoPrefixOfARecordIsOne) {
  for (const auto& record : one_of_each()) {
    std::string bytes;
    ASSERT_TRUE(encode_record(record, bytes));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(decode_records(std::string_view(bytes).substr(0, size), kFormatVersion, 1, [](ports::LogRecord) {}));
    }
    EXPECT_FALSE(decode_records(bytes + "x", kFormatVersion, 1, [](ports::LogRecord) {}));
    EXPECT_FALSE(decode_records(bytes, kFormatVersion, 2, [](ports::LogRecord) {}));
  }
}

TEST(Codec, UnknownKindsAndImpossibleValuesAreNotTaken) {
  std::string bytes;
  ASSERT_TRUE(encode_record(decision(1), bytes));
  std::string unknown = bytes;
  unknown[0] = 9;
  EXPECT_FALSE(decode_records(unknown, kFormatVersion, 1, [](ports::LogRecord) {}));
  std::string protocol = bytes;
  protocol[5 + 4 + decision(1).gtrid.size()] = 4;
  EXPECT_FALSE(decode_records(protocol, kFormatVersion, 1, [](ports::LogRecord) {}));
}

TEST(Codec, WhatIsOverABoundIsRefusedAndLeavesNothingBehind) {
  std::string bytes = "before";
  const Status large = encode_record(decision(1, kRecordBytesMax), bytes);
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, Errc::invalid_argument);
  EXPECT_EQ(bytes, "before");
  auto wide = decision(1);
  wide.participants.resize(65);
  EXPECT_FALSE(encode_record(wide, bytes));
  wide = decision(1);
  wide.acceptors.resize(65);
  EXPECT_FALSE(encode_record(wide, bytes));
  EXPECT_EQ(bytes, "before");
}

TEST(Codec, ACausesMessageIsCutBetweenCharacters) {
  ports::KeyRolledBack record{"k", gtrid(1), 1, {"orders"}, Cause{}, 2};
  record.cause->message = std::string(ports::kKeptCauseBytesMax - 1, 'x') + "\xc3\xa4 and more";
  std::string bytes;
  ASSERT_TRUE(encode_record(record, bytes));
  ASSERT_TRUE(decode_records(bytes, kFormatVersion, 1, [](ports::LogRecord back) {
    EXPECT_EQ(std::get<ports::KeyRolledBack>(back).cause->message, std::string(ports::kKeptCauseBytesMax - 1, 'x'));
  }));
}

// As format 2 wrote them, byte for byte.
TEST(Codec, RecordsOfFormatTwoAreRead) {
  std::string epoch, decided;
  base::put_int(epoch, std::uint8_t{5});
  base::put_string(epoch, std::string("\5\0\0\0shop1\7\0\0\0\1\0\0\0\0\0\0\0", 21));
  std::string body;
  base::put_string(body, gtrid(1));
  base::put_int(body, std::uint8_t{2});
  put_names(body, {"orders", "stock"});
  base::put_string(body, "key-1");
  base::put_int(body, std::uint64_t{31});
  base::put_string(body, "xxxxx");
  base::put_int(body, std::int64_t{1'700'000'000'001});
  base::put_int(decided, std::uint8_t{1});
  base::put_string(decided, body);
  std::vector<ports::LogRecord> back;
  ASSERT_TRUE(
      decode_records(epoch + decided, 2, 2, [&](ports::LogRecord record) { back.push_back(std::move(record)); }));
  EXPECT_EQ(back[0], ports::LogRecord(ports::EpochStarted{"shop1", 7, 1}));
  EXPECT_EQ(back[1], ports::LogRecord(decision(1)));
  EXPECT_FALSE(decode_records(epoch, 3, 1, [](ports::LogRecord) {})) << "it would have an instance";
}

TEST(Codec, AHazardOfFormatsTwoAndThreeHasNoKindAndLaterOneThatIsKnown) {
  std::string body;
  base::put_string(body, gtrid(1));
  base::put_int(body, std::uint16_t{2});
  base::put_string(body, "gone");
  base::put_int(body, std::int64_t{5});
  const auto record_with = [&](const std::string& more) {
    std::string record;
    base::put_int(record, std::uint8_t{4});
    base::put_string(record, body + more);
    return record;
  };
  std::vector<ports::LogRecord> back;
  const auto keep = [&](ports::LogRecord record) { back.push_back(std::move(record)); };
  ASSERT_TRUE(decode_records(record_with(""), 2, 1, keep));
  // Blocks of format 3 are read as those of 4.
  ASSERT_TRUE(decode_records(record_with(""), 4, 1, keep));
  ASSERT_TRUE(decode_records(record_with(std::string(1, '\0')), 4, 1, keep));
  ASSERT_TRUE(decode_records(record_with("\1"), 4, 1, keep));
  EXPECT_EQ(back[0], ports::LogRecord(ports::HazardFound{gtrid(1), 2, "gone", 5, ports::HazardKind::lost}));
  EXPECT_EQ(back[1], back[0]);
  EXPECT_EQ(back[2], back[0]);
  EXPECT_EQ(back[3],
            ports::LogRecord(ports::HazardFound{gtrid(1), 2, "gone", 5, ports::HazardKind::committed_against}));
  EXPECT_FALSE(decode_records(record_with("\1"), 2, 1, [](ports::LogRecord) {}));
  EXPECT_FALSE(decode_records(record_with("\2"), 4, 1, [](ports::LogRecord) {})) << "no such kind";
}

StateBuilder some_state() {
  StateBuilder state(100);
  state.start(77);
  for (const auto& record : one_of_each()) state.apply(record);
  for (std::uint64_t i = 10; i < 20; ++i) state.apply(decision(i));
  state.apply(ports::BranchSettled{gtrid(11), 1});
  state.apply(ports::HazardFound{gtrid(11), 2, "gone", 5});
  state.apply(ports::TransactionEnded{gtrid(12)});
  state.reached(30);
  return state;
}

TEST(Checkpoint, TheWholeStateComesBack) {
  const StateBuilder state = some_state();
  const std::string bytes = encode_checkpoint({77, 30, 4, 25}, state);
  StateBuilder back(100);
  const auto head = decode_checkpoint(bytes, back);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->log_id, 77U);
  EXPECT_EQ(head->covers_through, 30U);
  EXPECT_EQ(head->first_segment, 4U);
  EXPECT_EQ(head->first_sequence, 25U);
  EXPECT_EQ(back.state(), state.state());
  EXPECT_EQ(back.key_order(), state.key_order());
}

TEST(Checkpoint, EveryFlippedByteAndEveryPrefixIsFound) {
  const std::string bytes = encode_checkpoint({77, 30, 4, 25}, some_state());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (const int mask : {0x01, 0x80, 0xff}) {
      std::string flipped = bytes;
      flipped[i] = static_cast<char>(flipped[i] ^ mask);
      StateBuilder back(100);
      EXPECT_FALSE(decode_checkpoint(flipped, back)) << "byte " << i;
    }
    StateBuilder back(100);
    EXPECT_FALSE(decode_checkpoint(std::string_view(bytes).substr(0, i), back)) << "prefix " << i;
  }
}

TEST(Format, ADamagedVersionIsDamageAndNotANewerFormat) {
  const auto segment = encode_segment_header({.log_id = 77, .number = 4, .bytes = 1U << 20U});
  const auto checkpoint = encode_checkpoint({77, 30, 4, 25}, some_state());
  for (std::size_t at = 8; at < 12; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      auto bad = segment;
      bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
      const auto header = decode_segment_header(bad);
      ASSERT_FALSE(header);
      EXPECT_EQ(header.error().code, Errc::log_corrupt) << at << " " << bit << " " << header.error().what;
      bad = checkpoint;
      bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
      StateBuilder back(10);
      const auto head = decode_checkpoint(bad, back);
      ASSERT_FALSE(head);
      EXPECT_EQ(head.error().code, Errc::log_corrupt) << at << " " << bit << " " << head.error().what;
    }
  }
}

TEST(Format, ABlockIsTakenOnlyWhereItBelongs) {
  std::string block(kBlockHeaderBytes, '\0');
  block += "payload";
  finish_block({BlockKind::batch, 7, 3, 10, 9, 1, 0}, kSectorBytes, block);
  EXPECT_EQ(block.size(), kSectorBytes);
  std::string segment(4 * kSectorBytes, '\0');
  segment.replace(kSectorBytes, block.size(), block);
  segment.replace(2 * kSectorBytes, block.size(), block);
  const auto here = parse_block(segment, kSectorBytes, 7, 3);
  ASSERT_TRUE(here);
  EXPECT_EQ(here->version, kFormatVersion);
  EXPECT_EQ(payload_of(*here, segment, kSectorBytes), "payload");
  EXPECT_FALSE(parse_block(segment, 2 * kSectorBytes, 7, 3)) << "at another offset";
  EXPECT_FALSE(parse_block(segment, kSectorBytes, 8, 3)) << "in another log";
  EXPECT_FALSE(parse_block(segment, kSectorBytes, 7, 4)) << "in another segment";
  EXPECT_FALSE(parse_block(segment, segment.size() - 10, 7, 3)) << "over the end";
}

TEST(Format, BlocksStartWhereThoseOfTheirFormatDo) {
  for (const std::uint32_t version : {2U, 3U}) {
    std::string block(kBlockHeaderBytes, '\0');
    block += "payload";
    finish_block({BlockKind::batch, 7, 3, 10, 9, 1, 0, version}, 1024, block);
    EXPECT_EQ(block.size(), block_unit(version));
    std::string segment(2 * kSectorBytes, '\0');
    segment.replace(1024, 512, block.substr(0, 512));
    const auto here = parse_block(segment, 1024, 7, 3);
    ASSERT_EQ(here.has_value(), version == 2);
    if (here) {
      EXPECT_EQ(here->version, 2U);
      EXPECT_EQ(here->bytes_on_disk(), 512U);
    }
  }
}

TEST(Format, ASearchForBlocksIsBoundedWhateverTheBytes) {
  // Each place looks like the start of a large block, and none is one.
  std::string block(kBlockHeaderBytes, '\0');
  block.resize(200 * kSectorBytes, 'x');
  finish_block({BlockKind::batch, 7, 3, 10, 9, 1, 0}, 0, block);
  std::string segment(1024 * kSectorBytes, '\0');
  for (std::uint64_t at = 0; at < segment.size(); at += kSectorBytes) {
    segment.replace(at, kBlockHeaderBytes, block.substr(0, kBlockHeaderBytes));
  }
  BlockSearch search(segment, 7, 3, kSectorBytes);
  EXPECT_FALSE(search.next(0));
  EXPECT_TRUE(search.exhausted());
  // One that is there is found behind some that are not.
  std::string real(kBlockHeaderBytes, '\0');
  real += "payload";
  finish_block({BlockKind::batch, 7, 3, 10, 9, 1, 0}, 5 * kSectorBytes, real);
  segment.replace(5 * kSectorBytes, real.size(), real);
  BlockSearch again(segment, 7, 3, kSectorBytes);
  const auto found = again.next(0);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->offset, 5 * kSectorBytes);
}

TEST(Format, ALengthBeyondTheSegmentIsNoBlock) {
  std::string block(kBlockHeaderBytes, '\0');
  block.resize(3 * kSectorBytes, 'x');
  finish_block({BlockKind::batch, 7, 3, 10, 9, 1, 0}, 0, block);
  EXPECT_TRUE(parse_block(block, 0, 7, 3));
  EXPECT_FALSE(parse_block(std::string_view(block).substr(0, 2 * kSectorBytes), 0, 7, 3));
}

}  // namespace
}  // namespace assent::wal::test
