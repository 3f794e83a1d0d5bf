#include "app/ctl.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <set>
#include <sstream>

#include <boost/program_options.hpp>

#include "app/engine.hpp"
#include "app/exit_codes.hpp"
#include "app/json_text.hpp"
#include "app/output.hpp"
#include "app/text.hpp"
#include "base/version.hpp"

namespace assent::app {
namespace {

namespace po = boost::program_options;

constexpr unsigned kHelpColumns = 100;

/// In the order in which help lists them.
constexpr std::span<const CtlCommand> (*kGroups[])() noexcept = {
    transaction_commands, health_commands, setup_commands, doctor_commands, recovery_commands,
    choice_commands,      hazard_commands, log_commands,   page_commands};

std::string usage_of(const CtlCommand& command) {
  const std::string operands = command.operands;
  const std::string required = command.required;
  return std::string("assentctl ") + command.name + (operands.empty() ? "" : " " + operands) +
         (required.empty() ? "" : " " + required);
}

// All of them, or those whose first word this is.
std::string list_of_commands(const std::string& group = {}) {
  std::vector<std::vector<std::string>> rows;
  for (const auto* command : ctl_commands()) {
    if (!group.empty() && !std::string(command->name).starts_with(group + " ")) continue;
    const std::string operands = command->operands;
    if (!command->listed) continue;
    rows.push_back({"  " + std::string(command->name) + (operands.empty() ? "" : " " + operands), command->summary});
  }
  return aligned(rows);
}

std::string command_help(const CtlCommand& command, const po::options_description& options) {
  std::ostringstream described;
  described << options;
  return std::string("Usage: ") + kCtlName + ' ' + command.name + ' ' + arguments_of(command) + "\n\n" + command.help +
         described.str();
}

void add_options_of(const CtlCommand& command, CtlOptions& options) {
  if (command.add_options != nullptr) command.add_options(options);
}

// `--config` and the like: the word after one is its value.
std::set<std::string> options_with_value() {
  std::set<std::string> names;
  const auto add = [&](const CtlOptions& options) {
    for (const auto& one : options.options()) {
      if (one->semantic()->max_tokens() > 0)
        names.insert(one->canonical_display_name(po::command_line_style::allow_long));
    }
  };
  add(ctl_options());
  for (const auto* command : ctl_commands()) {
    CtlOptions own;
    add_options_of(*command, own);
    add(own);
  }
  return names;
}

// Takes the words of the command's name out of `words`. Options that take a value are known, so that a value is not
// mistaken for the command.
const CtlCommand* take_command(std::vector<std::string>& words, std::string& tried) {
  const auto with_value = options_with_value();
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (with_value.contains(words[i])) {
      ++i;
      continue;
    }
    if (words[i].starts_with('-')) continue;
    tried = words[i];
    const auto at = words.begin() + static_cast<std::ptrdiff_t>(i);
    // Two words first: `participants` is a command as well as `participants init`.
    for (const std::ptrdiff_t count : {2, 1}) {
      if (words.end() - at < count) continue;
      const auto name = count == 2 ? at[0] + ' ' + at[1] : at[0];
      for (const auto* command : ctl_commands()) {
        if (name != command->name) continue;
        words.erase(at, at + count);
        return command;
      }
    }
    if (tried == "wal" && i + 1 < words.size() && !words[i + 1].starts_with('-')) tried += ' ' + words[i + 1];
    return nullptr;
  }
  return nullptr;
}

// "`wal verify`, `wal dump`", of those whose first word this is; empty: there is none.
std::string commands_of_group(const std::string& group) {
  std::string names;
  for (const auto* command : ctl_commands()) {
    if (!std::string(command->name).starts_with(group + " ")) continue;
    names += (names.empty() ? "'" : ", '") + std::string(command->name) + "'";
  }
  return names;
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

int run_command(const CtlCommand& command, const po::variables_map& given) {
  CtlCall call(given);
  auto address = chosen_address(given);
  if (!address) return wrong_usage(address.error().what);
  call.address = *address;
  call.json = given.count("json") > 0;
  if (given.count("operands") > 0) call.operands = given["operands"].as<std::vector<std::string>>();
  const auto count = call.operands.size();
  if (count < command.operands_min || count > command.operands_max) {
    complain(kCtlName, "usage: " + usage_of(command) + " (see assentctl " + command.name + " --help)");
    return kExitUsage;
  }
  return command.run(call);
}

}  // namespace

const ProgramHelp& ctl_help() noexcept {
  static constexpr ProgramHelp kHelp{
      kCtlName, "Talks to an assentd: runs transactions, shows them, and examines what keeps them safe.\n",
      "[OPTION]... COMMAND [ARGUMENT]...", "",
      R"help(assentctl COMMAND --help shows the command's examples.

Exit codes: 0 committed, all clean; 1 rolled back; 2 unknown, in doubt or a hazard; 64 wrong usage;
65 bad input file; 69 coordinator or participant unavailable; 70 internal; 73 a file or folder is missing or cannot be
used;
78 bad configuration.
)help"};
  return kHelp;
}

std::string arguments_of(const CtlCommand& command) {
  const std::string operands = command.operands;
  const std::string required = command.required;
  return operands + (operands.empty() ? "" : " ") + required + (required.empty() ? "" : " ") + "[OPTION]...";
}

std::vector<const CtlCommand*> ctl_commands() {
  std::vector<const CtlCommand*> all;
  for (const auto group : kGroups) {
    for (const auto& command : group()) all.push_back(&command);
  }
  return all;
}

po::options_description ctl_options() {
  po::options_description options("Options", kHelpColumns);
  options.add_options()  //
      ("address", po::value<std::string>()->value_name("HOST:PORT"),
       "the coordinator; else ASSENT_ADDRESS, else 127.0.0.1:7411")  //
      ("json", "answer in JSON on standard output")                  //
      ("help,h", "show help; after a command, the command's")        //
      ("version", "show the version");
  return options;
}

int run_ctl(int argc, const char* const* argv) {
  // A reader that went away shows as a failed write, and does not hide the outcome behind a signal.
  std::signal(SIGPIPE, SIG_IGN);
  std::vector<std::string> words(argv + 1, argv + argc);
  std::string tried;
  const auto* command = take_command(words, tried);

  const auto shown = ctl_options();
  po::options_description own("Options of this command", kHelpColumns);
  if (command != nullptr) add_options_of(*command, own);
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
    if (command != nullptr) return print(command_help(*command, both), kExitGood);
    if (!commands_of_group(tried).empty()) {
      return print("Usage: assentctl " + tried + " COMMAND [OPTION]...\n\n" + list_of_commands(tried), kExitGood);
    }
    return print(help_of(ctl_help(), list_of_commands(), shown), kExitGood);
  }
  if (command == nullptr) {
    const auto group = commands_of_group(tried);
    if (!group.empty()) return wrong_usage("'" + tried + "' is not a command by itself; there are " + group);
    return wrong_usage(tried.empty() ? "no command given" : "there is no command '" + tried + "'");
  }
  return run_command(*command, given);
}

