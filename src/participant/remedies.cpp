#include "participant/remedies.hpp"

namespace assent::participant {
namespace {

// With doubled backslashes, as a DBA's session has them mean by default.
std::string literal(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += c;
    out += c;
  }
  return out + "'";
}

// A schema in GRANT is a pattern, in which an underscore stands for any letter.
std::string granted_schema(const std::string& schema) {
  if (schema.find('_') == std::string::npos) return schema;
  std::string out = "`";
  for (const char c : schema) {
    if (c == '_') out += '\\';
    out += c;
  }
  return out + "`";
}

}  // namespace

std::string account_name(std::string_view user, std::string_view host) {
  return literal(user) + "@" + literal(host);
}

std::string account_name(std::string_view current_user) {
  // A user's name may have an @ in it, a host's has not.
  const auto at = current_user.rfind('@');
  if (at == std::string_view::npos) return account_name(current_user, "%");
  return account_name(current_user.substr(0, at), current_user.substr(at + 1));
}

std::string set_variable(const Dialect& dialect, const std::string& name, const std::string& value) {
  const auto assignment = name + " = " + value;
  if (dialect.kind == ServerKind::mysql) return "SET PERSIST " + assignment;
  return "SET GLOBAL " + assignment + ", and " + assignment + " under [mariadbd] in the server's configuration";
}

std::string set_at_start(const std::string& name, const std::string& value) {
  return "set " + name + " = " + value + " under [mysqld] in the server's configuration, and restart it";
}

std::string identifier(std::string_view name) {
  std::string out = "`";
  for (const char c : name) {
    if (c == '`') out += c;
    out += c;
  }
  return out + "`";
}

std::string grant_on_schema(const Config& config, const std::string& account, OnSchema what) {
  return std::string("GRANT ") + (what == OnSchema::create_and_use ? "CREATE, ALTER, " : "") +
         "SELECT, INSERT, UPDATE, DELETE ON " + granted_schema(config.schema) + ".* TO " + account;
}

std::string grant_process(const std::string& account) {
  return "GRANT PROCESS ON *.* TO " + account;
}

std::string grant_xa_recover(const std::string& account) {
  return "GRANT XA_RECOVER_ADMIN ON *.* TO " + account;
}

std::string grant_lock_views(const std::string& account) {
  return "GRANT SELECT ON performance_schema.* TO " + account;
}

std::string schema_grants(const Dialect& dialect, const Config& config, const std::string& account) {
  std::string sql = "CREATE DATABASE IF NOT EXISTS " + config.schema + "; " +
                    grant_on_schema(config, account, OnSchema::create_and_use) + "; " + grant_process(account) + ";";
  if (dialect.kind == ServerKind::mysql)
    sql += " " + grant_xa_recover(account) + "; " + grant_lock_views(account) + ";";
  return sql;
}

}  // namespace assent::participant
