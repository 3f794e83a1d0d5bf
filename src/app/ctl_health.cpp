#include <algorithm>

#include "app/config.hpp"
#include "app/ctl.hpp"
#include "app/exit_codes.hpp"
#include "app/json_text.hpp"
#include "app/output.hpp"
#include "app/text.hpp"
#include "participant/participant.hpp"

namespace assent::app {
namespace {

namespace po = boost::program_options;

using Table = std::vector<std::vector<std::string>>;

// The one probe that is made between two connections, and so never by the doctor alone.
constexpr const char* kIdentityProbe = "server_identity";

// Adds a row for each finding, with its remedy; those that passed only when `all`.
void add_findings(Table& table, const ParticipantInfo& participant, bool all) {
  for (const auto& finding : participant.findings) {
    if (!all && finding.grade == DoctorFinding::Grade::pass) continue;
    table.push_back({participant.name, to_string(finding.grade), finding.probe,
                     finding.seen + (finding.remedy.empty() ? "" : "; " + finding.remedy)});
  }
}

// A name in `accept` that overrules nothing is a slip of the pen, or left over.
void find_idle_accepts(const std::vector<std::string>& accept, std::vector<DoctorFinding>& findings) {
  for (const auto& name : accept) {
    const bool known =
        name == kIdentityProbe ||
        std::any_of(findings.begin(), findings.end(), [&](const auto& finding) { return finding.probe == name; });
    if (known) continue;
    findings.push_back({name, DoctorFinding::Grade::warning,
                        "accept names it, and no probe of this server has that name", "take it out of accept"});
  }
}

// What the doctor has to say of one database, in the form in which a coordinator would.
ParticipantInfo examined(ParticipantSettings participant) {
  ParticipantInfo info;
  info.name = participant.connection.name;
  info.address = participant.connection.unix_socket.empty()
                     ? shown_address(participant.connection.host, participant.connection.port)
                     : participant.connection.unix_socket;
  info.proof_rows = participant.connection.proof_rows;
  info.sessions_max = participant.connection.sessions_max;
  const auto refuse = [&](ParticipantInfo::State state, const Error& error) {
    info.state = state;
    info.reason = error.what;
    return info;
  };
  auto password = read_password(participant);
  if (!password) return refuse(ParticipantInfo::State::refused, password.error());
  participant.connection.password = std::move(*password);
  auto findings = participant::doctor(participant.connection);
  if (!findings) {
    const bool wrong = findings.error().code == Errc::refused || findings.error().code == Errc::invalid_argument;
    return refuse(wrong ? ParticipantInfo::State::refused : ParticipantInfo::State::down, findings.error());
  }
  const bool refused = std::any_of(findings->begin(), findings->end(),
                                   [](const auto& finding) { return finding.grade == DoctorFinding::Grade::refusal; });
  info.state = refused ? ParticipantInfo::State::refused : ParticipantInfo::State::up;
  info.findings = std::move(*findings);
  find_idle_accepts(participant.connection.accept, info.findings);
  return info;
}

// One is refused, one is not there, or all are well.
int exit_code_of_all(const std::vector<ParticipantInfo>& participants) {
  int code = kExitGood;
  for (const auto& one : participants) {
    if (one.state == ParticipantInfo::State::refused) return kExitBadConfig;
    if (one.state != ParticipantInfo::State::up) code = kExitUnavailable;
  }
  return code;
}

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
    add_findings(findings, one, false);
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

int ctl_doctor(const CtlCall& call) {
  if (!call.has("config")) {
    complain(kCtlName, "usage: assentctl doctor --config FILE [PARTICIPANT]");
    return kExitUsage;
  }
  const auto loaded = ctl_config(call);
  if (const auto* code = std::get_if<int>(&loaded)) return *code;
  const auto& config = std::get<Config>(loaded);
  wire::ParticipantList list;
  for (const auto& participant : config.participants) {
    if (call.operands.empty() || call.operands[0] == participant.connection.name) {
      list.participants.push_back(examined(participant));
    }
  }
  if (list.participants.empty()) {
    return ctl_failed(call, {Errc::not_found, call.text("config") + ": has no participant '" + call.operands[0] + "'"},
                      kExitUsage);
  }
  const int code = exit_code_of_all(list.participants);
  if (call.json) return print(json_of(list) + '\n', code);
  Table findings;
  std::string verdicts;
  for (const auto& one : list.participants) {
    add_findings(findings, one, true);
    const bool up = one.state == ParticipantInfo::State::up, down = one.state == ParticipantInfo::State::down;
    verdicts += one.name + ": " +
                (up     ? "fit to serve"
                 : down ? "NOT REACHED"
                        : "WOULD BE REFUSED") +
                (one.reason.empty() ? "" : ": " + printable(one.reason)) + '\n';
  }
  return print(aligned(findings) + verdicts, code);
}

void doctor_options(CtlOptions& options) {
  options.add_options()("config", po::value<std::string>()->value_name("FILE"),
                        "the coordinator's configuration (required)");
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
      {"doctor", "[PARTICIPANT]", 0, 1, "examine the databases of a configuration, without a coordinator",
       R"help(Connects to the databases that the configuration FILE names, all or one, looks for what would break a guarantee, and
says how to mend it, one line each. No coordinator is needed.

Exit codes: 0 all is well, 69 a database cannot be reached, 78 one would be refused.

Examples:
  assentctl doctor --config config/assentd.json
  assentctl doctor --config config/assentd.json stock
)help",
       doctor_options, ctl_doctor},
  };
  return kCommands;
}

}  // namespace assent::app
