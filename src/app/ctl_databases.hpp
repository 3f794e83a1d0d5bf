#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "app/config.hpp"
#include "app/ctl.hpp"
#include "assent/status.hpp"

namespace assent::app {

// What the commands share that look at, or prepare, the databases of a configuration.

void add_config_option(CtlOptions& options);

/// The configuration of --config, with its participants reduced to the one that the operand names, if there is one; or
/// the exit code, after printing what is wrong. `usage` is for a call without --config.
std::variant<Config, int> ctl_chosen(const CtlCall& call, const char* usage);

/// `host:port`, or the path of a Unix socket.
std::string shown_address(const participant::Config& connection);

/// Adds a row for each finding, with its remedy; those that passed only when `all`.
void add_findings(std::vector<std::vector<std::string>>& table, const std::string& name,
                  const std::vector<DoctorFinding>& findings, bool all);

bool any_refusal(const std::vector<DoctorFinding>& findings);

/// What else is to be said where a coordinator's own lists are clean, of one that does no work, or does not own what it
/// should: a line, and the exit code. Nothing when it serves.
struct NotServing {
  std::string line;
  int code = 0;
};
std::optional<NotServing> not_serving(Client& client);

/// One is refused, one is not there, or all are well.
int exit_code_of_all(const std::vector<ParticipantInfo>& participants);

}  // namespace assent::app
