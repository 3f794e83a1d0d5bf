#include "participant/doctor.hpp"

#include <algorithm>
#include <map>

#include "participant/connector_session.hpp"
#include "participant/owner.hpp"
#include "participant/participant.hpp"
#include "participant/presence.hpp"
#include "participant/remedies.hpp"
#include "participant/schema.hpp"
#include "participant/tables.hpp"

namespace assent::participant {
namespace {

using Grade = DoctorFinding::Grade;

constexpr ServerVersion kMysqlMin{8, 0, 29};
constexpr ServerVersion kMariadbMin{10, 5, 0};
/// Connections that others need beside a full pool of ours.
constexpr std::uint32_t kConnectionsBeside = 10;
constexpr int kWaitTimeoutMinS = 8 * 3600;
constexpr int kTablesNamedMax = 5;

/// What Assent writes into its own tables; rows are inserted into each.
struct Written {
  const char* table;
  const char* updated;  ///< A column, where rows are updated.
  bool deleted;
};
constexpr std::array kWritten = {
    Written{"proof", nullptr, true},      Written{"coordinator", "id", false},    Written{"session", nullptr, true},
    Written{"acceptor", "gtrid", true},   Written{"pulse", "coordinator", false}, Written{"purged", "below", true},
    Written{"heuristic", nullptr, false},
};

class Doctor {
 public:
  Doctor(Session& session, const Config& config) : session_(session), config_(config) {}

  std::variant<std::vector<DoctorFinding>, SqlError> run() {
    if (auto error = read_variables()) return std::move(*error);
    version();
    galera();
    read_only();
    durability();
    detach();
    limits();
    for (const auto look : {&Doctor::recover_privilege, &Doctor::process_privilege, &Doctor::lock_views,
                            &Doctor::schema, &Doctor::pooler, &Doctor::engines}) {
      if (auto error = (this->*look)()) return std::move(*error);
    }
    return std::move(findings_);
  }

 private:
  bool mysql() const { return session_.dialect().kind == ServerKind::mysql; }
  std::string set(const std::string& name, const std::string& value) const {
    return set_variable(session_.dialect(), name, value);
  }

  Failure read_variables() {
    auto result = session_.run(
        "SHOW VARIABLES WHERE Variable_name IN ('wsrep_on','read_only','super_read_only',"
        "'innodb_flush_log_at_trx_commit','log_bin','sync_binlog','innodb_doublewrite','xa_detach_on_prepare',"
        "'max_connections','max_user_connections','wait_timeout','innodb_force_recovery')");
    if (result.error) return result.error;
    for (const auto& row : result.answers.front().rows->rows) variables_[text_of(row[0])] = text_of(row[1]);
    return std::nullopt;
  }

  bool is_on(const char* name) const {
    const auto found = variables_.find(name);
    return found != variables_.end() && found->second != "OFF" && found->second != "0";
  }
  std::string value(const char* name) const {
    const auto found = variables_.find(name);
    return found == variables_.end() ? "" : found->second;
  }

  void add(const char* probe, Grade grade, std::string seen, std::string remedy = "") {
    if (grade == Grade::refusal &&
        std::find(config_.accept.begin(), config_.accept.end(), probe) != config_.accept.end()) {
      grade = Grade::accepted;
    }
    findings_.push_back({probe, grade, std::move(seen), grade == Grade::pass ? "" : std::move(remedy)});
  }
  void check(const char* probe, bool good, Grade otherwise, std::string seen, std::string remedy) {
    add(probe, good ? Grade::pass : otherwise, std::move(seen), std::move(remedy));
  }

  void version() {
    const auto version = parse_version(session_.version());
    const auto seen = std::string(session_.dialect().name) + " " + session_.version();
    if (mysql()) {
      check("server_version", version >= kMysqlMin, Grade::refusal, seen,
            "upgrade to MySQL 8.0.29 or newer: older ones lose prepared branches");
    } else {
      check("server_version", version >= kMariadbMin, Grade::warning, seen,
            "upgrade to MariaDB 10.5 or newer: older ones lose prepared branches when the client disconnects");
    }
  }

  void galera() {
    check("galera", !is_on("wsrep_on"), Grade::refusal, "wsrep_on = " + (is_on("wsrep_on") ? std::string("ON") : "OFF"),
          "use a server outside the Galera cluster: Galera does not replicate XA");
  }

  void read_only() {
    const bool on = is_on("read_only") || is_on("super_read_only");
    check("read_only", !on, Grade::refusal, on ? "the server is read-only" : "read_only = OFF",
          "name the primary in the configuration, or if this is it: " + set("read_only", "OFF"));
    const auto recovery = value("innodb_force_recovery");
    check("innodb_force_recovery", recovery.empty() || recovery == "0", Grade::refusal,
          "innodb_force_recovery = " + (recovery.empty() ? "0" : recovery), set_at_start("innodb_force_recovery", "0"));
  }

