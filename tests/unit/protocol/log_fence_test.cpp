#include "protocol/log_fence.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace assent::protocol {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr std::uint64_t kLogId = 7;
constexpr std::uint64_t kInstance = 100;  ///< Of a start that wrote this log.
constexpr std::uint64_t kOwn = 101;       ///< Of this process.
constexpr std::uint64_t kOther = 200;     ///< Of a start that never wrote it.
constexpr std::uint64_t kHere = 31;
constexpr std::uint64_t kElsewhere = 32;
constexpr std::uint64_t kLast = 50;

enum class Log : std::uint8_t { empty, ours, of_older_version };
enum class Word : std::uint8_t { none, now, earlier };
enum class Row : std::uint8_t { none, own, reached, ahead, other, older_version, older_version_later };
enum class Silent : std::uint8_t { unknown, negative, young, at_bound, old };
enum class Watched : std::uint8_t { no, briefly, enough };

/// Everything that the rule is told, one combination of it.
struct Case {
  Log log;
  Word word;
  Row row;
  Silent silent;
  std::uint64_t log_place;
  std::uint64_t row_place;
  bool in_doubt;
  bool renewed;
  Watched watched;
  std::uint32_t row_epoch;
};

FenceLog log_of(const Case& one) {
  FenceLog log;
  log.log_id = kLogId;
  log.place = one.log_place;
  if (one.row == Row::own) log.own_instance = kOwn;
  if (one.log != Log::empty) log.epoch = 5;
  if (one.log == Log::ours) log.starts = {{kInstance, {5, kLast}}};
  if (one.log == Log::of_older_version) log.last_unsigned_epoch = 5;
  if (one.word == Word::now) log.given_up_below = kEveryEpoch;
  if (one.word == Word::earlier) log.given_up_below = 4;
  return log;
}

FenceSight sight_of(const Case& one) {
  FenceSight sight;
  sight.in_doubt = one.in_doubt ? 3 : 0;
  sight.renewed = one.renewed;
  sight.watched = one.watched == Watched::no        ? milliseconds{0}
                  : one.watched == Watched::briefly ? kOwnerWatch
                                                    : kOwnerSilence;
  if (one.row == Row::none) return sight;
  FenceOwner owner;
  owner.log_id = kLogId;
  owner.host = "db1";
  owner.place = one.row_place;
  owner.epoch = one.row_epoch;
  owner.instance = one.row == Row::own ? kOwn : one.row == Row::other ? kOther : kInstance;
  owner.sequence = one.row == Row::ahead ? kLast + 1 : kLast;
  if (one.row == Row::older_version || one.row == Row::older_version_later) owner.sequence.reset();
  if (one.row == Row::older_version_later) owner.log_id = kLogId + 1;
  switch (one.silent) {
    case Silent::unknown: break;
    case Silent::negative: owner.silent = milliseconds{-3'600'000}; break;
    case Silent::young: owner.silent = kOwnerSilence - milliseconds{1}; break;
    case Silent::at_bound: owner.silent = kOwnerSilence; break;
    case Silent::old: owner.silent = milliseconds{86'400'000}; break;
  }
  sight.owner = owner;
  return sight;
}

template <typename Visit>
std::size_t for_every_case(Visit visit) {
  std::size_t count = 0;
  for (const auto log : {Log::empty, Log::ours, Log::of_older_version})
    for (const auto word : {Word::none, Word::now, Word::earlier})
      for (const auto row :
           {Row::none, Row::own, Row::reached, Row::ahead, Row::other, Row::older_version, Row::older_version_later})
        for (const auto silent : {Silent::unknown, Silent::negative, Silent::young, Silent::at_bound, Silent::old})
          for (const auto log_place : {std::uint64_t{0}, kHere})
            for (const auto row_place : {std::uint64_t{0}, kHere, kElsewhere})
              for (const bool in_doubt : {false, true})
                for (const bool renewed : {false, true})
                  for (const auto watched : {Watched::no, Watched::briefly, Watched::enough})
                    for (const std::uint32_t row_epoch : {3U, 5U, 9U}) {
                      const Case one{log,       word,     row,     silent,  log_place,
                                     row_place, in_doubt, renewed, watched, row_epoch};
                      ++count;
                      SCOPED_TRACE(count);
                      visit(one, rule(log_of(one), sight_of(one)));
                      if (::testing::Test::HasFailure()) return count;
                    }
  return count;
}

