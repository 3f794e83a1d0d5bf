#include "coordinator/knowledge.hpp"

#include <algorithm>

#include "coordinator/hazard_book.hpp"
#include "coordinator/live_transaction.hpp"
#include "protocol/xid.hpp"

namespace assent::coordinator {

using protocol::Era;
using protocol::Known;

LogKnowledge::LogKnowledge(const ports::LogState& log) : log_(log) {}

Known LogKnowledge::known(const std::string& gtrid) const {
  const auto found = log_.live.find(gtrid);
  // What a log has of three phases is an intention, which decides nothing.
  const bool decided = found != log_.live.end() && found->second.decision.protocol == Protocol::two_phase;
  return decided ? Known::decided : Known::nothing;
}

Era LogKnowledge::era(std::uint32_t epoch) const {
  if (log_.first_epoch == 0 || epoch < log_.first_epoch) return Era::before_log;
  return epoch <= log_.epoch ? Era::past : Era::future;
}

std::vector<ports::LiveDecision> LogKnowledge::decisions() const {
  std::vector<ports::LiveDecision> all;
  for (const auto& [gtrid, live] : log_.live) all.push_back(live);
  return all;
}

std::vector<Hazard> LogKnowledge::hazards() const {
  return open_hazards(log_);
}

std::optional<ports::HazardKind> LogKnowledge::kind_open(const std::string& gtrid, std::uint16_t branch) const {
  if (const auto live = log_.live.find(gtrid); live != log_.live.end()) {
    const auto& its = live->second.hazards;
    if (const auto found = its.find(branch); found != its.end()) return found->second.kind;
  }
  const auto found = log_.hazards.find({gtrid, branch});
  if (found == log_.hazards.end()) return std::nullopt;
  return found->second.kind;
}

std::optional<ports::HazardKind> LogKnowledge::kind_seen_to(const std::string& gtrid, std::uint16_t branch) const {
  if (const auto live = log_.live.find(gtrid); live != log_.live.end()) {
    const auto& its = live->second.acknowledged;
    if (const auto found = its.find(branch); found != its.end()) return found->second;
  }
  const auto found = log_.acknowledged.find({gtrid, branch});
  if (found == log_.acknowledged.end()) return std::nullopt;
  return found->second;
}

Known LiveKnowledge::known(const std::string& gtrid) const {
  if (const auto live = house_.registry.find(gtrid)) return live->known();
  const auto ended = house_.registry.recent(gtrid);
  if (ended && ended->outcome == Outcome::committed) return Known::decided;
  const bool three_phase = protocol::parse_gtrid(gtrid)->protocol == Protocol::three_phase;
  return three_phase && house_.registry.is_closed(gtrid) ? Known::closed : Known::nothing;
}

Era LiveKnowledge::era(std::uint32_t epoch) const {
  if (epoch < first_epoch_) return Era::before_log;
  if (epoch > epoch_) return Era::future;
  return epoch < epoch_ ? Era::past : Era::current;
}

bool LiveKnowledge::is_alive(const std::string& gtrid) const {
  return house_.registry.find(gtrid) != nullptr;
}

std::vector<ports::LiveDecision> LiveKnowledge::decisions() const {
  std::vector<ports::LiveDecision> all;
  for (const auto& live : house_.registry.all()) {
    const auto branches = live->status().branches;
    const bool troubled = std::any_of(branches.begin(), branches.end(), [](const auto& branch) {
      return branch.state == BranchState::in_doubt || branch.state == BranchState::hazard;
    });
    if (!troubled) continue;
    if (auto decision = live->decision()) all.push_back(std::move(*decision));
  }
  return all;
}

std::vector<Hazard> LiveKnowledge::hazards() const {
  return house_.hazards.all();
}

std::optional<ports::HazardKind> LiveKnowledge::kind_open(const std::string& gtrid, std::uint16_t branch) const {
  return house_.hazards.kind_open(gtrid, branch);
}

std::optional<ports::HazardKind> LiveKnowledge::kind_seen_to(const std::string& gtrid, std::uint16_t branch) const {
  return house_.hazards.kind_seen_to(gtrid, branch);
}

}  // namespace assent::coordinator
