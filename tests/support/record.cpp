#include "support/record.hpp"

#include <stdexcept>

#include <nlohmann/json.hpp>

namespace assent::testing {

Record::Record(const std::string& path) {
  if (path.empty()) return;
  file_.open(path, std::ios::trunc);
  if (!file_) throw std::runtime_error("the record " + path + " cannot be written");
}

void Record::tell(Told told, const std::string& how) {
  const std::lock_guard lock(mutex_);
  if (file_.is_open()) {
    const nlohmann::ordered_json line = {{"id", told.id},           {"from", told.from},
                                         {"to", told.to},           {"amount", told.amount},
                                         {"gtrid", told.gtrid},     {"outcome", to_string(told.outcome)},
                                         {"settled", told.settled}, {"how", how}};
    file_ << line.dump() << "\n" << std::flush;
  }
  if (told_.size() <= told.id) told_.resize(told.id + 1);
  auto& kept = told_[told.id];
  if (kept.id == 0) {
    if (told.outcome == Told::Outcome::unknown) ++ever_unknown_;
  } else {
    if (kept.outcome != Told::Outcome::unknown && kept.outcome != told.outcome) {
      contradictions_.push_back("transfer " + std::to_string(told.id) + " was told as " + to_string(kept.outcome) +
                                " and then as " + to_string(told.outcome));
      return;
    }
    --counts_[static_cast<std::size_t>(kept.outcome)];
    if (told.gtrid.empty()) told.gtrid = kept.gtrid;
  }
  ++counts_[static_cast<std::size_t>(told.outcome)];
  kept = std::move(told);
}

std::vector<Told> Record::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<Told> all;
  for (const auto& told : told_) {
    if (told.id != 0) all.push_back(told);
  }
  return all;
}

Record::Counts Record::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

std::uint64_t Record::ever_unknown() const {
  const std::lock_guard lock(mutex_);
  return ever_unknown_;
}

std::vector<std::string> Record::contradictions() const {
  const std::lock_guard lock(mutex_);
  return contradictions_;
}

}  // namespace assent::testing
