#include "bench/bench_options.hpp"

#include <algorithm>
#include <charconv>
#include <sstream>

#include <boost/program_options.hpp>
#include <nlohmann/json.hpp>

#include "bench/bench_round.hpp"
#include "bench/bench_servers.hpp"
#include "bench/bench_workload.hpp"

namespace assent::bench {
namespace {

namespace po = boost::program_options;

constexpr unsigned kHelpColumns = 120;
constexpr unsigned kClientsMax = 2000;
constexpr unsigned kParticipantsMax = 16;
constexpr unsigned kServersMax = 16;
constexpr unsigned kStatementsMax = 100;
constexpr unsigned kAccountsMax = 1'000'000;
constexpr unsigned kPairsMax = 1000;
constexpr double kSecondsMax = 3600;
/// Of a sweep, which has many points; also without an open loop, unless asked for.
constexpr unsigned kSweepPairs = 3;
constexpr unsigned kConnectionsDefaultMax = 8;

struct BadUsage {
  std::string what;
};

void check(bool holds, const std::string& what) {
  if (!holds) throw BadUsage{what};
}

void check_range(const std::string& option, double value, double least, double most) {
  std::ostringstream text;
  text << option << " takes a number from " << least << " to " << most;
  check(value >= least && value <= most, text.str());
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) parts.push_back(part);
  return parts;
}

std::vector<unsigned> numbers(const std::string& option, const std::string& text) {
  std::vector<unsigned> found;
  for (const auto& part : split(text)) {
    unsigned value = 0;
    const auto parsed = std::from_chars(part.data(), part.data() + part.size(), value);
    check(parsed.ec == std::errc{} && parsed.ptr == part.data() + part.size() && value > 0,
          option + " takes numbers from 1, with commas between them");
    found.push_back(value);
  }
  check(!found.empty(), option + " takes at least one number");
  return found;
}

struct Raw {
  std::string modes;
  std::string values;
  std::string transport;
  std::vector<std::string> participant_names;
};

po::options_description common_options(Options& into) {
  po::options_description options("What to run", kHelpColumns, kHelpColumns * 2 / 3);
  auto add = options.add_options();
  auto& run = into.run;
  add("workload", po::value(&run.workload)->default_value(run.workload)->value_name("NAME"),
      "transfer, order, read-mostly, hot or single");
  add("clients", po::value(&run.clients)->default_value(run.clients)->value_name("N"),
      "transactions at once (in an open loop: at most)");
  add("connections", po::value(&run.connections)->value_name("N"),
      "TCP connections to the coordinator that the clients share; as many as clients, at most 8, unless given");
  add("participants", po::value(&run.participants)->value_name("N"), "databases; 2 unless the workload needs others");
  add("server-count", po::value(&run.server_count)->value_name("N"),
      "servers of our own, which the participants share in turn; 2 unless given");
  add("touched", po::value(&run.touched)->default_value(run.touched)->value_name("N"),
      "participants of one transfer, chosen at random");
  add("statements", po::value(&run.statements)->default_value(run.statements)->value_name("N"),
      "per branch of a transfer");
  add("accounts", po::value(&run.accounts)->default_value(run.accounts)->value_name("N"), "rows per participant");
  add("seconds", po::value(&run.seconds)->default_value(run.seconds)->value_name("S"), "that count, per round");
  add("warmup", po::value(&run.warmup_seconds)->default_value(run.warmup_seconds)->value_name("S"),
      "seconds before them, in the first round of each mode; at most half a second in the others");
  add("seed", po::value(&into.seed)->default_value(into.seed)->value_name("N"), "of all random choices");
  return options;
}

po::options_description place_options(Options& into, Raw& raw) {
  po::options_description options("Where to run it", kHelpColumns, kHelpColumns * 2 / 3);
  auto add = options.add_options();
  add("servers", po::value(&into.run.servers)->default_value(into.run.servers)->value_name("KIND"),
      "start servers of our own: mariadb, mysql or mixed");
  add("server", po::value(&into.servers)->composing()->value_name("URL"),
      "use this one: mysql://user:password@host:port, or a file as `scripts/servers up --json` prints it. May be "
      "repeated. Databases are made there, and dropped in the end");
  add("server-option", po::value(&into.server_options)->composing()->value_name("OPT"),
      "for servers of our own: --server-option=--innodb-log-file-size=1G");
  add("transport", po::value(&raw.transport)->default_value("tcp")->value_name("KIND"),
      "to the servers, in every mode: tcp or unix");
  add("coordinator", po::value(&into.coordinator)->value_name("HOST:PORT"),
      "with --server and run only: send to this coordinator instead of one of our own");
  add("participant", po::value(&raw.participant_names)->composing()->value_name("NAME"),
      "what that coordinator calls the servers given, in their order; p1, p2 ... unless given");
  add("assentd", po::value(&into.assentd)->value_name("PATH"), "the program; the one beside this unless given");
  add("coordinator-config", po::value(&into.coordinator_config)->value_name("JSON"),
      R"(merged over assentd's configuration: '{"log": {"lazy_flush_ms": 50}}')");
  add("participant-config", po::value(&into.participant_config)->value_name("JSON"),
      R"(the same for every participant: '{"sessions_max": 48}')");
  add("raw-settings", po::value(&into.raw_settings)->value_name("LIST"),
      "of the bare client's sessions: xa_detach_on_prepare=OFF for example");
  add("dir", po::value(&into.folder)->value_name("DIR"),
      "new folder for servers and logs of our own; a temporary one unless given");
  return options;
}

po::options_description output_options(Options& into) {
  po::options_description options("What to show", kHelpColumns, kHelpColumns * 2 / 3);
  auto add = options.add_options();
  add("json", po::bool_switch(&into.json), "the result as one JSON object");
  add("svg", po::value(&into.svg)->value_name("FILE"), "of compare and sweep: write plots there, too");
  add("quiet,q", po::bool_switch(&into.quiet), "no progress on standard error");
  add("check-targets", po::bool_switch(&into.check_targets), "exit with 1 when a target is missed");
  add("help,h", "this text");
  return options;
}

po::options_description mode_options(Options& into, Raw& raw) {
  po::options_description options("Of the commands", kHelpColumns, kHelpColumns * 2 / 3);
  auto add = options.add_options();
  add("mode", po::value(&raw.modes)->value_name("MODE"), "run: the mode");
  add("rate", po::value(&into.rate)->value_name("TX/S"), "run: open loop at this rate");
  add("modes", po::value(&raw.modes)->value_name("LIST"), "compare, sweep: the modes, all unless given");
  add("pairs", po::value(&into.run.pairs)->default_value(into.run.pairs)->value_name("N"),
      "rounds of each mode; 3 in a sweep unless given");
  add("open-loop-percent",
      po::value(&into.run.open_loop_percent)->default_value(into.run.open_loop_percent)->value_name("P"),
      "compare: rate of the open loop, of the bare client's maximum; 0: no open loop");
  add("axis", po::value(&into.axis)->value_name("NAME"), "sweep: clients, participants, touched or statements");
  add("values", po::value(&raw.values)->value_name("LIST"), "sweep: 1,4,16,64 for example");
  add("idle-connections", po::value(&into.idle_connections)->value_name("N"), "idle: how many; 1000 unless given");
  return options;
}

constexpr std::pair<const char*, Options::Command> kCommands[] = {
    {"run", Options::Command::run},
    {"compare", Options::Command::compare},
    {"sweep", Options::Command::sweep},
    {"idle", Options::Command::idle},
};

std::vector<std::string> modes_of(const Options& options, const std::string& given) {
  if (given.empty()) {
    const bool one = options.command == Options::Command::run || options.command == Options::Command::idle;
    return one ? std::vector<std::string>{"assent"} : mode_names();
  }
  auto wanted = split(given);
  std::vector<std::string> modes;
  for (auto& name : wanted) {
    if (name == "raw") name = "raw-packet";
  }
  for (const auto& name : mode_names()) {
    if (std::erase(wanted, name) > 0) modes.push_back(name);
  }
  check(wanted.empty(), "there is no mode '" + (wanted.empty() ? "" : wanted[0]) +
                            "', only raw-packet, raw-statement, local, assent-no-proof, assent and assent-3pc");
  check(options.command != Options::Command::run || modes.size() == 1, "run takes one mode; use compare for more");
  check(options.command != Options::Command::idle || (modes.size() == 1 && is_assent(modes[0])),
        "idle takes the mode assent, assent-no-proof or assent-3pc");
  return modes;
}

void fill_defaults(Options& options, const po::variables_map& given) {
  auto& run = options.run;
  const auto* kind = find_workload(run.workload);
  check(kind != nullptr,
        "there is no workload '" + run.workload + "', only transfer, order, read-mostly, hot and single");
  if (!given.contains("participants"))
    run.participants = std::max(kind->participants_min == 1 ? 1U : 2U, kind->participants_min);
  const bool is_fixed = run.workload == "single" || run.workload == "order";
  check(!is_fixed || given["touched"].defaulted(), "--touched is not for the workload " + run.workload);
  check(run.workload != "order" || run.statements == 1, "--statements is not for the workload order");
  if (is_fixed) run.touched = kind->participants_min;
  if (!given.contains("participants")) run.participants = std::max(run.participants, run.touched);
  check_range("--participants", run.participants, kind->participants_min, kParticipantsMax);
  check(run.touched <= run.participants, "--touched is more than --participants");
  check_range("--touched", run.touched, run.workload == "single" ? 1 : 2, kParticipantsMax);
  if (!given.contains("server-count")) run.server_count = std::min(run.participants, 2U);
  check_range("--server-count", run.server_count, 1, kServersMax);
  run.server_count = std::min(run.server_count, run.participants);
}

void check_point(const Options& options, unsigned value) {
  const auto least = options.axis == "participants" ? options.run.touched : options.axis == "touched" ? 2U : 1U;
  const auto most = options.axis == "clients"      ? kClientsMax
                    : options.axis == "statements" ? kStatementsMax
                                                   : kParticipantsMax;
  check_range("--values for " + options.axis, value, least, most);
}

void check_all(const Options& options) {
  const auto& run = options.run;
  check_range("--clients", run.clients, 1, kClientsMax);
  check_range("--accounts", run.accounts, 1, kAccountsMax);
  check_range("--statements", run.statements, 1, kStatementsMax);
  check_range("--pairs", run.pairs, 1, kPairsMax);
  check_range("--seconds", run.seconds, 0.1, kSecondsMax);
  check_range("--warmup", run.warmup_seconds, 0, kSecondsMax);
  check_range("--open-loop-percent", run.open_loop_percent, 0, 200);
  check_range("--connections", run.connections, 1, kClientsMax);
  check(run.servers == "mariadb" || run.servers == "mysql" || run.servers == "mixed" || run.servers == "given",
        "--servers takes mariadb, mysql or mixed");
  check(options.rate >= 0, "--rate takes a number above 0");
  check(options.rate == 0 || options.command == Options::Command::run, "--rate goes with the command run");
  check(options.svg.empty() || options.command != Options::Command::idle, "there is nothing to plot of idle");
  for (const auto value : options.values) check_point(options, value);
  if (!options.coordinator.empty()) {
    check(!options.servers.empty() && options.command == Options::Command::run,
          "--coordinator goes with the command run and with --server for each of its participants");
  }
  for (const auto& server : options.servers) {
    const auto read = given_servers(server);
    if (!read) throw BadUsage{read.error().what};
  }
  for (const auto& text : {options.coordinator_config, options.participant_config}) {
    check(text.empty() || nlohmann::json::accept(text), "not JSON: " + text);
  }
}

void finish_sweep(Options& options, const Raw& raw, const po::variables_map& given) {
  if (options.command != Options::Command::sweep) return;
  if (given["pairs"].defaulted()) options.run.pairs = kSweepPairs;
  if (given["open-loop-percent"].defaulted()) options.run.open_loop_percent = 0;
  if (options.axis.empty()) options.axis = "clients";
  const auto known = {"clients", "participants", "touched", "statements"};
  check(std::find(known.begin(), known.end(), options.axis) != known.end(),
        "--axis takes clients, participants, touched or statements");
  const bool clients = options.axis == "clients";
  check(clients || options.run.workload != "order", "a sweep of the workload order has the axis clients");
  check(options.axis != "touched" || options.run.workload != "single", "--axis touched is not for the workload single");
  options.values = raw.values.empty()
                       ? (clients ? std::vector<unsigned>{1, 4, 16, 64, 128, 256} : std::vector<unsigned>{2, 4, 8})
                       : numbers("--values", raw.values);
}

Result<Options> parse(const std::vector<std::string>& arguments) {
  Options options;
  Raw raw;
  po::options_description all;
  all.add(common_options(options)).add(place_options(options, raw)).add(mode_options(options, raw));
  all.add(output_options(options));
  po::options_description with_hidden;
  std::string command;
  with_hidden.add(all).add_options()("command", po::value(&command))("spoil-sums",
                                                                     po::bool_switch(&options.spoil_sums));
  po::positional_options_description positions;
  positions.add("command", 1);
  po::variables_map given;
  po::store(po::command_line_parser(arguments).options(with_hidden).positional(positions).run(), given);
  po::notify(given);
  if (given.contains("help") || command == "help") return options;
  check(!command.empty(), "name a command: run, compare, sweep or idle");
  const auto* found =
      std::find_if(std::begin(kCommands), std::end(kCommands), [&](const auto& one) { return one.first == command; });
  check(found != std::end(kCommands), "there is no command '" + command + "', only run, compare, sweep and idle");
  options.command = found->second;
  if (!options.servers.empty()) {
    check(given["servers"].defaulted(), "--server and --servers exclude each other");
    options.run.servers = "given";
  }
  check(raw.transport == "tcp" || raw.transport == "unix", "--transport takes tcp or unix");
  options.run.transport = raw.transport;
  options.participants = raw.participant_names;
  fill_defaults(options, given);
  options.connections_given = given.contains("connections");
  if (!options.connections_given) options.run.connections = std::min(options.run.clients, kConnectionsDefaultMax);
  if (options.command == Options::Command::run) {
    options.run.pairs = 1;
    options.run.open_loop_percent = 0;
  }
  if (options.idle_connections == 0) options.idle_connections = 1000;
  options.modes = modes_of(options, raw.modes);
  finish_sweep(options, raw, given);
  check_all(options);
  return options;
}

}  // namespace

