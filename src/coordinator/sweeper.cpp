#include "coordinator/sweeper.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/check.hpp"
#include "base/failpoints.hpp"
#include "coordinator/live_transaction.hpp"
#include "protocol/recovery.hpp"
#include "protocol/xid.hpp"

namespace assent::coordinator {
namespace {

using FoundRows = Result<std::map<std::string, ports::TransactionRows>>;

std::optional<protocol::Members> members_in(const FoundRows& found, const std::string& gtrid) {
  if (!found.ok()) return std::nullopt;
  const auto row = found->find(gtrid);
  return row == found->end() ? std::nullopt : row->second.members;
}

}  // namespace

Sweeper::Sweeper(std::shared_ptr<House> house, std::string coordinator_id, std::uint32_t first_epoch,
                 std::uint32_t epoch, ports::Participant& participant)
    : house_(std::move(house)),
      coordinator_id_(std::move(coordinator_id)),
      first_epoch_(first_epoch),
      epoch_(epoch),
      participant_(participant) {}

void Sweeper::sweep() {
  if (ASSENT_FAILS_AT(without_sweeper)) return;
  std::size_t idle = 0;
  if (!under_way_.compare_exchange_strong(idle, 1)) return;
  ++house_->sweeps;
  participant_.scan([self = shared_from_this()](const auto& scan) {
    self->on_scan(scan);
    self->one_done();
  });
}

void Sweeper::on_scan(const Result<std::vector<ports::ListedXid>>& scan) {
  // With an indeterminate log nothing may be presumed: the decision of a listed branch may be on the disk.
  if (!scan.ok() || house_->log.condition() == ports::LogCondition::poisoned) return;
  ASSENT_FAILPOINT(sweep_scanned);
  if (!past_is_known_) check_past();
  auto orphans = orphans_in(*scan);
  if (orphans.size() > kSettlesMax) {
    more_ = true;
    std::sort(orphans.begin(), orphans.end());
    const auto from = std::find_if(orphans.begin(), orphans.end(), [&](const auto& o) { return o.first >= next_; });
    std::rotate(orphans.begin(), from, orphans.end());
    next_ = orphans[kSettlesMax].first;
    orphans.resize(kSettlesMax);
  }
  for (const auto& orphan : orphans) settle(orphan);
}

std::vector<Sweeper::Orphan> Sweeper::orphans_in(const std::vector<ports::ListedXid>& listed) {
  std::vector<Orphan> orphans;
  std::size_t taken_up = 0;
  bool of_the_past = false;
  for (const auto& [format_id, gtrid, bqual] : listed) {
    const auto whose = protocol::whose_branch(format_id, gtrid, bqual, coordinator_id_, participant_.name());
    if (whose != protocol::Whose::here) continue;
    const auto parts = protocol::parse_gtrid(gtrid);
    ASSENT_CHECK(parts.has_value());
    if (parts->protocol == Protocol::three_phase && parts->epoch < epoch_) of_the_past = true;
    switch (protocol::recovery_act(whose, known_to(*house_, gtrid), era_of(parts->epoch, first_epoch_, epoch_),
                                   parts->protocol)) {
      case protocol::Act::leave: break;
      case protocol::Act::alarm:
        spdlog::critical(
            "{} at '{}' is of an epoch that this log has not seen ({} to {}): another log of the coordinator "
            "'{}' decided it, or another process uses that identity. The branch is left alone",
            gtrid, participant_.name(), first_epoch_, epoch_, coordinator_id_);
        break;
      case protocol::Act::await_quorum:
        if (ASSENT_FAILS_AT(without_quorum_rule)) {
          orphans.push_back({{gtrid, bqual}, protocol::Decided::rollback});
          break;
        }
        if (++taken_up <= kSettlesMax) take_up({gtrid, bqual});
        break;
      case protocol::Act::commit: orphans.push_back({{gtrid, bqual}, protocol::Decided::commit}); break;
      case protocol::Act::roll_back: orphans.push_back({{gtrid, bqual}, protocol::Decided::rollback}); break;
    }
  }
  if (!of_the_past) past_is_scanned_ = true;
  return orphans;
}

void Sweeper::take_up(const protocol::Xid& xid) {
  ++under_way_;
  participant_.find_rows({xid.gtrid}, [self = shared_from_this(), xid](const FoundRows& found) {
    if (const auto members = members_in(found, xid.gtrid)) {
      auto made = LiveTransaction::left_behind(self->house_, xid.gtrid, *members);
      if (made.ok()) {
        self->house_->registry.take_up(*made);
      } else {
        spdlog::critical("{} at '{}' was left behind: {}", xid.gtrid, self->participant_.name(), made.error().what);
      }
    } else if (found.ok()) {
      // It may have been settled since the scan; if not, it is met again.
      spdlog::info("{} at '{}' is in three phases, and no row there says whose acceptors to ask; it is left alone",
                   xid.gtrid, self->participant_.name());
    }
    self->one_done();
  });
}

void Sweeper::check_past() {
  ports::Participant::KnownServers known;
  for (const auto& [name, place] : house_->places) known[name] = place.participant->identity();
  ++under_way_;
  participant_.check_members(
      protocol::gtrid_range_bound(coordinator_id_, epoch_, 0), std::move(known),
      [self = shared_from_this()](const Status& status) {
        if (status.ok()) self->past_is_known_ = true;
        if (!status.ok() && status.error().code == Errc::conflict && !self->complained_.exchange(true)) {
          spdlog::warn("{}", status.error().what);
        }
        self->one_done();
      });
}

protocol::Known known_to(const House& house, const std::string& gtrid) {
  if (house.registry.find(gtrid)) return protocol::Known::live;
  const auto ended = house.registry.recent(gtrid);
  if (ended && ended->outcome == Outcome::committed) return protocol::Known::decided;
  const bool three_phase = protocol::parse_gtrid(gtrid)->protocol == Protocol::three_phase;
  return three_phase && house.registry.is_closed(gtrid) ? protocol::Known::closed : protocol::Known::nothing;
}

protocol::Era era_of(std::uint32_t epoch, std::uint32_t first, std::uint32_t current) {
  if (epoch < first) return protocol::Era::before_log;
  if (epoch > current) return protocol::Era::future;
  return epoch < current ? protocol::Era::past : protocol::Era::current;
}

void Sweeper::settle(const Orphan& orphan) {
  ++under_way_;
  // The server that listed it, and no other.
  participant_.settle({orphan.first, orphan.second, true, participant_.identity()},
                      [self = shared_from_this(), orphan](const ports::SettleReport& report) {
                        self->on_settled(orphan, report);
                        self->one_done();
                      });
}

void Sweeper::on_settled(const Orphan& orphan, const ports::SettleReport& report) {
  if (report.finding == protocol::Finding::ambiguous) {
    ++house_->orphan_retries;
    return;
  }
  progressed_ = true;
  const auto& [xid, decided] = orphan;
  if (decided == protocol::Decided::commit) {
    // Mostly it had committed and ended since the scan was made; then nothing of it is found any more, and its row may
    // be purged. One that is really there came back with its server's restart.
    if (report.finding == protocol::Finding::committed) ++house_->orphans_committed;
    return;
  }
  if (report.finding == protocol::Finding::rolled_back) {
    ASSENT_FAILPOINT(orphan_rolled_back);
    ++house_->orphans_rolled_back;
    spdlog::info("{} at '{}': rolled back, no decision covers it (presumed abort)", xid.gtrid, participant_.name());
    return;
  }
  spdlog::warn("{} at '{}': no decision covers it, but rolling it back found {}: {}", xid.gtrid, participant_.name(),
               to_string(report.finding), report.detail);
}

void Sweeper::one_done() {
  auto left = under_way_.load();
  while (left > 1 && !under_way_.compare_exchange_weak(left, left - 1)) {
  }
  if (left > 1) return;
  // The last: nothing else of this sweep runs, and no other begins before the count is 0.
  ASSENT_CHECK(left == 1);
  const bool reached_its_bound = more_.exchange(false);
  const bool again = progressed_.exchange(false) && reached_its_bound;
  under_way_ = 0;
  if (again) sweep();
}

}  // namespace assent::coordinator
