#include "app/ctl.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <iterator>
#include <sstream>

#include <boost/program_options.hpp>

#include "app/exit_codes.hpp"
#include "app/json_text.hpp"
#include "app/output.hpp"
#include "app/text.hpp"
#include "base/version.hpp"

namespace assent::app {
namespace {

namespace po = boost::program_options;

constexpr unsigned kHelpColumns = 100;

struct Command {
  const char* name;  ///< One word or two: "wal verify".
  const char* operands;
  std::size_t operands_min;
  std::size_t operands_max;
  const char* summary;
  const char* help;
  int (*run)(const CtlCall&);
};

constexpr Command kCommands[] = {
    {"submit", "FILE|-", 1, 1, "run a transaction, wait for its outcome",
     R"help(Submits the transaction in FILE, or on standard input. FILE holds the parameters of txn.submit, or a whole JSON-RPC
request. It is checked before anything is sent. Without an idempotency key one is made, so that the outcome can always
be asked for afterwards; a second run of the same file with a key of its own runs nothing twice.

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
     ctl_submit},
    {"status", "GTRID|--key KEY", 0, 1, "what became of a transaction",
     R"help(Shows one transaction, by its gtrid or by its idempotency key. A coordinator forgets a transaction once it is settled;
it remembers a committed one by its key for as long as keys are kept.

Exit codes: 0 committed, 1 rolled back, 2 undecided, not known or a hazard.

Examples:
  assentctl status shop1.0000002a.00000000012f.9f86d081884c7d65.2
  assentctl status --key order-4711
)help",
     ctl_status},
    {"list", "", 0, 0, "what is live, in doubt or a hazard",
     R"help(Lists the transactions that have not ended, oldest first.

Exit codes: 0 none of them is in doubt, 2 one is in doubt or a hazard.

Examples:
  assentctl list
  assentctl list --json | jq '.transactions[].gtrid'
)help",
     ctl_list},
    {"participants", "", 0, 0, "the databases and their health",
     R"help(Lists the coordinator's participants, and what its doctor found that is not as it should be.

Exit codes: 0 all are up, 69 one is down, 78 one is refused because it would break a guarantee.

Example:
  assentctl participants
)help",
     ctl_participants},
    {"info", "", 0, 0, "the coordinator itself: state, limits, counters",
     R"help(Shows the coordinator's version, identity, state, limits and counters.

Exit codes: 0 it serves, 2 something is in doubt or a hazard, 69 it does not take work.

Example:
  assentctl info --json
)help",
     ctl_info},
    {"doctor", "[PARTICIPANT]", 0, 1, "examine the databases of a configuration, without a coordinator",
     R"help(Connects to the databases that the configuration FILE names, all or one, looks for what would break a guarantee, and
says how to mend it, one line each. No coordinator is needed.

Exit codes: 0 all is well, 69 a database cannot be reached, 78 one would be refused.

Examples:
  assentctl doctor --config config/assentd.json
  assentctl doctor --config config/assentd.json stock
)help",
     ctl_doctor},
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
     ctl_recover},
    {"wal verify", "DIR", 1, 1, "check the decision log of a stopped coordinator",
     R"help(Reads the log in DIR and checks every byte of it; nothing is changed.

Exit codes: 0 whole (a torn tail is what a crash leaves, and is whole), 65 damaged or not a log.

Example:
  assentctl wal verify /var/lib/assent/log
)help",
     ctl_wal_verify},
    {"wal dump", "DIR", 1, 1, "print the decision log of a stopped coordinator",
     R"help(Prints the records of the log in DIR, one line each, or with --json as one list; nothing is changed.

Exit codes: 0 whole, 65 damaged or not a log (what is before the damage is printed).

Example:
  assentctl wal dump /var/lib/assent/log | tail
)help",
     ctl_wal_dump},
};

std::string usage_of(const Command& command) {
  const std::string operands = command.operands;
  return std::string("assentctl ") + command.name + (operands.empty() ? "" : " " + operands);
}

std::string general_help(const po::options_description& options) {
  std::string out = "Talks to an assentd: runs transactions, shows them, and examines what keeps them safe.\n\n";
  out += "Usage: assentctl [OPTION]... COMMAND [ARGUMENT]...\n\n";
  std::vector<std::vector<std::string>> rows;
  for (const auto& command : kCommands) {
    const std::string operands = command.operands;
    rows.push_back({"  " + std::string(command.name) + (operands.empty() ? "" : " " + operands), command.summary});
  }
  std::ostringstream described;
  described << options;
  return out + aligned(rows) + '\n' + described.str() +
         "\nassentctl COMMAND --help shows the command's examples.\n\n"
         "Exit codes: 0 committed, all clean; 1 rolled back; 2 unknown, in doubt or a hazard; 64 wrong usage;\n"
         "65 bad input file; 69 coordinator or participant unavailable; 70 internal; 78 bad configuration.\n";
}

std::string command_help(const Command& command, const po::options_description& options) {
  std::ostringstream described;
  described << options;
  return "Usage: " + usage_of(command) + " [OPTION]...\n\n" + command.help + described.str();
}

po::options_description general_options() {
  po::options_description options("Options", kHelpColumns);
  options.add_options()  //
      ("address", po::value<std::string>()->value_name("HOST:PORT"),
       "the coordinator; else ASSENT_ADDRESS, else 127.0.0.1:7411")  //
      ("json", "answer with one JSON document on standard output")   //
      ("help,h", "show help; after a command, the command's")        //
      ("version", "show the version");
  return options;
}

