#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include <boost/program_options.hpp>

#include "app/address.hpp"
#include "app/config.hpp"
#include "app/help_text.hpp"
#include "assent/client.hpp"

namespace assent::app {

inline constexpr const char* kCtlName = "assentctl";

/// assentctl, whole: reads the command line, runs one command, gives the exit code.
int run_ctl(int argc, const char* const* argv);

using CtlOptions = boost::program_options::options_description;

/// What a command was called with.
struct CtlCall {
  explicit CtlCall(const boost::program_options::variables_map& options) : given(options) {}

  // The command's own options.
  bool has(const char* option) const { return given.count(option) > 0; }
  /// Empty when it was not given.
  std::string text(const char* option) const { return has(option) ? given[option].as<std::string>() : ""; }
  /// Of an option that has a default.
  std::uint32_t number(const char* option) const { return given[option].as<std::uint32_t>(); }

  HostPort address;
  bool json = false;
  std::vector<std::string> operands;  ///< As many as the command allows.
  const boost::program_options::variables_map& given;
};

/// A command, with all that help and man page say of it.
struct CtlCommand {
  const char* name;  ///< One word or two: "wal verify".
  const char* operands;
  std::size_t operands_min;
  std::size_t operands_max;
  const char* summary;
  const char* help;
  void (*add_options)(CtlOptions&);  ///< Null: it has none of its own.
  /// Prints its answer (with --json a JSON document, or one on each line), or one line on standard error, and gives the
  /// exit code.
  int (*run)(const CtlCall&);
  bool listed = true;         ///< In what `assentctl --help` lists.
  const char* required = "";  ///< Options that it cannot do without, as its usage shows them.
};

/// What assentctl says of itself.
const ProgramHelp& ctl_help() noexcept;
/// All commands, in the order in which help lists them.
std::vector<const CtlCommand*> ctl_commands();
/// What stands behind a command's name in its usage.
std::string arguments_of(const CtlCommand& command);
/// The options that every command takes.
CtlOptions ctl_options();

std::span<const CtlCommand> transaction_commands() noexcept;
std::span<const CtlCommand> health_commands() noexcept;
std::span<const CtlCommand> doctor_commands() noexcept;
std::span<const CtlCommand> setup_commands() noexcept;
std::span<const CtlCommand> recovery_commands() noexcept;
std::span<const CtlCommand> choice_commands() noexcept;
std::span<const CtlCommand> hazard_commands() noexcept;
std::span<const CtlCommand> log_commands() noexcept;
std::span<const CtlCommand> page_commands() noexcept;

/// Reports an error as a command does: one line on standard error, with --json also one document on standard output.
int ctl_failed(const CtlCall& call, const Error& error, int code);

/// The configuration that --config names, or the exit code, after printing what is wrong with it.
std::variant<Config, int> ctl_config(const CtlCall& call);

/// The same of an error with the log that `config` names; `command` is what a running coordinator could be asked
/// instead.
int failed_with_log(const CtlCall& call, const Config& config, const Error& error, const std::string& command);

/// `patience`: for an answer; nothing: the client's own.
Result<Client> ctl_connect(const CtlCall& call, std::optional<std::chrono::milliseconds> patience = std::nullopt);
/// The same to its control socket, which it names itself: on its host, and for its account or root.
Result<Client> ctl_connect_control(const CtlCall& call,
                                   std::optional<std::chrono::milliseconds> patience = std::nullopt);

}  // namespace assent::app
