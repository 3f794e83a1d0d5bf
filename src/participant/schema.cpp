#include "participant/schema.hpp"

#include <unistd.h>
#include <xxhash.h>

#include <random>

#include "base/check.hpp"
#include "protocol/xid.hpp"

namespace assent::participant {
namespace {

constexpr std::array kTables = {"proof",    "coordinator", "session", "server",
                                "acceptor", "pulse",       "purged",  "heuristic"};
constexpr int kClaimAttempts = 3;

std::string table(const Config& config, const char* name) {
  return config.schema + "." + name;
}

std::vector<std::string> creation(const Config& config) {
  const std::string tail = ") ENGINE=InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin";
  return {
      "CREATE DATABASE IF NOT EXISTS " + config.schema,
      "CREATE TABLE IF NOT EXISTS " + table(config, "proof") +
          " (gtrid VARBINARY(64) NOT NULL, branch SMALLINT UNSIGNED NOT NULL, kind ENUM('proof','fence') NOT NULL,"
          " participants VARCHAR(" +
          std::to_string(protocol::kMembersBytesMax) +
          ") NOT NULL, protocol TINYINT UNSIGNED NOT NULL,"
          " label VARCHAR(128) CHARACTER SET utf8mb4 NOT NULL DEFAULT '',"
          " created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (gtrid, branch)" +
          tail,
      "CREATE TABLE IF NOT EXISTS " + table(config, "coordinator") +
          " (id VARCHAR(16) NOT NULL PRIMARY KEY, log_id BIGINT UNSIGNED NOT NULL, epoch INT UNSIGNED NOT NULL,"
          " host VARCHAR(255) NOT NULL, instance BIGINT UNSIGNED NOT NULL, since INT UNSIGNED NOT NULL DEFAULT 0,"
          " claimed_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP" +
          tail,
      "CREATE TABLE IF NOT EXISTS " + table(config, "session") +
          " (coordinator VARCHAR(16) NOT NULL, instance BIGINT UNSIGNED NOT NULL, connection BIGINT UNSIGNED NOT NULL,"
          " server_start BIGINT NOT NULL, host VARCHAR(300) NOT NULL, account VARCHAR(128) NOT NULL,"
          " PRIMARY KEY (coordinator, instance, connection, server_start)" +
          tail,
      "CREATE TABLE IF NOT EXISTS " + table(config, "server") +
          " (id TINYINT UNSIGNED NOT NULL PRIMARY KEY, identity CHAR(32) NOT NULL" + tail,
      "CREATE TABLE IF NOT EXISTS " + table(config, "acceptor") +
          " (gtrid VARBINARY(64) NOT NULL, acceptor SMALLINT UNSIGNED NOT NULL, promised BIGINT UNSIGNED NOT NULL,"
          " accepted_ballot BIGINT UNSIGNED NULL, accepted_value ENUM('commit','rollback') NULL,"
          " members VARCHAR(" +
          std::to_string(protocol::kMembersBytesMax) +
          ") NOT NULL, asked INT UNSIGNED NOT NULL DEFAULT 1,"
          " created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (gtrid, acceptor)" +
          tail,
      "CREATE TABLE IF NOT EXISTS " + table(config, "pulse") +
          " (coordinator VARCHAR(16) NOT NULL PRIMARY KEY,"
          " seen_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), closed_below VARBINARY(64) NOT NULL,"
          " proofs_kept TINYINT NULL" +
          tail,
      "CREATE TABLE IF NOT EXISTS " + table(config, "purged") +
          " (coordinator VARCHAR(16) NOT NULL, epoch INT UNSIGNED NOT NULL, below VARBINARY(64) NOT NULL,"
          " PRIMARY KEY (coordinator, epoch)" +
          tail,
      "CREATE TABLE IF NOT EXISTS " + table(config, "heuristic") +
          " (gtrid VARBINARY(64) NOT NULL PRIMARY KEY, value ENUM('commit','rollback') NOT NULL,"
          " who VARCHAR(255) CHARACTER SET utf8mb4 NOT NULL, reason VARCHAR(1000) CHARACTER SET utf8mb4 NOT NULL,"
          " made_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP" +
          tail,
      "INSERT IGNORE INTO " + table(config, "server") + " VALUES (1, REPLACE(UUID(), '-', ''))",
  };
}

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

const Rows& rows_of(const PacketResult& result) {
  ASSENT_CHECK(!result.answers.empty() && result.answers.back().rows);
  return *result.answers.back().rows;
}

std::string registered_key(const Config& config, const ConnectionIdentity& who) {
  return "coordinator='" + config.coordinator_id + "' AND instance=" + std::to_string(process_instance()) +
         " AND connection=" + std::to_string(who.id) + " AND server_start=" + std::to_string(who.server_start_s);
}

struct OwnerKey {
  std::uint64_t log_id = 0;
  std::uint32_t epoch = 0;
  std::string host;
  std::uint64_t instance = 0;
};

bool is_blank(const OwnerKey& row) {
  return row.log_id == 0 && row.epoch == 0 && row.instance == 0;
}

std::string unhex(std::string_view text) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; };
  std::string bytes;
  for (std::size_t i = 2; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<char>(digit(text[i]) << 4 | digit(text[i + 1])));
  }
  return bytes;
}

}  // namespace

