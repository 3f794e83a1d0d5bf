#include "participant/setup.hpp"

#include <algorithm>
#include <set>

#include "participant/connector_session.hpp"
#include "participant/remedies.hpp"
#include "participant/schema.hpp"

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

// What is there, in the words of init_schema().
std::variant<std::set<std::string>, SqlError> look(Session& session, const Config& config) {
  auto result = session.run(
      "SELECT CONCAT('schema ',SCHEMA_NAME) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME='" + config.schema +
      "' UNION ALL SELECT CONCAT('table ',TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_SCHEMA='" +
      config.schema + "'");
  if (result.error) return std::move(*result.error);
  std::set<std::string> found;
  for (const auto& row : result.answers.front().rows->rows) found.insert(text_of(row[0]));
  if (found.contains("table server")) {
    auto row = session.run("SELECT 1 FROM " + config.schema + ".server WHERE id=1");
    // Not to be read: then making it fails as well, and says so.
    if (row.error && row.error->lost) return std::move(*row.error);
    if (!row.error && !row.answers.front().rows->rows.empty()) found.insert("the server's identity");
  }
  return found;
}

std::variant<std::vector<std::string>, SqlError> make(Session& session, const Config& config) {
  auto before = look(session, config);
  if (auto* error = std::get_if<SqlError>(&before)) return std::move(*error);
  if (auto error = ensure_schema(session, config)) return std::move(*error);
  auto after = look(session, config);
  if (auto* error = std::get_if<SqlError>(&after)) return std::move(*error);
  std::vector<std::string> made;
  std::set_difference(std::get<0>(after).begin(), std::get<0>(after).end(), std::get<0>(before).begin(),
                      std::get<0>(before).end(), std::back_inserter(made));
  return made;
}

}  // namespace

Result<std::vector<std::string>> init_schema(const Config& config) {
  const ConnectorThread thread;
  auto opened = open_control_session(config);
  if (const auto* error = std::get_if<SqlError>(&opened)) {
    return Error{Errc::unavailable, "cannot be reached: " + describe(*error), true};
  }
  auto made = make(*std::get<0>(opened), config);
  const auto* error = std::get_if<SqlError>(&made);
  if (error == nullptr) return std::get<0>(std::move(made));
  if (error->lost) return Error{Errc::unavailable, "the connection broke: " + describe(*error), true};
  return Error{Errc::refused, "schema " + config.schema + " cannot be made: " + describe(*error)};
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