int ctl_failed(const CtlCall& call, const Error& error, int code) {
  complain(kCtlName, error.what);
  if (!call.json) return code;
  return print(json_of_error(error) + '\n', code);
}

std::variant<Config, int> ctl_config(const CtlCall& call) {
  const auto path = call.text("config");
  auto loaded = load_config(path);
  for (const auto& problem : loaded.problems) complain(path, problem);
  if (loaded.ok()) return std::move(loaded.config);
  if (!call.json) return int{kExitBadConfig};
  return print(json_of_error({Errc::invalid_argument, path + ": " + loaded.problems.front()}) + '\n', kExitBadConfig);
}

int failed_with_log(const CtlCall& call, const Config& config, const Error& error, const std::string& command) {
  if (error.code == Errc::log_locked) {
    const auto address = shown_address(config.listen.host, config.listen.port);
    return ctl_failed(call,
                      {error.code, error.what + ": ask it instead: assentctl --address " + address + " " + command},
                      kExitUnavailable);
  }
  return ctl_failed(call, error, exit_code_of_start(error));
}

Result<Client> ctl_connect(const CtlCall& call, std::optional<std::chrono::milliseconds> patience) {
  Client::Address address;
  if (patience) address.answer_grace = *patience;
  address.host = call.address.host;
  address.port = call.address.port;
  return Client::connect(std::move(address));
}

Result<Client> ctl_connect_control(const CtlCall& call, std::optional<std::chrono::milliseconds> patience) {
  auto client = ctl_connect(call, patience);
  if (!client) return client;
  const auto info = client->info();
  if (!info) return info.error();
  Client::Address address;
  if (patience) address.answer_grace = *patience;
  address.unix_socket = info->control_socket;
  auto control = Client::connect(std::move(address));
  if (control) return control;
  auto error = control.error();
  error.what += " This is served on its own host only, to its account and root";
  return error;
}

}  // namespace assent::app