std::uint64_t process_instance() {
  static const std::uint64_t instance = [] {
    std::random_device random;
    return static_cast<std::uint64_t>(random()) << 32 | random();
  }();
  return instance;
}

Failure probe_schema(Session& session, const Config& config) {
  for (const auto* name : kTables) {
    auto result = session.run("SELECT 1 FROM " + table(config, name) + " LIMIT 0");
    if (result.error) return result.error;
  }
  // A locking read asks for more than SELECT.
  return session
      .run("SELECT gtrid FROM " + table(config, "proof") + " WHERE gtrid='' AND branch=0 " +
           session.dialect().read_nowait)
      .error;
}

Failure ensure_schema(Session& session, const Config& config) {
  auto missing = probe_schema(session, config);
  if (!missing) {
    auto identity = session.run("SELECT identity FROM " + table(config, "server") + " WHERE id=1");
    if (identity.error || !rows_of(identity).rows.empty()) return identity.error;
  } else if (missing->number != errnos::kUnknownDatabase && missing->number != errnos::kNoSuchTable &&
             missing->number != 1142 && missing->number != 1044) {
    return missing;
  }
  // An account that may not create it may still use one that a DBA has made: the statement that fails last tells.
  for (const auto& statement : creation(config)) {
    auto result = session.run(statement);
    if (result.error && !(statement.starts_with("CREATE DATABASE") && !result.error->lost)) return result.error;
  }
  return probe_schema(session, config);
}

std::vector<std::string> schema_statements(const Config& config) {
  return creation(config);
}

std::variant<std::string, SqlError> read_identity(Session& session, const Config& config) {
  const bool mysql = session.dialect().kind == ServerKind::mysql;
  auto result =
      session.run(mysql ? std::string("SELECT @@server_uuid")
                        : "SELECT CONCAT(identity,'-',@@server_id) FROM " + table(config, "server") + " WHERE id=1");
  if (result.error) return std::move(*result.error);
  const auto& rows = rows_of(result).rows;
  if (rows.empty()) return SqlError{0, "HY000", "the row of " + table(config, "server") + " is gone", false};
  return text_of(rows.front()[0]);
}

protocol::ServerIdentity identity_hash(const std::string& identity) {
  const protocol::ServerIdentity hash = XXH3_64bits(identity.data(), identity.size());
  return hash == 0 || hash == protocol::kNoServer ? 1 : hash;
}

