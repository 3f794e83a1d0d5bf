#include "protocol/xid.hpp"

#include <gtest/gtest.h>

namespace assent::protocol {
namespace {

const GtridParts kParts{"shop1", 42, 303, 0x9f86d081884c7d65, Protocol::two_phase};

TEST(Gtrid, TellsAllItsPartsByItself) {
  const auto text = format_gtrid(kParts);
  EXPECT_EQ(text, "shop1.0000002a.00000000012f.9f86d081884c7d65.2");
  EXPECT_EQ(parse_gtrid(text), kParts);
}

TEST(Gtrid, FitsXaAtItsLongest) {
  auto parts = kParts;
  parts.coordinator = std::string(kCoordinatorIdBytesMax, 'z');
  parts.epoch = UINT32_MAX;
  parts.sequence = (std::uint64_t{1} << 48) - 1;
  EXPECT_LE(format_gtrid(parts).size(), kXidPartBytesMax);
}

TEST(Gtrid, AnythingNotExactlyOursIsNotParsed) {
  const auto text = format_gtrid(kParts);
  for (std::size_t i = 0; i < text.size(); ++i) {
    EXPECT_FALSE(parse_gtrid(text.substr(0, i))) << i;
    auto upper = text;
    upper[i] = '~';
    EXPECT_FALSE(parse_gtrid(upper)) << i;
  }
  EXPECT_FALSE(parse_gtrid(text + "2"));
  EXPECT_FALSE(parse_gtrid(std::string("\0\xff", 2)));
  EXPECT_FALSE(parse_gtrid("Shop1.0000002a.00000000012f.9f86d081884c7d65.2"));
  EXPECT_FALSE(parse_gtrid("shop1.0000002A.00000000012f.9f86d081884c7d65.2"));
}

TEST(Gtrid, ByteOrderIsTheOrderOfEpochAndSequence) {
  auto later = kParts;
  later.sequence = 304;
  later.random = 0;
  EXPECT_LT(format_gtrid(kParts), format_gtrid(later));
  later.epoch = 43;
  later.sequence = 0;
  EXPECT_LT(format_gtrid(kParts), format_gtrid(later));
}

TEST(Gtrid, ARangeBoundSortsBeforeItsSequenceAndAfterTheOneBefore) {
  const auto bound = gtrid_range_bound("shop1", 42, 303);
  auto before = kParts;
  before.sequence = 302;
  before.random = UINT64_MAX;
  EXPECT_LT(format_gtrid(before), bound);
  EXPECT_LT(bound, format_gtrid(kParts));
}

TEST(Bqual, TellsBranchCountAndParticipant) {
  const BqualParts parts{1, 3, "orders"};
  EXPECT_EQ(format_bqual(parts), "01.03.orders");
  EXPECT_EQ(parse_bqual("01.03.orders"), parts);
  const BqualParts longest{kBranchesMax, kBranchesMax, std::string(kParticipantNameBytesMax, 'p')};
  EXPECT_LE(format_bqual(longest).size(), kXidPartBytesMax);
}

TEST(Bqual, ImpossibleOnesAreNotParsed) {
  for (const char* text : {"", "01.03.", "00.03.orders", "04.03.orders", "01.99.orders", "1.3.orders", "01.03.Orders",
                           "01-03-orders", "01.03.or'ders"}) {
    EXPECT_FALSE(parse_bqual(text)) << text;
  }
}

TEST(XidLiteral, IsWhatXaStatementsTake) {
  EXPECT_EQ(xid_literal({"g", "b"}), "'g','b',1095978580");
}

TEST(XidLiteralDeathTest, RefusesTextThatCouldEndTheLiteral) {
  EXPECT_DEATH((void)xid_literal({"g'", "b"}), "broken invariant");
  EXPECT_DEATH((void)xid_literal({"g\\", "b"}), "broken invariant");
  EXPECT_DEATH((void)xid_literal({"", "b"}), "broken invariant");
  EXPECT_DEATH((void)xid_literal({std::string(65, 'g'), "b"}), "broken invariant");
}

}  // namespace
}  // namespace assent::protocol
