#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "assent/result.hpp"
#include "ports/decision_log.hpp"

namespace assent::app {

/// One thing that an operator has the tool do.
struct AuditedAct {
  std::string act;  ///< "commit", "roll_back", "choose_commit", "choose_rollback", "acknowledge", "hazard".
  std::string gtrid;
  std::uint16_t branch = 0;  ///< From 1; 0: all of them.
  std::string participant;
  std::string why;
};

/// The file in which every act of an operator stands, a line of JSON each: when, who, what, why. An act that may change
/// something is written down, and synced, before it is done, and what came of it afterwards.
class Audit {
 public:
  explicit Audit(std::string path) : path_(std::move(path)) {}

  /// All of them, made durable at once. `state` is "begun", or what came of it: "done", "not_done", "refused"; of a
  /// hazard, "found".
  Status write(const std::vector<AuditedAct>& acts, const std::string& state) const;

  /// What a running coordinator is asked to do: as "asked", by the one who asked.
  Status write(const std::vector<ports::OperatorAct>& acts) const;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Who runs this program: `alice (root, pid 4711) on db1`, where alice used sudo.
std::string operator_name();

}  // namespace assent::app
