#include "protocol/verdict.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace assent::protocol {
namespace {

constexpr auto kGone = is(Sight::fenced, Sight::absent);
constexpr auto kNotHere = is(Sight::prepared, Sight::held, Sight::unreachable);

// Every ruling and sight match exactly one row.
constexpr VerdictRule kVerdicts[] = {
    {is(Ruling::running), kAny, Verdict::running},

    {is(Ruling::commit), kNotHere, Verdict::will_commit},
    {is(Ruling::commit), is(Sight::proven), Verdict::committed},
    // It was prepared before the decision, so it had its row.
    {is(Ruling::commit), kGone, Verdict::hazard},
    {is(Ruling::commit), is(Sight::not_kept), Verdict::undecidable},

    {is(Ruling::roll_back), kNotHere, Verdict::will_roll_back},
    {is(Ruling::roll_back), is(Sight::proven), Verdict::hazard},
    {is(Ruling::roll_back), is(Sight::fenced, Sight::absent, Sight::not_kept), Verdict::rolled_back},

    {is(Ruling::undecidable), kNotHere, Verdict::undecidable},
    {is(Ruling::undecidable), is(Sight::proven), Verdict::committed},
    {is(Ruling::undecidable), kGone, Verdict::rolled_back},
    {is(Ruling::undecidable), is(Sight::not_kept), Verdict::undecidable},
};

constexpr auto kYes = is(Some::yes);
constexpr auto kNo = is(Some::no);

// The same.
constexpr LostLogRule kWithoutLog[] = {
    {kYes, kAny, kAny, kAny, {Ruling::commit, Ground::proven}},
    {kNo, kYes, kAny, kAny, {Ruling::roll_back, Ground::missing}},
    {kNo, kNo, kAny, is(Chosen::commit), {Ruling::commit, Ground::chosen}},
    {kNo, kNo, kAny, is(Chosen::rollback), {Ruling::roll_back, Ground::chosen}},
    {kNo, kNo, kYes, is(Chosen::nothing), {Ruling::undecidable, Ground::not_all_seen}},
    {kNo, kNo, kNo, is(Chosen::nothing), {Ruling::undecidable, Ground::all_prepared}},
};

Some some(bool yes) {
  return yes ? Some::yes : Some::no;
}

}  // namespace

std::span<const VerdictRule> verdict_rules() noexcept {
  return kVerdicts;
}

Verdict verdict_of(Ruling ruling, Sight sight) noexcept {
  for (const auto& rule : kVerdicts) {
    if (rule.ruling.has(ruling) && rule.sight.has(sight)) return rule.verdict;
  }
  ASSENT_CHECK(false && "every sight has a verdict");
  return Verdict::undecidable;
}

Remains remains_of(std::span<const Sight> branches, std::optional<Value> chosen) {
  Remains remains;
  remains.chosen = chosen;
  for (const auto sight : branches) {
    remains.proven |= sight == Sight::proven;
    remains.missing |= sight == Sight::fenced || sight == Sight::absent;
    remains.unseen |= sight == Sight::held || sight == Sight::not_kept || sight == Sight::unreachable;
  }
  return remains;
}

std::span<const LostLogRule> lost_log_rules() noexcept {
  return kWithoutLog;
}

GroundedRuling ruling_without_log(const Remains& remains) noexcept {
  const auto chosen = !remains.chosen                    ? Chosen::nothing
                      : *remains.chosen == Value::commit ? Chosen::commit
                                                         : Chosen::rollback;
  for (const auto& rule : kWithoutLog) {
    if (rule.proven.has(some(remains.proven)) && rule.missing.has(some(remains.missing)) &&
        rule.unseen.has(some(remains.unseen)) && rule.chosen.has(chosen)) {
      return rule.then;
    }
  }
  ASSENT_CHECK(false && "all remains have a ruling");
  return {};
}

}  // namespace assent::protocol
