#include <algorithm>
#include <csignal>
#include <optional>
#include <thread>

#include "app/audit.hpp"
#include "app/ctl.hpp"
#include "app/databases.hpp"
#include "app/engine.hpp"
#include "app/exit_codes.hpp"
#include "app/json_text.hpp"
#include "app/output.hpp"
#include "app/recovery.hpp"
#include "app/survey_text.hpp"
#include "app/text.hpp"
#include "base/log.hpp"
#include "coordinator/knowledge.hpp"
#include "protocol/xid.hpp"
#include "wal/log.hpp"

namespace assent::app {
namespace {

namespace po = boost::program_options;

using coordinator::LogKnowledge;
using coordinator::Seen;
using std::chrono::milliseconds;

constexpr std::uint32_t kPatienceMs = 60'000;

/// Ctrl-C: what was begun is safe to leave, and to begin again.
volatile std::sig_atomic_t interrupted = 0;

void listen_to_signals() {
  for (const int number : {SIGINT, SIGTERM}) std::signal(number, [](int) { interrupted = 1; });
}

SurveyQuery query_of(const CtlCall& call) {
  return {call.text("gtrid"), call.text("participant"), call.number("min-age-ms"), {}};
}

bool has_filter(const CtlCall& call) {
  return call.has("gtrid") || call.has("participant") || call.number("min-age-ms") > 0;
}

// The call again, with what it had, and `more`.
std::string again(const CtlCall& call, const std::string& more) {
  auto line = "assentctl recover --config " + shell_quoted(call.text("config"));
  if (call.has("coordinator")) line += " --coordinator " + shell_quoted(call.text("coordinator"));
  if (call.has("audit-file")) line += " --audit-file " + shell_quoted(call.text("audit-file"));
  return line + more;
}

bool any(const Survey& survey, Verdict verdict) {
  return std::any_of(survey.branches.begin(), survey.branches.end(),
                     [&](const auto& branch) { return branch.verdict == verdict; });
}

// What the operator is to do next, with the exact command; nothing when there is nothing to do.
std::string next_steps(const CtlCall& call, const Survey& survey, const Seen& seen) {
  std::string text;
  for (const bool lost : {false, true}) {
    const auto to_settle = count_to_settle(seen, lost);
    if (to_settle == 0) continue;
    text += "next: " + again(call, lost ? " --log-lost --apply" : " --apply") + "\n      settles " +
            std::to_string(to_settle) + (to_settle == 1 ? " branch\n" : " branches\n");
  }
  if (any(survey, Verdict::hazard)) {
    text +=
        "next: compare the databases and repair what the hazard left. A start, or --apply, takes it into the log; "
        "then: "
        "assentctl hazards --config " +
        shell_quoted(call.text("config")) + "\n";
  }
  for (const auto& [gtrid, one] : seen.transactions) {
    if (one.ruled.ruling != protocol::Ruling::undecidable || !one.is_in_doubt()) continue;
    const bool another_log_knew =
        one.ruled.ground == protocol::Ground::older_log || one.ruled.ground == protocol::Ground::other_log;
    if (another_log_knew && !one.without_log && !call.has("log-lost")) {
      text += "next: if the log that knew is gone for good: " + again(call, " --log-lost") + "\n";
      return text;
    }
    if (one.ruled.ground == protocol::Ground::not_all_seen && !one.without_log) {
      text += "next: make every participant of " + gtrid +
              " reachable, under the address of the server that it had, and "
              "run this again\n";
      return text;
    }
    if (one.ruled.ground == protocol::Ground::all_prepared) {
      text += "next: find out what became of it, then choose: assentctl resolve " + gtrid +
              " --commit|--rollback --reason TEXT --config " + shell_quoted(call.text("config")) + "\n";
      return text;
    }
  }
  return text;
}

int shown(const CtlCall& call, const Survey& survey, const Seen& seen) {
  const int code = !is_clean(survey) ? kExitNotSettled : !survey.unreachable.empty() ? kExitUnavailable : kExitGood;
  if (call.json) return print(json_of(survey) + '\n', code);
  auto text = survey_text(survey);
  if (is_clean(survey)) {
    text += (survey.unreachable.empty()
                 ? "nothing of coordinator '" + survey.coordinator + "' is in doubt"
                 : "what is in doubt at the participants that were not reached is not known; elsewhere nothing is") +
            (has_filter(call) ? " among what was asked for" : "") + '\n';
  }
  return print(text + next_steps(call, survey, seen), code);
}

RecoveryBounds bounds_of(const CtlCall& call) {
  const milliseconds patience(call.number("timeout-ms"));
  return {patience, [] { return interrupted != 0; },
          [patience](std::size_t settled, std::size_t total) {
            complain(kCtlName, std::to_string(settled) + " of " + std::to_string(total) +
                                   " settled; the rest is tried until " + std::to_string(patience.count()) +
                                   " ms have passed");
          }};
}

Audit audit_of(const CtlCall& call, const Config& config) {
  return Audit(call.has("audit-file") ? call.text("audit-file") : config.audit_file);
}

bool nobody_there(const Survey& survey, const Databases& databases) {
  return survey.unreachable.size() == databases.all().size();
}

int failed_to_reach(const CtlCall& call, const Survey& survey) {
  return ctl_failed(call,
                    {Errc::unavailable, "no participant can be reached: " + survey.unreachable.front().what, true},
                    kExitUnavailable);
}

int failed_with_log(const CtlCall& call, const Config& config, const Error& error) {
  auto told = error;
  if (told.code == Errc::not_found) told.what += "; if it is gone for good: " + again(call, " --log-lost");
  return app::failed_with_log(call, config, told, call.has("apply") ? "recover --apply" : "recover");
}

int with_log(const CtlCall& call, Config config) {
  Databases databases;
  const auto& id = config.coordinator.coordinator_id;
  if (auto opened = databases.open(config, id); !opened.ok()) return ctl_failed(call, opened.error(), kExitBadConfig);
  auto log = read_log_of_stopped(config);
  if (!log.ok()) return failed_with_log(call, config, log.error());
  if (!log->coordinator.empty() && log->coordinator != id) {
    return ctl_failed(call,
                      {Errc::conflict, "the log in " + config.log.directory + " is of coordinator '" +
                                           log->coordinator + "', the configuration says '" + id + "'"},
                      kExitBadConfig);
  }
  // A log that lacks what was decided since has no verdict on anything.
  if (auto fits = fits_owner(config, databases); !fits.ok()) {
    return ctl_failed(call, fits.error(), exit_code_of_start(fits.error()));
  }
  const coordinator::Surveyor surveyor(databases.all());
  auto seen = surveyor.look(std::make_unique<LogKnowledge>(*log).get());
  auto survey = surveyor.survey(seen, query_of(call));
  if (nobody_there(survey, databases)) return failed_to_reach(call, survey);
  if (!call.has("apply")) return shown(call, survey, seen);

  for (const auto& problem : read_passwords(config)) complain(kCtlName, problem);
  auto not_done = recover_with_log(config, databases, seen, audit_of(call, config), bounds_of(call));
  if (!not_done.ok()) return failed_with_log(call, config, not_done.error());
  log = read_log_of_stopped(config);
  if (!log.ok()) return failed_with_log(call, config, log.error());
  seen = surveyor.look(std::make_unique<LogKnowledge>(*log).get());
  survey = surveyor.survey(seen, {});
  for (const auto& [name, why] : *not_done) {
    if (!seen.unreachable.contains(name)) survey.unreachable.push_back({name, "nothing was settled there: " + why});
  }
  return shown(call, survey, seen);
}

int without_log(const CtlCall& call, const Config& config) {
  Databases databases;
  const auto id = call.has("coordinator") ? call.text("coordinator") : config.coordinator.coordinator_id;
  if (auto opened = databases.open(config, id); !opened.ok()) return ctl_failed(call, opened.error(), kExitBadConfig);
  std::optional<ports::LogState> log;
  if (id == config.coordinator.coordinator_id) {
    auto read = log_after_the_loss(config);
    if (!read.ok()) return ctl_failed(call, read.error(), kExitBadInput);
    log = std::move(*read);
  }
  LostLog lost(databases, std::move(log));
  auto seen = lost.look();
  auto survey = lost.surveyor().survey(seen, query_of(call));
  if (nobody_there(survey, databases)) return failed_to_reach(call, survey);
  if (!call.has("apply")) return shown(call, survey, seen);

  const auto to_settle = lost.look_to_settle();
  if (const auto life = lost.sign_of_life(); life && count_to_settle(to_settle, true) == 0) {
    return ctl_failed(call, it_lives(id, *life), kExitUnavailable);
  }
  const auto recovered = recover_without_log(
      config, id, [&] { return lost.look_to_settle(); }, audit_of(call, config), bounds_of(call));
  if (!recovered.ok()) return ctl_failed(call, recovered.error(), kExitCannotCreate);
  seen = lost.look();
  survey = lost.surveyor().survey(seen, {});
  add_unproven(survey, *recovered);
  return shown(call, survey, seen);
}

/// For one answer of a running coordinator, which asks all its participants.
constexpr milliseconds kSurveyPatience{60'000};
constexpr milliseconds kPollEvery{500};

Result<Survey> whole_survey(Client& client, SurveyQuery query) {
  auto all = client.survey(query);
  while (all.ok() && !all->next.empty()) {
    query.from = all->next;
    auto more = client.survey(query);
    if (!more.ok()) return more;
    std::move(more->branches.begin(), more->branches.end(), std::back_inserter(all->branches));
    all->next = more->next;
  }
  return all;
}

// Those that a running coordinator can settle now.
std::size_t count_within_reach(const Survey& survey) {
  return static_cast<std::size_t>(
      std::count_if(survey.branches.begin(), survey.branches.end(), [&](const auto& branch) {
        const bool ruled = branch.verdict == Verdict::will_commit || branch.verdict == Verdict::will_roll_back;
        return ruled && std::none_of(survey.unreachable.begin(), survey.unreachable.end(),
                                     [&](const auto& gap) { return gap.participant == branch.participant; });
      }));
}

int live_shown(const CtlCall& call, const Survey& survey) {
  const int code = !is_clean(survey) ? kExitNotSettled : !survey.unreachable.empty() ? kExitUnavailable : kExitGood;
  if (call.json) return print(json_of(survey) + '\n', code);
  auto text = survey_text(survey);
  const auto address = shown_address(call.address.host, call.address.port);
  if (is_clean(survey)) {
    text += survey.unreachable.empty()
                ? "nothing of coordinator '" + survey.coordinator + "' is in doubt\n"
                : "what is in doubt at the participants that were not reached is not known; elsewhere nothing is\n";
  } else if (any(survey, Verdict::will_commit) || any(survey, Verdict::will_roll_back)) {
    text += "the coordinator runs, and keeps trying to settle what will commit or roll back\n";
  }
  if (count_within_reach(survey) > 0 && !call.has("apply")) {
    text += "next: assentctl --address " + address + " recover --apply\n";
  }
  if (any(survey, Verdict::hazard)) {
    text += "next: compare the databases and repair what the hazard left; then: assentctl --address " + address +
            " hazards\n";
  }
  return print(text, code);
}

// Through the socket of one that runs.
int with_running(const CtlCall& call) {
  auto client = ctl_connect_control(call, kSurveyPatience);
  if (!client) return ctl_failed(call, client.error(), kExitUnavailable);
  auto survey = whole_survey(*client, query_of(call));
  if (!survey) return ctl_failed(call, survey.error(), exit_code_of(survey.error()));
  if (!call.has("apply")) return live_shown(call, *survey);
  const auto asked = client->recover_now();
  if (!asked) return ctl_failed(call, asked.error(), exit_code_of(asked.error()));
  const auto bounds = bounds_of(call);
  const auto until = base::SteadyClock::now() + bounds.patience;
  auto next_progress = base::SteadyClock::now() + milliseconds{1'000};
  for (;;) {
    survey = whole_survey(*client, query_of(call));
    if (!survey) return ctl_failed(call, survey.error(), exit_code_of(survey.error()));
    const auto left = count_within_reach(*survey);
    if (left == 0 || bounds.interrupted() || base::SteadyClock::now() >= until) return live_shown(call, *survey);
    if (base::SteadyClock::now() >= next_progress) {
      next_progress += milliseconds{1'000};
      bounds.progress(*asked - std::min<std::uint64_t>(left, *asked), *asked);
    }
    std::this_thread::sleep_for(kPollEvery);
  }
}

int ctl_recover(const CtlCall& call) {
  if (call.has("apply") && has_filter(call)) {
    complain(kCtlName,
             "--apply settles all that has a certain verdict; --gtrid, --participant and --min-age-ms are "
             "for looking");
    return kExitUsage;
  }
  if (call.has("coordinator") && !call.has("log-lost")) {
    complain(kCtlName,
             "--coordinator goes with --log-lost: with its log, a coordinator has the name in its "
             "configuration");
    return kExitUsage;
  }
  if (!call.has("config") && (call.has("log-lost") || call.has("audit-file"))) {
    complain(kCtlName, "--log-lost and --audit-file go with --config FILE, which names the databases");
    return kExitUsage;
  }
  const auto id = call.text("coordinator");
  if (call.has("coordinator") && !protocol::valid_name(id, protocol::kCoordinatorIdBytesMax)) {
    complain(kCtlName, "--coordinator: not an identity: [a-z0-9][a-z0-9_-]*, at most " +
                           std::to_string(protocol::kCoordinatorIdBytesMax) + " bytes");
    return kExitUsage;
  }
  if (!call.has("config")) {
    listen_to_signals();
    return with_running(call);
  }
  auto loaded = ctl_config(call);
  if (const auto* code = std::get_if<int>(&loaded)) return *code;
  base::init_log("error");
  listen_to_signals();
  auto& config = std::get<Config>(loaded);
  return call.has("log-lost") ? without_log(call, config) : with_log(call, std::move(config));
}

void recover_options(CtlOptions& options) {
  options.add_options()  //
      ("config", po::value<std::string>()->value_name("FILE"),
       "of a stopped coordinator: its configuration, or one with the databases under the names that they have in "
       "its")                                                             //
      ("log-lost", "its log is gone: conclude from the databases alone")  //
      ("coordinator", po::value<std::string>()->value_name("ID"),
       "with --log-lost: the identity of the lost one, where it is not the configuration's")                  //
      ("apply", "settle what has a certain verdict; otherwise nothing is changed")                            //
      ("gtrid", po::value<std::string>()->value_name("GTRID"), "show this transaction only")                  //
      ("participant", po::value<std::string>()->value_name("NAME"), "show branches at this one only")         //
      ("min-age-ms", po::value<std::uint32_t>()->value_name("MS")->default_value(0), "show older ones only")  //
      ("audit-file", po::value<std::string>()->value_name("FILE"),
       "where to record what is done, instead of recovery.audit_file")  //
      ("timeout-ms", po::value<std::uint32_t>()->value_name("MS")->default_value(kPatienceMs),
       "with --apply: how long to try what cannot be settled at once");
}

}  // namespace

std::span<const CtlCommand> recovery_commands() noexcept {
  static constexpr CtlCommand kCommands[] = {
      {"recover", "", 0, 0, "what is in doubt, why, and one command to settle it",
       R"help(Joins what the coordinator knows with what its databases show (XA RECOVER, proof rows, acceptors' rows, lock waits) and
says of every branch what will become of it, and why. A running coordinator is asked through its socket; of a stopped one,
--config names the log and the databases.

  running              its coordinator is at it

  will commit          its transaction is decided: commit
  will roll back       nothing has decided its transaction (presumed abort), or a rollback was
  committed            it has, as its proof row says
  rolled back          it has, or was never prepared
  HAZARD               somebody settled it the other way, by hand for instance, or it committed without a decision
  UNDECIDABLE          nobody can know: because something cannot be reached, or until an operator chooses
  foreign, other coordinator's    not this coordinator's: never touched. So is one that is named as ours, where no row
                       of Assent's stands for it: somebody else has made it, and a DBA may end it (see the runbook)

No branch of an earlier run is rolled back before the rows of all participants of its transaction were read: one that
cannot be reached may show a commit. A proof row for which the log has no decision is a hazard, and its siblings stay as
they are until `assentctl resolve` commits them or `hazards acknowledge` has them rolled back.

Only looks, unless --apply is given: then everything with a certain verdict is settled. That can be run again at any
time, by several at once too; participants that cannot be reached are skipped and listed. Every act is written to the
audit file before it is done.

With --log-lost the log is taken to be gone. What is in three phases is finished by its acceptors. In two phases, a proof
row of any branch means commit; a branch that is neither prepared nor proven is fenced off and means rollback; where
all are prepared and none is proven nobody can know, and only `assentctl resolve` settles it.

Exit codes: 0 nothing is in doubt, 2 something is left in doubt, or a hazard was seen, with --apply too, 65 the log is
damaged, 69 a database cannot be reached, or the coordinator runs, 73 the log is missing or may not be read, or the audit
file cannot be written, 78 the configuration is wrong.

Examples:
  assentctl recover
  assentctl recover --config config/assentd.json
  assentctl recover --config config/assentd.json --apply
  assentctl recover --config config/assentd.json --min-age-ms 60000 --json | jq '.branches[].gtrid'
  assentctl recover --config config/assentd.json --coordinator shop1 --log-lost
)help",
       recover_options, ctl_recover},
  };
  return kCommands;
}

}  // namespace assent::app
