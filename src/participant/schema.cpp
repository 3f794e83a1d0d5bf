#include "participant/schema.hpp"

#include <xxhash.h>

#include "base/check.hpp"
#include "base/random.hpp"
#include "protocol/xid.hpp"

namespace assent::participant {
namespace {

std::string table(const Config& config, const char* name) {
  return config.schema + "." + name;
}

const Rows& rows_of(const PacketResult& result) {
  ASSENT_CHECK(!result.answers.empty() && result.answers.back().rows);
  return *result.answers.back().rows;
}

std::string registered_key(const Config& config, const ConnectionIdentity& who) {
  return "coordinator='" + config.coordinator_id + "' AND instance=" + std::to_string(base::process_instance()) +
         " AND connection=" + std::to_string(who.id) + " AND server_start=" + std::to_string(who.server_start_s);
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
            std::to_string(base::process_instance()) + "," + std::to_string(now.id) + "," +
            std::to_string(now.server_start_s) + "," + quoted(session, now.host) + "," + quoted(session, config.user) +
            " FROM " + table(config, "coordinator") + " WHERE id='" + config.coordinator_id +
            "' AND instance=" + std::to_string(base::process_instance()) +
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
                  config.coordinator_id + "' AND instance<>" + std::to_string(base::process_instance()));
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
           "' AND instance<>" + std::to_string(base::process_instance()) +
           " AND account=" + quoted(session, config.user))
      .error;
}

}  // namespace assent::participant
