#include "protocol/recovery.hpp"

#include <gtest/gtest.h>

#include "protocol/xid.hpp"

namespace assent::protocol {
namespace {

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
