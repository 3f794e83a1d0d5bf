#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "base/event_loop.hpp"
#include "participant/branch_session.hpp"
#include "participant/config.hpp"
#include "participant/control.hpp"
#include "participant/health.hpp"
#include "participant/lane.hpp"
#include "participant/schema.hpp"
#include "ports/participant.hpp"

namespace assent::participant {

/// The coordinator's own questions to the acceptor kept here, at its ballot: one for each transaction in three phases,
/// on the way to its commit. On a session of their own, since on MariaDB a branch's session can write nothing once it
/// has prepared; those that come while a packet is under way go with the next one, and share its write to the disk.
///
/// Thread safe. On the loop's thread, but for connecting. `mutex_` is never held during a call to a server or a Done.
class PreCommits {
 public:
  /// Questions in one packet.
  static constexpr std::size_t kBatchMax = 128;

  PreCommits(const Config& config, Health& health, Control& control, base::EventLoop& loop)
      : config_(config), health_(health), control_(control), loop_(loop) {}
  ~PreCommits() { stop(); }
  PreCommits(const PreCommits&) = delete;
  PreCommits& operator=(const PreCommits&) = delete;

  void ask(ports::AcceptorQuestion question, ports::Done<Result<ports::AcceptorAnswer>> done);
  /// Cuts the connection and answers what waits. Not from the loop's thread. Idempotent.
  void stop();

 private:
  struct Asked {
    std::vector<ports::AcceptorQuestion> questions;
    std::vector<ports::Done<Result<ports::AcceptorAnswer>>> dones;
  };

  void work();
  void get_ready();
  Failure connect();
  void send();
  void turn_away_strangers();
  void start(std::string packet, std::size_t statements, void (PreCommits::*then)(PacketResult));
  void written(PacketResult result);
  void read(PacketResult result);
  bool broken(const PacketResult& result);
  void fail(const std::string& why);
  void tell(std::function<void()> report);
  void answer(std::vector<ports::AcceptorAnswer> answers);
  void drop_session();
  bool stopping() const;

  const Config& config_;
  Health& health_;
  Control& control_;
  base::EventLoop& loop_;

  mutable std::mutex mutex_;
  std::condition_variable quiet_;
  Asked waiting_;
  bool busy_ = false;  ///< Somebody works on `waiting_`, or will.
  bool stopping_ = false;
  Session* live_ = nullptr;  ///< `session_`, for others to shut down.

  // Whoever works: the loop's thread, or the lane's while it connects.
  std::unique_ptr<BranchSession> session_;
  std::optional<ConnectionIdentity> registered_;
  std::optional<protocol::ServerIdentity> server_;  ///< That the session leads to.
  std::optional<boost::asio::steady_timer> patience_;
  Asked asked_;
  Lane lane_;
};

}  // namespace assent::participant
