#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "coordinator/house.hpp"
#include "ports/participant.hpp"
#include "protocol/xid.hpp"

namespace assent::coordinator {

/// Deletes the proof rows of one participant that nothing needs any more: those of transactions whose end is durable,
/// which are all before the oldest one in the registry. In ranges of the primary key, one at a time. Thread safe.
class Purger : public std::enable_shared_from_this<Purger> {
 public:
  /// Sequences per range: what one DELETE covers.
  static constexpr std::uint64_t kRangeSequencesMax = 10'000;

  /// `first_epoch`: the first of this log. Older rows belong to a log that is gone; they may be the only evidence of
  /// what it decided.
  Purger(std::shared_ptr<House> house, std::string coordinator_id, std::uint32_t first_epoch,
         ports::Participant& participant);

  /// Starts to delete the next range below (`epoch`, `sequence`), unless one is under way or nothing is left.
  void purge_below(std::uint32_t epoch, std::uint64_t sequence);

 private:
  const std::shared_ptr<House> house_;
  const std::string coordinator_id_;
  ports::Participant& participant_;
  std::atomic<bool> under_way_{false};
  // Where the next range begins; touched only by who set under_way_.
  std::uint32_t epoch_;
  std::uint64_t sequence_ = 0;
};

}  // namespace assent::coordinator
