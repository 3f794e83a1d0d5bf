#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>

#include "app/ctl.hpp"
#include "app/ctl_databases.hpp"
#include "app/exit_codes.hpp"
#include "app/files.hpp"
#include "app/json_text.hpp"
#include "app/output.hpp"
#include "app/request_file.hpp"
#include "app/text.hpp"

namespace assent::app {
namespace {

namespace po = boost::program_options;

using Table = std::vector<std::vector<std::string>>;

// Transactions that one listing asks for at most, as the wire bounds it.
constexpr std::size_t kListShownMax = wire::kListDefault;

std::string made_key() {
  static constexpr char kHex[] = "0123456789abcdef";
  std::random_device device;
  std::string key = "ctl-";
  for (int i = 0; i < 4; ++i) {
    auto word = device();
    for (int digit = 0; digit < 8; ++digit, word >>= 4) key += kHex[word & 15];
  }
  return key;
}

std::string how_to_ask(const CtlCall& call, const std::string& key) {
  return "ask with: assentctl --address " + shown_address(call.address.host, call.address.port) + " status --key '" +
         key + "'";
}

// What a signal handler may use: text that was there before.
std::array<char, 512> interrupted_text;
std::size_t interrupted_bytes = 0;

void on_interrupt(int) {
  // The outcome decides nothing here: the exit code says that it is not known.
  if (::write(STDERR_FILENO, interrupted_text.data(), interrupted_bytes) < 0) ::_exit(kExitNotSettled);
  ::_exit(kExitNotSettled);
}

// While it lives, Ctrl-C and SIGTERM leave with kExitNotSettled and say how to learn the outcome.
class Interruptible {
 public:
  explicit Interruptible(const std::string& text) {
    const auto line = "assentctl: interrupted, the outcome is not known; " + printable(text) + '\n';
    interrupted_bytes = std::min(line.size(), interrupted_text.size());
    std::memcpy(interrupted_text.data(), line.data(), interrupted_bytes);
    struct sigaction action {};
    action.sa_handler = on_interrupt;
    sigaction(SIGINT, &action, &old_int_);
    sigaction(SIGTERM, &action, &old_term_);
  }
  ~Interruptible() {
    sigaction(SIGINT, &old_int_, nullptr);
    sigaction(SIGTERM, &old_term_, nullptr);
  }
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

