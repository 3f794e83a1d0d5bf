#include "coordinator/purger.hpp"

#include <algorithm>

namespace assent::coordinator {

Purger::Purger(std::shared_ptr<House> house, std::string coordinator_id, std::uint32_t first_epoch,
               ports::Participant& participant)
    : house_(std::move(house)),
      coordinator_id_(std::move(coordinator_id)),
      participant_(participant),
      epoch_(first_epoch) {}

void Purger::purge_below(std::uint32_t epoch, std::uint64_t sequence) {
  if (under_way_.exchange(true)) return;
  // An epoch that is over is one range: nobody adds to it.
  const bool over = epoch_ < epoch;
  if (!over && sequence_ >= sequence) {
    under_way_ = false;
    return;
  }
  const auto next_epoch = over ? epoch_ + 1 : epoch_;
  const auto next_sequence = over ? 0 : std::min(sequence, sequence_ + kRangeSequencesMax);
  participant_.purge_proofs(protocol::gtrid_range_bound(coordinator_id_, epoch_, sequence_),
                            protocol::gtrid_range_bound(coordinator_id_, next_epoch, next_sequence),
                            [self = shared_from_this(), next_epoch, next_sequence](const Result<std::uint64_t>& rows) {
                              if (rows.ok()) {
                                self->house_->proof_rows_purged += *rows;
                                self->epoch_ = next_epoch;
                                self->sequence_ = next_sequence;
                              }
                              self->under_way_ = false;
                            });
}

}  // namespace assent::coordinator