Result<Options> parse_options(const std::vector<std::string>& arguments) {
  try {
    return parse(arguments);
  } catch (const BadUsage& usage) {
    return Error{Errc::invalid_argument, usage.what, false};
  } catch (const po::error& wrong) {
    return Error{Errc::invalid_argument, wrong.what(), false};
  }
}

Options at_point(const Options& sweep, unsigned value) {
  auto point = sweep;
  auto& run = point.run;
  if (sweep.axis == "clients") run.clients = value;
  if (sweep.axis == "participants") run.participants = value;
  if (sweep.axis == "touched") run.touched = value;
  if (sweep.axis == "statements") run.statements = value;
  run.participants = std::max(run.participants, run.touched);
  if (!sweep.connections_given) run.connections = std::min(run.clients, kConnectionsDefaultMax);
  return point;
}

std::string help_text() {
  Options options;
  Raw raw;
  std::ostringstream text;
  text
      << R"(Measures Assent under load, and against a bare client that runs the same XA statements on the same servers with
no coordinator, no log and no proof.

  assent-bench run --mode MODE ...   one mode
  assent-bench compare ...           several modes in turn, pairwise, on the same databases
  assent-bench sweep --axis NAME ... compare at several values of an option
  assent-bench idle ...              memory of assentd with idle connections

Modes:
  raw-packet       the bare client: XA START to XA PREPARE in one packet per branch, then XA COMMIT in one; all branches
                   at once, one thread, a session per client and participant
  raw-statement    the same with a round trip per statement
  local            plain commits at each server, not atomic
  assent-no-proof  Assent without proof rows
  assent           Assent as it is by default
  assent-3pc       the same in three phases, with the participants as acceptors

Workloads:
)";
  for (const auto& kind : workload_kinds()) {
    text << "  " << kind.name << std::string(17 - std::string(kind.name).size(), ' ') << kind.sentence << "\n";
  }
  text << "\n"
       << common_options(options) << "\n"
       << place_options(options, raw) << "\n"
       << mode_options(options, raw) << "\n"
       << output_options(options) << R"(
Examples:
  assent-bench compare --servers mariadb --clients 64 --pairs 5
  assent-bench compare --servers mysql --clients 1 --pairs 3 --json > mysql-1.json
  assent-bench compare --modes raw,assent --participants 8 --touched 2
  assent-bench run --mode assent --workload order --rate 500 --seconds 30
  assent-bench run --mode raw --server mysql://bench:secret@db1:3306 --server mysql://bench:secret@db2:3306
  assent-bench sweep --axis clients --values 1,4,16,64,128,256 --svg clients.svg

Every run checks at its end that no money, order or payment was lost or made, and that no branch is left in doubt.
Ratios are medians of the ratios within each pair, against the better of the two bare clients. CPU is of this program
(client), of assentd (coordinator) and of all servers, where they run on this host.

Exit codes: 0 all done and the sums are right; 1 the sums are off, or a target is missed with --check-targets; 64 wrong
usage; 69 the servers or the coordinator cannot be had; 130 after Ctrl-C (143 after SIGTERM), with all that was started
here taken down.
)";
  return text.str();
}

}  // namespace assent::bench
