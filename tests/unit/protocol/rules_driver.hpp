#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "protocol/transaction_rules.hpp"

namespace assent::protocol {

/// Feeds events and keeps what was commanded.
class Driver {
 public:
  explicit Driver(TransactionRules rules) : rules_(std::move(rules)) {}

  Driver& feed(const Event& event) {
    auto step = protocol::step(std::move(rules_), event);
    rules_ = std::move(step.next);
    commands_ = std::move(step.commands);
    for (const auto& command : commands_) {
      if (const auto* answer = std::get_if<Answer>(&command)) {
        EXPECT_FALSE(answer_) << "answered twice";
        answer_ = *answer;
      }
    }
    return *this;
  }

  template <typename Command>
  std::size_t count() const {
    return static_cast<std::size_t>(std::count_if(commands_.begin(), commands_.end(), [](const auto& command) {
      return std::holds_alternative<Command>(command);
    }));
  }
  std::vector<Settle> settles() const {
    std::vector<Settle> found;
    for (const auto& command : commands_) {
      if (const auto* settle = std::get_if<Settle>(&command)) found.push_back(*settle);
    }
    return found;
  }
  const TransactionRules& rules() const { return rules_; }
  std::optional<Outcome> outcome() const { return answer_ ? std::optional(answer_->outcome) : std::nullopt; }
  bool told_settled() const { return answer_ && answer_->settled; }

 private:
  TransactionRules rules_;
  std::vector<Command> commands_;
  std::optional<Answer> answer_;
};

}  // namespace assent::protocol
