#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "base/event_loop.hpp"
#include "participant/branch_run.hpp"
#include "participant/branch_session.hpp"
#include "participant/config.hpp"
#include "participant/control.hpp"
#include "participant/health.hpp"
#include "participant/killer.hpp"
#include "participant/lane.hpp"
#include "participant/settler.hpp"
#include "participant/sql_cache.hpp"
#include "ports/participant.hpp"

namespace assent::participant {

/// The branches' sessions, all on the loop's one thread. A branch is handed to an idle slot (the one that was busy
/// last, so that its session is warm, or a new one), which runs it, keeps its session for it, and settles it there.
/// Nothing waits in a queue: the caller keeps at most `sessions_max` branches between their prepare and their settling.
/// A slot becomes idle before it reports that its branch is over, so work handed out in that report finds it.
///
/// What is asked for on the loop's thread is sent before the call returns; from other threads it is handed over. Only
/// what must wait for the server to connect, or to look up tables, goes to threads of its own.
///
/// `mutex_` guards everything below it, the slots' marked fields too. It is never held during a call to a server or
/// to a Done.
class Pool {
 public:
  Pool(const Config& config, Health& health, const SqlCache& cache, Control& control, base::EventLoop& loop);
  ~Pool() { stop(); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  void start();
  void run(ports::BranchWork work, Ending ending, ports::Done<ports::Vote> done);
  void settle(ports::SettleOrder work, ports::Done<ports::SettleReport> done);
  /// Kills what runs, waits for it at most kStopPatience, then cuts the connections and waits for what they still
  /// report. Not from the loop's thread.
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
    ports::SettleOrder work;
    ports::Done<ports::SettleReport> done;
  };
  using Task = std::variant<BranchTask, SettleTask>;
  /// One that its owner cannot settle.
  struct ElsewhereTask {
    ports::SettleOrder work;
    protocol::Reply first_reply = protocol::Reply::none;
    ports::Done<ports::SettleReport> done;
  };

  /// A branch that is being run.
  struct Running {
    explicit Running(BranchTask what) : task(std::move(what)) {}
    BranchTask task;
    ScannedBranch scanned;
    bool again = false;  ///< The server had closed the first session before it read anything.
    std::optional<BranchRunner> runner;
  };

  struct Slot {
    // Guarded by the pool's mutex.
    std::deque<Task> mailbox;
    bool busy = false;                 ///< Somebody works on its tasks, one after the other.
    std::optional<protocol::Xid> xid;  ///< The branch that it runs or holds.
    bool holds = false;                ///< Prepared, waiting to be settled here.
    bool doomed = false;               ///< Its running branch is to be rolled back; its session is not used again.
    bool executing = false;            ///< It works on a branch, and may wait for the server.
    bool kill_asked = false;
    base::SteadyTime kill_at;
    std::optional<base::SteadyTime>
        settle_until;         ///< While it settles: when the server's silence is taken for its loss.
    Session* live = nullptr;  ///< `session`, for others to see and to shut down.
    // Whoever works on its tasks: the loop's thread, or the lane's while it gets ready.
    std::unique_ptr<BranchSession> session;
    std::optional<ConnectionIdentity> registered;
    std::optional<protocol::ServerIdentity> server;  ///< That the session leads to.
    bool reusable = false;  ///< Whether the session may serve another branch once the one it holds is settled.
    std::optional<Running> running;
    std::optional<SettleTask> settling;
  };
  /// By what they run or hold, without a copy of it.
  struct ByXid {
    using is_transparent = void;
    bool operator()(const Slot* a, const Slot* b) const { return *a->xid < *b->xid; }
    bool operator()(const Slot* a, const protocol::Xid& b) const { return *a->xid < b; }
    bool operator()(const protocol::Xid& a, const Slot* b) const { return a < *b->xid; }
  };

  Slot* slot_of(const protocol::Xid& xid) const;
  void put(Slot& slot, bool starts);
  void work(Slot& slot);
  void do_task(Slot& slot, BranchTask task);
  void do_task(Slot& slot, SettleTask task);

  void get_ready(Slot& slot);
  std::optional<ports::Vote> make_ready(Slot& slot);
  std::optional<ports::Vote> connect(Slot& slot);
  bool is_cancelled(const Slot& slot) const;
  ports::Vote cancelled() const;
  void execute(Slot& slot);
  void go_on(Slot& slot, BranchRunner::Next next);
  void ran(Slot& slot, BranchRun run);
  void finish(Slot& slot, ports::Vote vote, bool holds);
  void finish_later(Slot& slot, ports::Vote vote);
  void settled(Slot& slot, const PacketResult& result);
  template <typename Report>
  void tell(Report report);

  void lose(const protocol::Xid& xid, const ConnectionIdentity& owner);
  void drop_session(Slot& slot);
  void release(Slot& slot);
  void settle_elsewhere(ports::SettleOrder work, protocol::Reply first_reply, ports::Done<ports::SettleReport> done);
  void post_batch();
  bool may_settle(const ports::SettleOrder& order) const;
  void settle_batch(Session* session, const std::string& why);
  std::vector<ConnectionIdentity> overdue();

  const Config& config_;
  Health& health_;
  const SqlCache& cache_;
  Control& control_;
  base::EventLoop& loop_;
  EngineGuard guard_;

  mutable std::mutex mutex_;
  std::condition_variable quiet_;  ///< A slot has stopped executing, or has nothing left to do.
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Slot*> idle_;
  std::set<Slot*, ByXid> taken_;  ///< Those with a branch.
  std::vector<Slot*> waiting_;    ///< Given work by other threads, which the loop has been asked to look at.
  /// Connections that ran a branch and were lost with it; until the branch is settled.
  std::map<protocol::Xid, ConnectionIdentity> lost_;
  /// To be settled by the control thread, as many as it can take at once: one attempt per branch at most.
  std::deque<ElsewhereTask> elsewhere_;
  bool batch_posted_ = false;  ///< The control thread has been asked to look into `elsewhere_`, and has not yet.
  std::uint32_t telling_ = 0;  ///< Reports on threads of their own, which only failpoints need.
  bool stopping_ = false;
  Killer killer_;
  Lane lane_;
};

}  // namespace assent::participant
