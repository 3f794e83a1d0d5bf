#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "coordinator/house.hpp"
#include "ports/participant.hpp"

namespace assent::coordinator {

/// Deletes rows of one table of one participant that nothing needs any more: those of transactions whose end is
/// durable, which are all before the oldest one in the registry. In ranges of the primary key, one at a time, each
/// bounded. Thread safe.
class Purger : public std::enable_shared_from_this<Purger> {
 public:
  /// Deletes the rows with `from` <= gtrid < `to`, the lowest kPurgedRowsMax of them, and gives how many.
  using Delete = std::function<void(std::string from, std::string to, ports::Done<Result<std::uint64_t>>)>;

  /// Rows before `from` (as protocol::gtrid_range_bound() makes it) are never touched. `purged` is counted up, and must
  /// outlive all this.
  Purger(std::string from, Delete deletes, std::atomic<std::uint64_t>& purged);

  /// Starts to delete what is below `to`, unless a deletion is under way or nothing is left. The rows of `kept`, in
  /// order, stay until a later call names them no more.
  void purge_below(const std::string& to, const std::vector<std::string>& kept);
  /// Below it nothing is left but what is kept.
  std::string purged_below() const;

 private:
  void next();
  void on_purged(const Result<std::uint64_t>& rows);

  const Delete delete_;
  std::atomic<std::uint64_t>& purged_;
  mutable std::mutex mutex_;
  bool under_way_ = false;
  std::string from_;  ///< Below it nothing is left to delete.
  std::string to_;
  std::string range_end_;  ///< Of the deletion that is under way.
  std::vector<std::string> kept_;
};

}  // namespace assent::coordinator
