#pragma once

#include <string>
#include <vector>

#include "assent/result.hpp"
#include "bench/bench_results.hpp"

namespace assent::bench {

/// What the command line asked for, whole and without contradictions.
struct Options {
  enum class Command : std::uint8_t { help, run, compare, sweep, idle };
  Command command = Command::help;
  RunOptions run;  ///< `clients` is the first of client_counts.

  std::vector<std::string> modes;           ///< In the order in which they are shown.
  std::vector<std::string> servers;         ///< --server, as given; empty: servers of our own.
  std::string coordinator;                  ///< HOST:PORT, only with servers given; empty: of our own.
  std::vector<std::string> participants;    ///< The coordinator's names for the servers' databases, in their order.
  std::string assentd;                      ///< Path of the program.
  std::string coordinator_config;           ///< JSON merged over our configuration of assentd; may be empty.
  std::string participant_config;           ///< JSON merged over that of each participant; may be empty.
  std::string raw_settings;                 ///< More of SET SESSION for the bare client; may be empty.
  std::vector<std::string> server_options;  ///< For servers of our own.
  std::string folder;                       ///< For servers and logs of our own; empty: a temporary one.
  double rate = 0;                          ///< Of run: open loop; 0: closed.
  std::uint64_t seed = 1;

  std::string axis;               ///< Of sweep.
  std::vector<unsigned> values;   ///< On it.
  unsigned idle_connections = 0;  ///< Of idle.

  bool connections_given = false;
  bool json = false;
  bool quiet = false;
  bool check_targets = false;
  bool spoil_sums = false;  ///< Not in the help: for the test that wrong sums are found.
  std::string svg;          ///< File for the plots; empty: none.
};

/// The Error's text is for people, without a full stop.
Result<Options> parse_options(const std::vector<std::string>& arguments);
/// The same at one value of a sweep's axis. More participants where more are touched.
Options at_point(const Options& sweep, unsigned value);
std::string help_text();

}  // namespace assent::bench
