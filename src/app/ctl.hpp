#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "app/address.hpp"
#include "assent/client.hpp"

namespace assent::app {

inline constexpr const char* kCtlName = "assentctl";

/// assentctl, whole: reads the command line, runs one command, gives the exit code.
int run_ctl(int argc, const char* const* argv);

/// What a command was called with.
struct CtlCall {
  HostPort address;
  bool json = false;
  std::vector<std::string> operands;  ///< As many as the command's table row allows.
  std::string key;                    ///< status: the idempotency key asked for.
  std::string config_path;            ///< doctor, recover: the configuration that names the databases.
  // recover:
  std::string coordinator;  ///< The identity of the one that is gone.
  bool log_lost = false;
  bool apply = false;
  std::chrono::milliseconds patience{30'000};
};

// The commands. Each prints its answer (one JSON document with --json), or one line on standard error, and gives the
// exit code.

int ctl_submit(const CtlCall& call);
int ctl_status(const CtlCall& call);
int ctl_list(const CtlCall& call);
int ctl_participants(const CtlCall& call);
int ctl_info(const CtlCall& call);
int ctl_doctor(const CtlCall& call);
int ctl_recover(const CtlCall& call);
int ctl_wal_verify(const CtlCall& call);
int ctl_wal_dump(const CtlCall& call);

/// Reports an error as a command does: one line on standard error, with --json also one document on standard output.
int ctl_failed(const CtlCall& call, const Error& error, int code);

Result<Client> ctl_connect(const CtlCall& call);

}  // namespace assent::app
