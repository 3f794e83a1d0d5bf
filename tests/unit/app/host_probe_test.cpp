#include "app/host_probe.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assent::app {
namespace {

using Grade = DoctorFinding::Grade;
using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;

TEST(JudgeClock, ClocksFarApartAreAWarningEitherWay) {
  EXPECT_EQ(judge_clock("stock", milliseconds(0)).grade, Grade::pass);
  EXPECT_EQ(judge_clock("stock", kClocksApartMax).grade, Grade::pass);
  EXPECT_EQ(judge_clock("stock", -kClocksApartMax).grade, Grade::pass);
  const auto ahead = judge_clock("stock", kClocksApartMax + milliseconds(1));
  EXPECT_EQ(ahead.grade, Grade::warning);
  EXPECT_THAT(ahead.seen, AllOf(HasSubstr("stock"), HasSubstr("ahead of")));
  EXPECT_THAT(ahead.remedy, HasSubstr("what commits is not"));
  const auto behind = judge_clock("stock", -std::chrono::hours(3));
  EXPECT_EQ(behind.grade, Grade::warning);
  EXPECT_THAT(behind.seen, HasSubstr("3 h behind"));
}

}  // namespace
}  // namespace assent::app
