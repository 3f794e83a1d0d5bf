#include "wire/framer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

namespace assent::wire {
namespace {

/// Feeds `bytes`, at most `step` at a time, and gives the lines.
std::vector<std::string> lines_of(Framer& framer, std::string_view bytes, std::size_t step = SIZE_MAX) {
  std::vector<std::string> lines;
  while (!bytes.empty()) {
    const auto space = framer.space();
    if (space.empty()) break;
    const auto size = std::min({space.size(), bytes.size(), step});
    std::memcpy(space.data(), bytes.data(), size);
    framer.fed(size);
    bytes.remove_prefix(size);
    while (const auto line = framer.next()) lines.emplace_back(*line);
  }
  return lines;
}

TEST(Framer, CutsTheSameLinesHoweverTheyCome) {
  const std::vector<std::string> expected{"a", "bb", "c\rc", std::string(10'000, 'd'), "e"};
  const std::string bytes = "a\nbb\r\n\n\r\n\nc\rc\n" + std::string(10'000, 'd') + "\ne\nrest";
  for (const std::size_t step : {1, 2, 3, 7, 4096, 1'000'000}) {
    Framer framer(10'000);
    EXPECT_EQ(lines_of(framer, bytes, step), expected) << step;
    EXPECT_EQ(framer.waiting_bytes(), 4U);
    EXPECT_FALSE(framer.overflowed());
  }
}

TEST(Framer, TakesALineOfTheBoundAndNoneLonger) {
  for (const std::string end : {"\n", "\r\n"}) {
    Framer framer(100);
    EXPECT_EQ(lines_of(framer, std::string(100, 'x') + end).size(), 1U);
    EXPECT_FALSE(framer.overflowed());
    EXPECT_TRUE(lines_of(framer, std::string(101, 'x') + end).empty());
    EXPECT_TRUE(framer.overflowed());
    EXPECT_TRUE(framer.space().empty());
    EXPECT_FALSE(framer.next().has_value());
  }
}

TEST(Framer, LinesBeforeTheOneTooLongAreGivenOut) {
  Framer framer(10);
  EXPECT_EQ(lines_of(framer, "a\nb\n" + std::string(50, 'x')), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(framer.overflowed());
}

TEST(Framer, AnEndlessLineTakesNoMoreThanTheBoundAndOneRead) {
  constexpr std::size_t kBound = 1024 * 1024;
  Framer framer(kBound);
  const std::string chunk(64 * 1024, 'x');
  std::size_t most = 0;
  for (int i = 0; i < 1024 && !framer.overflowed(); ++i) {
    EXPECT_TRUE(lines_of(framer, chunk).empty());
    most = std::max(most, framer.capacity_bytes());
  }
  EXPECT_TRUE(framer.overflowed());
  EXPECT_LE(most, kBound + Framer::kReadBytesMax + Framer::kRestBytes);
}

TEST(Framer, GivesItsMemoryBackOnceTheLineIsThrough) {
  Framer framer(1024 * 1024);
  std::string line(1024 * 1024, 'x');
  line += '\n';
  EXPECT_EQ(lines_of(framer, line).size(), 1U);
  EXPECT_GT(framer.capacity_bytes(), 512U * 1024);
  EXPECT_EQ(lines_of(framer, "a\nb\n", 2).size(), 2U);
  (void)framer.space();
  EXPECT_LE(framer.capacity_bytes(), 2 * Framer::kRestBytes);
}

}  // namespace
}  // namespace assent::wire
