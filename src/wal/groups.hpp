#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ports/decision_log.hpp"

namespace assent::wal {

/// Who is called back for a record. At most one of the two is set.
struct Waiter {
  ports::Done<Status> forced;
  std::function<void()> on_durable;
};

/// What goes out as one batch.
struct Group {
  std::string bytes;  ///< Room for the block's header, then the records.
  std::vector<ports::LogRecord> records;
  std::vector<Waiter> waiters;  ///< One for each record.
  std::uint64_t forced = 0;
  void clear();
};

/// What waits to be written, in the log's order.
class PendingGroups {
 public:
  /// A group has at most so many bytes, with its header.
  explicit PendingGroups(std::uint64_t group_bytes_max) : group_bytes_max_(group_bytes_max) {}

  void add(std::string_view encoded, ports::LogRecord record, Waiter waiter);
  Group take();
  /// Takes all forced records out, those of `first` and of all that waits, and gives who is to be told. The others go
  /// on waiting, `first` before all.
  std::vector<ports::Done<Status>> put_back_unforced(Group first);
  /// Those of an empty group, for the next one.
  void keep_buffers(Group group) { spare_ = std::move(group); }

  bool empty() const { return groups_.empty(); }
  const Group& front() const { return groups_.front(); }
  std::uint64_t bytes() const { return bytes_; }    ///< Of the records.
  std::uint64_t forced() const { return forced_; }  ///< How many of them.

 private:
  const std::uint64_t group_bytes_max_;
  std::deque<Group> groups_;
  Group spare_;
  std::uint64_t bytes_ = 0;
  std::uint64_t forced_ = 0;
};

}  // namespace assent::wal
