#include "app/ctl.hpp"
#include "app/exit_codes.hpp"
#include "app/json_text.hpp"
#include "app/output.hpp"
#include "app/text.hpp"
#include "wal/log.hpp"

namespace assent::app {
namespace {

using Table = std::vector<std::vector<std::string>>;

// What is wrong with a log is bad input to these commands, whatever made it so.
int failed_with_log(const CtlCall& call, const Error& error) {
  const bool internal = error.code == Errc::internal;
  return ctl_failed(call, error, internal ? kExitInternal : kExitBadInput);
}

const char* to_string(wal::Finding::Grade grade) {
  switch (grade) {
    case wal::Finding::Grade::note: return "note";
    case wal::Finding::Grade::torn: return "torn";
    case wal::Finding::Grade::damage: return "damage";
  }
  return "";
}

const char* verdict(wal::Tail tail) {
  switch (tail) {
    case wal::Tail::clean: return "whole";
    case wal::Tail::torn: return "whole, with a torn tail that the next start cuts off after a copy";
    case wal::Tail::corrupt: return "DAMAGED";
  }
  return "";
}

// A JSON object, member by member.
class JsonObject {
 public:
  JsonObject& text(const char* name, std::string_view value) {
    open(name);
    wire::append_json_string(out_, value);
    return *this;
  }
  template <typename Int>
  JsonObject& number(const char* name, Int value) {
    open(name);
    out_ += std::to_string(value);
    return *this;
  }
  JsonObject& json(const char* name, const std::string& value) {
    open(name);
    out_ += value;
    return *this;
  }
  std::string done() const { return out_ + "}"; }

 private:
  void open(const char* name) { out_ += (out_.size() > 1 ? ",\"" : "\"") + std::string(name) + "\":"; }
  std::string out_ = "{";
};

// As text, since JSON readers that keep numbers as doubles would round it.
std::string hex(std::uint64_t value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out(16, '0');
  for (std::size_t i = out.size(); i-- > 0; value >>= 4) out[i] = kDigits[value & 15];
  return out;
}

std::string json_list(const std::vector<std::string>& items) {
  return "[" + joined(items) + "]";
}

std::string json_of_report(const wal::Report& report) {
  std::vector<std::string> findings, files;
  for (const auto& one : report.findings) {
    findings.push_back(JsonObject()
                           .text("grade", to_string(one.grade))
                           .text("file", one.file)
                           .number("offset", one.offset)
                           .text("what", one.what)
                           .text("remedy", one.remedy)
                           .done());
  }
  for (const auto& one : report.files) {
    files.push_back(JsonObject()
                        .text("name", one.name)
                        .number("bytes", one.bytes)
                        .number("used_bytes", one.used_bytes)
                        .number("batches", one.batches)
                        .number("records", one.records)
                        .number("first_sequence", one.first_sequence)
                        .done());
  }
  JsonObject all;
  all.text("tail", wal::to_string(report.tail))
      .text("log_id", hex(report.log_id))
      .number("last_sequence", report.last_sequence)
      .number("live", report.live)
      .number("kept_keys", report.kept_keys);
  if (report.owner) all.text("owner", *report.owner);
  return all.json("files", json_list(files)).json("findings", json_list(findings)).done();
}

std::string shown_report(const std::string& directory, const wal::Report& report) {
  Table files{{"FILE", "BYTES", "USED", "BATCHES", "RECORDS", "FIRST"}};
  for (const auto& one : report.files) {
    files.push_back({one.name, std::to_string(one.bytes), std::to_string(one.used_bytes), std::to_string(one.batches),
                     std::to_string(one.records), std::to_string(one.first_sequence)});
  }
  std::string out = printable(directory) + ": " + verdict(report.tail) + "; " + std::to_string(report.live) +
                    " decided and not ended, " + std::to_string(report.kept_keys) + " keys kept, last record " +
                    std::to_string(report.last_sequence) + '\n';
  if (report.owner) out += printable("in use by " + *report.owner + ": its end moves while it is read") + '\n';
  out += aligned(files);
  for (const auto& one : report.findings)
    out += printable(std::string(to_string(one.grade)) + ": " + one.text()) + '\n';
  return out;
}

// One record, as members of an object and as a line.
struct RecordAsJson {
  JsonObject& out;

  void operator()(const ports::CommitDecision& record) const {
    out.text("kind", "commit_decision")
        .text("gtrid", record.gtrid)
        .text("protocol", to_string(record.protocol))
        .json("participants", list_of(record.participants))
        .json("acceptors", list_of(record.acceptors))
        .text("idempotency_key", record.idempotency_key)
        .text("label", record.label)
        .number("decided_at_ms", record.decided_at_ms);
  }
  void operator()(const ports::BranchSettled& record) const {
    out.text("kind", "branch_settled").text("gtrid", record.gtrid).number("branch", record.branch);
  }
  void operator()(const ports::TransactionEnded& record) const {
    out.text("kind", "transaction_ended").text("gtrid", record.gtrid);
  }
  void operator()(const ports::TransactionRolledBack& record) const {
    out.text("kind", "transaction_rolled_back").text("gtrid", record.gtrid);
  }
  void operator()(const ports::HazardFound& record) const {
    out.text("kind", "hazard_found")
        .text("gtrid", record.gtrid)
        .number("branch", record.branch)
        .text("reason", record.reason)
        .number("found_at_ms", record.found_at_ms);
  }
  void operator()(const ports::EpochStarted& record) const {
    out.text("kind", "epoch_started")
        .text("coordinator", record.coordinator)
        .number("epoch", record.epoch)
        .number("started_at_ms", record.started_at_ms);
  }
  void operator()(const ports::HazardAcknowledged& record) const {
    out.text("kind", "hazard_acknowledged")
        .text("gtrid", record.gtrid)
        .number("branch", record.branch)
        .text("who", record.who)
        .text("reason", record.reason)
        .number("acknowledged_at_ms", record.acknowledged_at_ms);
  }
  void operator()(const ports::OperatorAct& record) const {
    out.text("kind", "operator_act")
        .text("act", record.act)
        .text("gtrid", record.gtrid)
        .number("branch", record.branch)
        .text("who", record.who)
        .text("why", record.why)
        .number("done_at_ms", record.done_at_ms);
  }

