#include <algorithm>

#include "app/ctl_databases.hpp"
#include "app/exit_codes.hpp"
#include "app/host_probe.hpp"
#include "app/json_text.hpp"
#include "app/output.hpp"
#include "app/survey_text.hpp"
#include "app/text.hpp"
#include "coordinator/start_fence.hpp"
#include "participant/participant.hpp"
#include "wal/disk_probe.hpp"
#include "wal/log.hpp"

namespace assent::app {

/// What the doctor found at this host.
struct HostInfo {
  std::vector<DoctorFinding> findings;
};

struct DoctorReport {
  std::vector<ParticipantInfo> participants;
  std::optional<HostInfo> host;  ///< Not when one participant was asked for.
};

template <typename Io, wire::Is<HostInfo> S>
void fields(Io& io, S& s) {
  io.required("findings", s.findings);
}

template <typename Io, wire::Is<DoctorReport> S>
void fields(Io& io, S& s) {
  io.required("participants", s.participants);
  io.optional("host", s.host);
}

namespace {

constexpr const char* kHost = "host";

// A name in `accept` that overrules nothing is a slip of the pen, or left over.
void find_idle_accepts(const std::vector<std::string>& accept, std::vector<DoctorFinding>& findings) {
  for (const auto& name : accept) {
    const bool known =
        std::any_of(findings.begin(), findings.end(), [&](const auto& finding) { return finding.probe == name; });
    if (known) continue;
    findings.push_back({name, DoctorFinding::Grade::warning,
                        "accept names it, and no probe of this server has that name", "take it out of accept"});
  }
}

// Whether a start could read the log. None is there before the first start.
std::optional<DoctorFinding> judge_log(const std::string& directory) {
  const auto log = wal::read_state(directory, wal::posix_disk());
  if (log.ok()) return DoctorFinding{"log", DoctorFinding::Grade::pass, "can be read to its end", ""};
  if (log.error().code == Errc::not_found) return std::nullopt;
  const bool damaged = log.error().code == Errc::log_corrupt;
  return DoctorFinding{"log", DoctorFinding::Grade::refusal, log.error().what,
                       damaged ? "find out what it has lost: assentctl wal verify " + shell_quoted(directory) : ""};
}

// Whether the log has all that its last owner at the participant has written. Read after the row: one that runs goes
// on.
void judge_owner(const Config& config, const ports::OwnerRow& owner, ParticipantInfo& info) {
  const auto log = wal::read_state(config.log.directory, wal::posix_disk());
  // A damaged log is the host's finding.
  if (!log && log.error().code != Errc::not_found) return;
  auto fence = coordinator::fence_log_of(log ? *log : ports::LogState{}, 0);
  fence.directory = config.log.directory;
  DoctorFinding finding{"owner", DoctorFinding::Grade::pass,
                        "the log has all that its last owner wrote, on host '" + owner.host + "'", ""};
  if (!protocol::contains(fence, owner) && owner.epoch >= fence.given_up_below) {
    protocol::FenceSight sight;
    sight.owner = owner;
    finding.grade = DoctorFinding::Grade::refusal;
    finding.seen = protocol::sentence(protocol::FenceRuling::refuse_foreign, fence, sight,
                                      config.coordinator.coordinator_id, info.name);
    finding.remedy = "if another process of this coordinator runs, stop that first";
    info.state = ParticipantInfo::State::refused;
  }
  info.findings.push_back(std::move(finding));
}

// What the doctor has to say of one database, in the form in which a coordinator would. Its clock goes to `host`.
ParticipantInfo examined(const Config& config, ParticipantSettings participant, HostInfo& host) {
  ParticipantInfo info;
  info.name = participant.connection.name;
  info.address = shown_address(participant.connection);
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
  auto diagnosis = participant::doctor(participant.connection);
  if (!diagnosis) {
    const bool wrong = diagnosis.error().code == Errc::refused || diagnosis.error().code == Errc::invalid_argument;
    return refuse(wrong ? ParticipantInfo::State::refused : ParticipantInfo::State::down, diagnosis.error());
  }
  info.server_kind = diagnosis->server_kind;
  info.server_version = diagnosis->server_version;
  info.state = any_refusal(diagnosis->findings) ? ParticipantInfo::State::refused : ParticipantInfo::State::up;
  info.findings = std::move(diagnosis->findings);
  if (diagnosis->owner) judge_owner(config, *diagnosis->owner, info);
  find_idle_accepts(participant.connection.accept, info.findings);
  host.findings.push_back(judge_clock(info.name, diagnosis->clock_ahead));
  return info;
}

const std::string* identity_of(const ParticipantInfo& one) {
  const auto found = std::find_if(one.findings.begin(), one.findings.end(),
                                  [](const auto& finding) { return finding.probe == "server_identity"; });
  return found == one.findings.end() || found->grade != DoctorFinding::Grade::pass ? nullptr : &found->seen;
}

// Branches under two names of one server can wait for each other's rows, and as acceptors the two are one. If the data
// of one server was copied to another, both have the same identity, and addresses that are exchanged are not noticed.
void find_same_servers(std::vector<ParticipantInfo>& all) {
  for (std::size_t i = 1; i < all.size(); ++i) {
    const auto* own = identity_of(all[i]);
    for (std::size_t j = 0; own != nullptr && j < i; ++j) {
      const auto* other = identity_of(all[j]);
      if (other == nullptr || *other != *own) continue;
      all[i].findings.push_back(
          {"same_server", DoctorFinding::Grade::warning,
           "has the same identity as '" + all[j].name +
               "': either both names lead to one server, so that their branches wait for each other's rows until the "
               "deadline and the two count as one acceptor; or its data was copied from there, and exchanged addresses "
               "would not be noticed",
           "give one server one name; after a copy, with nothing in doubt there, run at one of them: DELETE FROM "
           "assent.server; and restart assentd, which makes a new identity"});
      break;
    }
  }
}

const char* verdict(ParticipantInfo::State state) {
  switch (state) {
    case ParticipantInfo::State::up: return "fit to serve";
    case ParticipantInfo::State::refused: return "WOULD BE REFUSED";
    case ParticipantInfo::State::connecting:
    case ParticipantInfo::State::down: return "NOT REACHED";
  }
  return "";
}

std::string shown(const DoctorReport& report) {
  std::vector<std::vector<std::string>> table;
  std::string verdicts;
  for (const auto& one : report.participants) {
    add_findings(table, one.name, one.findings, true);
    verdicts += one.name + ": " + verdict(one.state) + (one.reason.empty() ? "" : ": " + printable(one.reason)) + '\n';
  }
  if (report.host) {
    add_findings(table, kHost, report.host->findings, true);
    verdicts +=
        std::string(kHost) + ": " + (any_refusal(report.host->findings) ? "NOT FIT TO SERVE" : "fit to serve") + '\n';
  }
  return aligned(table) + verdicts;
}

int ctl_doctor(const CtlCall& call) {
  const auto chosen = ctl_chosen(call, "doctor --config FILE [PARTICIPANT]");
  if (const auto* code = std::get_if<int>(&chosen)) return *code;
  const auto& config = std::get<Config>(chosen);
  DoctorReport report;
  HostInfo host;
  host.findings = wal::judge_disk(wal::look_at_disk(config.log, wal::posix_disk()), config.log);
  if (auto log = judge_log(config.log.directory)) host.findings.push_back(std::move(*log));
  for (const auto& participant : config.participants)
    report.participants.push_back(examined(config, participant, host));
  find_same_servers(report.participants);
  int code = exit_code_of_all(report.participants);
  if (call.operands.empty()) {
    if (any_refusal(host.findings)) code = kExitBadConfig;
    report.host = std::move(host);
  }
  return print(call.json ? json_of(report) + '\n' : shown(report), code);
}

}  // namespace

std::span<const CtlCommand> doctor_commands() noexcept {
  static constexpr CtlCommand kCommands[] = {
      {"doctor", "[PARTICIPANT]", 0, 1, "examine a configuration's databases and this host, without a coordinator",
       R"help(Connects to the databases that the configuration FILE names, all or one, looks for what would break a guarantee, and
says how to mend it, one line each, with the SQL for a DBA to run. Without PARTICIPANT this host is examined as well:
its clock against the servers', the log, and room and speed of its disk, by a small file that is removed again. Nothing is
changed, and no coordinator is needed; run it as the account that assentd runs as.

Exit codes: 0 all is well, 69 a database cannot be reached, 78 one would be refused, or the log could not be kept here.

Examples:
  assentctl doctor --config config/assentd.json
  assentctl doctor --config config/assentd.json stock
  assentctl doctor --config config/assentd.json --json | jq '.host.findings[] | select(.grade != "pass")'
)help",
       add_config_option, ctl_doctor},
  };
  return kCommands;
}

}  // namespace assent::app