std::variant<std::optional<protocol::ServerIdentity>, SqlError> find_identity(Session& session, const Config& config) {
  auto identity = read_identity(session, config);
  if (const auto* found = std::get_if<std::string>(&identity)) return std::optional(identity_hash(*found));
  auto& error = std::get<SqlError>(identity);
  if (error.lost) return std::move(error);
  return std::optional<protocol::ServerIdentity>();
}

std::string remembers(const std::string& gtrid) {
  const auto parts = protocol::parse_gtrid(gtrid);
  ASSENT_CHECK(parts);
  const auto epoch = std::to_string(parts->epoch);
  return "since<=" + epoch + " AND epoch>=" + epoch;
}

namespace {

std::variant<std::optional<OwnerKey>, SqlError> read_owner_key(Session& session, const Config& config) {
  auto result = session.run("SELECT log_id,epoch,host,instance FROM " + table(config, "coordinator") + " WHERE id='" +
                            config.coordinator_id + "'");
  if (result.error) return std::move(*result.error);
  const auto& rows = rows_of(result).rows;
  if (rows.empty()) return std::optional<OwnerKey>();
  const auto& row = rows.front();
  return OwnerKey{static_cast<std::uint64_t>(int_of(row[0])), static_cast<std::uint32_t>(int_of(row[1])),
                  text_of(row[2]), static_cast<std::uint64_t>(int_of(row[3]))};
}

}  // namespace

std::variant<std::optional<ports::OwnerRow>, SqlError> read_owner(Session& session, const Config& config) {
  auto key = read_owner_key(session, config);
  if (auto* error = std::get_if<SqlError>(&key)) {
    if (error->number == errnos::kUnknownDatabase || error->number == errnos::kNoSuchTable) {
      return std::optional<ports::OwnerRow>();
    }
    return std::move(*error);
  }
  const auto& found = std::get<std::optional<OwnerKey>>(key);
  // An all-zero row was made for a claim that was then cut off.
  if (!found || is_blank(*found)) return std::optional<ports::OwnerRow>();
  ports::OwnerRow owner{found->log_id, found->epoch, found->host};
  auto pulse = session.run("SELECT CAST((UNIX_TIMESTAMP()-UNIX_TIMESTAMP(seen_at))*1000 AS SIGNED),closed_below FROM " +
                           table(config, "pulse") + " WHERE coordinator='" + config.coordinator_id + "'");
  if (pulse.error) {
    if (pulse.error->number == errnos::kNoSuchTable) return std::optional(owner);
    return std::move(*pulse.error);
  }
  if (!rows_of(pulse).rows.empty()) {
    owner.silent = std::chrono::milliseconds(int_of(rows_of(pulse).rows.front()[0]));
    owner.closed_below = text_of(rows_of(pulse).rows.front()[1]);
  }
  return std::optional(owner);
}

std::variant<std::vector<ports::ListedXid>, SqlError> list_xids(Session& session) {
  auto result = session.run(session.dialect().recover);
  if (result.error) return std::move(*result.error);
  const bool hex = session.dialect().kind == ServerKind::mysql;
  std::vector<ports::ListedXid> listed;
  for (const auto& row : rows_of(result).rows) {
    auto data = text_of(row[3]);
    if (hex) data = unhex(data);
    const auto gtrid_bytes = static_cast<std::size_t>(int_of(row[1]));
    const auto bqual_bytes = static_cast<std::size_t>(int_of(row[2]));
    if (gtrid_bytes + bqual_bytes != data.size()) {
      return SqlError{0, "HY000", "XA RECOVER lists an XID whose lengths do not fit its bytes", false};
    }
    listed.push_back({int_of(row[0]), data.substr(0, gtrid_bytes), data.substr(gtrid_bytes)});
  }
  return listed;
}

bool is_ours(const ports::ListedXid& xid, const std::string& coordinator_id) {
  if (xid.format_id != protocol::kFormatId) return false;
  const auto gtrid = protocol::parse_gtrid(xid.gtrid);
  return gtrid && gtrid->coordinator == coordinator_id && protocol::parse_bqual(xid.bqual).has_value();
}

