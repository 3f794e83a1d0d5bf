#include "wal/groups.hpp"

#include <utility>

#include "base/check.hpp"
#include "wal/codec.hpp"
#include "wal/format.hpp"

namespace assent::wal {

void Group::clear() {
  bytes.clear();
  records.clear();
  waiters.clear();
  forced = 0;
}

void PendingGroups::add(std::string_view encoded, ports::LogRecord record, Waiter waiter) {
  if (groups_.empty() || groups_.back().bytes.size() + encoded.size() > group_bytes_max_) {
    groups_.push_back(std::exchange(spare_, {}));
    groups_.back().bytes.resize(kBlockHeaderBytes);
  }
  Group& group = groups_.back();
  group.bytes.append(encoded);
  group.records.push_back(std::move(record));
  if (waiter.forced) {
    ++group.forced;
    ++forced_;
  }
  group.waiters.push_back(std::move(waiter));
  bytes_ += encoded.size();
}

Group PendingGroups::take() {
  Group group = std::move(groups_.front());
  groups_.pop_front();
  bytes_ -= group.bytes.size() - kBlockHeaderBytes;
  forced_ -= group.forced;
  return group;
}

std::vector<ports::Done<Status>> PendingGroups::put_back_unforced(Group first) {
  std::vector<ports::Done<Status>> refused;
  std::deque<Group> groups = std::exchange(groups_, {});
  groups.push_front(std::move(first));
  bytes_ = 0;
  forced_ = 0;
  std::string encoded;
  for (auto& one : groups) {
    for (std::size_t i = 0; i < one.records.size(); ++i) {
      if (one.waiters[i].forced) {
        refused.push_back(std::move(one.waiters[i].forced));
        continue;
      }
      encoded.clear();
      ASSENT_CHECK(encode_record(one.records[i], encoded).ok());
      add(encoded, std::move(one.records[i]), std::move(one.waiters[i]));
    }
  }
  return refused;
}

}  // namespace assent::wal
