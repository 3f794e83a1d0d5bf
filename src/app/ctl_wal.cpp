#include <filesystem>

#include "app/ctl.hpp"
#include "app/exit_codes.hpp"
#include "app/json_text.hpp"
#include "app/output.hpp"
#include "app/wal_text.hpp"

namespace assent::app {
namespace {

// A damaged log is bad input to these commands. One that is in use is unavailable for now; one that is missing,
// or may not be read or written, cannot be used at all.
int exit_code(const Error& error) {
  switch (error.code) {
    case Errc::log_locked: return kExitUnavailable;
    case Errc::not_found:
    case Errc::io: return kExitCannotCreate;
    case Errc::internal: return kExitInternal;
    default: return kExitBadInput;
  }
}

// A log's directory by its real path: copies are made beside it, wherever links and dots lead there from.
std::string real_directory(const CtlCall& call) {
  std::error_code failed;
  const auto path = std::filesystem::canonical(call.operands[0], failed);
  return failed ? call.operands[0] : path.string();
}

// Writes records as they come, so that a log of any size takes no more memory than one of them.
class Dumper {
 public:
  explicit Dumper(bool json) : json_(json) {}

  void add(const wal::DumpedRecord& dumped) {
    text_ += json_ ? json_of(dumped) : text_of(dumped);
    if (text_.size() >= kFlushBytes) flush();
  }

  // `error` is what ended the log early, or null.
  int finish(const Error* error, int code) {
    if (json_ && error != nullptr) text_ += json_of_error(*error) + '\n';
    if (error != nullptr) complain(kCtlName, error->what);
    flush();
    return failed_ != 0 ? failed_ : code;
  }

 private:
  static constexpr std::size_t kFlushBytes = 1 << 16;

  void flush() {
    if (failed_ == 0) failed_ = print(text_, 0);
    text_.clear();
  }

  bool json_;
  int failed_ = 0;
  std::string text_;
};

int ctl_wal_verify(const CtlCall& call) {
  const auto& directory = call.operands[0];
  const auto report = wal::verify(directory, wal::posix_disk());
  if (!report) return ctl_failed(call, report.error(), exit_code(report.error()));
  const int code = report->tail == wal::Tail::corrupt ? kExitBadInput : kExitGood;
  return print(call.json ? json_of(directory, *report) : text_of(directory, *report), code);
}

int ctl_wal_dump(const CtlCall& call) {
  Dumper dumper(call.json);
  const auto read = wal::dump(call.operands[0], wal::posix_disk(), [&](const auto& record) { dumper.add(record); });
  if (read.ok()) return dumper.finish(nullptr, kExitGood);
  return dumper.finish(&read.error(), exit_code(read.error()));
}

int ctl_wal_repair(const CtlCall& call) {
  wal::RepairOptions options;
  options.directory = real_directory(call);
  options.force_lose = call.has("force-lose");
  options.dry_run = call.has("dry-run");
  const auto report = wal::repair(options, wal::posix_disk());
  if (!report) return ctl_failed(call, report.error(), exit_code(report.error()));
  const bool refused = report->tail == wal::Tail::corrupt && !options.force_lose;
  return print(call.json ? json_of(options, *report) : text_of(options, *report), refused ? kExitBadInput : kExitGood);
}

int ctl_wal_compact(const CtlCall& call) {
  const auto directory = real_directory(call);
  const auto report = wal::compact(directory, wal::posix_disk());
  if (!report) return ctl_failed(call, report.error(), exit_code(report.error()));
  return print(call.json ? json_of(directory, *report) : text_of(directory, *report), kExitGood);
}

void repair_options(CtlOptions& options) {
  options.add_options()                                                                    //
      ("force-lose", "make a damaged log usable again without what cannot be read of it")  //
      ("dry-run", "only print what would be done");
}

}  // namespace

std::span<const CtlCommand> log_commands() noexcept {
  static constexpr CtlCommand kCommands[] = {
      {"wal verify", "DIR", 1, 1, "check the decision log of a stopped coordinator",
       R"help(Reads the log in DIR and checks every byte of it; nothing is changed. Each finding names its file, the byte and what
to do.

Exit codes: 0 whole (a torn tail is what a crash leaves, and is whole), 65 damaged, 73 it is missing
or may not be read.

Examples:
  assentctl wal verify /var/lib/assent/log
  assentctl wal verify /var/lib/assent/log --json | jq .findings
)help",
       nullptr, ctl_wal_verify},
      {"wal dump", "DIR", 1, 1, "print the decision log of a stopped coordinator",
       R"help(Prints the records of the log in DIR, one line each; nothing is changed. With --json each line is a JSON object, the
last one {"error":...} when the log could not be read to its end. What is older than the checkpoint is gone.

Exit codes: 0 whole, 65 damaged (what can be read is printed, what stands behind the damage marked so),
73 it is missing or may not be read.

Examples:
  assentctl wal dump /var/lib/assent/log | tail
  assentctl wal dump /var/lib/assent/log --json | jq -c 'select(.kind == "commit_decision")'
)help",
       nullptr, ctl_wal_dump},
      {"wal repair", "DIR", 1, 1, "make a torn or damaged decision log usable again",
       R"help(Of a stopped coordinator. First the whole log in DIR is copied beside it, to DIR.before-repair-TIME; without a copy
nothing is changed. Then the log is made to go on behind a torn tail, which a crash leaves and which was never
acknowledged to anybody.

A damaged log is left as it is; what is damaged is printed, with the decisions that can still be read. With
--force-lose the log goes on without what cannot be read. Every decision to commit that can be read is kept, before
the damage and behind it. The lost part may have held such decisions too. So from then on the coordinator rolls back no
branch in two phases that was prepared before the repair and whose decision was not kept: settle those by hand, as is
printed. A copy of the log that is as new is better than any repair.

Exit codes: 0 repaired, or nothing to repair; 64 wrong usage; 65 damaged (and no --force-lose), of a newer format, or
not a log; 69 a process owns the log; 73 it is missing or may not be read, no copy could be made, or a file not be
written.

Examples:
  assentctl wal repair /var/lib/assent/log
  assentctl wal repair /var/lib/assent/log --force-lose --dry-run
  assentctl wal repair /var/lib/assent/log --force-lose
)help",
       repair_options, ctl_wal_repair},
      {"wal compact", "DIR", 1, 1, "drop what the decision log of a stopped coordinator no longer needs",
       R"help(Writes a checkpoint of the state that the log in DIR comes to, and removes the segments before the last one. A running
coordinator does so by itself as segments fill. A torn tail is passed first, after a copy as 'wal repair' makes it. Can be
run again; then there is nothing to gain.

Exit codes: 0 done; 64 wrong usage; 65 damaged (see 'wal verify' and 'wal repair'), of a newer format, or not a log;
69 a process owns the log; 73 it is missing or may not be read, or a file cannot be written.

Example:
  assentctl wal compact /var/lib/assent/log
)help",
       nullptr, ctl_wal_compact},
  };
  return kCommands;
}

}  // namespace assent::app
