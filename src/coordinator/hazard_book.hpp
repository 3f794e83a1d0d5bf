#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "assent/status.hpp"
#include "ports/decision_log.hpp"

namespace assent::coordinator {

/// The hazards that nobody has acknowledged yet, those of earlier runs too. The log keeps the same; this is what can be
/// asked. Thread safe.
class HazardBook {
 public:
  void restore(const ports::LogState& log);

  /// Empty `participant`: not known any more.
  void add(const ports::HazardFound& hazard, std::string participant);
  /// It was acknowledged, or has turned out to be none.
  void remove(const std::string& gtrid, std::uint16_t branch);
  void remove_all(const std::string& gtrid);

  /// By gtrid, then branch.
  std::vector<Hazard> all() const;
  bool has(const std::string& gtrid, std::uint16_t branch) const;
  std::size_t size() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::uint16_t>, Hazard> hazards_;
};

/// What a log keeps of them, for whoever has only that.
std::vector<Hazard> open_hazards(const ports::LogState& log);

}  // namespace assent::coordinator
