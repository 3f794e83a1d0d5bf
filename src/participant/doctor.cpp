#include "participant/doctor.hpp"

#include <algorithm>
#include <map>

#include "participant/connector_session.hpp"
#include "participant/participant.hpp"
#include "participant/presence.hpp"
#include "participant/schema.hpp"

namespace assent::participant {
namespace {

using Grade = DoctorFinding::Grade;

constexpr ServerVersion kMysqlMin{8, 0, 29};
constexpr ServerVersion kMariadbMin{10, 5, 0};
/// Connections that others need beside a full pool of ours.
constexpr std::uint32_t kConnectionsBeside = 10;
constexpr int kWaitTimeoutMinS = 8 * 3600;
constexpr int kTablesNamedMax = 5;

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
    for (const auto look :
         {&Doctor::recover_privilege, &Doctor::process_privilege, &Doctor::schema, &Doctor::pooler, &Doctor::engines}) {
      if (auto error = (this->*look)()) return std::move(*error);
    }
    return std::move(findings_);
  }

 private:
  bool mysql() const { return session_.dialect().kind == ServerKind::mysql; }

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
          "name the primary in the configuration, or SET GLOBAL read_only = OFF if this is the primary");
    const auto recovery = value("innodb_force_recovery");
    check("innodb_force_recovery", recovery.empty() || recovery == "0", Grade::refusal,
          "innodb_force_recovery = " + (recovery.empty() ? "0" : recovery),
          "restart the server with innodb_force_recovery = 0");
  }

  void durability() {
    const auto flush = value("innodb_flush_log_at_trx_commit");
    // MariaDB's 3 syncs like 1, and more.
    check("innodb_flush_log_at_trx_commit", flush == "1" || flush == "3", Grade::refusal,
          "innodb_flush_log_at_trx_commit = " + flush,
          "SET GLOBAL innodb_flush_log_at_trx_commit = 1, and in the server's configuration");
    const bool binlog = is_on("log_bin");
    check("sync_binlog", !binlog || value("sync_binlog") == "1", Grade::refusal,
          binlog ? "sync_binlog = " + value("sync_binlog") : "no binary log",
          "SET GLOBAL sync_binlog = 1, and in the server's configuration");
    check("innodb_doublewrite", value("innodb_doublewrite") != "OFF" && value("innodb_doublewrite") != "0",
          Grade::warning, "innodb_doublewrite = " + value("innodb_doublewrite"),
          "turn innodb_doublewrite on, unless the file system writes pages atomically");
  }

  void detach() {
    if (!mysql()) return;
    check("xa_detach_on_prepare", is_on("xa_detach_on_prepare"), Grade::refusal,
          "xa_detach_on_prepare = " + value("xa_detach_on_prepare"),
          "SET GLOBAL xa_detach_on_prepare = ON, or GRANT SESSION_VARIABLES_ADMIN to the account");
  }

  void limits() {
    const auto most = std::strtoul(value("max_connections").c_str(), nullptr, 10);
    check("max_connections", most >= config_.sessions_max + kConnectionsBeside, Grade::warning,
          "max_connections = " + value("max_connections") + ", sessions_max = " + std::to_string(config_.sessions_max),
          "raise the server's max_connections, or lower sessions_max");
    const auto per_user = std::strtoul(value("max_user_connections").c_str(), nullptr, 10);
    check("max_user_connections", per_user == 0 || per_user >= config_.sessions_max + 2, Grade::warning,
          "max_user_connections = " + value("max_user_connections"), "raise it for the account, or lower sessions_max");
    check("wait_timeout", std::atoi(value("wait_timeout").c_str()) >= kWaitTimeoutMinS, Grade::warning,
          "wait_timeout = " + value("wait_timeout") + " s in our sessions",
          "find out what keeps a session from raising its wait_timeout: idle sessions will be cut");
  }

  Failure recover_privilege() {
    auto result = session_.run(session_.dialect().recover);
    if (result.error && result.error->lost) return result.error;
    check("xa_recover", !result.error, Grade::refusal, result.error ? describe(*result.error) : "XA RECOVER works",
          mysql() ? "GRANT XA_RECOVER_ADMIN ON *.* TO '" + config_.user + "'@'%'" : "let the account run XA RECOVER");
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
    check("process_privilege", !result.error, Grade::warning, std::move(seen),
          "GRANT PROCESS ON *.* TO '" + config_.user + "'@'%'");
    if (result.error || !stays) return std::nullopt;
    const auto& rows = result.answers.front().rows->rows;
    const bool whole = !rows.empty() && connections_in(text_of(rows.front().at(2)));
    check("engine_status", whole, Grade::warning,
          whole ? "SHOW ENGINE INNODB STATUS is whole" : "SHOW ENGINE INNODB STATUS is over 1 MiB and cut",
          "SET GLOBAL innodb_status_output_locks = OFF; while it is cut, lost sessions are given a second to leave "
          "unseen");
    return std::nullopt;
  }

  Failure schema() {
    check("default_schema", config_.database != config_.schema, Grade::refusal,
          config_.database.empty() ? "none" : config_.database,
          "name the application's database; '" + config_.schema + "' is Assent's own");
    auto error = probe_schema(session_, config_);
    if (error && error->lost) return error;
    if (!error) {
      add("schema", Grade::pass, "schema " + config_.schema + " is there");
    } else if (error->number == errnos::kUnknownDatabase || error->number == errnos::kNoSuchTable) {
      add("schema", Grade::warning, "schema " + config_.schema + " is not complete; enrolment creates what is missing",
          "if the account may not create it: " + schema_grants(session_, config_));
    } else {
      add("schema", Grade::refusal, "schema " + config_.schema + ": " + describe(*error),
          schema_grants(session_, config_));
    }
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
    std::string names;
    for (const auto& row : result.answers.front().rows->rows) {
      names += (names.empty() ? "" : ", ") + text_of(row[0]) + " (" + text_of(row[1]) + ")";
    }
    check("table_engines", names.empty(), Grade::warning,
          names.empty() ? "all tables of the default schema take part in XA" : "tables that cannot take part: " + names,
          "ALTER TABLE ... ENGINE=InnoDB; branches that name them are refused");
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

Result<std::vector<DoctorFinding>> doctor(const Config& config) {
  const ConnectorThread thread;
  auto opened = open_control_session(config);
  const SqlError* error = std::get_if<SqlError>(&opened);
  if (!error) {
    auto findings = examine(*std::get<0>(opened), config);
    if (auto* found = std::get_if<0>(&findings)) return std::move(*found);
    return Error{Errc::unavailable, "participant \"" + config.name + "\": " + describe(std::get<SqlError>(findings)),
                 true};
  }
  return Error{Errc::unavailable, "participant \"" + config.name + "\" cannot be reached: " + describe(*error), true};
}

}  // namespace assent::participant
