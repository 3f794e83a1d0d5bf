#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "participant/branch_run.hpp"
#include "participant/config.hpp"
#include "participant/control.hpp"
#include "participant/health.hpp"
#include "participant/killer.hpp"
#include "participant/session.hpp"
#include "participant/settler.hpp"
#include "participant/sql_cache.hpp"
#include "ports/participant.hpp"

namespace assent::participant {

/// The branches' sessions, one worker thread each. A branch is handed to an idle worker (the one that was busy last, or
/// a new one), which runs it, keeps its session for it, and settles it there. Nothing waits in a queue: the caller
/// keeps at most `sessions_max` branches between their prepare and their settling. A worker becomes idle before it
/// reports that its branch is over, so work handed out in that report finds it, and runs on it without a hand-off.
///
/// `mutex_` guards everything below it, the workers' marked fields too. It is never held during a call to a server or
/// to a Done.
class Pool {
 public:
  Pool(const Config& config, Health& health, const SqlCache& cache, Control& control);
  ~Pool() { stop(); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  void start();
  void run(ports::BranchWork work, Ending ending, ports::Done<ports::Vote> done);
  void settle(SettleWork work, ports::Done<ports::SettleReport> done);
  /// Kills what runs, waits for it at most kStopPatience, then cuts the connections and joins.
  void stop();

  static constexpr std::chrono::milliseconds kStopPatience{3'000};
  /// Settlings without the owner that share one look at the server. What waits beyond them lets other tasks of the
  /// control thread go first.
  static constexpr std::size_t kSettleBatchMax = 256;

  std::uint32_t connected() const;
  std::uint32_t in_flight() const;

 private:
  struct BranchTask {
    ports::BranchWork work;
    Ending ending = Ending::prepare;
    ports::Done<ports::Vote> done;
  };
  struct SettleTask {
    SettleWork work;
    ports::Done<ports::SettleReport> done;
  };
  using Task = std::variant<BranchTask, SettleTask>;
  /// One that its owner cannot settle.
  struct ElsewhereTask {
    SettleWork work;
    protocol::Reply first_reply = protocol::Reply::none;
    ports::Done<ports::SettleReport> done;
  };

  struct Worker {
    std::condition_variable wake;
    // Guarded by the pool's mutex.
    std::deque<Task> mailbox;
    std::optional<protocol::Xid> xid;  ///< The branch that it runs or holds.
    bool holds = false;                ///< Prepared, waiting to be settled here.
    bool doomed = false;               ///< Its running branch is to be rolled back; its session is not used again.
    bool executing = false;            ///< It works on a branch, and may wait for the server.
    bool kill_asked = false;
    base::SteadyTime kill_at;
    std::optional<base::SteadyTime>
        settle_until;         ///< While it settles: when the server's silence is taken for its loss.
    Session* live = nullptr;  ///< `session`, for others to see and to shut down.
    // The worker thread's own.
    std::unique_ptr<Session> session;
    std::optional<ConnectionIdentity> registered;
    bool reusable = false;  ///< Whether the session may serve another branch once the one it holds is settled.
    std::thread thread;
  };

  void loop(Worker& worker);
  void do_task(Worker& worker, BranchTask task);
  void do_task(Worker& worker, SettleTask task);

  ports::Vote vote_on(Worker& worker, const BranchTask& task, bool& holds);
  std::optional<ports::Vote> make_ready(Worker& worker, const ScannedBranch& scanned);
  std::optional<ports::Vote> connect(Worker& worker);
  std::optional<BranchRun> execute(Worker& worker, const BranchTask& task, const ScannedBranch& scanned);
  void lose(const protocol::Xid& xid, const ConnectionIdentity& owner);
  void drop_session(Worker& worker);
  void release(Worker& worker);
  void settle_elsewhere(SettleWork work, protocol::Reply first_reply, ports::Done<ports::SettleReport> done);
  void post_batch();
  void settle_batch(Session* session, const std::string& why);
  std::vector<ConnectionIdentity> overdue();

  const Config& config_;
  Health& health_;
  const SqlCache& cache_;
  Control& control_;
  EngineGuard guard_;

  mutable std::mutex mutex_;
  std::condition_variable quiet_;  ///< A worker has stopped executing.
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Worker*> idle_;
  std::map<protocol::Xid, Worker*> by_xid_;
  /// Connections that ran a branch and were lost with it; until the branch is settled.
  std::map<protocol::Xid, ConnectionIdentity> lost_;
  /// To be settled by the control thread, as many as it can take at once: one attempt per branch at most.
  std::deque<ElsewhereTask> elsewhere_;
  bool batch_posted_ = false;  ///< The control thread has been asked to look into `elsewhere_`, and has not yet.
  bool stopping_ = false;
  Killer killer_;
};

}  // namespace assent::participant
