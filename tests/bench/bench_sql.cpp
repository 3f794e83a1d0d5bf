#include "bench/bench_sql.hpp"

#include <stdexcept>

namespace assent::bench {
namespace {

constexpr unsigned kConnectTimeoutS = 10;
/// Of a statement's text in an error.
constexpr std::size_t kShownBytes = 80;

struct FreeResult {
  void operator()(MYSQL_RES* result) const { ::mysql_free_result(result); }
};

}  // namespace

Mysql connect(const Server& server, Transport transport, Account account, bool nonblocking) {
  Mysql session(::mysql_init(nullptr));
  if (!session) throw std::runtime_error("out of memory");
  ::mysql_options(session.get(), MYSQL_OPT_CONNECT_TIMEOUT, &kConnectTimeoutS);
  if (nonblocking) ::mysql_options(session.get(), MYSQL_OPT_NONBLOCK, nullptr);
  const bool by_socket = transport == Transport::unix_socket;
  if (by_socket && server.socket.empty()) {
    throw std::runtime_error("the Unix socket of " + server.name + " is not known: give it, or use --transport tcp");
  }
  const unsigned protocol = by_socket ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
  ::mysql_options(session.get(), MYSQL_OPT_PROTOCOL, &protocol);
  const auto& user = account == Account::admin ? server.admin_user : server.user;
  const auto& password = account == Account::admin ? server.admin_password : server.password;
  if (::mysql_real_connect(session.get(), by_socket ? nullptr : server.host.c_str(), user.c_str(), password.c_str(),
                           nullptr, server.port, by_socket ? server.socket.c_str() : nullptr,
                           CLIENT_MULTI_STATEMENTS) == nullptr) {
    throw std::runtime_error("no connection to " + server.name + ": " + ::mysql_error(session.get()));
  }
  return session;
}

void Sql::run(const std::string& statement) {
  rows(statement);
}

bool Sql::try_run(const std::string& statement) {
  try {
    run(statement);
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

std::vector<std::vector<std::string>> Sql::rows(const std::string& query) {
  MYSQL* const session = session_.get();
  if (::mysql_real_query(session, query.data(), query.size()) != 0) fail(query);
  std::vector<std::vector<std::string>> rows;
  for (int more = 0; more == 0; more = ::mysql_next_result(session)) {
    const std::unique_ptr<MYSQL_RES, FreeResult> result(::mysql_store_result(session));
    if (!result) continue;
    const auto columns = ::mysql_num_fields(result.get());
    for (MYSQL_ROW row = nullptr; (row = ::mysql_fetch_row(result.get())) != nullptr;) {
      const auto* lengths = ::mysql_fetch_lengths(result.get());
      auto& into = rows.emplace_back();
      for (unsigned i = 0; i < columns; ++i) {
        into.push_back(row[i] == nullptr ? std::string() : std::string(row[i], lengths[i]));
      }
    }
  }
  if (::mysql_errno(session) != 0) fail(query);
  return rows;
}

std::int64_t Sql::number(const std::string& query) {
  const auto found = rows(query);
  if (found.empty() || found[0].empty() || found[0][0].empty()) return 0;
  return std::stoll(found[0][0]);
}

void Sql::fail(const std::string& statement) {
  throw std::runtime_error(name_ + " refused \"" + statement.substr(0, kShownBytes) +
                           "\": " + ::mysql_error(session_.get()));
}

}  // namespace assent::bench
