#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>

#include "base/clock.hpp"
#include "participant/config.hpp"
#include "participant/health.hpp"
#include "participant/session.hpp"
#include "ports/participant.hpp"

namespace assent::participant {

/// The participant's control thread with a session of its own: enrols and enrols again after every loss of the
/// connection, and does what is not done on a branch's session. Its queue holds at most what the callers of the
/// participant have asked for and not got: one scan, a purge of each kind, one batch of settlings, and for each
/// transaction that is being terminated one question to the acceptor.
class Control {
 public:
  /// `session` is null when the participant cannot be used now; `why` then tells. Runs on the control thread.
  using Task = std::function<void(Session* session, const std::string& why)>;

  Control(const Config& config, Health& health) : config_(config), health_(health), random_(std::random_device{}()) {}
  ~Control() { stop(); }
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  void post(Task task);
  void enrol(ports::Claimant claimant, std::optional<ports::Judged> judged, std::function<void()> on_up);
  /// Somebody could not connect, or lost a connection: look now whether the participant is still there.
  void look_again();
  /// Whether all sessions of earlier processes of this coordinator are known to be gone.
  bool predecessors_left() const;
  /// The same, where they were not only out of the process list for long, but the engine showed it.
  bool predecessors_seen_gone() const;
  /// Whether the transaction is of an earlier epoch than the one enrolled with.
  bool is_of_predecessor(const std::string& gtrid) const;
  /// Answers what is queued with a null session and joins. Idempotent.
  void stop();

 private:
  enum class Progress : std::uint8_t { up, down, refused };
  struct Enrolment {
    ports::Claimant claimant;
    std::optional<ports::Judged> judged;
    std::function<void()> on_up;
  };

  void start_locked();
  void loop();
  void run(Task task);
  bool connect_unenrolled(std::string& why);
  void keep_up();
  bool still_ours();
  ports::Claimant claimant() const;
  Progress bring_up(std::string& reason);
  Progress rule_on_owner(const Enrolment& enrolment, std::optional<ports::OwnerRow>& owner, std::string& reason);
  bool is_older_state(const ports::OwnerRow& owner) const;
  Progress bring_schema_up(std::string& reason);
  Progress send_predecessors_away(std::string& reason);
  void look_for_predecessors();
  std::chrono::milliseconds next_pause();

  const Config& config_;
  Health& health_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> tasks_;
  std::optional<Enrolment> enrolment_;
  bool look_again_ = false;
  bool predecessors_left_ = false;
  bool predecessors_seen_gone_ = false;
  bool stopping_ = false;
  std::thread thread_;

  // The control thread's own.
  std::unique_ptr<Session> session_;
  bool up_ = false;
  std::string why_down_ = "not connected yet";
  std::string identity_;
  base::SteadyTime next_attempt_{};
  base::SteadyTime next_renewal_{};
  base::SteadyTime next_look_for_predecessors_{};
  protocol::FenceWatch watch_;
  bool claim_refused_ = false;       ///< Why it is not up is that another has it.
  bool claimed_ = false;             ///< This process has been the owner here.
  std::uint64_t last_sequence_ = 0;  ///< That it has written into its owner row.
  std::chrono::milliseconds pause_{0};
  std::mt19937 random_;
};

}  // namespace assent::participant