 private:
  static const char* to_string(Protocol protocol) { return assent::to_string(protocol); }
  static std::string list_of(const std::vector<std::string>& names) {
    std::vector<std::string> quoted(names.size());
    for (std::size_t i = 0; i < names.size(); ++i) wire::append_json_string(quoted[i], names[i]);
    return json_list(quoted);
  }
};

struct RecordAsLine {
  std::string operator()(const ports::CommitDecision& record) const {
    std::string out = record.protocol == Protocol::three_phase ? "intent   " : "commit   ";
    out += record.gtrid + "  " + joined(record.participants);
    if (!record.acceptors.empty()) out += "  acceptors " + joined(record.acceptors);
    if (!record.idempotency_key.empty()) out += "  key " + record.idempotency_key;
    if (!record.label.empty()) out += "  label " + record.label;
    return out;
  }
  std::string operator()(const ports::BranchSettled& record) const {
    return "settled  " + record.gtrid + "  branch " + std::to_string(record.branch);
  }
  std::string operator()(const ports::TransactionEnded& record) const { return "ended    " + record.gtrid; }
  std::string operator()(const ports::TransactionRolledBack& record) const { return "rollback " + record.gtrid; }
  std::string operator()(const ports::HazardFound& record) const {
    return "HAZARD   " + record.gtrid + "  branch " + std::to_string(record.branch) + "  " + record.reason;
  }
  std::string operator()(const ports::HazardAcknowledged& record) const {
    return "seen to  " + record.gtrid + "  branch " + std::to_string(record.branch) + "  by " + record.who + ": " +
           record.reason;
  }
  std::string operator()(const ports::OperatorAct& record) const {
    return "operator " + record.gtrid + (record.branch == 0 ? "" : "  branch " + std::to_string(record.branch)) + "  " +
           record.act + " by " + record.who + ": " + record.why;
  }
  std::string operator()(const ports::EpochStarted& record) const {
    return "epoch    " + record.coordinator + "  " + std::to_string(record.epoch);
  }
};

// Writes records as they come, so that a log of any size takes no more memory than one of them.
class Dumper {
 public:
  explicit Dumper(bool json) : json_(json) {}

  void add(const wal::DumpedRecord& dumped) {
    const auto place = dumped.file + "+" + std::to_string(dumped.offset);
    if (json_) {
      JsonObject object;
      object.number("sequence", dumped.sequence).text("file", dumped.file).number("offset", dumped.offset);
      object.json("beyond_damage", dumped.beyond_damage ? "true" : "false");
      std::visit(RecordAsJson{object}, dumped.record);
      text_ += (any_ ? ",\n" : "{\"records\":[\n") + object.done();
    } else {
      text_ += std::to_string(dumped.sequence) + "  " + place + "  " +
               printable(std::visit(RecordAsLine{}, dumped.record)) +
               (dumped.beyond_damage ? "  (behind damage: not part of the log's state)" : "") + '\n';
    }
    any_ = true;
    if (text_.size() >= kFlushBytes) flush();
  }

  // `error` is what ended the log early, or null.
  int finish(const Error* error, int code) {
    if (json_) {
      text_ += any_ ? "\n]" : "{\"records\":[]";
      if (error != nullptr) text_ += "," + json_of_error(*error).substr(1);
      text_ += error != nullptr ? "\n" : "}\n";
    }
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
  bool any_ = false;
  int failed_ = 0;
  std::string text_;
};

int ctl_wal_verify(const CtlCall& call) {
  const auto& directory = call.operands[0];
  const auto report = wal::verify(directory, wal::posix_disk());
  if (!report) return failed_with_log(call, report.error());
  const int code = report->tail == wal::Tail::corrupt ? kExitBadInput : kExitGood;
  return print(call.json ? json_of_report(*report) + '\n' : shown_report(directory, *report), code);
}

int ctl_wal_dump(const CtlCall& call) {
  Dumper dumper(call.json);
  const auto read = wal::dump(call.operands[0], wal::posix_disk(), [&](const auto& record) { dumper.add(record); });
  if (read.ok()) return dumper.finish(nullptr, kExitGood);
  return dumper.finish(&read.error(), kExitBadInput);
}

}  // namespace

std::span<const CtlCommand> log_commands() noexcept {
  static constexpr CtlCommand kCommands[] = {
      {"wal verify", "DIR", 1, 1, "check the decision log of a stopped coordinator",
       R"help(Reads the log in DIR and checks every byte of it; nothing is changed.

Exit codes: 0 whole (a torn tail is what a crash leaves, and is whole), 65 damaged or not a log.

Example:
  assentctl wal verify /var/lib/assent/log
)help",
       nullptr, ctl_wal_verify},
      {"wal dump", "DIR", 1, 1, "print the decision log of a stopped coordinator",
       R"help(Prints the records of the log in DIR, one line each, or with --json as one list; nothing is changed.

Exit codes: 0 whole, 65 damaged or not a log (what is before the damage is printed).

Example:
  assentctl wal dump /var/lib/assent/log | tail
)help",
       nullptr, ctl_wal_dump},
  };
  return kCommands;
}

}  // namespace assent::app