  void durability() {
    const auto flush = value("innodb_flush_log_at_trx_commit");
    // MariaDB's 3 syncs like 1, and more.
    check("innodb_flush_log_at_trx_commit", flush == "1" || flush == "3", Grade::refusal,
          "innodb_flush_log_at_trx_commit = " + flush, set("innodb_flush_log_at_trx_commit", "1"));
    const bool binlog = is_on("log_bin");
    check("sync_binlog", !binlog || value("sync_binlog") == "1", Grade::refusal,
          binlog ? "sync_binlog = " + value("sync_binlog") : "no binary log", set("sync_binlog", "1"));
    check("innodb_doublewrite", value("innodb_doublewrite") != "OFF" && value("innodb_doublewrite") != "0",
          Grade::warning, "innodb_doublewrite = " + value("innodb_doublewrite"),
          "unless its file system writes pages atomically: " + set_at_start("innodb_doublewrite", "ON"));
  }

  void detach() {
    if (!mysql()) return;
    check("xa_detach_on_prepare", is_on("xa_detach_on_prepare"), Grade::refusal,
          "xa_detach_on_prepare = " + value("xa_detach_on_prepare"),
          set("xa_detach_on_prepare", "ON") + "; or let Assent do so for its own sessions: GRANT " +
              "SESSION_VARIABLES_ADMIN ON *.* TO " + session_.account());
  }

  void limits() {
    const auto most = std::strtoul(value("max_connections").c_str(), nullptr, 10);
    check(
        "max_connections", most >= config_.sessions_max + kConnectionsBeside, Grade::warning,
        "max_connections = " + value("max_connections") + ", sessions_max = " + std::to_string(config_.sessions_max),
        set("max_connections", std::to_string(config_.sessions_max + kConnectionsBeside)) + "; or lower sessions_max");
    const auto per_user = std::strtoul(value("max_user_connections").c_str(), nullptr, 10);
    check("max_user_connections", per_user == 0 || per_user >= config_.sessions_max + 2, Grade::warning,
          "max_user_connections = " + value("max_user_connections"),
          "ALTER USER " + session_.account() + " WITH MAX_USER_CONNECTIONS " +
              std::to_string(config_.sessions_max + 2) + "; or lower sessions_max");
    check("wait_timeout", std::atoi(value("wait_timeout").c_str()) >= kWaitTimeoutMinS, Grade::warning,
          "wait_timeout = " + value("wait_timeout") + " s in our sessions",
          "find out what keeps a session from raising its wait_timeout: idle sessions will be cut");
  }

  Failure recover_privilege() {
    auto result = session_.run(session_.dialect().recover);
    if (result.error && result.error->lost) return result.error;
    check("xa_recover", !result.error, Grade::refusal, result.error ? describe(*result.error) : "XA RECOVER works",
          mysql() ? grant_xa_recover(session_.account()) : "let the account run XA RECOVER");
    return std::nullopt;
  }

  // Only a warning: what goes wrong without it is rare, is never taken for a commit, and is shown as in doubt.
  Failure process_privilege() {
    auto result = session_.run(session_.dialect().engine_status);
    if (result.error && result.error->lost) return result.error;
    const bool stays = session_.dialect().prepared_stays;
    const std::string unseen = std::string("other accounts' connections") + (stays ? " and the engine's status" : "");
    std::string seen = unseen + " can be seen";
    if (result.error) {
      seen = unseen + " cannot be seen: " + describe(*result.error);
      if (stays) seen += "; a branch settled after a crash may stay locked until the server's restart";
    }
    check("process_privilege", !result.error, Grade::warning, std::move(seen), grant_process(session_.account()));
    if (result.error || !stays) return std::nullopt;
    const auto& rows = result.answers.front().rows->rows;
    const bool whole = !rows.empty() && connections_in(text_of(rows.front().at(2)));
    check("engine_status", whole, Grade::warning,
          whole ? "SHOW ENGINE INNODB STATUS is whole" : "SHOW ENGINE INNODB STATUS is over 1 MiB and cut",
          set("innodb_status_output_locks", "OFF") +
              "; while it is cut, lost sessions are given a second to leave unseen");
    return std::nullopt;
  }

  // Nothing is settled by them.
  Failure lock_views() {
    if (!mysql()) return std::nullopt;
    auto result = session_.run("SELECT 1 FROM performance_schema.data_lock_waits LIMIT 0");
    if (result.error && result.error->lost) return result.error;
    check("lock_views", !result.error, Grade::warning,
          result.error ? "whom a prepared branch keeps waiting cannot be seen: " + describe(*result.error)
                       : "whom a prepared branch keeps waiting can be seen",
          grant_lock_views(session_.account()));
    return std::nullopt;
  }

