#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/house.hpp"
#include "ports/participant.hpp"
#include "protocol/recovery.hpp"

namespace assent::coordinator {

/// Looks through XA RECOVER of one participant, again and again, for branches of this coordinator that nobody is at,
/// and settles them, or has their acceptors asked, by the table of protocol/recovery.hpp. Once is not enough: a prepare
/// that was running when its process died can finish after a scan, and MariaDB was seen to bring acknowledged rollbacks
/// back at its restart.
///
/// At most one scan and kSettlesMax settlings are under way per participant. A sweep that reached that bound and
/// settled something is followed by the next at once, which begins where it ended, so that none starves behind those
/// that cannot be settled now. Thread safe.
class Sweeper : public std::enable_shared_from_this<Sweeper> {
 public:
  /// Orphans settled per scan.
  static constexpr std::size_t kSettlesMax = 256;

  /// `first_epoch`: the first of this log. What an older log decided, nobody here knows.
  Sweeper(std::shared_ptr<House> house, std::string coordinator_id, std::uint32_t first_epoch, std::uint32_t epoch,
          ports::Participant& participant);

  /// Starts a sweep, unless one is under way.
  void sweep();

  /// Whether nothing is left here of earlier epochs that acceptors may have been asked about: a scan since this one
  /// began has met no branch of theirs in three phases (all that are pre-committed were prepared before), and the
  /// acceptor's rows name nobody who could not be looked at.
  bool past_is_settled() const { return past_is_scanned_.load() && past_is_known_.load(); }

 private:
  using Orphan = std::pair<protocol::Xid, protocol::Decided>;

  void on_scan(const Result<std::vector<ports::ListedXid>>& scan);
  /// What the table says to settle. The rest is left, or alarmed about, here.
  std::vector<Orphan> orphans_in(const std::vector<ports::ListedXid>& listed);
  void settle(const Orphan& orphan);
  /// Asks its acceptors, if it can be learned who they are.
  void take_up(const protocol::Xid& xid);
  void on_settled(const Orphan& orphan, const ports::SettleReport& report);
  /// Whether the acceptor's rows of earlier epochs name participants that are not configured.
  void check_past();
  void one_done();

  const std::shared_ptr<House> house_;
  const std::string coordinator_id_;
  const std::uint32_t first_epoch_;
  const std::uint32_t epoch_;
  ports::Participant& participant_;
  std::atomic<std::size_t> under_way_{0};  ///< Steps of the running sweep that are not done; 0: none runs.
  std::atomic<bool> more_{false};          ///< The running sweep reached its bound.
  std::atomic<bool> progressed_{false};    ///< It settled something.
  std::atomic<bool> past_is_scanned_{false};
  std::atomic<bool> past_is_known_{false};
  std::atomic<bool> complained_{false};
  protocol::Xid next_;  ///< Where the next sweep begins. Touched by the running one only.
};

/// What a running coordinator knows of a listed branch's transaction. To be asked after the branch was listed: a
/// transaction is in the registry before its first branch starts and until its end, so one that is not in there
/// afterwards has nobody at it. Every decision in the log is in the registry until it has ended.
protocol::Known known_to(const House& house, const std::string& gtrid);
/// Of a coordinator in `current`, whose log begins with `first`.
protocol::Era era_of(std::uint32_t epoch, std::uint32_t first, std::uint32_t current);

}  // namespace assent::coordinator
