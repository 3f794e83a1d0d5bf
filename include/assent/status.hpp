#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "assent/transaction.hpp"

namespace assent {

/// One thing the doctor looked at, at a participant.
struct DoctorFinding {
  enum class Grade : std::uint8_t {
    pass,
    warning,
    refusal,   ///< Would break a guarantee; enrolment is refused.
    accepted,  ///< Would be a refusal, and the configuration's `accept` list overrules it by name.
  };
  std::string probe;  ///< Stable name, as `accept` lists it: "innodb_flush_log_at_trx_commit".
  Grade grade = Grade::pass;
  std::string seen;    ///< What is so.
  std::string remedy;  ///< One line that says how to mend it; empty when it passed.
};

struct ParticipantInfo {
  enum class State : std::uint8_t {
    connecting,  ///< Not reached yet since the start.
    up,
    down,     ///< Not there now; retried with backoff.
    refused,  ///< Reached, and would break a guarantee; looked at again at every retry.
  };
  std::string name;
  State state = State::connecting;
  std::string reason;       ///< When not up: one line for people.
  std::string address;      ///< `host:port`, or the path of a Unix socket.
  std::string server_kind;  ///< "MariaDB" or "MySQL"; empty before the first contact.
  std::string server_version;
  bool proof_rows = true;
  std::uint32_t sessions = 0;      ///< Connected now.
  std::uint32_t sessions_max = 0;  ///< Branches that may be in flight at once.
  std::uint32_t in_flight = 0;     ///< Branches that hold a session now.
  std::vector<DoctorFinding> findings;
};

/// What is known of one transaction.
struct TransactionStatus {
  std::string gtrid;
  /// Nothing while it is undecided. `unknown` when not even the coordinator can know.
  std::optional<Outcome> outcome;
  bool settled = false;
  Protocol protocol = Protocol::two_phase;
  std::string label;
  std::string idempotency_key;
  std::int64_t age_ms = 0;  ///< Since it arrived, or, after a restart, since it was decided.
  struct BranchStatus {
    std::string participant;
    BranchState state = BranchState::active;
    std::string detail;  ///< For people: why it is in doubt or a hazard.
  };
  std::vector<BranchStatus> branches;
  std::optional<Cause> cause;
};

/// A branch that came to the opposite of what was decided, and that nobody has acknowledged.
struct Hazard {
  std::string gtrid;
  std::uint16_t branch = 0;      ///< From 1.
  std::string participant;       ///< Empty where it is not known any more.
  std::string reason;            ///< For people: what was seen.
  std::int64_t found_at_ms = 0;  ///< Since 1970.
};

/// What an operator says of a hazard that has been seen to.
struct Acknowledgement {
  std::string gtrid;
  std::uint16_t branch = 0;
  std::string who;
  std::string reason;
};

struct ServerInfo {
  std::string version;
  std::string coordinator;
  std::uint32_t epoch = 0;
  std::int64_t uptime_ms = 0;
  std::string state;                              ///< "serving", or why not: PROTOCOL.md has the words.
  std::uint32_t live = 0;                         ///< Transactions not ended, admitted or waiting for admission.
  std::uint32_t in_doubt = 0;                     ///< Decided or lost branches that wait for a participant.
  std::uint32_t hazards = 0;                      ///< Branches.
  std::string control_socket;                     ///< Where, on its host, it takes what changes the past.
  std::map<std::string, std::uint64_t> limits;    ///< Bound by name; names end in their unit.
  std::map<std::string, std::uint64_t> counters;  ///< Since the start; names as in metrics.
};

constexpr const char* to_string(DoctorFinding::Grade grade) noexcept {
  switch (grade) {
    case DoctorFinding::Grade::pass: return "pass";
    case DoctorFinding::Grade::warning: return "warning";
    case DoctorFinding::Grade::refusal: return "refusal";
    case DoctorFinding::Grade::accepted: return "accepted";
  }
  return "";
}

constexpr const char* to_string(ParticipantInfo::State state) noexcept {
  switch (state) {
    case ParticipantInfo::State::connecting: return "connecting";
    case ParticipantInfo::State::up: return "up";
    case ParticipantInfo::State::down: return "down";
    case ParticipantInfo::State::refused: return "refused";
  }
  return "";
}

}  // namespace assent