  Failure schema() {
    check("default_schema", config_.database != config_.schema, Grade::refusal,
          config_.database.empty() ? "none" : config_.database,
          "name the application's database; '" + config_.schema + "' is Assent's own");
    auto looked = look_at_schema(session_, config_);
    if (auto* error = std::get_if<SqlError>(&looked); error && error->lost) return std::move(*error);
    if (const auto* look = std::get_if<SchemaLook>(&looked); look && look->is_newer()) {
      add("schema", Grade::refusal, newer_schema(*look, config_), "run the newer version");
      return std::nullopt;
    }
    if (const auto* look = std::get_if<SchemaLook>(&looked); look && look->is_older(config_)) {
      add("schema", Grade::warning,
          "schema " + config_.schema +
              " was made by an older version; enrolment brings it up to date, if the account may",
          "assentctl participants init brings it up to date; where the account may not, let a DBA run: " +
              all_of(missing_steps(*look, config_)));
      return std::nullopt;
    }
    auto error = probe_schema(session_, config_);
    if (error && error->lost) return error;
    const auto grants = schema_grants(session_.dialect(), config_, session_.account());
    if (!error) return schema_writes();
    if (error->number == errnos::kUnknownDatabase || error->number == errnos::kNoSuchTable) {
      add("schema", Grade::warning, "schema " + config_.schema + " is not complete; enrolment creates what is missing",
          "assentctl participants init makes it; for the account to be allowed to: " + grants);
    } else {
      add("schema", Grade::refusal, "schema " + config_.schema + ": " + describe(*error), grants);
    }
    return std::nullopt;
  }

  // EXPLAIN asks for the privileges of what it explains, and changes nothing.
  Failure schema_writes() {
    std::string packet;
    std::vector<std::string> tried;
    const auto explain = [&](const std::string& statement) {
      packet += (packet.empty() ? "EXPLAIN " : ";EXPLAIN ") + statement;
      tried.push_back(statement.substr(0, statement.find(' ')));
    };
    for (const auto& written : kWritten) {
      const auto table = config_.schema + "." + written.table;
      explain("INSERT INTO " + table + " SELECT * FROM " + table + " WHERE FALSE");
      if (written.updated)
        explain("UPDATE " + table + " SET " + written.updated + "=" + written.updated + " WHERE FALSE");
      if (written.deleted) explain("DELETE FROM " + table + " WHERE FALSE");
    }
    const auto result = session_.run(packet, tried.size());
    if (result.error && result.error->lost) return result.error;
    const auto there = "schema " + config_.schema + " is there";
    if (result.error && result.error->number == errnos::kReadOnly) {
      // A privilege would not help. The probe read_only has said it.
      add("schema", Grade::pass, there + ", on a server that is read-only");
      return std::nullopt;
    }
    check("schema", !result.error, Grade::refusal,
          !result.error ? there
                        : there + ", and the account may not " + tried[result.answers.size()] +
                              " in it: " + describe(*result.error),
          grant_on_schema(config_, session_.account(), OnSchema::use));
    return std::nullopt;
  }

  // A pooler that multiplexes or resets sessions would settle branches on the wrong one; MariaDB then loses commits.
  Failure pooler() {
    const auto id = std::to_string(session_.identity().id);
    if (auto set = session_.run("SET @assent_probe=" + id); set.error) return set.error;
    auto result = session_.run("SELECT CONNECTION_ID(),@assent_probe");
    if (result.error) return result.error;
    const auto& row = result.answers.front().rows->rows.at(0);
    bool same = text_of(row[0]) == id && text_of(row[1]) == id;
    auto other = open_control_session(config_);
    if (auto* second = std::get_if<std::unique_ptr<Session>>(&other)) {
      same = same && (*second)->identity() != session_.identity();
    }
    check("pooler", same, Grade::refusal, same ? "sessions are ours alone" : "sessions are shared or reset on the way",
          "connect to the server itself, not through a connection pooler");
    return std::nullopt;
  }

  Failure engines() {
    if (config_.database.empty()) return std::nullopt;
    auto result = session_.run(
        "SELECT t.TABLE_NAME,t.ENGINE FROM information_schema.TABLES t LEFT JOIN information_schema.ENGINES e ON "
        "e.ENGINE=t.ENGINE WHERE t.TABLE_SCHEMA=DATABASE() AND t.TABLE_TYPE NOT IN ('VIEW','SYSTEM VIEW') AND "
        "COALESCE(e.XA,'NO')<>'YES' "
        "ORDER BY 1 LIMIT " +
        std::to_string(kTablesNamedMax));
    if (result.error) return result.error;
    std::string names, remedy;
    for (const auto& row : result.answers.front().rows->rows) {
      names += (names.empty() ? "" : ", ") + text_of(row[0]) + " (" + text_of(row[1]) + ")";
      remedy +=
          "ALTER TABLE " + identifier(config_.database) + "." + identifier(text_of(row[0])) + " ENGINE = InnoDB; ";
    }
    check("table_engines", names.empty(), Grade::warning,
          names.empty() ? "all tables of the default schema take part in XA" : "tables that cannot take part: " + names,
          remedy + "until then branches that name them are refused");
    return std::nullopt;
  }