// What the case says in itself, put together without the rule's own words.
bool log_has_it(const Case& one) {
  switch (one.row) {
    case Row::none:
    case Row::own: return true;
    case Row::reached: return one.log == Log::ours;
    case Row::older_version: return one.log == Log::of_older_version && one.row_epoch <= 5;
    case Row::ahead:
    case Row::other:
    case Row::older_version_later: return false;
  }
  return false;
}
bool is_dead_for_sure(const Case& one) {
  return one.log_place == kHere && one.row_place == kHere && !one.renewed;
}
bool was_watched_long_enough(const Case& one) {
  const bool silent_says_the_server = one.silent == Silent::at_bound || one.silent == Silent::old;
  return one.watched == Watched::enough || (one.watched == Watched::briefly && silent_says_the_server);
}
bool is_given_up(const Case& one) {
  return one.word == Word::now || (one.word == Word::earlier && one.row_epoch < 4);
}

TEST(LogFence, EveryCaseHasTheRulingThatFollowsFromWhatWasSeen) {
  const auto cases = for_every_case([](const Case& one, FenceRuling ruling) {
    auto expected = FenceRuling::refuse_foreign;
    if (one.row == Row::none) {
      const bool branches_of_another_log = one.in_doubt && one.log == Log::empty && one.word == Word::none;
      if (!branches_of_another_log) expected = FenceRuling::start;
    } else if (one.row == Row::own) {
      expected = FenceRuling::start;
    } else if (one.renewed) {
      expected = FenceRuling::refuse_alive;
    } else if (!is_dead_for_sure(one) && !was_watched_long_enough(one)) {
      expected = FenceRuling::watch;
    } else if (log_has_it(one) || is_given_up(one)) {
      expected = FenceRuling::start;
    }
    EXPECT_EQ(ruling, expected);
  });
  EXPECT_EQ(cases, 3U * 3 * 7 * 5 * 2 * 3 * 2 * 2 * 3 * 3);
}

TEST(LogFence, NobodyTakesOverFromALivingOwnerWhateverAnOperatorSays) {
  for_every_case([](const Case& one, FenceRuling ruling) {
    if (one.row == Row::none || one.row == Row::own) return;
    if (one.renewed) {
      EXPECT_EQ(ruling, FenceRuling::refuse_alive);
    }
    // Nor from one that may live: it was not seen for as long as one that lives may be silent.
    if (!one.renewed && !is_dead_for_sure(one) && one.watched == Watched::no) {
      EXPECT_EQ(ruling, FenceRuling::watch);
    }
  });
}

TEST(LogFence, NobodyTakesOverWithoutWhatTheLastOwnerWroteUnlessAnOperatorSaysSo) {
  for_every_case([](const Case& one, FenceRuling ruling) {
    if (!log_has_it(one) && one.word == Word::none) {
      EXPECT_NE(ruling, FenceRuling::start);
    }
  });
}

TEST(LogFence, WhatIsWatchedLongEnoughIsRuledOn) {
  for_every_case([](const Case& one, FenceRuling ruling) {
    if (one.watched == Watched::enough) {
      EXPECT_NE(ruling, FenceRuling::watch);
    }
  });
}

TEST(LogFence, TheProcessThatHeldThisVeryDirectoryIsNotWaitedFor) {
  for_every_case([](const Case& one, FenceRuling ruling) {
    if (is_dead_for_sure(one)) {
      EXPECT_NE(ruling, FenceRuling::watch);
    }
  });
}

TEST(LogFence, AnUnknownPlaceIsNobodysPlace) {
  for_every_case([](const Case& one, FenceRuling ruling) {
    const bool has_owner = one.row != Row::none && one.row != Row::own;
    if (has_owner && one.row_place == 0 && one.watched == Watched::no) {
      EXPECT_NE(ruling, FenceRuling::start);
    }
  });
}

// By how far the copy is behind, and by when it was taken.
TEST(LogFence, ACopyIsToldFromTheLogByWhatItsOwnerHadWritten) {
  FenceLog copy{.log_id = kLogId, .epoch = 5, .starts = {{kInstance, {5, kLast}}}};
  const auto row_at = [](std::uint64_t instance, std::uint64_t sequence) {
    return FenceOwner{.log_id = kLogId, .epoch = 5, .instance = instance, .sequence = sequence};
  };
  EXPECT_TRUE(contains(copy, row_at(kInstance, kLast - 1)));
  EXPECT_TRUE(contains(copy, row_at(kInstance, kLast)));
  EXPECT_FALSE(contains(copy, row_at(kInstance, kLast + 1)));
  EXPECT_FALSE(contains(copy, row_at(kOther, 1))) << "same log, same epoch: started after the copy was taken";
  copy.starts[kOther] = {6, kLast + 1};
  EXPECT_TRUE(contains(copy, row_at(kOther, 1)));
}

