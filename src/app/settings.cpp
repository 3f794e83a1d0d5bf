#include "app/settings.hpp"

#include "protocol/quorum.hpp"
#include "protocol/xid.hpp"
#include "wal/format.hpp"
#include "wire/limits.hpp"

namespace assent::app {
namespace {

constexpr std::int64_t kPathBytesMax = 4000;
constexpr std::int64_t kUnixSocketBytesMax = 107;  // What sockaddr_un takes.
constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kKiB = 1024;
constexpr std::int64_t kMiB = 1024 * kKiB;

using Milliseconds = std::chrono::milliseconds;

template <typename Value, typename Set>
std::function<void(SettingTarget, const SettingValue&)> with(Set set) {
  return [set](SettingTarget to, const SettingValue& value) { set(to, std::get<Value>(value)); };
}

template <typename Set>
Setting number(std::string path, std::string unit, std::int64_t by_default, std::int64_t least, std::int64_t most,
               Set set, std::string sentence) {
  Setting made;
  made.path = std::move(path);
  made.kind = Setting::Kind::whole_number;
  made.unit = std::move(unit);
  made.by_default = by_default;
  made.least = least;
  made.most = most;
  made.sentence = std::move(sentence);
  made.set = with<std::int64_t>(set);
  return made;
}

template <typename Set>
Setting text(std::string path, std::optional<std::string> by_default, std::int64_t least, std::int64_t most, Set set,
             std::string sentence) {
  Setting made;
  made.path = std::move(path);
  made.by_default = std::move(by_default);
  made.least = least;
  made.most = most;
  made.sentence = std::move(sentence);
  made.set = with<std::string>(set);
  return made;
}

Setting choice(Setting of, std::vector<std::string> one_of) {
  of.one_of = std::move(one_of);
  return of;
}

Setting spelt(Setting::Letters letters, Setting of) {
  of.letters = letters;
  return of;
}

Setting ms(std::string path, Milliseconds coordinator::Settings::*member, std::int64_t least, std::int64_t most,
           std::string sentence) {
  const coordinator::Settings defaults;
  return number(
      std::move(path), "ms", (defaults.*member).count(), least, most,
      [member](SettingTarget to, std::int64_t value) { to.config.coordinator.*member = Milliseconds(value); },
      std::move(sentence));
}

Setting count(std::string path, std::string unit, std::uint32_t coordinator::Settings::*member, std::int64_t least,
              std::int64_t most, std::string sentence) {
  const coordinator::Settings defaults;
  return number(
      std::move(path), std::move(unit), defaults.*member, least, most,
      [member](SettingTarget to, std::int64_t value) {
        to.config.coordinator.*member = static_cast<std::uint32_t>(value);
      },
      std::move(sentence));
}

template <typename Int>
Setting of_listener(std::string path, std::string unit, Int server::Options::*member, std::int64_t least,
                    std::int64_t most, std::string sentence) {
  return number(
      std::move(path), std::move(unit), static_cast<std::int64_t>(server::Options().*member), least, most,
      [member](SettingTarget to, std::int64_t value) { to.config.listen.*member = static_cast<Int>(value); },
      std::move(sentence));
}

Setting of_listener(std::string path, Milliseconds server::Options::*member, std::int64_t least, std::int64_t most,
                    std::string sentence) {
  return number(
      std::move(path), "ms", (server::Options().*member).count(), least, most,
      [member](SettingTarget to, std::int64_t value) { to.config.listen.*member = Milliseconds(value); },
      std::move(sentence));
}

template <typename Int>
Setting of_log(std::string path, std::string unit, Int wal::Options::*member, std::int64_t least, std::int64_t most,
               std::string sentence) {
  return number(
      std::move(path), std::move(unit), static_cast<std::int64_t>(wal::Options().*member), least, most,
      [member](SettingTarget to, std::int64_t value) { to.config.log.*member = static_cast<Int>(value); },
      std::move(sentence));
}

using Connection = participant::Config;

std::string of_participant(const char* key) {
  return std::string(kParticipantPrefix) + key;
}

Setting per_participant(const char* key, std::optional<std::string> by_default, std::int64_t least, std::int64_t most,
                        std::string Connection::*member, std::string sentence) {
  return text(
      of_participant(key), std::move(by_default), least, most,
      [member](SettingTarget to, std::string value) { to.participant->connection.*member = std::move(value); },
      std::move(sentence));
}

Setting per_participant(const char* key, Milliseconds Connection::*member, std::int64_t least, std::int64_t most,
                        std::string sentence) {
  return number(
      of_participant(key), "ms", (Connection().*member).count(), least, most,
      [member](SettingTarget to, std::int64_t value) { to.participant->connection.*member = Milliseconds(value); },
      std::move(sentence));
}

template <typename Int>
Setting per_participant(const char* key, std::string unit, Int Connection::*member, std::int64_t least,
                        std::int64_t most, std::string sentence) {
  return number(
      of_participant(key), std::move(unit), static_cast<std::int64_t>(Connection().*member), least, most,
      [member](SettingTarget to, std::int64_t value) { to.participant->connection.*member = static_cast<Int>(value); },
      std::move(sentence));
}

Setting per_participant(const char* key, bool Connection::*member, std::string sentence) {
  Setting made;
  made.path = of_participant(key);
  made.kind = Setting::Kind::yes_or_no;
  made.by_default = Connection().*member;
  made.sentence = std::move(sentence);
  made.set = with<bool>([member](SettingTarget to, bool value) { to.participant->connection.*member = value; });
  return made;
}

template <typename Set>
Setting names(std::string path, std::int64_t most, Set set, std::string sentence) {
  Setting made;
  made.path = std::move(path);
  made.kind = Setting::Kind::text_list;
  made.by_default = std::vector<std::string>{};
  made.most = most;
  made.sentence = std::move(sentence);
  made.set = with<std::vector<std::string>>(set);
  return made;
}

template <typename Set>
Setting yes_or_no(std::string path, Set set, std::string sentence) {
  Setting made;
  made.path = std::move(path);
  made.kind = Setting::Kind::yes_or_no;
  made.by_default = false;
  made.sentence = std::move(sentence);
  made.set = with<bool>(set);
  return made;
}

Setting per_participant_witness(std::string sentence) {
  return yes_or_no(
      of_participant("witness"), [](SettingTarget to, bool value) { to.participant->witness = value; },
      std::move(sentence));
}

std::vector<Setting> make_general() {
  return {
      spelt(Setting::Letters::name,
            text(
                "coordinator.id", std::nullopt, 1, protocol::kCoordinatorIdBytesMax,
                [](SettingTarget to, std::string value) { to.config.coordinator.coordinator_id = std::move(value); },
                "Identity of this coordinator, part of every XID it makes. Unique among all coordinators of the same "
                "databases, and never changed: branches of another identity are not touched.")),
      text(
          "listen.host", "127.0.0.1", 1, 255,
          [](SettingTarget to, std::string value) { to.config.listen.host = std::move(value); },
          "Address to listen on. Whoever can connect can run SQL at the participants."),
      number(
          "listen.port", "", 7411, 0, 65'535,
          [](SettingTarget to, std::int64_t value) { to.config.listen.port = static_cast<std::uint16_t>(value); },
          "Port to listen on; 0 takes any free one and says which."),
      of_listener("listen.connections_max", "connections", &server::Options::connections_max, 1, 60'000,
                  "Client connections at once; further ones are closed after a clear error."),
      of_listener("listen.connections_per_address_max", "connections", &server::Options::connections_per_address_max, 1,
                  60'000,
                  "Client connections at once of one IPv4 address, or of one IPv6 network of 64 bits. Where it or "
                  "listen.connections_max is reached, one on which no whole request has come gives way to a new one."),
      of_listener("listen.requests_in_flight_per_connection_max", "requests",
                  &server::Options::requests_in_flight_per_connection_max, 1, 10'000,
                  "Requests of one connection in flight; then it is not read from until an answer has gone."),
      of_listener("listen.frame_bytes_max", "bytes", &server::Options::frame_bytes_max, kKiB,
                  static_cast<std::int64_t>(wire::kFrameBytesCeiling),
                  "Longest request; a longer one costs the connection."),
      of_listener("listen.answer_bytes_max", "bytes", &server::Options::answer_bytes_max, kKiB,
                  static_cast<std::int64_t>(wire::kAnswerBytesCeiling),
                  "Longest answer; a longer one comes without the rows of its SELECTs."),
      of_listener("listen.unread_answer_bytes_max", "bytes", &server::Options::unread_answer_bytes_max, kKiB,
                  1024 * kMiB,
                  "Answers that a client has not read yet; beyond it its connection is closed. Not below "
                  "listen.answer_bytes_max."),
      of_listener("listen.slow_reader_timeout_ms", &server::Options::slow_reader_timeout, 1, kDayMs,
                  "A client that takes no byte of a waiting answer for this long is closed."),
      of_listener("listen.frame_timeout_ms", &server::Options::frame_timeout, 1, kDayMs,
                  "Time from the first byte of a request to its newline; then the connection is closed."),
      of_listener("listen.idle_timeout_ms", &server::Options::idle_timeout, 0, 30 * kDayMs,
                  "Time without a request after which a connection is closed; 0 keeps it for ever."),
      text(
          "control.socket", "", 0, kPathBytesMax,
          [](SettingTarget to, std::string value) { to.config.listen.control_socket = std::move(value); },
          "Unix socket on which hazards are acknowledged and recovery is asked for, by the account that assentd runs "
          "as, "
          "or root; not served over TCP. Empty: log.directory with `.control` behind it."),
      text(
          "log.directory", std::nullopt, 1, kPathBytesMax,
          [](SettingTarget to, std::string value) { to.config.log.directory = std::move(value); },
          "Folder of the decision log, on a disk that keeps what it has synced. One coordinator owns it."),
      of_log("log.segment_bytes", "bytes", &wal::Options::segment_bytes,
             static_cast<std::int64_t>(wal::kSegmentBytesMin), static_cast<std::int64_t>(wal::kSegmentBytesMax),
             "Size of a segment of the log, whole pages of 4096 bytes; each is written full of zeroes ahead of need."),
      of_log("log.checkpoint_every_segments", "segments", &wal::Options::checkpoint_every_segments, 1, 1000,
             "How often the log is shortened; about this many segments and three more are on the disk."),
      of_log("log.lazy_flush_ms", "ms", &wal::Options::lazy_flush_ms, 1, 60'000,
             "How long a record that nobody waits for may wait for company."),
      of_log("log.room_retry_ms", "ms", &wal::Options::room_retry_ms, 1, 60'000,
             "How often a full disk is tried again."),
      text(
          "recovery.audit_file", "", 0, kPathBytesMax,
          [](SettingTarget to, std::string value) { to.config.audit_file = std::move(value); },
          "File that gets a line of JSON for everything that an operator has the recovery tool do. Empty: "
          "log.directory with `.audit` behind it."),
      choice(text(
                 "logging.level", "info", 1, 16,
                 [](SettingTarget to, std::string value) { to.config.log_level = std::move(value); },
                 "Least serious line that goes to stderr."),
             {"trace", "debug", "info", "warning", "error", "critical", "off"}),
      yes_or_no(
          "logging.rollbacks", [](SettingTarget to, bool value) { to.config.coordinator.log_rollbacks = value; },
          "Also write a line for each transaction that is rolled back, with its cause but without a server's text."),
      choice(text(
                 "transactions.protocol", "2pc", 1, 3,
                 [](SettingTarget to, const std::string& value) {
                   to.config.coordinator.default_protocol =
                       value == to_string(Protocol::three_phase) ? Protocol::three_phase : Protocol::two_phase;
                 },
                 "Protocol of a transaction that names none: in two phases, or in three, with an outcome that survives "
                 "the coordinator and its disk."),
             {to_string(Protocol::two_phase), to_string(Protocol::three_phase)}),
      names(
          "transactions.acceptors", protocol::kAcceptorsMax,
          [](SettingTarget to, std::vector<std::string> value) { to.config.coordinator.acceptors = std::move(value); },
          "Participants that keep the outcome of every transaction in three phases; a majority of them decides. "
          "Without "
          "any, those that the transaction touches. An odd number, on servers that do not fail together."),
      names(
          "adopt.coordinators", 64,
          [](SettingTarget to, std::vector<std::string> value) { to.config.adopt = std::move(value); },
          "Identities of other coordinators of the same participants, under the same names, whose transactions in "
          "three "
          "phases this one finishes when they are silent."),
      number(
          "adopt.after_silent_ms", "ms", 30'000, 1'000, kDayMs,
          [](SettingTarget to, std::int64_t value) { to.config.adopt_after = Milliseconds(value); },
          "How long each of them must have given no sign of life at any participant. Well above a restart."),
      count("limits.live_transactions_max", "transactions", &coordinator::Settings::live_transactions_max, 1, 1'000'000,
            "Transactions running, waiting or unsettled; more are refused as overloaded."),
      count("limits.idempotency_keys_max", "keys", &coordinator::Settings::idempotency_keys_max, 0, 10'000'000,
            "Keys of committed transactions that are kept, and as many of rolled back ones; the oldest go first."),
      count("limits.statements_per_transaction_max", "statements",
            &coordinator::Settings::statements_per_transaction_max, 1, 100'000, "Statements of one transaction."),
      ms("limits.default_timeout_ms", &coordinator::Settings::default_timeout, 1, kDayMs,
         "Timeout of a transaction that names none. Not above limits.timeout_max_ms."),
      ms("limits.timeout_max_ms", &coordinator::Settings::timeout_max, 1, kDayMs,
         "Longest timeout that a transaction may ask for."),
      ms("limits.sweep_period_ms", &coordinator::Settings::sweep_period, 10, 3'600'000,
         "How often participants are searched for branches that an earlier run left behind."),
      ms("limits.drain_timeout_ms", &coordinator::Settings::drain_timeout, 0, 3'600'000,
         "How long running transactions may finish when the coordinator is told to stop."),
  };
}

std::vector<Setting> make_participant() {
  return {
      per_participant("host", "", 0, 255, &Connection::host,
                      "Host name or address of the server. Either this or unix_socket is needed."),
      per_participant("port", "", &Connection::port, 1, 65'535, "Port of the server, with host."),
      per_participant("unix_socket", "", 0, kUnixSocketBytesMax, &Connection::unix_socket,
                      "Path of the server's Unix socket, instead of host."),
      per_participant("user", std::nullopt, 1, 128, &Connection::user, "Account at the server."),
      text(
          of_participant("password_env"), "", 0, 255,
          [](SettingTarget to, std::string value) { to.participant->password_env = std::move(value); },
          "Name of the environment variable that holds the password."),
      text(
          of_participant("password_file"), "", 0, kPathBytesMax,
          [](SettingTarget to, std::string value) { to.participant->password_file = std::move(value); },
          "File that holds the password; only its owner and group may have access. A newline at its end is left out. "
          "Without this and password_env the account has no password."),
      per_participant("database", "", 0, 64, &Connection::database,
                      "Database that statements run in; without it they name theirs."),
      per_participant("tls_required", &Connection::tls_required, "Refuse a connection without TLS."),
      per_participant(
          "tls_ca", "", 0, kPathBytesMax, &Connection::tls_ca,
          "File with the certificate authority that the server's certificate must come from. Requires TLS."),
      spelt(Setting::Letters::schema,
            per_participant("schema", Connection().schema, 1, 64, &Connection::schema,
                            "Database that Assent keeps its own tables in; it is created if it is not there.")),
      per_participant("sessions_max", "sessions", &Connection::sessions_max, 1, 1024,
                      "Branches in flight at once there; the rest waits in the coordinator. Well below the server's "
                      "max_connections."),
      per_participant_witness(
          "An acceptor only: a server that keeps outcomes, and that no transaction may name. To be listed in "
          "transactions.acceptors."),
      per_participant("proof_rows", &Connection::proof_rows,
                      "Keep a row in each branch that proves its commit. Without it a lost answer is reported as "
                      "unproven."),
      names(
          of_participant("accept"), 64,
          [](SettingTarget to, std::vector<std::string> value) {
            to.participant->connection.accept = std::move(value);
          },
          "Names of the doctor's probes whose refusal is overruled here. Each gives up a guarantee."),
      per_participant("connect_timeout_ms", &Connection::connect_timeout, 1, 60'000,
                      "How long one attempt to connect may take; rounded up to seconds."),
      per_participant("reconnect_pause_min_ms", &Connection::reconnect_pause_min, 1, 60'000,
                      "Pause before the first attempt to reconnect; it doubles with each failure."),
      per_participant("reconnect_pause_max_ms", &Connection::reconnect_pause_max, 1, 600'000,
                      "Longest pause between attempts to reconnect. Not below reconnect_pause_min_ms."),
      per_participant("control_answer_timeout_ms", &Connection::control_answer_timeout, 1, 600'000,
                      "Silence of the server after which its connection counts as lost, during the short requests that "
                      "Assent makes on its own account. A branch's statements end by their transaction's deadline."),
      per_participant("result_rows_max", "rows", &Connection::result_rows_max, 0, 1'000'000,
                      "Rows that the SELECTs of one branch may bring back together."),
      per_participant("result_bytes_max", "bytes", &Connection::result_bytes_max, 0, 64 * kMiB,
                      "Bytes of their values together."),
  };
}

std::vector<Setting> make_settings() {
  auto all = make_general();
  for (auto& setting : make_participant()) all.push_back(std::move(setting));
  return all;
}

std::string shown_default(const Setting& setting) {
  if (!setting.by_default) return "required";
  switch (setting.kind) {
    case Setting::Kind::text: {
      const auto& text = std::get<std::string>(*setting.by_default);
      return text.empty() ? "none" : '"' + text + '"';
    }
    case Setting::Kind::whole_number: return std::to_string(std::get<std::int64_t>(*setting.by_default));
    case Setting::Kind::yes_or_no: return std::get<bool>(*setting.by_default) ? "true" : "false";
    case Setting::Kind::text_list: return "[]";
  }
  return "";
}

std::string shown_bound(const Setting& setting) {
  const auto most = std::to_string(setting.most);
  switch (setting.kind) {
    case Setting::Kind::text: {
      if (setting.letters == Setting::Letters::name) return "[a-z0-9][a-z0-9_-]*, at most " + most + " bytes";
      if (setting.letters == Setting::Letters::schema) return "[a-z0-9_]+, at most " + most + " bytes";
      if (setting.one_of.empty()) return "at most " + most + " bytes";
      std::string words;
      for (const auto& word : setting.one_of) words += (words.empty() ? "" : ", ") + word;
      return words;
    }
    case Setting::Kind::whole_number: return std::to_string(setting.least) + " to " + most;
    case Setting::Kind::yes_or_no: return "true or false";
    case Setting::Kind::text_list: return "at most " + most + " names";
  }
  return "";
}

// Breaks a sentence into lines of at most `width` bytes, each after `indent` spaces.
std::string wrapped(const std::string& sentence, std::size_t indent, std::size_t width) {
  std::string out, line;
  std::size_t at = 0;
  while (at < sentence.size()) {
    const auto end = std::min(sentence.find(' ', at), sentence.size());
    const auto word = sentence.substr(at, end - at);
    if (!line.empty() && indent + line.size() + 1 + word.size() > width) {
      out += std::string(indent, ' ') + line + '\n';
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
    at = end + 1;
  }
  return out + std::string(indent, ' ') + line + '\n';
}

}  // namespace

const std::vector<Setting>& settings() {
  static const auto kSettings = make_settings();
  return kSettings;
}

std::string shown_bounds(const Setting& setting) {
  return shown_default(setting) + (setting.by_default ? " by default; " : "; ") + shown_bound(setting) +
         (setting.unit.empty() ? "" : " " + setting.unit);
}

std::string settings_help() {
  std::string out;
  for (const auto& setting : settings()) {
    out += setting.path + "\n    " + shown_bounds(setting) + '\n' + wrapped(setting.sentence, 4, 100);
  }
  return out;
}

std::string settings_markdown() {
  std::string out = "| key | default | bound | unit | meaning |\n|---|---|---|---|---|\n";
  for (const auto& setting : settings()) {
    out += "| `" + setting.path + "` | " + shown_default(setting) + " | " + shown_bound(setting) + " | " +
           setting.unit + " | " + setting.sentence + " |\n";
  }
  return out;
}

}  // namespace assent::app
