#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench/bench_driver.hpp"
#include "bench/bench_raw_session.hpp"

namespace assent::bench {

/// Where a participant's branches run.
struct Place {
  Server server;
  std::string database;
};

/// formatID of the bare client's XIDs: "BNCH" in ASCII, another than the coordinator's.
inline constexpr std::uint32_t kRawFormatId = 0x424E4348;
/// Row locks are waited for at most so long, in every mode.
inline constexpr unsigned kLockWaitS = 2;

/// The bare client: no coordinator, no log, no proof. Both branches at once, in both phases, and one session per client
/// and participant.
class RawDriver final : public Driver, public RawSession::Listener {
 public:
  enum class Style : std::uint8_t {
    packet,     ///< XA START to XA PREPARE in one packet per branch, then XA COMMIT in one.
    statement,  ///< A round trip per statement.
    local,      ///< BEGIN, the statements and COMMIT in one packet per branch: not atomic.
  };

  struct Options {
    Style style = Style::packet;
    Transport transport = Transport::tcp;
    unsigned clients = 1;
    std::string tag;       ///< Begins the gtrid of every transaction.
    std::string settings;  ///< More of SET SESSION for every session: "a=1,b=2"; may be empty.
  };
  RawDriver(EventLoop& loop, const std::vector<Place>& places, Options options, Finisher& finisher);

  void start(unsigned client, const Transaction& transaction) override;
  void answered(RawSession& session) override;

 private:
  enum class Phase : std::uint8_t { run, commit, undo };
  struct Branch {
    std::size_t next = 0;  ///< Step of the style "statement" that is sent next.
    std::size_t results = 0;
    bool failed = false;   ///< A statement, or what ends the branch.
    bool refused = false;  ///< An expectation does not hold.
    bool undoing = false;  ///< XA END went out ahead of XA ROLLBACK.
    bool prepared = false;
  };
  struct Client {
    const Transaction* transaction = nullptr;
    Phase phase = Phase::run;
    bool one_phase = false;
    std::size_t waiting = 0;
    std::uint64_t sequence = 0;
    std::uint64_t torn = 0;  ///< Branches of the style "local" that have committed although others have not.
    std::vector<Branch> branches;
    std::string gtrid;
  };

  void ran(Client& client, std::size_t branch, RawSession& session);
  void all_ran(unsigned number);
  void begin_undo(unsigned number);
  void undone(Client& client, std::size_t branch, RawSession& session);
  void end(unsigned number, Outcome outcome, std::uint64_t committed);

  void send_run(Client& client, std::size_t branch, RawSession& session);
  void append_step(const Client& client, std::size_t branch, std::size_t step);
  void append_xa(const char* verb, const Client& client, std::size_t branch);
  void look_at_counts(Client& client, std::size_t branch, const RawSession::Answer& answer);
  bool can_be_one_phase(const Transaction& transaction) const;
  RawSession& session(unsigned client, unsigned participant) {
    return *sessions_[client * participants_ + participant];
  }

  void set_up_sessions(EventLoop& loop, const std::vector<Place>& places);

  const Options options_;
  const std::size_t participants_;
  Finisher& finisher_;
  std::vector<std::unique_ptr<RawSession>> sessions_;
  std::vector<Client> clients_;
  std::string text_;                 ///< Of the packet being made.
  std::size_t* settling_ = nullptr;  ///< While sessions are being set up: how many are not yet.
};

}  // namespace assent::bench