void add_command_options(const std::string& name, po::options_description& options) {
  if (name == "status") {
    options.add_options()("key", po::value<std::string>()->value_name("KEY"), "the transaction's idempotency key");
  } else if (name == "doctor") {
    options.add_options()("config", po::value<std::string>()->value_name("FILE"),
                          "the coordinator's configuration (required)");
  } else if (name == "recover") {
    options.add_options()  //
        ("config", po::value<std::string>()->value_name("FILE"),
         "a configuration with the databases, under the names that they have in the lost one's (required)")  //
        ("coordinator", po::value<std::string>()->value_name("ID"), "its identity (required)")               //
        ("log-lost", "its log is gone (required: with its log, start it again instead)")                     //
        ("apply", "finish them; otherwise nothing is changed")                                               //
        ("timeout-ms", po::value<std::uint32_t>()->value_name("MS")->default_value(30'000),
         "how long to try what cannot be settled at once");
  }
}

// Takes the words of the command's name out of `words`. Options that take a value are known, so that a value is not
// mistaken for the command.
const Command* take_command(std::vector<std::string>& words, std::string& tried) {
  static const std::string kWithValue[] = {"--address", "--key", "--config", "--coordinator", "--timeout-ms"};
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (std::find(std::begin(kWithValue), std::end(kWithValue), words[i]) != std::end(kWithValue)) {
      ++i;
      continue;
    }
    if (words[i].starts_with('-')) continue;
    tried = words[i];
    for (const auto& command : kCommands) {
      const std::string name = command.name;
      const auto space = name.find(' ');
      const bool two = space != std::string::npos;
      if (words[i] != name.substr(0, space)) continue;
      if (two && (i + 1 == words.size() || words[i + 1] != name.substr(space + 1))) continue;
      const auto at = words.begin() + static_cast<std::ptrdiff_t>(i);
      words.erase(at, at + (two ? 2 : 1));
      return &command;
    }
    if (tried == "wal") tried = i + 1 < words.size() ? "wal " + words[i + 1] : tried;
    return nullptr;
  }
  return nullptr;
}

int wrong_usage(const std::string& what) {
  complain(kCtlName, what + " (see assentctl --help)");
  return kExitUsage;
}

Result<HostPort> chosen_address(const po::variables_map& given) {
  if (given.count("address") > 0) return parse_address(given["address"].as<std::string>());
  const char* from_environment = std::getenv("ASSENT_ADDRESS");
  if (from_environment == nullptr || *from_environment == '\0') return parse_address(kDefaultAddress);
  auto address = parse_address(from_environment);
  if (!address) return Error{Errc::invalid_argument, "ASSENT_ADDRESS: " + address.error().what};
  return address;
}

int run_command(const Command& command, const po::variables_map& given) {
  CtlCall call;
  auto address = chosen_address(given);
  if (!address) return wrong_usage(address.error().what);
  call.address = *address;
  call.json = given.count("json") > 0;
  if (given.count("operands") > 0) call.operands = given["operands"].as<std::vector<std::string>>();
  if (given.count("key") > 0) call.key = given["key"].as<std::string>();
  if (given.count("config") > 0) call.config_path = given["config"].as<std::string>();
  if (given.count("coordinator") > 0) call.coordinator = given["coordinator"].as<std::string>();
  call.log_lost = given.count("log-lost") > 0;
  call.apply = given.count("apply") > 0;
  if (given.count("timeout-ms") > 0) call.patience = std::chrono::milliseconds(given["timeout-ms"].as<std::uint32_t>());
  const auto count = call.operands.size();
  if (count < command.operands_min || count > command.operands_max) {
    return wrong_usage("usage: " + usage_of(command));
  }
  return command.run(call);
}

}  // namespace

int run_ctl(int argc, const char* const* argv) {
  // A reader that went away shows as a failed write, and does not hide the outcome behind a signal.
  std::signal(SIGPIPE, SIG_IGN);
  std::vector<std::string> words(argv + 1, argv + argc);
  std::string tried;
  const auto* command = take_command(words, tried);

  const auto shown = general_options();
  po::options_description own("Options of this command", kHelpColumns);
  if (command != nullptr) add_command_options(command->name, own);
  po::options_description hidden;
  hidden.add_options()("operands", po::value<std::vector<std::string>>());
  po::options_description all;
  all.add(shown).add(own).add(hidden);
  po::variables_map given;
  try {
    const po::positional_options_description operands = po::positional_options_description().add("operands", -1);
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(words).options(all).positional(operands).style(style).run(), given);
  } catch (const po::error& error) {
    return wrong_usage(error.what());
  }
  if (given.count("version") > 0) return print(std::string("assentctl ") + base::kVersion + '\n', kExitGood);
  if (given.count("help") > 0) {
    po::options_description both("", kHelpColumns);
    both.add(own.options().empty() ? shown : own);
    if (!own.options().empty()) both.add(shown);
    return print(command != nullptr ? command_help(*command, both) : general_help(shown), kExitGood);
  }
  if (command == nullptr)
    return wrong_usage(tried.empty() ? "no command given" : "there is no command '" + tried + "'");
  return run_command(*command, given);
}

int ctl_failed(const CtlCall& call, const Error& error, int code) {
  complain(kCtlName, error.what);
  if (!call.json) return code;
  return print(json_of_error(error) + '\n', code);
}

Result<Client> ctl_connect(const CtlCall& call) {
  Client::Address address;
  address.host = call.address.host;
  address.port = call.address.port;
  return Client::connect(std::move(address));
}

}  // namespace assent::app
