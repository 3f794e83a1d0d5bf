#pragma once

#include <mysql.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/bench_servers.hpp"

namespace assent::bench {

enum class Transport : std::uint8_t { tcp, unix_socket };
enum class Account : std::uint8_t { user, admin };

struct CloseMysql {
  void operator()(MYSQL* session) const { ::mysql_close(session); }
};
using Mysql = std::unique_ptr<MYSQL, CloseMysql>;

/// A session that takes several statements in a packet. `nonblocking`: its _start and _cont functions may be used.
/// Throws std::runtime_error when the server cannot be reached or refuses.
Mysql connect(const Server& server, Transport transport, Account account, bool nonblocking);

/// Blocking statements, for all that is not measured. Throws std::runtime_error with the server's words.
class Sql {
 public:
  Sql(const Server& server, Transport transport, Account account = Account::user)
      : session_(connect(server, transport, account, false)), name_(server.name) {}

  void run(const std::string& statement);
  /// False when the server refused.
  bool try_run(const std::string& statement);
  std::vector<std::vector<std::string>> rows(const std::string& query);
  /// The first column of the first row, 0 where there is none or it is NULL.
  std::int64_t number(const std::string& query);

 private:
  [[noreturn]] void fail(const std::string& statement);

  Mysql session_;
  std::string name_;
};

}  // namespace assent::bench
