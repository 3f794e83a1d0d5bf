#include <algorithm>
#include <cctype>

#include "app/ctl_databases.hpp"
#include "app/exit_codes.hpp"
#include "app/json_text.hpp"
#include "app/output.hpp"
#include "app/text.hpp"
#include "participant/setup.hpp"

namespace assent::app {

/// How making the schema went at one participant.
struct InitReport {
  std::string name;
  std::string address;
  std::string schema;
  std::string state;              ///< "made", "complete" (nothing was missing), "refused" or "down".
  std::vector<std::string> made;  ///< `schema assent`, `table proof`.
  std::string reason;             ///< When refused or down.
};

struct InitScript {
  std::string name;
  std::string address;
  std::string sql;
};

/// InitReports, or InitScripts.
template <typename T>
struct InitList {
  std::vector<T> participants;
};

template <typename Io, wire::Is<InitReport> S>
void fields(Io& io, S& s) {
  io.required("name", s.name);
  io.required("address", s.address);
  io.required("schema", s.schema);
  io.required("state", s.state);
  io.required("made", s.made);
  io.optional("reason", s.reason);
}

template <typename Io, wire::Is<InitScript> S>
void fields(Io& io, S& s) {
  io.required("name", s.name);
  io.required("address", s.address);
  io.required("sql", s.sql);
}

template <typename Io, typename T>
void fields(Io& io, const InitList<T>& s) {
  io.required("participants", s.participants);
}

namespace {

namespace po = boost::program_options;

constexpr const char* kUsage = "participants init --config FILE [PARTICIPANT] [--print-sql [--account-host HOST]]";
constexpr const char* kAnyHost = "%";
constexpr std::size_t kAccountHostBytesMax = 255;

InitReport made_at(ParticipantSettings participant) {
  const auto& connection = participant.connection;
  InitReport report{connection.name, shown_address(connection), connection.schema, "", {}, ""};
  const auto fail = [&](const char* state, const std::string& why) {
    report.state = state;
    report.reason = why;
    return report;
  };
  auto password = read_password(participant);
  if (!password) return fail("refused", password.error().what);
  participant.connection.password = std::move(*password);
  auto made = participant::init_schema(connection);
  if (!made) return fail(made.error().code == Errc::unavailable ? "down" : "refused", made.error().what);
  report.state = made->empty() ? "complete" : "made";
  report.made = std::move(*made);
  return report;
}

std::string shown(const InitReport& report, const std::string& config) {
  std::string line = report.name + ": ";
  if (report.state == "complete") return line + "schema " + report.schema + " is there, and complete\n";
  if (report.state == "made") {
    line += "made ";
    for (std::size_t i = 0; i < report.made.size(); ++i) line += (i == 0 ? "" : ", ") + report.made[i];
    return printable(line) + '\n';
  }
  if (report.state == "down") return printable(line + "NOT REACHED: " + report.reason) + '\n';
  return printable(line + "NOT MADE: " + report.reason +
                   "; let a DBA run what this prints: assentctl participants init --config " + config + " " +
                   report.name + " --print-sql") +
         '\n';
}

int exit_code_of_all(const std::vector<InitReport>& reports) {
  const auto any = [&](const char* state) {
    return std::any_of(reports.begin(), reports.end(), [&](const auto& one) { return one.state == state; });
  };
  return any("refused") ? kExitBadConfig : any("down") ? kExitUnavailable : kExitGood;
}

int make_all(const CtlCall& call, const Config& config) {
  InitList<InitReport> list;
  std::string text;
  for (const auto& participant : config.participants) {
    list.participants.push_back(made_at(participant));
    text += shown(list.participants.back(), call.text("config"));
  }
  const int code = exit_code_of_all(list.participants);
  return print(call.json ? json_of(list) + '\n' : text, code);
}

int print_sql(const CtlCall& call, const Config& config) {
  const auto host = call.has("account-host") ? call.text("account-host") : kAnyHost;
  InitList<InitScript> list;
  std::string text = "-- Assent's own tables, and what its account needs there. Running this again changes nothing.\n";
  if (config.participants.size() > 1)
    text += "-- Each part is for one server. Name a participant to get its part alone.\n";
  for (const auto& [connection, password_env, password_file, witness] : config.participants) {
    auto sql = participant::schema_script(connection, host);
    text += "\n-- Participant " + connection.name + ", at " + printable(shown_address(connection)) + "\n" + sql;
    list.participants.push_back({connection.name, shown_address(connection), std::move(sql)});
  }
  return print(call.json ? json_of(list) + '\n' : text, kExitGood);
}

int ctl_participants_init(const CtlCall& call) {
  const auto wrong = [](const std::string& what) {
    complain(kCtlName, what);
    return int{kExitUsage};
  };
  if (call.has("account-host")) {
    const auto host = call.text("account-host");
    if (!call.has("print-sql")) return wrong("--account-host goes with --print-sql");
    const bool odd =
        std::any_of(host.begin(), host.end(), [](unsigned char c) { return std::iscntrl(c) != 0 || c == '@'; });
    if (host.empty() || host.size() > kAccountHostBytesMax || odd)
      return wrong("--account-host: not the host of an account");
  }
  const auto chosen = ctl_chosen(call, kUsage);
  if (const auto* code = std::get_if<int>(&chosen)) return *code;
  const auto& config = std::get<Config>(chosen);
  return call.has("print-sql") ? print_sql(call, config) : make_all(call, config);
}

void init_options(CtlOptions& options) {
  add_config_option(options);
  options.add_options()                                                                //
      ("print-sql", "connect to nothing, and print the SQL for somebody else to run")  //
      ("account-host", po::value<std::string>()->value_name("HOST"),
       "the host in the name of Assent's account, for the GRANTs of --print-sql; else %");
}

}  // namespace

std::span<const CtlCommand> setup_commands() noexcept {
  static constexpr CtlCommand kCommands[] = {
      {"participants init", "[PARTICIPANT]", 0, 1, "make Assent's own tables at a configuration's databases",
       R"help(Makes the schema and the tables that Assent keeps at each database that the configuration FILE names, or at one, and
says what was made; what is there stays as it is. assentd does the same at its first contact, if its account may. With
--print-sql the SQL is printed instead, with the GRANTs, for a DBA to run: afterwards Assent's account need not be
allowed to create anything. It is the same for MariaDB and MySQL.

Exit codes: 0 all is there, 69 a database cannot be reached, 78 the account may not.

Examples:
  assentctl participants init --config config/assentd.json
  assentctl participants init --config config/assentd.json stock --print-sql | mariadb -h db2 -u root -p
  assentctl participants init --config config/assentd.json stock --print-sql --account-host '10.0.0.%'
)help",
       init_options, ctl_participants_init},
  };
  return kCommands;
}

}  // namespace assent::app