bool needs_log(const ports::ListedXid& xid, const std::string& coordinator_id) {
  return is_ours(xid, coordinator_id) && protocol::parse_gtrid(xid.gtrid)->protocol == Protocol::two_phase;
}

namespace {

// Who may take the row over from whom. Nothing: allowed.
std::optional<std::string> why_refused(const Config& config, const OwnerKey& row, std::uint64_t log_id,
                                       std::uint32_t epoch, std::size_t in_doubt) {
  const auto where = " (host " + row.host + ", epoch " + std::to_string(row.epoch) + ")";
  // Whichever its log: a claim is only ever taken by a later epoch, so that two processes cannot take it from each
  // other by turns.
  if (row.epoch > epoch || (row.epoch == epoch && row.instance != process_instance())) {
    return "another process with the identity \"" + config.coordinator_id + "\"" + where +
           " has used this participant after this one: this log is copied, restored or new, or a second coordinator "
           "runs; "
           "stop the other one, or give this one an identity of its own. If the other is gone for good, start this one "
           "again: it then takes a later epoch";
  }
  if (row.log_id == log_id || in_doubt == 0) return std::nullopt;
  return std::to_string(in_doubt) + " branches of \"" + config.coordinator_id +
         "\" are in doubt here, and the log that decided them" + where +
         " is not this one: restore that log; if it is lost, run: assentctl recover --config FILE --log-lost";
}

}  // namespace

Claim claim(Session& session, const Config& config, std::uint64_t log_id, std::uint32_t epoch, std::size_t in_doubt,
            bool again) {
  const auto since = std::to_string(again ? epoch + std::uint64_t{1} : epoch);
  const auto values = [&] {
    return "log_id=" + std::to_string(log_id) + ",epoch=" + std::to_string(epoch) +
           ",host=" + quoted(session, host_name()) + ",instance=" + std::to_string(process_instance());
  }();
  Claim claim;
  for (int attempt = 0; attempt < kClaimAttempts; ++attempt) {
    auto key = read_owner_key(session, config);
    if (const auto* error = std::get_if<SqlError>(&key)) return claim.reason = describe(*error), claim;
    const auto& row = std::get<std::optional<OwnerKey>>(key);
    if (!row) {
      const auto insert = session.run("INSERT INTO " + table(config, "coordinator") + " SET id='" +
                                      config.coordinator_id + "',log_id=0,epoch=0,host='',instance=0,since=" + since);
      if (insert.error && insert.error->number != errnos::kDuplicateKey)
        return claim.reason = describe(*insert.error), claim;
      continue;
    }
    const bool fresh = is_blank(*row);
    if (!fresh) {
      if (auto reason = why_refused(config, *row, log_id, epoch, in_doubt)) {
        claim.kind = Claim::Kind::refused;
        claim.reason = std::move(*reason);
        return claim;
      }
    }
    // Compare and set: what was read must still be so.
    const auto update =
        session.run("UPDATE " + table(config, "coordinator") + " SET " + values + ",claimed_at=NOW() WHERE id='" +
                        config.coordinator_id + "' AND log_id=" + std::to_string(row->log_id) +
                        " AND epoch=" + std::to_string(row->epoch) + " AND instance=" + std::to_string(row->instance) +
                        ";SELECT ROW_COUNT()",
                    2);
    if (update.error) return claim.reason = describe(*update.error), claim;
    const bool unchanged = row->log_id == log_id && row->epoch == epoch && row->instance == process_instance();
    if (int_of(rows_of(update).rows.at(0).at(0)) != 1 && !unchanged) continue;
    claim.kind = Claim::Kind::ours;
    if (!fresh && row->log_id != log_id) {
      claim.notice = "took over from another log (host " + row->host + ", epoch " + std::to_string(row->epoch) +
                     "): nothing of it is in doubt here";
    }
    return claim;
  }
  claim.reason = "another process writes the owner row at the same time";
  return claim;
}

