#include "coordinator/purger.hpp"

#include "base/failpoints.hpp"

namespace assent::coordinator {

Purger::Purger(std::string from, Delete deletes, std::atomic<std::uint64_t>& purged)
    : delete_(std::move(deletes)), purged_(purged), from_(std::move(from)) {}

void Purger::purge_below(const std::string& to) {
  std::string from;
  {
    const std::lock_guard lock(mutex_);
    if (under_way_ || from_ >= to) return;
    under_way_ = true;
    from = from_;
  }
  ASSENT_FAILPOINT(purge_begun);
  delete_(std::move(from), to,
          [self = shared_from_this(), to](const Result<std::uint64_t>& rows) { self->on_purged(to, rows); });
}

void Purger::on_purged(const std::string& to, const Result<std::uint64_t>& rows) {
  ASSENT_FAILPOINT(purge_done);
  const bool more = rows.ok() && *rows >= ports::Participant::kPurgedRowsMax;
  {
    const std::lock_guard lock(mutex_);
    under_way_ = false;
    if (!rows.ok()) return;
    purged_ += *rows;
    if (!more) from_ = to;
  }
  if (more) purge_below(to);
}

}  // namespace assent::coordinator
