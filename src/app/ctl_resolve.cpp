#include <algorithm>
#include <set>
#include <thread>

#include "app/ctl.hpp"
#include "app/databases.hpp"
#include "app/engine.hpp"
#include "app/exit_codes.hpp"
#include "app/json_text.hpp"
#include "app/output.hpp"
#include "app/recovery.hpp"
#include "app/survey_text.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "coordinator/knowledge.hpp"
#include "ports/asked.hpp"
#include "protocol/xid.hpp"
#include "wal/log.hpp"

namespace assent::app {
namespace {

namespace po = boost::program_options;

using coordinator::Seen;
using coordinator::SeenTransaction;
using protocol::Ground;
using protocol::Sight;
using protocol::Value;

constexpr std::size_t kReasonBytesMax = 1000;
constexpr std::uint32_t kPatienceMs = 30'000;
constexpr std::chrono::milliseconds kLookEvery{250};

Error refused(std::string what) {
  return {Errc::conflict, std::move(what), false};
}

// The command that settles what is certain of `one`. Its log, where it is there and counts, is not to be taken for
// lost.
std::string recover_command(const CtlCall& call, const SeenTransaction& one,
                            const std::optional<ports::LogState>& log) {
  const bool counts = one.protocol == Protocol::three_phase
                          ? log && protocol::parse_gtrid(one.gtrid)->epoch <= log->epoch
                          : !one.without_log;
  return "assentctl recover --config " + shell_quoted(call.text("config")) + (counts ? "" : " --log-lost") + " --apply";
}

// Why the operator has no say in it, or nothing. `recover` settles what is certain.
std::optional<Error> why_not(const SeenTransaction& one, Value value, const std::set<std::string>& without,
                             const std::string& recover) {
  const bool commits = value == Value::commit;
  if (one.ruled.ground == Ground::contradicted) {
    const bool is_left = std::any_of(one.branches.begin(), one.branches.end(), [](const auto& branch) {
      return branch.sight == Sight::prepared || branch.sight == Sight::held || branch.sight == Sight::unreachable;
    });
    if (!is_left && commits) {
      return refused(
          "no branch of it is left that could be committed: the others are rolled back. Repair the databases by hand, "
          "and then acknowledge the hazard");
    }
    return std::nullopt;
  }
  if (one.protocol == Protocol::three_phase && one.ruled.ground != Ground::chosen) {
    return refused("it is in three phases: its acceptors decide, nobody else. Run: " + recover);
  }
  // In an earlier epoch, a participant that cannot be read may have committed: an operator who knows otherwise says so.
  const bool awaits_others = !one.without_log && one.ruled.ground == Ground::not_all_seen;
  if (awaits_others && commits) {
    return refused(
        "the log has no decision for it, and no branch of it is known to have committed: only rollback can "
        "be chosen");
  }
  if (!one.without_log && one.ruled.ground == Ground::chosen) {
    if ((one.ruled.ruling == protocol::Ruling::commit) == commits) return std::nullopt;
    return refused("the opposite was " + one.why);
  }
  if (!one.without_log && !awaits_others) {
    const char* what = one.ruled.ruling == protocol::Ruling::commit ? "commit" : "rollback";
    return refused(one.ruled.ruling == protocol::Ruling::undecidable
                       ? one.why
                       : std::string("the log says ") + what + " (" + one.why + "). Run: " + recover);
  }
  if (!one.is_in_doubt()) return refused("no branch of it is prepared where it could be looked for");
  switch (one.ruled.ground) {
    case Ground::proven:
    case Ground::missing:
      return refused((one.ruled.ground == Ground::proven ? "commit is certain: " : "rollback is certain: ") + one.why +
                     ". Run: " + recover);
    case Ground::chosen:
      if ((one.ruled.ruling == protocol::Ruling::commit) == commits) return std::nullopt;
      return refused("the opposite was " + one.why);
    case Ground::all_prepared: return std::nullopt;
    default: break;
  }
  if (one.choices.size() > 1) return refused(one.why);
  if (one.members.participants.empty()) {
    return refused(
        "who else takes part in it is not known: reach every participant, or add the one that is missing "
        "to the configuration");
  }
  for (const auto& branch : one.branches) {
    if (branch.sight == Sight::held) return refused(branch.participant + ": " + branch.reason);
    if (one.voiceless.contains(branch.participant)) return refused(branch.participant + ": " + branch.reason);
    if (branch.sight == Sight::unreachable && !without.contains(branch.participant)) {
      const auto voiceless = one.voiceless.find(branch.participant);
      return refused(
          (voiceless == one.voiceless.end() ? "'" + branch.participant + "' was not reached" : voiceless->second) +
          ", and that one may know. If it is gone for good: --without " + branch.participant);
    }
  }
  return std::nullopt;
}

// At every participant of it that can be reached, the first branch's first: of two operators who choose at the same
// time, that one tells which was first. At its other acceptors as well, so that more than one keeps it.
std::optional<Error> record(const Databases& databases, const Seen& seen, const SeenTransaction& one,
                            const ports::HeuristicChoice& choice, bool& one_stands) {
  using Chosen = Result<ports::HeuristicChoice>;
  std::vector<std::string> names;
  for (const auto& branch : one.branches) {
    if (branch.sight != Sight::unreachable) names.push_back(branch.participant);
  }
  for (const auto& name : one.members.acceptors) {
    if (one.voiceless.contains(name) || std::find(names.begin(), names.end(), name) != names.end()) continue;
    const auto is_it = [&](const auto& branch) { return branch.participant == name; };
    if (std::none_of(one.branches.begin(), one.branches.end(), is_it)) names.push_back(name);
  }
  for (const auto& name : names) {
    if (seen.unreachable.contains(name)) continue;
    for (auto* participant : databases.all()) {
      if (participant->name() != name) continue;
      const auto stands =
          ports::asked<Chosen>([&](auto done) { participant->choose(one.gtrid, choice, std::move(done)); }).get();
      if (!stands.ok()) return stands.error();
      if (stands->value != choice.value) {
        return refused("the opposite was chosen at '" + name + "' by " + stands->who + " on " +
                       base::utc_text(stands->made_at_ms) + ": " + stands->reason);
      }
      one_stands = true;
    }
  }
  return std::nullopt;
}

// With its log a coordinator does what was chosen: one that runs by itself, and for one that is stopped this does, as a
// start would.
Result<Survey> settle_with_log(const Config& config, const Databases& databases, LostLog& lost,
                               const std::string& gtrid, Value value, const Audit& audit,
                               const RecoveryBounds& bounds) {
  const auto log = read_log_of_stopped(config);
  if (log.ok()) {
    auto own = config;
    for (const auto& problem : read_passwords(own)) complain(kCtlName, problem);
    const coordinator::LogKnowledge knowledge(*log);
    auto settled = recover_with_log(own, databases, lost.surveyor().look(&knowledge), audit, bounds);
    if (!settled.ok()) return std::move(settled).error();
  }
  const auto patience = bounds.patience;
  const auto until = base::SteadyClock::now() + patience;
  for (;;) {
    auto seen = lost.look();
    std::erase_if(seen.transactions, [&](const auto& one) { return one.first != gtrid; });
    seen.others.clear();
    seen.planted.clear();
    // The coordinator closes those of what has committed everywhere.
    if (value == Value::commit) seen.hazards.clear();
    const bool is_left = std::any_of(seen.transactions.begin(), seen.transactions.end(),
                                     [](const auto& one) { return one.second.is_in_doubt(); });
    const bool runs = wal::running_owner(config.log.directory, wal::posix_disk()).has_value();
    if (!is_left || !runs || base::SteadyClock::now() >= until) {
      return lost.surveyor().survey(seen, {.gtrid = gtrid, .participant = {}, .age_min_ms = 0, .from = {}});
    }
    std::this_thread::sleep_for(kLookEvery);
  }
}

bool is_in_doubt(const SurveyBranch& branch) {
  return branch.verdict == Verdict::will_commit || branch.verdict == Verdict::will_roll_back ||
         branch.verdict == Verdict::undecidable;
}

// What came of the choice, and what is left to do.
std::string text_of_choice(const CtlCall& call, const Survey& survey, Value value, const std::string& recover,
                           const Audit& audit, bool runs) {
  const auto& gtrid = call.operands[0];
  const auto& branches = survey.branches;
  std::string text = survey_text(survey);
  if (!survey.unreachable.empty() || std::any_of(branches.begin(), branches.end(), is_in_doubt)) {
    return text + "your choice is recorded; what is left is settled by: " + recover + '\n';
  }
  text += gtrid + ": " + (value == Value::commit ? "committed" : "rolled back") +
          (is_clean(survey) ? " everywhere" : "") + ", by your choice; it is recorded in " + audit.path() + '\n';
  for (const auto& branch : branches) {
    if (branch.verdict != Verdict::hazard) continue;
    text += "next: a hazard is left at '" + branch.participant +
            "': repair it there, then: assentctl hazards acknowledge " + gtrid + ' ' + std::to_string(branch.branch) +
            " --reason TEXT" + (runs ? "" : " --config " + shell_quoted(call.text("config"))) + '\n';
  }
  return text;
}

// Hazards of a rollback stay open until they are acknowledged, which undoes nothing of it.
int code_of_choice(const Survey& survey, Value value) {
  const auto& branches = survey.branches;
  if (!survey.unreachable.empty() || std::any_of(branches.begin(), branches.end(), is_in_doubt)) return kExitNotSettled;
  if (value == Value::rollback) return kExitRolledBack;
  return is_clean(survey) ? kExitGood : kExitNotSettled;
}

int told_choice(const CtlCall& call, const Survey& survey, Value value, const std::string& recover, const Audit& audit,
                const AuditedAct& act, bool runs) {
  const int code = code_of_choice(survey, value);
  if (auto written = audit.write({act}, code == kExitNotSettled ? "not_done" : "done"); !written.ok()) {
    complain(kCtlName, written.error().what);
  }
  if (call.json) return print(json_of(survey) + '\n', code);
  return print(text_of_choice(call, survey, value, recover, audit, runs), code);
}

// No branch of it is prepared. An operator may have chosen before.
int nothing_to_settle(const CtlCall& call, const Seen& seen, Value value) {
  const auto& gtrid = call.operands[0];
  const auto found = std::find_if(seen.choices.begin(), seen.choices.end(),
                                  [&](const auto& choice) { return choice.first.first == gtrid; });
  if (found != seen.choices.end()) {
    const auto& choice = found->second;
    const auto by = std::string(choice.value == Value::commit ? "commit" : "rollback") + " was chosen by " +
                    choice.who + " on " + base::utc_text(choice.made_at_ms) + ": " + choice.reason;
    if (choice.value != value) {
      return ctl_failed(call, {Errc::conflict, gtrid + ": the opposite stands: " + by}, kExitNotSettled);
    }
    return ctl_failed(call, {Errc::not_found, gtrid + ": nothing is left to settle where it was looked for; " + by},
                      seen.unreachable.empty() ? kExitBadInput : kExitUnavailable);
  }
  return ctl_failed(call, {Errc::not_found, "no branch of " + gtrid + " is prepared where it could be looked for"},
                    seen.unreachable.empty() ? kExitBadInput : kExitUnavailable);
}

// Where there is a log that no process is using.
void note_in_log(const Config& config, const AuditedAct& act) {
  auto opened = wal::open_for_tool(config.log, wal::posix_disk());
  if (!opened.ok()) return;
  opened->log->append(ports::OperatorAct{act.act, act.gtrid, 0, operator_name(), act.why, base::wall_clock_ms()});
  if (auto closed = opened->log->close(); !closed.ok()) complain(kCtlName, "log: " + closed.error().what);
}

int resolve(const CtlCall& call, const Config& config, Value value) {
  const auto& gtrid = call.operands[0];
  const auto id = protocol::parse_gtrid(gtrid)->coordinator;
  std::set<std::string> without;
  if (call.has("without")) {
    for (const auto& name : call.given["without"].as<std::vector<std::string>>()) without.insert(name);
  }
  std::optional<ports::LogState> log;
  if (id == config.coordinator.coordinator_id) {
    auto read = log_after_the_loss(config);
    if (!read.ok()) return ctl_failed(call, read.error(), kExitBadInput);
    log = std::move(*read);
  }
  const bool runs = log && wal::running_owner(config.log.directory, wal::posix_disk());
  if (runs && protocol::parse_gtrid(gtrid)->epoch >= log->epoch) {
    return ctl_failed(call, {Errc::conflict, gtrid + ": its coordinator runs it, and settles it by itself", false},
                      kExitNotSettled);
  }
  Databases databases;
  if (auto opened = databases.open(config, id); !opened.ok()) return ctl_failed(call, opened.error(), kExitBadConfig);
  LostLog lost(databases, log);
  const auto seen = lost.look_to_settle();
  if (const auto life = lost.sign_of_life(); life && !seen.transactions.contains(gtrid)) {
    return ctl_failed(call, it_lives(id, *life), kExitUnavailable);
  }
  const auto found = seen.transactions.find(gtrid);
  if (found == seen.transactions.end()) {
    return nothing_to_settle(call, seen, value);
  }
  const AuditedAct act{value == Value::commit ? "choose_commit" : "choose_rollback", gtrid, 0, {}, call.text("reason")};
  const Audit audit(call.has("audit-file") ? call.text("audit-file") : config.audit_file);
  const auto recover = recover_command(call, found->second, log);
  if (const auto error = why_not(found->second, value, without, recover)) {
    if (auto written = audit.write({act}, "refused"); !written.ok()) complain(kCtlName, written.error().what);
    return ctl_failed(call, {error->code, gtrid + ": " + error->what, false}, kExitNotSettled);
  }
  if (auto written = audit.write({act}, "begun"); !written.ok()) {
    return ctl_failed(call, written.error(), kExitCannotCreate);
  }
  bool one_stands = false;
  if (const auto error = record(databases, seen, found->second, {value, operator_name(), act.why, 0}, one_stands)) {
    const auto where = one_stands ? "; your choice stands where it was reached: run this again" : "";
    return ctl_failed(call, {error->code, gtrid + ": " + error->what + where, error->retryable}, kExitNotSettled);
  }
  note_in_log(config, act);
  if (!found->second.without_log) {
    const RecoveryBounds bounds{std::chrono::milliseconds(call.number("timeout-ms")), [] { return false; },
                                [](std::size_t, std::size_t) {}};
    auto survey = settle_with_log(config, databases, lost, gtrid, value, audit, bounds);
    if (!survey.ok()) return ctl_failed(call, survey.error(), kExitUnavailable);
    return told_choice(call, *survey, value, recover, audit, act, runs);
  }
  const auto only_this = [&](Seen all) {
    std::erase_if(all.transactions, [&](const auto& one) { return one.first != gtrid; });
    all.others.clear();
    all.planted.clear();
    // A running or next coordinator closes those of what has committed everywhere by choice.
    if (value == Value::commit) all.hazards.clear();
    return all;
  };
  const RecoveryBounds bounds{std::chrono::milliseconds(call.number("timeout-ms")), [] { return false; },
                              [](std::size_t, std::size_t) {}};
  const auto recovered = recover_without_log(
      config, id, [&] { return only_this(lost.look_to_settle()); }, audit, bounds);
  if (!recovered.ok()) return ctl_failed(call, recovered.error(), kExitCannotCreate);
  if (const auto life = lost.sign_of_life()) {
    auto error = it_lives(id, *life);
    error.what += ". Your choice stands";
    return ctl_failed(call, error, kExitUnavailable);
  }
  const auto after = only_this(lost.look());
  auto survey = lost.surveyor().survey(after, {.gtrid = gtrid, .participant = {}, .age_min_ms = 0, .from = {}});
  add_unproven(survey, *recovered);
  return told_choice(call, survey, value, recover, audit, act, runs);
}

int ctl_resolve(const CtlCall& call) {
  const auto usage = [](const std::string& what) {
    complain(kCtlName, what + " (see assentctl resolve --help)");
    return static_cast<int>(kExitUsage);
  };
  if (call.has("commit") == call.has("rollback")) return usage("resolve: give --commit or --rollback");
  if (call.text("reason").empty()) return usage("resolve: --reason TEXT is required; it is kept on record");
  if (call.text("reason").size() > kReasonBytesMax) {
    return usage("resolve: --reason takes at most " + std::to_string(kReasonBytesMax) + " bytes");
  }
  if (!call.has("config")) return usage("resolve: --config FILE is required");
  if (!protocol::parse_gtrid(call.operands[0])) {
    return ctl_failed(call,
                      {Errc::invalid_argument, "'" + call.operands[0] +
                                                   "' is not a gtrid of Assent; assentctl "
                                                   "recover lists them"},
                      kExitBadInput);
  }
  auto loaded = ctl_config(call);
  if (const auto* code = std::get_if<int>(&loaded)) return *code;
  base::init_log("error");
  return resolve(call, std::get<Config>(loaded), call.has("commit") ? Value::commit : Value::rollback);
}

void resolve_options(CtlOptions& options) {
  options.add_options()                                                                                          //
      ("config", po::value<std::string>()->value_name("FILE"), "a configuration with the databases (required)")  //
      ("commit", "commit every branch of it")                                                                    //
      ("rollback", "roll every branch of it back")                                                               //
      ("reason", po::value<std::string>()->value_name("TEXT"), "how you know; kept on record (required)")        //
      ("without", po::value<std::vector<std::string>>()->value_name("NAME"),
       "go on without this participant, which is gone for good; may be repeated")  //
      ("audit-file", po::value<std::string>()->value_name("FILE"),
       "where to record what is done, instead of recovery.audit_file")  //
      ("timeout-ms", po::value<std::uint32_t>()->value_name("MS")->default_value(kPatienceMs),
       "how long to try what cannot be settled at once");
}

}  // namespace

std::span<const CtlCommand> choice_commands() noexcept {
  static constexpr CtlCommand kCommands[] = {
      {"resolve", "GTRID", 1, 1, "your choice for a transaction whose outcome cannot be known",
       R"help(Settles one transaction by your own choice. In two phases, you have one in three cases:

  - The log is lost, every branch is prepared, and there is no proof row.
  - The log has no decision, and a proof row shows that a branch has committed (a hazard). --commit commits the other
    branches and closes the hazard; --rollback rolls them back and leaves the hazard to be acknowledged.
  - The log has no decision, and a participant that may hold such a row is gone for good: --rollback --without NAME.

Find out first what the application, its clients or its books say. A running coordinator that has its log does what you
chose within its next sweep; for a stopped one this command does it at once.

In three phases the acceptors decide. You have a choice only where they know of no decision, and a proof row shows that
a branch has committed (a hazard). Stop the coordinator for that, and wait 3 s.

Refused where the outcome is known: from the log, a proof row, a branch that was never prepared, the acceptors of a
transaction in three phases, or an earlier choice of the opposite. Your choice is kept as "heuristic" at every
participant of the transaction, in the audit file, and, if the coordinator is stopped, in its log. From then on
`assentctl recover` shows it.

Exit codes: 0 committed everywhere, 1 rolled back (a hazard stays open until it is acknowledged), 2 refused, or not
settled everywhere yet, 64 wrong usage, 65 no such transaction, or it is settled, 69 the same while a database cannot be reached, 73 the audit file cannot be written.

Examples:
  assentctl resolve shop1.0000002a.00000000012f.9f86d081884c7d65.2 --rollback \
    --reason 'the customer was never charged, ticket 4711' --config config/assentd.json
)help",
       resolve_options, ctl_resolve, true, "--commit|--rollback --reason TEXT --config FILE"},
  };
  return kCommands;
}

}  // namespace assent::app
