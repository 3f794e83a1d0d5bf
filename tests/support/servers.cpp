#include "support/servers.hpp"

#include <cppconn/connection.h>
#include <cppconn/driver.h>
#include <cppconn/exception.h>
#include <cppconn/resultset.h>
#include <cppconn/resultset_metadata.h>
#include <cppconn/statement.h>
#include <mysql_driver.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>

#include <nlohmann/json.hpp>

namespace assent::testing {
namespace {

/// Runs a shell command and gives its standard output. Its standard error goes to ours.
std::string output_of(const std::string& command) {
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot run: " + command);
  std::string text;
  std::array<char, 4096> chunk;
  for (std::size_t got = 0; (got = std::fread(chunk.data(), 1, chunk.size(), pipe)) > 0;) {
    text.append(chunk.data(), got);
  }
  if (const int status = ::pclose(pipe); status != 0) throw std::runtime_error("failed: " + command);
  return text;
}

Servers* g_servers = nullptr;

std::vector<Server> parse(const std::string& text) {
  std::vector<Server> servers;
  const auto set = nlohmann::json::parse(text);
  for (const auto& entry : set.at("servers")) {
    Server server;
    server.name = entry.at("name");
    server.kind = entry.at("kind");
    server.version = entry.at("version");
    server.host = entry.at("host");
    server.port = entry.at("port");
    server.user = entry.at("user");
    server.password = entry.at("password");
    server.admin_user = entry.at("admin_user");
    server.admin_password = entry.at("admin_password");
    server.pid = entry.value("pid", 0);
    servers.push_back(std::move(server));
  }
  return servers;
}

}  // namespace

Servers& Servers::start(int mariadb, int mysql, Use use) {
  // Taken down at exit; --owner sees to it when this program is killed.
  static Servers servers(mariadb, mysql, use);
  g_servers = &servers;
  return servers;
}

Servers& Servers::get() {
  if (g_servers == nullptr) throw std::runtime_error("Servers::start was not called");
  return *g_servers;
}

Servers::Servers(int mariadb, int mysql, Use use) {
  const char* given = std::getenv("ASSENT_TEST_SERVERS");
  if (given != nullptr && use == Use::any) {
    std::ifstream file(given);
    servers_ = parse({std::istreambuf_iterator<char>(file), {}});
    std::map<std::string, int> count;
    for (auto& server : servers_) server.name = server.kind + std::to_string(++count[server.kind]);
    if (count["mariadb"] < mariadb || count["mysql"] < mysql) {
      throw std::runtime_error(std::string(given) + " (ASSENT_TEST_SERVERS) names too few servers: " +
                               std::to_string(mariadb) + " MariaDB and " + std::to_string(mysql) + " MySQL are needed");
    }
    return;
  }
  auto folder = (std::filesystem::temp_directory_path() / "assent-test-servers-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error("no temporary folder can be made");
  folder_ = folder + "/set";
  servers_ = parse(output_of(std::string(ASSENT_SCRIPTS_DIR) + "/servers up --json --mariadb " +
                             std::to_string(mariadb) + " --mysql " + std::to_string(mysql) + " --dir " + folder_ +
                             " --owner " + std::to_string(::getpid())));
}

Servers::~Servers() {
  if (folder_.empty()) return;
  try {
    run("down --now");
    std::filesystem::remove_all(std::filesystem::path(folder_).parent_path());
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
  }
}

void Servers::run(const std::string& arguments) {
  if (folder_.empty()) throw std::runtime_error("the servers of ASSENT_TEST_SERVERS are not this test's to stop");
  output_of(std::string("ASSENT_SERVERS_DIR=") + folder_ + " " + ASSENT_SCRIPTS_DIR + "/servers " + arguments);
}

void Servers::read_status() {
  servers_ = parse(output_of(std::string(ASSENT_SCRIPTS_DIR) + "/servers status --json --dir " + folder_));
}

const Server& Servers::at(const std::string& name) const {
  for (const auto& server : servers_) {
    if (server.name == name) return server;
  }
  throw std::runtime_error("no server '" + name + "' in this set");
}

void Servers::kill(const std::string& name) {
  run("kill " + name);
}
void Servers::stop(const std::string& name) {
  run("stop " + name);
}

void Servers::restart(const std::string& name, const std::vector<std::string>& options) {
  std::string arguments = "start " + name;
  if (!options.empty()) arguments += " --";
  for (const auto& option : options) arguments += " " + option;
  run(arguments + " >/dev/null");
  read_status();
}

class Sql::Impl {
 public:
  Impl(const Server& server, const std::string& database, bool as_admin) {
    sql::ConnectOptionsMap options;
    options["hostName"] = "tcp://" + server.host + ":" + std::to_string(server.port);
    options["userName"] = as_admin ? server.admin_user : server.user;
    options["password"] = as_admin ? server.admin_password : server.password;
    options["OPT_CHARSET_NAME"] = sql::SQLString("utf8mb4");
    connection.reset(sql::mysql::get_mysql_driver_instance()->connect(options));
    if (!database.empty()) connection->setSchema(database);
    statement.reset(connection->createStatement());
  }
  std::unique_ptr<sql::Connection> connection;
  std::unique_ptr<sql::Statement> statement;
};

Sql::Sql(const Server& server, const std::string& database, bool as_admin)
    : impl_(std::make_unique<Impl>(server, database, as_admin)) {}
Sql::~Sql() = default;
Sql::Sql(Sql&&) noexcept = default;

void Sql::run(const std::string& statement) {
  impl_->statement->execute(statement);
}

std::vector<std::vector<std::string>> Sql::rows(const std::string& query) {
  const std::unique_ptr<sql::ResultSet> result(impl_->statement->executeQuery(query));
  const auto columns = result->getMetaData()->getColumnCount();
  std::vector<std::vector<std::string>> rows;
  while (result->next()) {
    auto& row = rows.emplace_back();
    for (unsigned int i = 1; i <= columns; ++i) {
      const std::string text = result->getString(i);
      row.push_back(result->wasNull() ? "NULL" : text);
    }
  }
  return rows;
}

std::string Sql::text(const std::string& query) {
  return rows(query).at(0).at(0);
}
std::int64_t Sql::number(const std::string& query) {
  return std::stoll(text(query));
}

int Sql::error_of(const std::string& statement) {
  try {
    run(statement);
    return 0;
  } catch (const sql::SQLException& refused) {
    return refused.getErrorCode();
  }
}

}  // namespace assent::testing
