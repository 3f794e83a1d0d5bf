#include "participant/setup.hpp"

#include <algorithm>

#include "participant/connector_session.hpp"
#include "participant/remedies.hpp"
#include "participant/tables.hpp"

namespace assent::participant {
namespace {

// MySQL runs what stands in such a comment. MariaDB, which has other versions, passes over it: 5.7 to 9.99 are MySQL's.
constexpr const char* kMysqlOnlyBegins = "/*!80000 ";
constexpr const char* kMysqlOnlyEnds = " */";

// For a comment, which ends with its line.
std::string on_one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < ' '; }, '?');
  return text;
}

}  // namespace

Result<std::vector<std::string>> init_schema(const Config& config) {
  const ConnectorThread thread;
  auto opened = open_control_session(config);
  if (const auto* error = std::get_if<SqlError>(&opened)) {
    return Error{Errc::unavailable, "cannot be reached: " + describe(*error), true};
  }
  auto made = bring_schema_up(*std::get<0>(opened), config);
  const auto* fault = std::get_if<SchemaFault>(&made);
  if (fault == nullptr) return std::get<0>(std::move(made));
  if (fault->error.lost) return Error{Errc::unavailable, "the connection broke: " + describe(fault->error), true};
  return Error{Errc::refused, "schema " + config.schema + " cannot be made: " + describe(fault->error)};
}

std::string schema_script(const Config& config, const std::string& account_host) {
  const auto account = account_name(config.user, account_host);
  std::string script;
  for (const auto& statement : schema_statements(config)) script += statement + ";\n";
  script +=
      "-- The account must be there: CREATE USER IF NOT EXISTS " + on_one_line(account) + " IDENTIFIED BY '...';\n";
  script += grant_on_schema(config, account, OnSchema::use) + ";\n";
  script += grant_process(account) + ";\n";
  script += "-- MySQL only: MariaDB passes over these, and asks for no such privilege.\n";
  for (const auto& grant : {grant_xa_recover(account), grant_lock_views(account)}) {
    script += kMysqlOnlyBegins + grant + kMysqlOnlyEnds + ";\n";
  }
  return script;
}

}  // namespace assent::participant
