#include "app/daemon_help.hpp"

#include <string>

namespace assent::app {

namespace po = boost::program_options;

const ProgramHelp& daemon_help() noexcept {
  static constexpr ProgramHelp kHelp{
      "assentd", "Coordinates transactions over several MySQL and MariaDB servers.\n", "--config FILE [OPTION]...",
      R"help(SIGTERM, SIGINT or SIGHUP stops it in order: nothing new is taken, what runs may finish within
limits.drain_timeout_ms, the rest is rolled back or, once decided, left to the next start. A second signal ends it at
once, as a crash would, and as safely.

It starts only on the log that has all that its last owner wrote, as the participants show, and never while that one may
live elsewhere: then it watches for up to 5 s. If that log is lost for good, an operator says so with --log-lost, once.
The new log then presumes nothing of what was prepared before (assentctl recover shows it), and idempotency keys that
were promised with the lost one are forgotten.
)help",
      R"help(Exit codes: 0 stopped in order; 64 wrong usage; 65 the log is damaged or newer than this program; 69 the address or the
log is taken by another process, or another process of this coordinator lives, or has taken over from this one; 70
internal, or the log failed and can no longer be written; 73 the log's directory or the ready file cannot be used;
78 the configuration is wrong, the log is not the one that was used last, or serving would put another guarantee at risk.

Examples:
  assentd --config config/assentd.json --check-config
  assentd --config config/assentd.json --ready-file /run/assentd.ready
)help"};
  return kHelp;
}

po::options_description daemon_options() {
  po::options_description options("Options", 100);
  options.add_options()                                                                                             //
      ("config", po::value<std::string>()->value_name("FILE"), "the configuration, JSON with comments (required)")  //
      ("check-config", "say all that is wrong with the configuration, and exit")                                    //
      ("ready-file", po::value<std::string>()->value_name("PATH"),
       "written with 'HOST PORT' once it serves, removed when it stops")  //
      ("log-lost",
       "an operator's word, for one start: the log that was used last is lost for good; start without it")  //
      ("help,h", "show this help")                                                                          //
      ("help-config", "show every setting of the configuration")                                            //
      ("version", "show the version");
  return options;
}

}  // namespace assent::app
