#pragma once

namespace assent::app {

/// What the programs exit with. 64 and above are those of sysexits.h.
enum ExitCode : int {
  kExitGood = 0,           ///< Committed; all clean; stopped in order.
  kExitRolledBack = 1,     ///< The transaction rolled back.
  kExitNotSettled = 2,     ///< Unknown, in doubt or a hazard.
  kExitUsage = 64,         ///< The command line is wrong.
  kExitBadInput = 65,      ///< A file or answer that was given is wrong or damaged.
  kExitUnavailable = 69,   ///< The coordinator or a participant is not there.
  kExitInternal = 70,      ///< A bug, or a log that can no longer be trusted to be durable.
  kExitCannotCreate = 73,  ///< A directory or file that is needed is missing, or cannot be used.
  kExitBadConfig = 78,     ///< The configuration is wrong, or a participant's would break a guarantee.
};

}  // namespace assent::app
