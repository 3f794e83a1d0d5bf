#include "app/ctl_databases.hpp"
#include "app/exit_codes.hpp"
#include "app/json_text.hpp"
#include "app/output.hpp"
#include "app/text.hpp"

namespace assent::app {
namespace {

using Table = std::vector<std::vector<std::string>>;

int ctl_participants(const CtlCall& call) {
  auto client = ctl_connect(call);
  if (!client) return ctl_failed(call, client.error(), kExitUnavailable);
  auto listed = client->participants();
  if (!listed) return ctl_failed(call, listed.error(), exit_code_of(listed.error()));
  const int code = exit_code_of_all(*listed);
  if (call.json) return print(json_of(wire::ParticipantList{std::move(*listed)}) + '\n', code);
  Table table{{"NAME", "STATE", "SERVER", "ADDRESS", "IN FLIGHT", "SESSIONS", "PROOF ROWS"}};
  Table findings;
  std::string notes;
  for (const auto& one : *listed) {
    const auto server = one.server_kind.empty() ? "-" : one.server_kind + ' ' + one.server_version;
    table.push_back({one.name, to_string(one.state), server, one.address, std::to_string(one.in_flight),
                     std::to_string(one.sessions) + "/" + std::to_string(one.sessions_max),
                     one.proof_rows ? "yes" : "no"});
    if (!one.reason.empty()) notes += printable(one.name + ": " + one.reason) + '\n';
    add_findings(findings, one.name, one.findings, false);
  }
  return print(aligned(table) + notes + aligned(findings), code);
}

int ctl_info(const CtlCall& call) {
  auto client = ctl_connect(call);
  if (!client) return ctl_failed(call, client.error(), kExitUnavailable);
  const auto info = client->info();
  if (!info) return ctl_failed(call, info.error(), exit_code_of(info.error()));
  const int code = info->state != "serving"                  ? kExitUnavailable
                   : info->in_doubt > 0 || info->hazards > 0 ? kExitNotSettled
                                                             : kExitGood;
  if (call.json) return print(json_of(*info) + '\n', code);
  Table table{{"coordinator", info->coordinator},
              {"state", info->state},
              {"version", info->version},
              {"epoch", std::to_string(info->epoch)},
              {"up for", shown_age(info->uptime_ms)},
              {"live", std::to_string(info->live)},
              {"in doubt", std::to_string(info->in_doubt)},
              {"hazards", std::to_string(info->hazards)}};
  for (const auto& [name, bound] : info->limits) table.push_back({"limit " + name, std::to_string(bound)});
  for (const auto& [name, count] : info->counters) table.push_back({"count " + name, std::to_string(count)});
  return print(aligned(table), code);
}

}  // namespace

std::span<const CtlCommand> health_commands() noexcept {
  static constexpr CtlCommand kCommands[] = {
      {"participants", "", 0, 0, "the databases and their health",
       R"help(Lists the coordinator's participants, and what its doctor found that is not as it should be.

Exit codes: 0 all are up, 69 one is down, 78 one is refused because it would break a guarantee.

Example:
  assentctl participants
)help",
       nullptr, ctl_participants},
      {"info", "", 0, 0, "the coordinator itself: state, limits, counters",
       R"help(Shows the coordinator's version, identity, state, limits and counters.

Exit codes: 0 it serves, 2 something is in doubt or a hazard, 69 it does not take work.

Example:
  assentctl info --json
)help",
       nullptr, ctl_info},
  };
  return kCommands;
}

}  // namespace assent::app
