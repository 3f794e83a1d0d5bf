#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "assent/status.hpp"
#include "coordinator/house.hpp"
#include "ports/decision_log.hpp"
#include "protocol/ruling.hpp"

namespace assent::coordinator {

/// What a log, or the coordinator that runs on it, knows of transactions. Thread safe.
class Knowledge {
 public:
  virtual ~Knowledge() = default;
  virtual protocol::Known known(const std::string& gtrid) const = 0;
  virtual protocol::Era era(std::uint32_t epoch) const = 0;
  /// This process is working on it. Nobody else is to settle it.
  virtual bool is_alive(const std::string& gtrid) const = 0;
  /// Decided (in three phases: perhaps decided) and not ended.
  virtual std::vector<ports::LiveDecision> decisions() const = 0;
  /// Hazards that nobody has acknowledged.
  virtual std::vector<Hazard> hazards() const = 0;
  /// Of the hazard of this branch, where nobody has acknowledged it.
  virtual std::optional<ports::HazardKind> kind_open(const std::string& gtrid, std::uint16_t branch) const = 0;
  /// Of the hazard of this branch, where an operator has acknowledged it and its transaction's rows have not been
  /// cleared away since.
  virtual std::optional<ports::HazardKind> kind_seen_to(const std::string& gtrid, std::uint16_t branch) const = 0;
  bool is_seen_to(const std::string& gtrid, std::uint16_t branch) const {
    return kind_seen_to(gtrid, branch).has_value();
  }
  /// Its proof row was seen, and no decision covers it: that stays so when its participant cannot be read any more.
  bool is_known_committed(const std::string& gtrid, std::uint16_t branch) const {
    constexpr auto kKind = ports::HazardKind::committed_against;
    return kind_open(gtrid, branch) == kKind || kind_seen_to(gtrid, branch) == kKind;
  }
  /// What is of an epoch below this one may have been left behind with nothing but its rows.
  virtual std::uint32_t rows_left_below_epoch() const = 0;
};

/// That of a stopped coordinator, by its log. The log outlives it.
class LogKnowledge final : public Knowledge {
 public:
  explicit LogKnowledge(const ports::LogState& log);
  protocol::Known known(const std::string& gtrid) const override;
  protocol::Era era(std::uint32_t epoch) const override;
  bool is_alive(const std::string&) const override { return false; }
  std::vector<ports::LiveDecision> decisions() const override;
  std::vector<Hazard> hazards() const override;
  std::optional<ports::HazardKind> kind_open(const std::string& gtrid, std::uint16_t branch) const override;
  std::optional<ports::HazardKind> kind_seen_to(const std::string& gtrid, std::uint16_t branch) const override;
  std::uint32_t rows_left_below_epoch() const override { return log_.epoch + 1; }

 private:
  const ports::LogState& log_;
};

/// What a running coordinator knows. Ask it after the branch was listed: a transaction is in the registry from before
/// its first branch starts until its end, so if it is not there afterwards, nobody is working on it. Every decision in
/// the log is in the registry until its transaction has ended.
class LiveKnowledge final : public Knowledge {
 public:
  LiveKnowledge(const House& house, std::uint32_t first_epoch, std::uint32_t epoch)
      : house_(house), first_epoch_(first_epoch), epoch_(epoch) {}
  protocol::Known known(const std::string& gtrid) const override;
  protocol::Era era(std::uint32_t epoch) const override;
  bool is_alive(const std::string& gtrid) const override;
  /// Those that are in trouble: what goes its way is running.
  std::vector<ports::LiveDecision> decisions() const override;
  std::vector<Hazard> hazards() const override;
  std::optional<ports::HazardKind> kind_open(const std::string& gtrid, std::uint16_t branch) const override;
  std::optional<ports::HazardKind> kind_seen_to(const std::string& gtrid, std::uint16_t branch) const override;
  std::uint32_t rows_left_below_epoch() const override { return epoch_; }

 private:
  const House& house_;
  const std::uint32_t first_epoch_;
  const std::uint32_t epoch_;
};

}  // namespace assent::coordinator
