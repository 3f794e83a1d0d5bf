#include "app/wal_text.hpp"

#include "app/json_text.hpp"
#include "app/text.hpp"

namespace assent::app {
namespace {

using Table = std::vector<std::vector<std::string>>;

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
  JsonObject& boolean(const char* name, bool value) { return json(name, value ? "true" : "false"); }
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

std::string json_names(const std::vector<std::string>& names) {
  std::vector<std::string> quoted(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) wire::append_json_string(quoted[i], names[i]);
  return json_list(quoted);
}

std::string json_identities(const std::vector<std::uint64_t>& identities) {
  std::vector<std::string> texts;
  for (const auto identity : identities) texts.push_back(hex(identity));
  return json_names(texts);
}

const char* name_of(ports::HazardKind kind) {
  return kind == ports::HazardKind::lost ? "lost" : "committed_against";
}

const char* verdict(wal::Tail tail) {
  switch (tail) {
    case wal::Tail::clean: return "whole";
    case wal::Tail::torn: return "whole, with a torn tail that the next start passes over";
    case wal::Tail::corrupt: return "DAMAGED";
  }
  return "";
}

std::string text_of(const std::vector<wal::Finding>& findings) {
  std::string out;
  for (const auto& one : findings) out += printable(std::string(wal::to_string(one.grade)) + ": " + one.text()) + '\n';
  return out;
}

std::string json_of(const std::vector<wal::Finding>& findings) {
  std::vector<std::string> items;
  for (const auto& one : findings) {
    items.push_back(JsonObject()
                        .text("grade", wal::to_string(one.grade))
                        .text("file", one.file)
                        .number("offset", one.offset)
                        .text("what", one.what)
                        .text("remedy", one.remedy)
                        .done());
  }
  return json_list(items);
}

// One record, as members of an object and as a line.
struct RecordAsJson {
  JsonObject& out;

  void operator()(const ports::CommitDecision& record) const {
    out.text("kind", "commit_decision")
        .text("gtrid", record.gtrid)
        .text("protocol", assent::to_string(record.protocol))
        .json("participants", json_names(record.participants))
        .json("acceptors", json_names(record.acceptors))
        .text("idempotency_key", record.idempotency_key)
        .text("label", record.label)
        .number("decided_at_ms", record.decided_at_ms)
        .json("identities", json_identities(record.identities))
        .json("acceptor_identities", json_identities(record.acceptor_identities));
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
        .number("found_at_ms", record.found_at_ms)
        .text("hazard_kind", name_of(record.kind));
  }
  void operator()(const ports::EpochStarted& record) const {
    out.text("kind", "epoch_started")
        .text("coordinator", record.coordinator)
        .number("epoch", record.epoch)
        .number("started_at_ms", record.started_at_ms)
        .text("instance", hex(record.instance))
        .boolean("log_lost", record.log_lost);
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
  void operator()(const ports::KeyRolledBack& record) const {
    out.text("kind", "key_rolled_back")
        .text("idempotency_key", record.idempotency_key)
        .text("gtrid", record.gtrid)
        .json("participants", json_names(record.participants))
        .text("cause", record.cause ? record.cause->message : "")
        .boolean("retryable", record.cause && record.cause->retryable)
        .number("rolled_back_at_ms", record.rolled_back_at_ms);
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
    return "HAZARD   " + record.gtrid + "  branch " + std::to_string(record.branch) + "  " + name_of(record.kind) +
           "  " + record.reason;
  }
  std::string operator()(const ports::EpochStarted& record) const {
    return "epoch    " + record.coordinator + "  " + std::to_string(record.epoch) + "  instance " +
           hex(record.instance) + (record.log_lost ? "  the log before it is lost" : "");
  }
  std::string operator()(const ports::HazardAcknowledged& record) const {
    return "closed   " + record.gtrid + "  branch " + std::to_string(record.branch) + "  by " + record.who + ": " +
           record.reason;
  }
  std::string operator()(const ports::OperatorAct& record) const {
    return "operator " + record.gtrid + (record.branch == 0 ? "" : "  branch " + std::to_string(record.branch)) + "  " +
           record.act + " by " + record.who + ": " + record.why;
  }
  std::string operator()(const ports::KeyRolledBack& record) const {
    return "undone   " + record.gtrid + "  " + joined(record.participants) + "  key " + record.idempotency_key +
           (record.cause ? "  " + record.cause->message : "");
  }
};

}  // namespace

std::string text_of(const wal::DumpedRecord& dumped) {
  return std::to_string(dumped.sequence) + "  " + dumped.file + "+" + std::to_string(dumped.offset) + "  " +
         printable(std::visit(RecordAsLine{}, dumped.record)) +
         (dumped.beyond_damage ? "  (behind damage: not part of the log's state)" : "") + '\n';
}

std::string json_of(const wal::DumpedRecord& dumped) {
  JsonObject object;
  object.number("sequence", dumped.sequence)
      .text("file", dumped.file)
      .number("offset", dumped.offset)
      .boolean("beyond_damage", dumped.beyond_damage);
  std::visit(RecordAsJson{object}, dumped.record);
  return object.done() + '\n';
}

std::string json_of(const std::string& directory, const wal::Report& report) {
  std::vector<std::string> files;
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
  all.text("directory", directory)
      .text("tail", wal::to_string(report.tail))
      .text("log_id", hex(report.log_id))
      .number("last_sequence", report.last_sequence)
      .number("live", report.live)
      .number("kept_keys", report.kept_keys);
  if (report.owner) all.text("owner", *report.owner);
  return all.json("files", json_list(files)).json("findings", json_of(report.findings)).done() + '\n';
}

std::string text_of(const std::string& directory, const wal::Report& report) {
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
  return out + text_of(report.findings);
}

}  // namespace assent::app
