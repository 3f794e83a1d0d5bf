#include "coordinator/sweeper.hpp"

#include <spdlog/spdlog.h>

#include "base/check.hpp"
#include "protocol/recovery.hpp"
#include "protocol/xid.hpp"

namespace assent::coordinator {

Sweeper::Sweeper(std::shared_ptr<House> house, std::string coordinator_id, std::uint32_t first_epoch,
                 std::uint32_t epoch, ports::Participant& participant)
    : house_(std::move(house)),
      coordinator_id_(std::move(coordinator_id)),
      first_epoch_(first_epoch),
      epoch_(epoch),
      participant_(participant) {}

void Sweeper::sweep() {
  std::size_t idle = 0;
  if (!under_way_.compare_exchange_strong(idle, 1)) return;
  participant_.scan([self = shared_from_this()](const auto& scan) {
    self->on_scan(scan);
    self->one_done();
  });
}

void Sweeper::on_scan(const Result<std::vector<ports::ListedXid>>& scan) {
  // With an indeterminate log nothing may be presumed: the decision of a listed branch may be on the disk.
  if (!scan.ok() || house_->log.condition() == ports::LogCondition::poisoned) return;
  std::size_t settles = 0;
  for (const auto& listed : *scan) {
    const auto whose =
        protocol::whose_branch(listed.format_id, listed.gtrid, listed.bqual, coordinator_id_, participant_.name());
    if (whose != protocol::Whose::here) continue;
    const auto parts = protocol::parse_gtrid(listed.gtrid);
    ASSENT_CHECK(parts.has_value());
    switch (protocol::recovery_act(whose, known(listed.gtrid), era(parts->epoch), parts->protocol)) {
      case protocol::Act::leave: break;
      case protocol::Act::alarm:
        spdlog::critical(
            "{} at '{}' is of an epoch that this log has not seen ({} to {}): another log of the coordinator "
            "'{}' decided it, or another process uses that identity. The branch is left alone",
            listed.gtrid, participant_.name(), first_epoch_, epoch_, coordinator_id_);
        break;
      case protocol::Act::await_quorum:
        spdlog::warn("{} at '{}' is a three-phase branch without a known outcome; it is left alone", listed.gtrid,
                     participant_.name());
        break;
      case protocol::Act::commit:
        if (++settles > kSettlesMax) return;
        commit(listed);
        break;
      case protocol::Act::roll_back:
        if (++settles > kSettlesMax) return;
        roll_back(listed);
        break;
    }
  }
}

protocol::Known Sweeper::known(const std::string& gtrid) const {
  // Asked after the scan: a transaction is in the registry before its first branch starts and until its end, so one
  // that is not in there now has nobody at it. Every decision in the log is in the registry until it has ended.
  if (house_->registry.find(gtrid)) return protocol::Known::live;
  const auto ended = house_->registry.recent(gtrid);
  return ended && ended->outcome == Outcome::committed ? protocol::Known::decided : protocol::Known::nothing;
}

protocol::Era Sweeper::era(std::uint32_t epoch) const {
  if (epoch < first_epoch_) return protocol::Era::before_log;
  if (epoch > epoch_) return protocol::Era::future;
  return epoch < epoch_ ? protocol::Era::past : protocol::Era::current;
}

// Mostly it has committed and ended since the scan was made; then nothing of it is found any more, and its row may be
// purged. One that is still there came back with its server's restart.
void Sweeper::commit(const ports::ListedXid& listed) {
  ++under_way_;
  participant_.settle({listed.gtrid, listed.bqual}, protocol::Decided::commit, true,
                      [self = shared_from_this()](const ports::SettleReport&) { self->one_done(); });
}

void Sweeper::roll_back(const ports::ListedXid& listed) {
  ++under_way_;
  participant_.settle({listed.gtrid, listed.bqual}, protocol::Decided::rollback, true,
                      [self = shared_from_this(), gtrid = listed.gtrid](const ports::SettleReport& report) {
                        const auto& name = self->participant_.name();
                        if (report.finding == protocol::Finding::rolled_back) {
                          ++self->house_->orphans_rolled_back;
                          spdlog::info("{} at '{}': rolled back, no decision covers it (presumed abort)", gtrid, name);
                        } else if (report.finding != protocol::Finding::ambiguous) {
                          spdlog::warn("{} at '{}': no decision covers it, but rolling it back found {}: {}", gtrid,
                                       name, to_string(report.finding), report.detail);
                        }
                        self->one_done();
                      });
}

void Sweeper::one_done() {
  const auto before = under_way_.fetch_sub(1);
  ASSENT_CHECK(before > 0);
}

}  // namespace assent::coordinator