// Started again and again where no participant could be reached, it has gone further than the log that it was copied
// from.
TEST(LogFence, ACopyThatGrewDoesNotContainWhatItsOwnerWroteMeanwhile) {
  const FenceLog copy{.log_id = kLogId, .epoch = 8, .starts = {{kInstance, {5, kLast}}, {kOther, {8, kLast + 9}}}};
  FenceOwner owner{.log_id = kLogId, .epoch = 5, .instance = kInstance, .sequence = kLast + 1};
  EXPECT_FALSE(contains(copy, owner));
  owner.sequence = kLast;
  EXPECT_TRUE(contains(copy, owner));
}

TEST(LogFence, AProcessActsWhileOneClaimIsYoung) {
  const auto old = kOwnerSilence;
  const auto young = kOwnerSilence - milliseconds{1};
  EXPECT_TRUE(may_act(std::vector{young, young}));
  EXPECT_TRUE(may_act(std::vector{old, young})) << "nobody else can have claimed them both";
  EXPECT_FALSE(may_act(std::vector{old, old}));
  EXPECT_FALSE(may_act(std::vector<milliseconds>{}));
}

TEST(LogFence, EpochsGainNothing) {
  FenceLog copy{.log_id = kLogId, .epoch = 900, .starts = {{kInstance, {5, 9'000}}}};
  FenceSight sight{.owner = FenceOwner{.log_id = kLogId, .epoch = 6, .instance = kOther, .sequence = 10},
                   .watched = kOwnerSilence};
  EXPECT_EQ(rule(copy, sight), FenceRuling::refuse_foreign);
}

TEST(LogFence, ARefusalSaysAtWhichParticipantWhoItIsAndWhatToDo) {
  std::size_t refusals = 0;
  for_every_case([&](const Case& one, FenceRuling ruling) {
    const auto text = sentence(ruling, log_of(one), sight_of(one), "shop", "stock");
    EXPECT_EQ(text.empty(), ruling == FenceRuling::start);
    if (ruling == FenceRuling::start) return;
    ++refusals;
    EXPECT_THAT(text, HasSubstr("'stock'"));
    EXPECT_THAT(text, HasSubstr("'shop'"));
    if (one.row != Row::none) {
      EXPECT_THAT(text, HasSubstr("'db1'"));
    }
    const bool foreign = ruling == FenceRuling::refuse_foreign;
    EXPECT_EQ(text.find("--log-lost") != std::string::npos, foreign) << text;
    EXPECT_EQ(text.find("log.directory") != std::string::npos, foreign) << text;
    EXPECT_EQ(text.find("coordinator.id") != std::string::npos, ruling == FenceRuling::refuse_alive) << text;
  });
  EXPECT_GT(refusals, 0U);
}

FenceSight seen(FenceWatch& watch, const std::string& renewal, milliseconds now) {
  return watch.saw(FenceOwner{.instance = kOther, .sequence = 10}, renewal, 0, now);
}

TEST(LogFence, AWatchCountsForHowLongARowStaysTheSame) {
  FenceWatch watch;
  EXPECT_EQ(seen(watch, "a", milliseconds{100}).watched, milliseconds{0});
  EXPECT_FALSE(seen(watch, "a", milliseconds{100}).renewed);
  EXPECT_EQ(seen(watch, "a", milliseconds{2'100}).watched, milliseconds{2'000});
  const auto renewed = seen(watch, "b", milliseconds{3'000});
  EXPECT_TRUE(renewed.renewed);
  EXPECT_EQ(renewed.watched, milliseconds{0});
}

TEST(LogFence, AWatchTakesOneThatGaveASignOfLifeForAliveUntilItWasSilentForLongEnough) {
  FenceWatch watch;
  seen(watch, "a", milliseconds{0});
  seen(watch, "b", milliseconds{1'000});
  EXPECT_TRUE(seen(watch, "b", milliseconds{1'000} + kOwnerSilence - milliseconds{1}).renewed);
  const auto dead = seen(watch, "b", milliseconds{1'000} + kOwnerSilence);
  EXPECT_FALSE(dead.renewed);
  EXPECT_EQ(dead.watched, kOwnerSilence);
}

TEST(LogFence, WhereParticipantsDifferTheOneThatMayLiveCounts) {
  EXPECT_EQ(std::max({FenceRuling::start, FenceRuling::refuse_foreign}), FenceRuling::refuse_foreign);
  EXPECT_EQ(std::max({FenceRuling::watch, FenceRuling::refuse_foreign}), FenceRuling::watch);
  EXPECT_EQ(std::max({FenceRuling::refuse_alive, FenceRuling::watch}), FenceRuling::refuse_alive);
}

}  // namespace
}  // namespace assent::protocol
