#pragma once

#include <spdlog/spdlog.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "assent/status.hpp"
#include "participant/config.hpp"
#include "protocol/members.hpp"

namespace assent::participant {

/// What is known of the participant as a whole, written by its control thread and read by all. Thread safe.
class Health {
 public:
  explicit Health(const Config& config) {
    info_.name = config.name;
    info_.address = config.unix_socket.empty() ? config.host + ":" + std::to_string(config.port) : config.unix_socket;
    info_.proof_rows = config.proof_rows;
    info_.sessions_max = config.sessions_max;
  }

  bool serving() const noexcept { return serving_.load(std::memory_order_acquire); }

  /// Of the server that the control connection last led to. Nothing: none was read.
  std::optional<protocol::ServerIdentity> identity() const noexcept {
    const auto identity = identity_.load(std::memory_order_acquire);
    return identity == 0 ? std::nullopt : std::optional(identity);
  }
  void set_identity(std::optional<protocol::ServerIdentity> identity) {
    const auto now = identity.value_or(0);
    if (identity_.exchange(now, std::memory_order_acq_rel) == now) return;
    const std::lock_guard lock(mutex_);
    another_.clear();
  }
  /// Something was to be asked or settled that is of the server before. True where that was not known yet.
  bool note_another(const std::string& sentence) {
    const std::lock_guard lock(mutex_);
    return std::exchange(another_, sentence) != sentence;
  }

  /// Gives the state before.
  ParticipantInfo::State set_state(ParticipantInfo::State state, std::string reason) {
    const std::lock_guard lock(mutex_);
    const auto before = info_.state;
    info_.state = state;
    info_.reason = std::move(reason);
    serving_.store(state == ParticipantInfo::State::up, std::memory_order_release);
    return before;
  }
  void set_server(std::string kind, std::string version, std::vector<DoctorFinding> findings) {
    const std::lock_guard lock(mutex_);
    info_.server_kind = std::move(kind);
    info_.server_version = std::move(version);
    info_.findings = std::move(findings);
  }
  ParticipantInfo info() const {
    const std::lock_guard lock(mutex_);
    auto info = info_;
    if (!another_.empty()) {
      info.findings.push_back({"server_identity", DoctorFinding::Grade::warning,
                               another_ + ": what is in doubt or was accepted there waits for that one",
                               "lead its name to that server again, or, where it is gone for good, see assentctl "
                               "recover"});
    }
    return info;
  }

 private:
  mutable std::mutex mutex_;
  ParticipantInfo info_;
  std::string another_;  ///< That it is one, as protocol::another_server() says it. Empty: not met.
  std::atomic<bool> serving_{false};
  std::atomic<protocol::ServerIdentity> identity_{0};
};

/// The sentence that another server than `then` is there, told in the log where that is new.
inline std::string met_another(const Config& config, Health& health, std::optional<protocol::ServerIdentity> then,
                               std::optional<protocol::ServerIdentity> now) {
  auto sentence = protocol::another_server(config.name, then, now);
  if (then != protocol::kNoServer && health.note_another(sentence)) {
    spdlog::warn("{}: what is in doubt or was accepted there waits for that one", sentence);
  }
  return sentence;
}

/// Why new branches are refused now, as one sentence.
inline std::string why_not(const Config& config, const Health& health) {
  const auto info = health.info();
  return "participant \"" + config.name + "\" is " + to_string(info.state) +
         (info.reason.empty() ? "" : ": " + info.reason);
}

}  // namespace assent::participant
