#include "coordinator/purger.hpp"

#include <algorithm>

#include "base/failpoints.hpp"

namespace assent::coordinator {

Purger::Purger(std::string from, Delete deletes, std::atomic<std::uint64_t>& purged)
    : delete_(std::move(deletes)), purged_(purged), from_(std::move(from)) {}

void Purger::purge_below(const std::string& to, const std::vector<std::string>& kept) {
  {
    const std::lock_guard lock(mutex_);
    if (under_way_) return;
    // What is no longer kept goes as well.
    for (const auto& gtrid : kept_) {
      if (!std::binary_search(kept.begin(), kept.end(), gtrid)) from_ = std::min(from_, gtrid);
    }
    kept_ = kept;
    to_ = to;
    if (from_ >= to_) return;
    under_way_ = true;
  }
  next();
}

std::string Purger::purged_below() const {
  const std::lock_guard lock(mutex_);
  return from_;
}

// The range up to the next one that is kept.
void Purger::next() {
  std::string from, to;
  {
    const std::lock_guard lock(mutex_);
    const auto kept = std::lower_bound(kept_.begin(), kept_.end(), from_);
    range_end_ = kept == kept_.end() ? to_ : std::min(to_, *kept);
    from = from_;
    to = range_end_;
  }
  ASSENT_FAILPOINT(purge_begun);
  delete_(std::move(from), std::move(to),
          [self = shared_from_this()](const Result<std::uint64_t>& rows) { self->on_purged(rows); });
}

void Purger::on_purged(const Result<std::uint64_t>& rows) {
  ASSENT_FAILPOINT(purge_done);
  {
    const std::lock_guard lock(mutex_);
    if (rows.ok()) purged_ += *rows;
    const bool more = rows.ok() && *rows >= ports::Participant::kPurgedRowsMax;
    // Past the one that is kept: no gtrid is longer than another.
    if (rows.ok() && !more) {
      const bool kept = std::binary_search(kept_.begin(), kept_.end(), range_end_);
      from_ = kept ? range_end_ + "~" : range_end_;
    }
    if (!rows.ok() || from_ >= to_) {
      under_way_ = false;
      return;
    }
  }
  next();
}

}  // namespace assent::coordinator
