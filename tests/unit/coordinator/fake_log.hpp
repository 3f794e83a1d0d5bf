#pragma once

#include <algorithm>
#include <functional>
#include <utility>
#include <variant>
#include <vector>

#include "ports/decision_log.hpp"

namespace assent::fakes {

/// Remembers what was appended; everything is durable at once.
class FakeLog final : public ports::DecisionLog {
 public:
  std::vector<ports::LogRecord> records;
  void append_forced(ports::LogRecord record, ports::Done<Status> done) override {
    records.push_back(std::move(record));
    done(Ok{});
  }
  void append(ports::LogRecord record, std::function<void()> on_durable) override {
    records.push_back(std::move(record));
    if (on_durable) on_durable();
  }
  ports::LogCondition condition() const override { return ports::LogCondition::accepting; }
  std::uint64_t durable_sequence() const override { return records.size(); }
  ports::LogStats stats() const override { return {}; }

  template <typename Record>
  std::size_t count() const {
    return static_cast<std::size_t>(std::count_if(
        records.begin(), records.end(), [](const auto& record) { return std::holds_alternative<Record>(record); }));
  }
};

}  // namespace assent::fakes
