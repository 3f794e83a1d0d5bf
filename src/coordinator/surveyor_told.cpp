// How a survey is reported, and which sessions its branches block.

#include <algorithm>
#include <future>
#include <tuple>
#include <utility>

#include "base/clock.hpp"
#include "coordinator/surveyor.hpp"
#include "ports/asked.hpp"
#include "protocol/xid.hpp"

namespace assent::coordinator {

using ports::asked;
using protocol::Sight;
using std::chrono::milliseconds;

namespace {

std::string printable_or_hex(const std::string& bytes) {
  const bool plain = std::all_of(bytes.begin(), bytes.end(), [](char c) { return c > ' ' && c < 127; });
  if (plain && !bytes.starts_with("0x")) return bytes;
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "0x";
  for (const char c : bytes) {
    text.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
    text.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
  }
  return text;
}

}  // namespace

Survey Surveyor::survey(const Seen& seen, const SurveyQuery& query) const {
  Survey survey;
  survey.coordinator = participants_.front()->coordinator_id();
  for (const auto& [name, why] : seen.unreachable) survey.unreachable.push_back({name, why});
  const auto wanted = [&](const std::string& gtrid, const std::string& participant, std::optional<milliseconds> age) {
    return (query.gtrid.empty() || query.gtrid == gtrid) &&
           (query.participant.empty() || query.participant == participant) &&
           (query.age_min_ms == 0 || (age && age->count() >= static_cast<std::int64_t>(query.age_min_ms))) &&
           gtrid >= query.from;
  };
  for (const auto& [gtrid, one] : seen.transactions) {
    for (const auto& branch : one.branches) {
      if (!wanted(gtrid, branch.participant, one.age)) continue;
      SurveyBranch shown{.gtrid = gtrid,
                         .participant = branch.participant,
                         .branch = branch.number,
                         .verdict = branch.verdict,
                         .reason = branch.reason,
                         .protocol = one.protocol,
                         .age_ms = std::nullopt,
                         .label = one.label,
                         .blocks = {}};
      if (one.age) shown.age_ms = one.age->count();
      survey.branches.push_back(std::move(shown));
    }
  }
  for (const auto& hazard : seen.hazards) {
    const auto shown = std::any_of(survey.branches.begin(), survey.branches.end(), [&](const auto& branch) {
      return branch.gtrid == hazard.gtrid && branch.branch == hazard.branch;
    });
    const milliseconds age(std::max<std::int64_t>(0, base::wall_clock_ms() - hazard.found_at_ms));
    if (shown || !wanted(hazard.gtrid, hazard.participant, age)) continue;
    survey.branches.push_back({.gtrid = hazard.gtrid,
                               .participant = hazard.participant,
                               .branch = hazard.branch,
                               .verdict = Verdict::hazard,
                               .reason = hazard.reason,
                               .protocol = std::nullopt,
                               .age_ms = age.count(),
                               .label = {},
                               .blocks = {}});
  }
  auto others = seen.others;
  others.insert(others.end(), seen.planted.begin(), seen.planted.end());
  for (const auto& other : others) {
    const bool assents = other.verdict == Verdict::other_coordinator;
    auto gtrid = printable_or_hex(other.xid.gtrid);
    if (!wanted(gtrid, other.participant, std::nullopt)) continue;
    SurveyBranch shown{.gtrid = std::move(gtrid),
                       .participant = other.participant,
                       .branch = 0,
                       .verdict = other.verdict,
                       .reason = {},
                       .protocol = std::nullopt,
                       .age_ms = std::nullopt,
                       .label = {},
                       .blocks = {}};
    if (assents) {
      shown.branch = protocol::parse_bqual(other.xid.bqual)->branch;
      shown.protocol = protocol::parse_gtrid(other.xid.gtrid)->protocol;
      shown.reason = "of coordinator '" + protocol::parse_gtrid(other.xid.gtrid)->coordinator + "', which settles it";
    } else {
      shown.reason = "of another transaction manager: formatID " + std::to_string(other.xid.format_id) + ", bqual " +
                     printable_or_hex(other.xid.bqual);
    }
    survey.branches.push_back(std::move(shown));
  }
  for (const auto& [place, choice] : seen.choices) {
    if (!wanted(place.first, place.second, std::nullopt)) continue;
    const auto outcome = choice.value == protocol::Value::commit ? Outcome::committed : Outcome::rolled_back;
    survey.heuristic.push_back({place.first, place.second, outcome, choice.who, choice.reason, choice.made_at_ms});
  }
  std::stable_sort(survey.branches.begin(), survey.branches.end(), [](const auto& a, const auto& b) {
    return std::tie(a.gtrid, a.branch, a.participant) < std::tie(b.gtrid, b.branch, b.participant);
  });
  find_waits(survey, seen);
  return survey;
}

void Surveyor::find_waits(Survey& survey, const Seen& seen) const {
  std::map<std::string, std::map<protocol::Xid, SurveyBranch*>> prepared;
  for (auto& shown : survey.branches) {
    const auto one = seen.transactions.find(shown.gtrid);
    if (one == seen.transactions.end()) continue;
    for (const auto& branch : one->second.branches) {
      if (branch.number != shown.branch || branch.sight != Sight::prepared) continue;
      if (by_name_.contains(shown.participant)) prepared[shown.participant].emplace(*branch.xid, &shown);
    }
  }
  using Waits = Result<ports::LockWaits>;
  std::map<std::string, std::future<Waits>> asking;
  for (const auto& [name, branches] : prepared) {
    std::vector<protocol::Xid> xids;
    for (const auto& [xid, shown] : branches) xids.push_back(xid);
    asking[name] = asked<Waits>([&](auto done) { by_name_.at(name)->find_waits(std::move(xids), std::move(done)); });
  }
  for (auto& [name, future] : asking) {
    const auto waits = future.get();
    if (!waits.ok()) {
      survey.locks_not_seen.push_back({name, waits.error().what});
      continue;
    }
    if (!waits->incomplete.empty()) survey.locks_not_seen.push_back({name, waits->incomplete});
    for (const auto& [xid, sessions] : waits->by_branch) {
      const auto shown = prepared[name].find(xid);
      if (shown == prepared[name].end()) continue;
      for (const auto& session : sessions) {
        shown->second->blocks.push_back(
            {session.connection, session.user, session.host, session.waiting.count(), session.table, session.row});
      }
    }
  }
}

}  // namespace assent::coordinator
