#pragma once

namespace assent::app {

/// assentd, whole: reads the command line and the configuration, serves until it is told to stop, gives the exit code.
///
/// Start: configuration, passwords, decision log, participants, coordinator, listener. Stop (SIGTERM, SIGINT): no new
/// connections, the coordinator drains within limits.drain_timeout_ms, answers go out, the log is closed. A second
/// signal ends the process at once, which is safe: it is what a crash would be.
int run_daemon(int argc, const char* const* argv);

}  // namespace assent::app
