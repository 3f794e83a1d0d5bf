#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace assent::testing {

/// A throwaway server, as scripts/servers describes it.
struct Server {
  std::string name;
  std::string kind;  ///< "mariadb" or "mysql".
  std::string version;
  std::string host;
  std::uint16_t port = 0;
  std::string user;
  std::string password;
  std::string admin_user;
  std::string admin_password;
  pid_t pid = 0;
};

/// A set of real servers for one test program, started through scripts/servers and taken down with the program, also
/// when it dies. Throws when they cannot be had: a missing server fails the test.
class Servers {
 public:
  enum class Use {
    any,       ///< Servers that are given by ASSENT_TEST_SERVERS will do.
    killable,  ///< The test stops or kills them: always started here.
  };

  /// The set of this program: had on the first call, with as many of each kind as that call asks for. Where the
  /// environment variable ASSENT_TEST_SERVERS names a file as `scripts/servers up --json` and `docker-endpoints` print
  /// it, and the use allows, those servers are taken, as mariadb1, mariadb2, mysql1 ... in the order of the file.
  static Servers& start(int mariadb, int mysql, Use use = Use::killable);
  static Servers& get();

  const Server& at(const std::string& name) const;
  const std::vector<Server>& all() const { return servers_; }

  /// SIGKILL; returns once the process is gone.
  void kill(const std::string& name);
  /// Same port, same data; returns once it answers. `options` for this start only.
  void restart(const std::string& name, const std::vector<std::string>& options = {});
  void stop(const std::string& name);

 private:
  Servers(int mariadb, int mysql, Use use);
  ~Servers();
  void run(const std::string& arguments);
  void read_status();

  std::string folder_;
  std::vector<Server> servers_;
};

/// A plain connection to a server, for a test's own SQL. Throws sql::SQLException.
class Sql {
 public:
  explicit Sql(const Server& server, const std::string& database = "", bool as_admin = false);
  ~Sql();
  Sql(Sql&&) noexcept;

  void run(const std::string& statement);
  /// All rows, every column as text; NULL is "NULL".
  std::vector<std::vector<std::string>> rows(const std::string& query);
  /// The first column of the first row.
  std::string text(const std::string& query);
  std::int64_t number(const std::string& query);
  /// The server's error number, or 0 when the statement succeeded.
  int error_of(const std::string& statement);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace assent::testing
