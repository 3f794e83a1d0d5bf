#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
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

  /// An operator has acknowledged it. Kept with its kind until forget(), since its rows may be found again. Without an
  /// open one, of no effect, as in the log.
  void see_to(const std::string& gtrid, std::uint16_t branch);
  bool is_seen_to(const std::string& gtrid, std::uint16_t branch) const {
    return kind_seen_to(gtrid, branch).has_value();
  }
  /// Of one that is open.
  std::optional<ports::HazardKind> kind_open(const std::string& gtrid, std::uint16_t branch) const;
  std::optional<ports::HazardKind> kind_seen_to(const std::string& gtrid, std::uint16_t branch) const;
  /// The transactions of which see_to() was said.
  std::set<std::string> seen_to() const;
  void forget(const std::string& gtrid);

  /// By gtrid, then branch.
  std::vector<Hazard> all() const;
  bool has(const std::string& gtrid, std::uint16_t branch) const;
  /// The same by branch, from the first of `branches`.
  std::vector<bool> open_in(const std::string& gtrid, std::size_t branches) const;
  std::vector<bool> seen_to_in(const std::string& gtrid, std::size_t branches) const;
  bool has_any(const std::string& gtrid) const;
  /// The transactions that have one open, in order.
  std::vector<std::string> gtrids() const;
  std::size_t size() const;

 private:
  struct Open {
    Hazard hazard;
    ports::HazardKind kind;
  };
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::uint16_t>, Open> hazards_;
  std::map<std::pair<std::string, std::uint16_t>, ports::HazardKind> seen_to_;
};

/// The open hazards that a log has, for programs that have only the log.
std::vector<Hazard> open_hazards(const ports::LogState& log);

}  // namespace assent::coordinator
