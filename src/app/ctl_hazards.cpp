#include <algorithm>
#include <charconv>
#include <future>

#include "app/audit.hpp"
#include "app/ctl.hpp"
#include "app/ctl_databases.hpp"
#include "app/databases.hpp"
#include "app/exit_codes.hpp"
#include "app/json_text.hpp"
#include "app/output.hpp"
#include "app/recovery.hpp"
#include "app/survey_text.hpp"
#include "app/text.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "coordinator/hazard_book.hpp"
#include "wal/log.hpp"

namespace assent::app {
namespace {

namespace po = boost::program_options;

constexpr std::size_t kReasonBytesMax = wire::kReasonBytesMax;

int failed(const CtlCall& call, const Error& error) {
  if (error.code == Errc::not_found) return ctl_failed(call, error, kExitBadInput);
  return ctl_failed(call, error, exit_code_of(error));
}

int shown(const CtlCall& call, std::vector<Hazard> hazards, const std::optional<NotServing>& limits = std::nullopt) {
  const int code = !hazards.empty() ? kExitNotSettled : limits ? limits->code : kExitGood;
  if (call.json) return print(json_of(wire::HazardList{std::move(hazards)}) + '\n', code);
  if (hazards.empty()) {
    const auto elsewhere = call.has("config") ? " in this log. What the databases show: assentctl recover --config " +
                                                    shell_quoted(call.text("config"))
                                              : "";
    return print("no hazard is open" + elsewhere + "\n" + (limits ? limits->line : ""), code);
  }
  std::vector<std::vector<std::string>> table{{"GTRID", "BRANCH", "FOUND", "REASON"}};
  for (const auto& one : hazards) {
    table.push_back({one.gtrid, std::to_string(one.branch) + (one.participant.empty() ? "" : " " + one.participant),
                     base::utc_text(one.found_at_ms), one.reason});
  }
  const auto where = call.has("config") ? " --config " + shell_quoted(call.text("config")) : "";
  return print(aligned(table) +
                   "next: compare the databases. Where it was decided, repair what is missing or too much, and then:\n"
                   "      assentctl hazards acknowledge " +
                   hazards.front().gtrid + " " + std::to_string(hazards.front().branch) + " --reason TEXT" + where +
                   "\n      Where nothing was decided, either commit the other branches as well:\n"
                   "      assentctl resolve " +
                   hazards.front().gtrid + " --commit --reason TEXT --config " +
                   (call.has("config") ? shell_quoted(call.text("config")) : "FILE") +
                   "\n      or undo by hand what has committed, and acknowledge it as above, which rolls them back.\n",
               code);
}

// The log of a stopped coordinator, if it is the one that its databases were last used with: another one does not know
// what is open.
Result<ports::LogState> last_log_of_stopped(const Config& config) {
  base::init_log("error");
  auto log = read_log_of_stopped(config);
  if (!log.ok()) return log;
  Databases databases;
  if (auto opened = databases.open(config, config.coordinator.coordinator_id); !opened.ok()) return opened.error();
  if (auto fits = fits_owner(config, databases); !fits.ok()) return fits.error();
  return log;
}

int ctl_hazards(const CtlCall& call) {
  if (!call.has("config")) {
    auto client = ctl_connect(call);
    if (!client) return ctl_failed(call, client.error(), kExitUnavailable);
    auto listed = client->hazards();
    if (!listed) return failed(call, listed.error());
    return shown(call, std::move(*listed), not_serving(*client));
  }
  const auto loaded = ctl_config(call);
  if (const auto* code = std::get_if<int>(&loaded)) return *code;
  const auto log = last_log_of_stopped(std::get<Config>(loaded));
  if (!log) return failed_with_log(call, std::get<Config>(loaded), log.error(), "hazards");
  return shown(call, coordinator::open_hazards(*log));
}

// On the log of a stopped coordinator. Nothing is written where the hazard is not open in it.
Status acknowledge_in_log(const Config& config, const Acknowledgement& said, const Audit& audit) {
  const auto log = last_log_of_stopped(config);
  if (!log) {
    auto error = log.error();
    // That is said of a hazard here.
    if (error.code == Errc::not_found) error.code = Errc::io;
    return error;
  }
  const auto hazards = coordinator::open_hazards(*log);
  const bool is_open = std::any_of(hazards.begin(), hazards.end(), [&](const auto& hazard) {
    return hazard.gtrid == said.gtrid && hazard.branch == said.branch;
  });
  if (!is_open) {
    return Error{Errc::not_found,
                 "there is no open hazard of branch " + std::to_string(said.branch) + " of " + said.gtrid, false};
  }
  auto opened = wal::open_for_tool(config.log, wal::posix_disk());
  if (!opened) return std::move(opened).error();
  const AuditedAct act{"acknowledge", said.gtrid, said.branch, {}, said.reason};
  auto done = audit.write({act}, "begun");
  if (done.ok()) {
    std::promise<Status> durable;
    opened->log->append_forced(
        ports::HazardAcknowledged{said.gtrid, said.branch, said.who, said.reason, base::wall_clock_ms()},
        [&](Status status) { durable.set_value(std::move(status)); });
    done = durable.get_future().get();
  }
  if (auto closed = opened->log->close(); done.ok() && !closed.ok()) done = std::move(closed);
  if (done.ok()) return audit.write({act}, "done");
  if (auto written = audit.write({act}, "not_done"); !written.ok()) complain(kCtlName, written.error().what);
  return done;
}

int ctl_acknowledge(const CtlCall& call) {
  const auto usage = [](const std::string& what) {
    complain(kCtlName, what + " (see assentctl hazards acknowledge --help)");
    return static_cast<int>(kExitUsage);
  };
  Acknowledgement said{call.operands[0], 0, operator_name(), call.text("reason")};
  const auto& number = call.operands[1];
  const auto parsed = std::from_chars(number.data(), number.data() + number.size(), said.branch);
  if (parsed.ec != std::errc{} || parsed.ptr != number.data() + number.size() || said.branch == 0) {
    return usage("BRANCH is a number from 1");
  }
  if (said.reason.empty()) return usage("--reason TEXT is required; it is kept on record");
  if (said.reason.size() > kReasonBytesMax) {
    return usage("--reason takes at most " + std::to_string(kReasonBytesMax) + " bytes");
  }
  Status done = Ok{};
  if (call.has("config")) {
    const auto loaded = ctl_config(call);
    if (const auto* code = std::get_if<int>(&loaded)) return *code;
    const auto& config = std::get<Config>(loaded);
    done = acknowledge_in_log(config, said, Audit(config.audit_file));
    if (!done && done.error().code != Errc::not_found) {
      return failed_with_log(call, config, done.error(), "hazards acknowledge");
    }
  } else {
    auto client = ctl_connect_control(call);
    if (!client) return ctl_failed(call, client.error(), kExitUnavailable);
    done = client->acknowledge(said);
  }
  if (!done) return failed(call, done.error());
  if (call.json) return print(json_of(wire::Acknowledged{}) + '\n', kExitGood);
  return print("branch " + number + " of " + printable(said.gtrid) + ": acknowledged\n", kExitGood);
}

void config_option(CtlOptions& options) {
  options.add_options()("config", po::value<std::string>()->value_name("FILE"),
                        "configuration of a stopped coordinator, to read its log; otherwise the running one is asked");
}

void acknowledge_options(CtlOptions& options) {
  options.add_options()("reason", po::value<std::string>()->value_name("TEXT"),
                        "what was done about it; kept on record (required)");
  config_option(options);
}

}  // namespace

std::span<const CtlCommand> hazard_commands() noexcept {
  static constexpr CtlCommand kCommands[] = {
      {"hazards", "", 0, 0, "branches that came to the opposite of what was decided",
       R"help(Lists the hazards that nobody has acknowledged: a branch that was decided for commit and is gone without its proof row
(rolled back by hand, say), or one that was to be rolled back and was committed. Where the transaction was decided, its
other branches follow the decision, so the databases disagree until somebody repairs them. Where nothing was decided, the
other branches wait: `assentctl resolve --commit` commits them, `hazards acknowledge` has them rolled back. Hazards and
their rows are kept until they are acknowledged.

Exit codes: 0 none is open, 2 one is (for monitoring), 65 the log is damaged, 69 the coordinator is not there or,
with --config, runs, 73 the log is missing or may not be read.

Examples:
  assentctl hazards
  assentctl hazards --config config/assentd.json --json
)help",
       config_option, ctl_hazards},
      {"hazards acknowledge", "GTRID BRANCH", 2, 2, "say that a hazard has been dealt with",
       R"help(Closes one hazard, once the databases were compared and repaired. Who and why are kept in the log and in the audit
file. The branch counts as settled from then on: should its server bring it back, it is rolled back.

Exit codes: 0 acknowledged, 64 wrong usage, 65 no such hazard is open, 69 the coordinator is not there or, with
--config, runs, 73 the log is missing, or it or the audit file cannot be written.

Examples:
  assentctl hazards acknowledge shop1.0000002a.00000000012f.9f86d081884c7d65.2 2 --reason 'stock taken by hand, ticket 4711'
)help",
       acknowledge_options, ctl_acknowledge, true, "--reason TEXT"},
  };
  return kCommands;
}

}  // namespace assent::app
