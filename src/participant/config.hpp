#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace assent::participant {

/// How to reach one participant, and the bounds on what is done there.
struct Config {
  std::string name;
  std::string host = "127.0.0.1";
  std::uint16_t port = 3306;
  std::string unix_socket;  ///< Used instead of host and port when not empty.
  std::string user;
  std::string password;
  std::string database;  ///< Default schema of the application's statements. May be empty.
  std::string tls_ca;    ///< File with the certificate authority; not empty: TLS is required and the server verified.
  bool tls_required = false;

  std::string coordinator_id;
  std::string schema = "assent";    ///< Where Assent keeps its own tables. [a-z0-9_] only.
  std::uint32_t sessions_max = 64;  ///< Branches that may be in flight at once.
  bool proof_rows = true;
  std::vector<std::string> accept;  ///< Names of doctor's probes whose refusal is overruled.

  std::chrono::milliseconds connect_timeout{3'000};      ///< Rounded up to seconds.
  std::chrono::milliseconds reconnect_pause_min{100};    ///< Doubles at each failure, with jitter,
  std::chrono::milliseconds reconnect_pause_max{1'000};  ///< up to this.
  /// How long the server may stay silent before its connection is given up for lost, during everything that Assent does
  /// on its own account, which is short. A branch's statements have their transaction's deadline instead.
  std::chrono::milliseconds control_answer_timeout{10'000};

  std::uint32_t result_rows_max = 10'000;            ///< Rows of all SELECTs of a branch together.
  std::uint64_t result_bytes_max = 4 * 1024 * 1024;  ///< Their values' bytes together.
};

}  // namespace assent::participant
