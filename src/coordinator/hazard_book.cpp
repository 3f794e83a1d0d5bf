#include "coordinator/hazard_book.hpp"

#include <functional>

namespace assent::coordinator {
namespace {

Hazard told(const ports::HazardFound& found, std::string participant) {
  return {found.gtrid, found.branch, std::move(participant), found.reason, found.found_at_ms};
}

void for_each_open(const ports::LogState& log,
                   const std::function<void(const ports::HazardFound&, const std::string& participant)>& each) {
  for (const auto& [place, found] : log.hazards) each(found, "");
  for (const auto& [gtrid, live] : log.live) {
    const auto& names = live.decision.participants;
    for (const auto& [branch, found] : live.hazards) {
      each(found, branch >= 1 && branch <= names.size() ? names[branch - 1U] : "");
    }
  }
}

}  // namespace

void HazardBook::restore(const ports::LogState& log) {
  for_each_open(log, [this](const auto& found, const auto& participant) { add(found, participant); });
  const std::lock_guard lock(mutex_);
  seen_to_ = log.acknowledged;
  for (const auto& [gtrid, live] : log.live) {
    for (const auto& [branch, kind] : live.acknowledged) seen_to_.insert_or_assign({gtrid, branch}, kind);
  }
}

void HazardBook::add(const ports::HazardFound& hazard, std::string participant) {
  const std::lock_guard lock(mutex_);
  hazards_.insert_or_assign({hazard.gtrid, hazard.branch}, Open{told(hazard, std::move(participant)), hazard.kind});
}

void HazardBook::remove(const std::string& gtrid, std::uint16_t branch) {
  const std::lock_guard lock(mutex_);
  hazards_.erase({gtrid, branch});
}

void HazardBook::remove_all(const std::string& gtrid) {
  const std::lock_guard lock(mutex_);
  const auto first = hazards_.lower_bound({gtrid, 0});
  auto last = first;
  while (last != hazards_.end() && last->first.first == gtrid) ++last;
  hazards_.erase(first, last);
}

std::vector<Hazard> HazardBook::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<Hazard> listed;
  for (const auto& [place, open] : hazards_) listed.push_back(open.hazard);
  return listed;
}

bool HazardBook::has(const std::string& gtrid, std::uint16_t branch) const {
  const std::lock_guard lock(mutex_);
  return hazards_.contains({gtrid, branch});
}

void HazardBook::see_to(const std::string& gtrid, std::uint16_t branch) {
  const std::lock_guard lock(mutex_);
  const auto open = hazards_.extract({gtrid, branch});
  if (open) seen_to_.insert_or_assign({gtrid, branch}, open.mapped().kind);
}

std::optional<ports::HazardKind> HazardBook::kind_open(const std::string& gtrid, std::uint16_t branch) const {
  const std::lock_guard lock(mutex_);
  const auto found = hazards_.find({gtrid, branch});
  if (found == hazards_.end()) return std::nullopt;
  return found->second.kind;
}

std::optional<ports::HazardKind> HazardBook::kind_seen_to(const std::string& gtrid, std::uint16_t branch) const {
  const std::lock_guard lock(mutex_);
  const auto found = seen_to_.find({gtrid, branch});
  if (found == seen_to_.end()) return std::nullopt;
  return found->second;
}

std::set<std::string> HazardBook::seen_to() const {
  const std::lock_guard lock(mutex_);
  std::set<std::string> gtrids;
  for (const auto& [place, kind] : seen_to_) gtrids.insert(place.first);
  return gtrids;
}

void HazardBook::forget(const std::string& gtrid) {
  const std::lock_guard lock(mutex_);
  std::erase_if(seen_to_, [&](const auto& one) { return one.first.first == gtrid; });
}

std::vector<bool> HazardBook::open_in(const std::string& gtrid, std::size_t branches) const {
  std::vector<bool> flags;
  for (std::size_t i = 1; i <= branches; ++i) flags.push_back(has(gtrid, static_cast<std::uint16_t>(i)));
  return flags;
}

std::vector<bool> HazardBook::seen_to_in(const std::string& gtrid, std::size_t branches) const {
  std::vector<bool> flags;
  for (std::size_t i = 1; i <= branches; ++i) flags.push_back(is_seen_to(gtrid, static_cast<std::uint16_t>(i)));
  return flags;
}

bool HazardBook::has_any(const std::string& gtrid) const {
  const std::lock_guard lock(mutex_);
  const auto first = hazards_.lower_bound({gtrid, 0});
  return first != hazards_.end() && first->first.first == gtrid;
}

std::vector<std::string> HazardBook::gtrids() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> all;
  for (const auto& [place, hazard] : hazards_) {
    if (all.empty() || all.back() != place.first) all.push_back(place.first);
  }
  return all;
}

std::size_t HazardBook::size() const {
  const std::lock_guard lock(mutex_);
  return hazards_.size();
}

std::vector<Hazard> open_hazards(const ports::LogState& log) {
  std::map<std::pair<std::string, std::uint16_t>, Hazard> sorted;
  for_each_open(log, [&](const auto& found, const auto& participant) {
    sorted.insert_or_assign({found.gtrid, found.branch}, told(found, participant));
  });
  std::vector<Hazard> listed;
  for (auto& [place, hazard] : sorted) listed.push_back(std::move(hazard));
  return listed;
}

}  // namespace assent::coordinator
