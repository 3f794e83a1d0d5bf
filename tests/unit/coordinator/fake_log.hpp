#pragma once

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
  bool is_full = false;  ///< Nothing can be forced any more.
  bool is_slow = false;  ///< What is forced stays on its way until flush().
  void append_forced(ports::LogRecord record, ports::Done<Status> done) override {
    if (is_full) return done(Error{Errc::log_full, "the disk is full", true});
    records.push_back(std::move(record));
    waiting_.push_back(std::move(done));
    if (!is_slow) flush();
  }
  void flush() {
    for (const auto& done : std::exchange(waiting_, {})) done(Ok{});
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
    return all<Record>().size();
  }
  template <typename Record>
  std::vector<Record> all() const {
    std::vector<Record> found;
    for (const auto& record : records) {
      if (const auto* held = std::get_if<Record>(&record)) found.push_back(*held);
    }
    return found;
  }

 private:
  std::vector<ports::Done<Status>> waiting_;
};

}  // namespace assent::fakes