std::variant<bool, SqlError> renew_claim(Session& session, const Config& config) {
  auto key = read_owner_key(session, config);
  if (auto* error = std::get_if<SqlError>(&key)) return std::move(*error);
  const auto& row = std::get<std::optional<OwnerKey>>(key);
  if (!row || row->instance != process_instance()) return false;
  // Once they were not kept here, a missing one never again says anything.
  const std::string kept = config.proof_rows ? "1" : "0";
  auto pulse =
      session.run("INSERT INTO " + table(config, "pulse") + "(coordinator,closed_below,proofs_kept)VALUES('" +
                  config.coordinator_id + "',''," + kept +
                  ")ON DUPLICATE KEY UPDATE seen_at=NOW(3),proofs_kept=LEAST(COALESCE(proofs_kept,1)," + kept + ")");
  if (pulse.error) return std::move(*pulse.error);
  return true;
}

Failure register_session(Session& session, const Config& config, const std::optional<ConnectionIdentity>& before) {
  const auto& now = session.identity();
  std::string packet;
  std::size_t statements = 2;
  if (before) {
    packet = "DELETE FROM " + table(config, "session") + " WHERE " + registered_key(config, *before) + ";";
    ++statements;
  }
  // Only while the owner row names this process: one that lost its claim gets no new session to run branches on.
  packet += "REPLACE INTO " + table(config, "session") +
            "(coordinator,instance,connection,server_start,host,account)SELECT '" + config.coordinator_id + "'," +
            std::to_string(process_instance()) + "," + std::to_string(now.id) + "," +
            std::to_string(now.server_start_s) + "," + quoted(session, now.host) + "," + quoted(session, config.user) +
            " FROM " + table(config, "coordinator") + " WHERE id='" + config.coordinator_id +
            "' AND instance=" + std::to_string(process_instance()) +
            // Also where the server's own isolation level would read without a lock.
            " LOCK IN SHARE MODE;SELECT ROW_COUNT()";
  auto result = session.run(packet, statements);
  if (result.error) return result.error;
  if (int_of(rows_of(result).rows.at(0).at(0)) >= 1) return std::nullopt;
  return SqlError{
      0, "HY000",
      "another process has taken over the claim of coordinator \"" + config.coordinator_id + "\" on this participant",
      false};
}

std::variant<std::vector<Predecessor>, SqlError> staying_predecessors(Session& session, const Config& config) {
  auto result =
      session.run("SELECT connection,host,server_start FROM " + table(config, "session") + " WHERE coordinator='" +
                  config.coordinator_id + "' AND instance<>" + std::to_string(process_instance()));
  if (result.error) {
    if (result.error->number == errnos::kUnknownDatabase || result.error->number == errnos::kNoSuchTable) {
      return std::vector<Predecessor>();
    }
    return std::move(*result.error);
  }
  std::vector<ConnectionIdentity> registered;
  for (const auto& row : rows_of(result).rows) {
    registered.push_back({static_cast<std::uint64_t>(int_of(row[0])), text_of(row[1]), int_of(row[2])});
  }
  auto looked = look_for(session, registered);
  if (auto* error = std::get_if<SqlError>(&looked)) return std::move(*error);
  std::vector<Predecessor> staying;
  for (std::size_t i = 0; i < registered.size(); ++i) {
    const auto presence = std::get<0>(looked)[i];
    if (presence != Presence::gone) staying.push_back({std::move(registered[i]), presence});
  }
  return staying;
}

Failure forget_predecessors(Session& session, const Config& config) {
  return session
      .run("DELETE FROM " + table(config, "session") + " WHERE coordinator='" + config.coordinator_id +
           "' AND instance<>" + std::to_string(process_instance()) + " AND account=" + quoted(session, config.user))
      .error;
}

}  // namespace assent::participant
