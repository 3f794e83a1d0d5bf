#include <algorithm>
#include <csignal>
#include <set>
#include <thread>

#include <nlohmann/json.hpp>

#include "app/config.hpp"
#include "app/ctl.hpp"
#include "app/exit_codes.hpp"
#include "app/json_text.hpp"
#include "app/output.hpp"
#include "app/text.hpp"
#include "base/event_loop.hpp"
#include "base/log.hpp"
#include "coordinator/recoverer.hpp"
#include "participant/participant.hpp"
#include "protocol/xid.hpp"

namespace assent::app {
namespace {

namespace po = boost::program_options;

using coordinator::LeftBehind;
using coordinator::LeftTransaction;
using std::chrono::milliseconds;

constexpr milliseconds kTick{10};
constexpr milliseconds kProgressEvery{1'000};
/// A coordinator that lives leaves a sign of life every second.
constexpr milliseconds kSilentAtLeast{3'000};

/// One transaction, as it is told.
struct Row {
  const LeftTransaction* found = nullptr;
  std::string
      verdict;  ///< commit, rollback, undecidable or needs_log; once applied committed, rolled_back or in_doubt.
  std::string reason;
};

Row looked_at(const LeftTransaction& one) {
  Row row{&one, {}, {}};
  const auto of_acceptors =
      std::to_string(one.acceptors_read) + " of its " + std::to_string(one.acceptors.size()) + " acceptors";
  if (one.protocol == Protocol::two_phase) {
    row.verdict = "needs_log";
    row.reason = "in two phases: only the log of its coordinator, or a proof row at another participant, tells";
  } else if (one.members.participants.empty()) {
    row.verdict = "undecidable";
    row.reason = "no row that can be reached says who its acceptors are";
  } else if (one.over) {
    row.verdict = "rollback";
    row.reason = "it had ended, as " + std::to_string(one.acceptors_closed) +
                 " of its acceptors say; a branch that was rolled back has come back";
  } else if (!one.verdict) {
    row.verdict = "undecidable";
    row.reason = of_acceptors + " can be reached, and a majority is needed";
  } else if (*one.verdict == protocol::Value::commit) {
    row.verdict = "commit";
    row.reason = "commit was accepted; read from " + of_acceptors;
  } else {
    const bool decided = std::any_of(one.acceptors.begin(), one.acceptors.end(),
                                     [](const auto& acceptor) { return acceptor && acceptor->accepted; });
    row.verdict = "rollback";
    row.reason = (decided ? "rollback was accepted; read from " : "nothing was accepted by ") + of_acceptors;
  }
  return row;
}

// What became of one that was taken up.
void update(Row& row, const std::optional<TransactionStatus>& status,
            const std::map<std::string, std::string>& refused) {
  if (const auto found = refused.find(row.found->gtrid); found != refused.end()) row.reason = found->second;
  if (!status) return;
  const bool settled = status->settled;
  row.verdict = !status->outcome                                     ? "undecidable"
                : status->outcome == Outcome::committed && settled   ? "committed"
                : status->outcome == Outcome::rolled_back && settled ? "rolled_back"
                                                                     : "in_doubt";
  if (settled) {
    row.reason = "every branch is settled";
    return;
  }
  for (const auto& branch : status->branches) {
    if (branch.detail.empty()) continue;
    row.reason = branch.participant + ": " + branch.detail;
  }
}

std::string as_json(const std::string& coordinator, const LeftBehind& left, const std::vector<Row>& rows,
                    bool applied) {
  using Json = nlohmann::ordered_json;
  auto transactions = Json::array();
  for (const auto& row : rows) {
    transactions.push_back({{"gtrid", row.found->gtrid},
                            {"protocol", to_string(row.found->protocol)},
                            {"prepared_at", row.found->prepared_at},
                            {"participants", row.found->members.participants},
                            {"acceptors", row.found->members.acceptors},
                            {"verdict", row.verdict},
                            {"reason", row.reason}});
  }
  auto unreachable = Json::object();
  for (const auto& [name, why] : left.unreachable) unreachable[name] = why;
  const Json all{{"coordinator", coordinator},
                 {"applied", applied},
                 {"transactions", std::move(transactions)},
                 {"unreachable", std::move(unreachable)}};
  // What a server says need not be UTF-8.
  return all.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

std::string as_text(const LeftBehind& left, const std::vector<Row>& rows) {
  std::vector<std::vector<std::string>> table{{"GTRID", "VERDICT", "PREPARED AT", "REASON"}};
  for (const auto& row : rows) {
    table.push_back({row.found->gtrid, row.verdict, joined(row.found->prepared_at), printable(row.reason)});
  }
  std::string text = rows.empty() ? "" : aligned(table);
  for (const auto& [name, why] : left.unreachable) text += "NOT REACHED " + name + ": " + printable(why) + '\n';
  return text;
}

/// The databases, under the lost coordinator's name.
struct Databases {
  base::EventLoop loop;
  std::vector<std::unique_ptr<ports::Participant>> owned;
  std::vector<ports::Participant*> all;

  ~Databases() {
    for (auto* one : all) one->stop();
  }
};

bool is_over(const std::string& verdict) {
  return verdict == "committed" || verdict == "rolled_back";
}

/// Ctrl-C: what was begun is safe to leave, and to begin again.
volatile std::sig_atomic_t interrupted = 0;

void finish(coordinator::Recoverer& recoverer, std::size_t total, milliseconds patience) {
  const auto until = base::SteadyClock::now() + patience;
  auto next_progress = base::SteadyClock::now() + kProgressEvery;
  while (recoverer.live() > 0 && interrupted == 0 && base::SteadyClock::now() < until) {
    recoverer.tick(base::SteadyClock::now());
    std::this_thread::sleep_for(kTick);
    if (base::SteadyClock::now() < next_progress) continue;
    next_progress += kProgressEvery;
    complain(kCtlName, std::to_string(total - std::min(total, recoverer.live())) + " of " + std::to_string(total) +
                           " settled, the rest is tried until " + std::to_string(patience.count()) + " ms have passed");
  }
}

int recover(const CtlCall& call, Config config) {
  Databases databases;
  for (auto& participant : config.participants) {
    auto password = read_password(participant);
    if (!password) return ctl_failed(call, password.error(), kExitBadConfig);
    participant.connection.password = std::move(*password);
    participant.connection.coordinator_id = call.text("coordinator");
    databases.owned.push_back(participant::make_participant(participant.connection, databases.loop));
    databases.all.push_back(databases.owned.back().get());
  }
  coordinator::Recoverer recoverer(databases.all);
  auto left = recoverer.look();
  if (left.unreachable.size() == databases.all.size()) {
    return ctl_failed(call, {Errc::unavailable, "no participant can be reached: " + left.unreachable.begin()->second},
                      kExitUnavailable);
  }
  std::vector<Row> rows;
  for (const auto& one : left.transactions) rows.push_back(looked_at(one));
  const auto to_do = static_cast<std::size_t>(std::count_if(
      rows.begin(), rows.end(), [](const auto& row) { return row.verdict == "commit" || row.verdict == "rollback"; }));
  std::string next;
  if (call.has("apply")) {
    if (left.silent && *left.silent < kSilentAtLeast && !rows.empty()) {
      return ctl_failed(call,
                        {Errc::conflict, "coordinator '" + call.text("coordinator") + "' gave a sign of life " +
                                             std::to_string(left.silent->count()) +
                                             " ms ago: it runs, and finishes its transactions itself. If it was killed "
                                             "just now, run this again in " +
                                             std::to_string(kSilentAtLeast.count() / 1000) + " s"},
                        kExitUnavailable);
    }
    const auto refused = recoverer.take_up(left);
    finish(recoverer, recoverer.live(), milliseconds(call.number("timeout-ms")));
    recoverer.finish_closed(left);
    for (auto& row : rows) update(row, recoverer.status(row.found->gtrid), refused);
    next = "run the same again once what is missing is back";
  } else if (to_do > 0) {
    next = "to settle " + std::to_string(to_do) + ": assentctl recover --config " + call.text("config") +
           " --coordinator " + call.text("coordinator") + " --log-lost --apply";
  }
  const bool clean = std::all_of(rows.begin(), rows.end(), [](const auto& row) { return is_over(row.verdict); });
  const int code = !clean ? kExitNotSettled : left.unreachable.empty() ? kExitGood : kExitUnavailable;
  for (auto* one : databases.all) one->stop();
  if (call.json) return print(as_json(call.text("coordinator"), left, rows, call.has("apply")), code);
  auto text = as_text(left, rows);
  if (rows.empty())
    text += "nothing of coordinator '" + call.text("coordinator") + "' is in doubt where it could be looked for\n";
  if (code != kExitGood && !next.empty()) text += next + '\n';
  return print(text, code);
}

int ctl_recover(const CtlCall& call) {
  if (!call.has("config") || !call.has("coordinator") || !call.has("log-lost")) {
    complain(kCtlName, "usage: assentctl recover --config FILE --coordinator ID --log-lost [--apply]");
    return kExitUsage;
  }
  if (!protocol::valid_name(call.text("coordinator"), protocol::kCoordinatorIdBytesMax)) {
    complain(kCtlName, "--coordinator: not an identity: [a-z0-9][a-z0-9_-]*, at most " +
                           std::to_string(protocol::kCoordinatorIdBytesMax) + " bytes");
    return kExitUsage;
  }
  auto loaded = ctl_config(call);
  if (const auto* code = std::get_if<int>(&loaded)) return *code;
  base::init_log("warning");
  std::signal(SIGINT, [](int) { interrupted = 1; });
  std::signal(SIGTERM, [](int) { interrupted = 1; });
  return recover(call, std::move(std::get<Config>(loaded)));
}

void recover_options(CtlOptions& options) {
  options.add_options()  //
      ("config", po::value<std::string>()->value_name("FILE"),
       "a configuration with the databases, under the names that they have in the lost one's (required)")  //
      ("coordinator", po::value<std::string>()->value_name("ID"), "its identity (required)")               //
      ("log-lost", "its log is gone (required: with its log, start it again instead)")                     //
      ("apply", "finish them; otherwise nothing is changed")                                               //
      ("timeout-ms", po::value<std::uint32_t>()->value_name("MS")->default_value(30'000),
       "how long to try what cannot be settled at once");
}

}  // namespace

std::span<const CtlCommand> recovery_commands() noexcept {
  static constexpr CtlCommand kCommands[] = {
      {"recover", "", 0, 0, "finish what a lost coordinator has left, by its acceptors",
       R"help(For a coordinator that is gone with its log. Looks through XA RECOVER of every database of the configuration for
branches of that coordinator, and tells for each transaction what its acceptors have decided, or would. Only looks,
unless --apply is given: then every transaction in three phases that a majority of its acceptors can be asked about is
finished. That contradicts nobody: it can be run again, by several at once, and while the coordinator wakes up again.
Transactions in two phases are listed and left alone: their outcome is in the lost log.

Exit codes: 0 nothing is in doubt, 2 something is, 69 a database cannot be reached, or the coordinator still runs,
78 the configuration is wrong.

Examples:
  assentctl recover --config config/assentd.json --coordinator shop1 --log-lost
  assentctl recover --config config/assentd.json --coordinator shop1 --log-lost --apply
)help",
       recover_options, ctl_recover},
  };
  return kCommands;
}

}  // namespace assent::app