  Session& session_;
  const Config& config_;
  std::map<std::string, std::string> variables_;
  std::vector<DoctorFinding> findings_;
};

}  // namespace

std::variant<std::vector<DoctorFinding>, SqlError> examine(Session& session, const Config& config) {
  return Doctor(session, config).run();
}

DoctorFinding judge_identity(const Config& config, const std::string& before, const std::string& now) {
  DoctorFinding finding;
  finding.probe = "server_identity";
  finding.seen = now;
  if (before.empty() || before == now) return finding;
  const bool accepted = std::find(config.accept.begin(), config.accept.end(), finding.probe) != config.accept.end();
  finding.grade = accepted ? Grade::accepted : Grade::refusal;
  finding.seen = "another server answers: " + now + " instead of " + before;
  finding.remedy =
      "if it was failed over or restored on purpose, look in XA RECOVER whether branches are in "
      "doubt, then restart assentd";
  return finding;
}

std::string refusals(const std::vector<DoctorFinding>& findings) {
  std::string text;
  for (const auto& finding : findings) {
    if (finding.grade != Grade::refusal) continue;
    text += (text.empty() ? "" : "; ") + finding.probe + ": " + finding.seen + " (" + finding.remedy + ")";
  }
  return text;
}

namespace {

// Who answers there, for people to hold against what they expect. Only an enrolled process knows who did before.
std::variant<DoctorFinding, SqlError> shown_identity(Session& session, const Config& config) {
  auto identity = read_identity(session, config);
  if (auto* seen = std::get_if<std::string>(&identity)) return judge_identity(config, "", *seen);
  auto& error = std::get<SqlError>(identity);
  if (error.lost) return std::move(error);
  return judge_identity(config, "", "none to be read: it stands in schema " + config.schema);
}

std::variant<std::chrono::milliseconds, SqlError> read_clock_ahead(Session& session) {
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  const auto now = [] { return std::chrono::system_clock::now().time_since_epoch(); };
  const auto asked = now();
  auto result = session.run("SELECT CAST(UNIX_TIMESTAMP(NOW(6))*1000 AS SIGNED)");
  const auto answered = now();
  if (result.error) return std::move(*result.error);
  const milliseconds there(int_of(result.answers.front().rows->rows.at(0).at(0)));
  return there - duration_cast<milliseconds>(asked + (answered - asked) / 2);
}

std::variant<Diagnosis, SqlError> diagnose(Session& session, const Config& config) {
  Diagnosis diagnosis;
  diagnosis.server_kind = session.dialect().name;
  diagnosis.server_version = session.version();
  auto ahead = read_clock_ahead(session);
  if (auto* error = std::get_if<SqlError>(&ahead)) return std::move(*error);
  diagnosis.clock_ahead = std::get<0>(ahead);
  auto findings = examine(session, config);
  if (auto* error = std::get_if<SqlError>(&findings)) return std::move(*error);
  diagnosis.findings = std::get<0>(std::move(findings));
  auto identity = shown_identity(session, config);
  if (auto* error = std::get_if<SqlError>(&identity)) return std::move(*error);
  diagnosis.findings.push_back(std::get<0>(std::move(identity)));
  auto owner = read_owner(session, config);
  if (auto* error = std::get_if<SqlError>(&owner)) {
    // What it may not read there, the schema's finding has told.
    if (error->lost) return std::move(*error);
  } else {
    diagnosis.owner = std::get<0>(std::move(owner));
  }
  return diagnosis;
}

}  // namespace

Result<Diagnosis> doctor(const Config& config) {
  const auto unavailable = [&](const std::string& what, const SqlError& error) {
    return Error{Errc::unavailable, "participant \"" + config.name + "\"" + what + ": " + describe(error), true};
  };
  const ConnectorThread thread;
  auto opened = open_control_session(config);
  if (const auto* error = std::get_if<SqlError>(&opened)) return unavailable(" cannot be reached", *error);
  auto diagnosis = diagnose(*std::get<0>(opened), config);
  if (const auto* error = std::get_if<SqlError>(&diagnosis)) return unavailable("", *error);
  return std::get<0>(std::move(diagnosis));
}

}  // namespace assent::participant
