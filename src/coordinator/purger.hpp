#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "coordinator/house.hpp"
#include "ports/participant.hpp"

namespace assent::coordinator {

/// Deletes the proof rows of one participant that nothing needs any more: those of transactions whose end is durable,
/// which are all before the oldest one in the registry. In ranges of the primary key, one at a time, each bounded.
/// Thread safe.
class Purger : public std::enable_shared_from_this<Purger> {
 public:
  /// Rows before `from` (as protocol::gtrid_range_bound() makes it) are never touched: they belong to a log that is
  /// gone, and may be the only evidence of what it decided.
  Purger(std::shared_ptr<House> house, std::string from, ports::Participant& participant);

  /// Starts to delete what is below `to`, unless a deletion is under way or nothing is left.
  void purge_below(const std::string& to);

 private:
  void on_purged(const std::string& to, const Result<std::uint64_t>& rows);

  const std::shared_ptr<House> house_;
  ports::Participant& participant_;
  std::mutex mutex_;
  bool under_way_ = false;
  std::string from_;
};

}  // namespace assent::coordinator
