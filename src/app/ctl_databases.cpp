#include "app/ctl_databases.hpp"

#include <algorithm>

#include "app/exit_codes.hpp"
#include "app/output.hpp"

namespace assent::app {

namespace po = boost::program_options;

void add_config_option(CtlOptions& options) {
  options.add_options()("config", po::value<std::string>()->value_name("FILE"),
                        "the coordinator's configuration (required)");
}

std::variant<Config, int> ctl_chosen(const CtlCall& call, const char* usage) {
  if (!call.has("config")) {
    complain(kCtlName, std::string("usage: assentctl ") + usage);
    return int{kExitUsage};
  }
  auto loaded = ctl_config(call);
  auto* config = std::get_if<Config>(&loaded);
  if (config == nullptr || call.operands.empty()) return loaded;
  const auto& name = call.operands[0];
  std::erase_if(config->participants, [&](const auto& one) { return one.connection.name != name; });
  if (!config->participants.empty()) return loaded;
  return ctl_failed(call, {Errc::not_found, call.text("config") + ": has no participant '" + name + "'"}, kExitUsage);
}

std::string shown_address(const participant::Config& connection) {
  return connection.unix_socket.empty() ? shown_address(connection.host, connection.port) : connection.unix_socket;
}

void add_findings(std::vector<std::vector<std::string>>& table, const std::string& name,
                  const std::vector<DoctorFinding>& findings, bool all) {
  for (const auto& finding : findings) {
    if (!all && finding.grade == DoctorFinding::Grade::pass) continue;
    table.push_back({name, to_string(finding.grade), finding.probe,
                     finding.seen + (finding.remedy.empty() ? "" : "; " + finding.remedy)});
  }
}

bool any_refusal(const std::vector<DoctorFinding>& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const auto& finding) { return finding.grade == DoctorFinding::Grade::refusal; });
}

std::optional<NotServing> not_serving(Client& client) {
  const auto info = client.info();
  if (!info)
    return NotServing{"the coordinator's state is not known: " + info.error().what, exit_code_of(info.error())};
  if (info->state == "displaced") {
    return NotServing{"another process has taken over from this coordinator: what is open is that one's to finish\n",
                      kExitUnavailable};
  }
  if (info->state == "kept_out") {
    return NotServing{
        "another process owns a participant: what is in doubt there is not known here (assentctl "
        "participants tells which)\n",
        kExitBadConfig};
  }
  if (info->state == "no_participant") {
    return NotServing{
        "no participant can be used: what is in doubt there is not known (assentctl participants tells "
        "why)\n",
        kExitUnavailable};
  }
  return std::nullopt;
}

int exit_code_of_all(const std::vector<ParticipantInfo>& participants) {
  int code = kExitGood;
  for (const auto& one : participants) {
    if (one.state == ParticipantInfo::State::refused) return kExitBadConfig;
    if (one.state != ParticipantInfo::State::up) code = kExitUnavailable;
  }
  return code;
}

}  // namespace assent::app