 private:
  struct sigaction old_int_ {};
  struct sigaction old_term_ {};
};

struct ShowValue {
  std::string operator()(Null) const { return "NULL"; }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(std::int64_t value) const { return std::to_string(value); }
  std::string operator()(std::uint64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const {
    std::string out;
    wire::append_json_double(out, value);
    return out;
  }
  std::string operator()(const std::string& value) const { return value; }
  std::string operator()(const Decimal& value) const { return value.digits; }
  std::string operator()(const Blob& value) const { return std::to_string(value.bytes.size()) + " bytes"; }
};

std::string shown_cause(const Cause& cause) {
  std::string out = "cause: ";
  if (!cause.participant.empty()) out += cause.participant;
  if (cause.statement)
    out += (cause.participant.empty() ? "statement " : ", statement ") + std::to_string(*cause.statement + 1);
  if (!cause.participant.empty() || cause.statement) out += ": ";
  out += cause.message;
  if (cause.server_errno != 0)
    out += " (error " + std::to_string(cause.server_errno) + ", SQLSTATE " + cause.sqlstate + ")";
  out += cause.retryable ? "; the same transaction may succeed if it is submitted again" : "";
  return printable(out) + '\n';
}

std::string shown_rows(const Rows& rows) {
  Table table;
  table.push_back(rows.columns);
  for (const auto& row : rows.rows) {
    auto& cells = table.emplace_back();
    for (const auto& value : row) cells.push_back(std::visit(ShowValue{}, value));
  }
  std::string out;
  const auto text = aligned(table);
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text.find('\n', at);
    out += "    " + text.substr(at, end - at) + '\n';
    at = end + 1;
  }
  return out;
}

std::string shown_result(const TransactionResult& result) {
  std::string out = std::string(to_string(result.outcome)) + "  " + printable(result.gtrid) +
                    (result.settled || result.outcome != Outcome::committed ? "" : "  (still settling)") + '\n';
  if (result.cause) out += shown_cause(*result.cause);
  for (const auto& branch : result.branches) {
    out += "  " + printable(branch.participant) + ": " + to_string(branch.state) + '\n';
    for (std::size_t i = 0; i < branch.statements.size(); ++i) {
      const auto& statement = branch.statements[i];
      out += "    statement " + std::to_string(i + 1) + ": ";
      if (statement.rows) {
        const auto count = statement.rows->rows.size();
        out += std::to_string(count) + (count == 1 ? " row\n" : " rows\n");
        if (!statement.rows->rows.empty()) out += shown_rows(*statement.rows);
        continue;
      }
      out += std::to_string(statement.affected) + " affected";
      if (statement.last_insert_id) out += ", last insert id " + std::to_string(*statement.last_insert_id);
      out += '\n';
    }
  }
  return out;
}

int exit_code_of_outcome(Outcome outcome) {
  switch (outcome) {
    case Outcome::committed: return kExitGood;
    case Outcome::rolled_back: return kExitRolledBack;
    case Outcome::unknown: return kExitNotSettled;
  }
  return kExitInternal;
}

bool any_branch(const TransactionStatus& status, BranchState state) {
  return std::any_of(status.branches.begin(), status.branches.end(),
                     [state](const auto& branch) { return branch.state == state; });
}

std::string shown_outcome(const TransactionStatus& status) {
  if (any_branch(status, BranchState::hazard)) return "HAZARD";
  return status.outcome ? to_string(*status.outcome) : "undecided";
}

// "unknown (a hazard at 'stock')".
std::string outcome_in_words(const TransactionStatus& status) {
  if (!status.outcome) return "not known yet";
  std::string hazards;
  for (const auto& branch : status.branches) {
    if (branch.state != BranchState::hazard && branch.state != BranchState::acknowledged) continue;
    hazards += (hazards.empty() ? " (a hazard at '" : ", '") + branch.participant + "'";
  }
  const bool because = status.outcome == Outcome::unknown && !hazards.empty();
  return std::string(to_string(*status.outcome)) + (because ? hazards + ")" : "");
}

std::string shown_status(const TransactionStatus& status) {
  std::string out = shown_outcome(status) + "  " + printable(status.gtrid) + '\n';
  if (status.cause) out += shown_cause(*status.cause);
  Table about{{"  outcome", outcome_in_words(status)},
              {"  settled", status.settled ? "yes" : "no"},
              {"  protocol", to_string(status.protocol)},
              {"  age", shown_age(status.age_ms)}};
  if (!status.label.empty()) about.push_back({"  label", status.label});
  if (!status.idempotency_key.empty()) about.push_back({"  key", status.idempotency_key});
  Table branches;
  for (const auto& branch : status.branches) {
    branches.push_back({"  " + branch.participant, to_string(branch.state), branch.detail});
  }
  return out + aligned(about) + aligned(branches);
}

int ctl_submit(const CtlCall& call) {
  auto text = read_file(call.operands[0], wire::kFrameBytesCeiling);
  if (!text) return ctl_failed(call, text.error(), kExitBadInput);
  auto transaction = parse_request_file(*text);
  if (!transaction) {
    auto error = transaction.error();
    error.what = (call.operands[0] == "-" ? "standard input" : call.operands[0]) + ": " + error.what;
    return ctl_failed(call, error, kExitBadInput);
  }
  if (transaction->idempotency_key.empty()) transaction->idempotency_key = made_key();
  if (call.has("on-rolled-back")) {
    const auto what = call.text("on-rolled-back");
    if (what != to_string(OnRolledBack::return_outcome) && what != to_string(OnRolledBack::run_again)) {
      complain(kCtlName, "--on-rolled-back: return or run_again (see assentctl submit --help)");
      return kExitUsage;
    }
    transaction->on_rolled_back =
        what == to_string(OnRolledBack::run_again) ? OnRolledBack::run_again : OnRolledBack::return_outcome;
  }

  auto client = ctl_connect(call);
  if (!client) return ctl_failed(call, client.error(), kExitUnavailable);
  const auto ask = how_to_ask(call, transaction->idempotency_key);
  auto result = [&] {
    const Interruptible guard(ask);
    return client->submit(*transaction);
  }();
  if (!result) {
    auto error = result.error();
    const bool not_known = error.code == Errc::timed_out || error.code == Errc::io;
    if (!not_known) return ctl_failed(call, error, exit_code_of(error));
    error.what = "the outcome is not known: " + error.what + "; " + ask;
    return ctl_failed(call, error, kExitNotSettled);
  }
  if (result->outcome == Outcome::unknown) {
    complain(kCtlName, result->settled
                           ? "the outcome is not known, and nothing more will become known here: every branch is "
                             "settled. Compare the databases"
                           : "the outcome is not known; " + ask);
  }
  return print(call.json ? json_of(*result) + '\n' : shown_result(*result), exit_code_of_outcome(result->outcome));
}

int ctl_status(const CtlCall& call) {
  if (call.operands.empty() == !call.has("key")) {
    complain(kCtlName, "give a GTRID or --key KEY, one of them (see assentctl status --help)");
    return kExitUsage;
  }
  auto client = ctl_connect(call);
  if (!client) return ctl_failed(call, client.error(), kExitUnavailable);
  const auto status =
      !call.has("key") ? client->status_of_gtrid(call.operands[0]) : client->status_of_key(call.text("key"));
  if (!status) return ctl_failed(call, status.error(), exit_code_of(status.error()));
  const bool hazard = any_branch(*status, BranchState::hazard);
  const int code =
      hazard || !status->outcome ? static_cast<int>(kExitNotSettled) : exit_code_of_outcome(*status->outcome);
  return print(call.json ? json_of(*status) + '\n' : shown_status(*status), code);
}

int ctl_list(const CtlCall& call) {
  auto client = ctl_connect(call);
  if (!client) return ctl_failed(call, client.error(), kExitUnavailable);
  auto listed = client->list();
  if (!listed) return ctl_failed(call, listed.error(), exit_code_of(listed.error()));
  bool all_clean = true;
  for (const auto& status : *listed) {
    if (any_branch(status, BranchState::in_doubt) || any_branch(status, BranchState::hazard) ||
        status.outcome == Outcome::unknown) {
      all_clean = false;
    }
  }
  const bool cut_short = listed->size() == kListShownMax;
  if (cut_short) {
    complain(kCtlName, "only the oldest " + std::to_string(kListShownMax) + " are shown");
    // What is not shown counts as well.
    const auto info = client->info();
    if (!info) return ctl_failed(call, info.error(), exit_code_of(info.error()));
    if (info->in_doubt > 0 || info->hazards > 0) all_clean = false;
  }
  const auto limits = not_serving(*client);
  const int code = !all_clean ? kExitNotSettled : limits ? limits->code : kExitGood;
  if (call.json) return print(json_of(wire::TransactionList{std::move(*listed)}) + '\n', code);
  const auto more = limits ? limits->line : std::string();
  if (listed->empty())
    return print((limits ? "nothing is known here to be live, in doubt or a hazard\n"
                         : "nothing is live, in doubt or a hazard\n") +
                     more,
                 code);
  Table table{{"GTRID", "OUTCOME", "AGE", "LABEL", "BRANCHES"}};
  for (const auto& status : *listed) {
    std::string branches;
    for (const auto& branch : status.branches) {
      branches += (branches.empty() ? "" : " ") + branch.participant + "=" + to_string(branch.state);
    }
    table.push_back({status.gtrid, shown_outcome(status), shown_age(status.age_ms), status.label, branches});
    for (const auto& branch : status.branches) {
      if (!branch.detail.empty()) table.push_back({"  " + branch.participant + ": " + branch.detail});
    }
  }
  return print(aligned(table) + more, code);
}

void submit_options(CtlOptions& options) {
  options.add_options()("on-rolled-back", po::value<std::string>()->value_name("WHAT"),
                        "what to do where this key's transaction was rolled back before: return that rollback, or "
                        "run_again; instead of what FILE says");
}

void status_options(CtlOptions& options) {
  options.add_options()("key", po::value<std::string>()->value_name("KEY"), "the transaction's idempotency key");
}

}  // namespace

std::span<const CtlCommand> transaction_commands() noexcept {
  static constexpr CtlCommand kCommands[] = {
      {"submit", "FILE|-", 1, 1, "run a transaction, wait for its outcome",
       R"help(Submits the transaction in FILE, or on standard input. FILE holds the parameters of txn.submit, or a whole JSON-RPC
request. It is checked before anything is sent. Without an idempotency key one is made, so that the outcome can always
be asked for afterwards; a second run of the same file with a key of its own runs nothing twice. Once it was rolled back,
a second run says so again; with --on-rolled-back run_again it runs once more under the same key.

Exit codes: 0 committed, 1 rolled back (the cause is printed), 2 not known: ask with assentctl status.

Examples:
  assentctl submit order.json
  assentctl submit - <<'END'
  {"idempotency_key": "order-4711",
   "branches": [
    {"participant": "orders", "statements": [{"sql": "INSERT INTO orders VALUES (?, ?)", "args": [4711, "bolt"]}]},
    {"participant": "stock", "statements": [
      {"sql": "UPDATE stock SET n = n - 1 WHERE item = ? AND n > 0", "args": ["bolt"], "expect": {"affected": 1}}]}]}
  END
)help",
       submit_options, ctl_submit},
      {"status", "GTRID|--key KEY", 0, 1, "what became of a transaction",
       R"help(Shows one transaction, by its gtrid or by its idempotency key. A coordinator forgets a transaction once it is settled;
it remembers a committed one by its key for as long as keys are kept.

Exit codes: 0 committed, 1 rolled back, 2 undecided, not known or a hazard.

Examples:
  assentctl status shop1.0000002a.00000000012f.9f86d081884c7d65.2
  assentctl status --key order-4711
)help",
       status_options, ctl_status},
      {"list", "", 0, 0, "what is live, in doubt or a hazard",
       R"help(Lists the transactions that have not ended, oldest first.

Exit codes: 0 none of them is in doubt, 2 one is in doubt or a hazard.

Examples:
  assentctl list
  assentctl list --json | jq '.transactions[].gtrid'
)help",
       nullptr, ctl_list},
  };
  return kCommands;
}

}  // namespace assent::app
