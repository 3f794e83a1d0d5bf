#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "assent/result.hpp"

namespace assent::bench {

struct Server {
  std::string name;
  std::string kind;  ///< "mariadb" or "mysql"; empty until it was asked.
  std::string version;
  std::string host = "127.0.0.1";
  std::uint16_t port = 3306;
  std::string socket;  ///< Path of its Unix socket; may be empty.
  std::string user;
  std::string password;
  std::string admin_user;  ///< May change settings; the same as `user` where a server was given by URL.
  std::string admin_password;
  pid_t pid = 0;  ///< 0: not known.
};

/// `mysql://user:password@host:port`, `...@localhost?socket=/path`. Parts may be %-encoded.
Result<Server> server_of_url(const std::string& url);
/// What `scripts/servers up --json` prints.
Result<std::vector<Server>> servers_of_json(const std::string& text);
/// Either of the two; one that does not begin with "mysql://" is a file of such JSON.
Result<std::vector<Server>> given_servers(const std::string& url_or_file);

/// Throwaway servers, through scripts/servers; taken down with their owner, and when this process dies.
class OwnServers {
 public:
  struct Wanted {
    int mariadb = 0;
    int mysql = 0;
    unsigned connections_max = 500;
    std::string folder;  ///< New or empty.
    std::vector<std::string> options = {};
  };
  /// Throws std::runtime_error when they cannot be had.
  explicit OwnServers(const Wanted& wanted);
  ~OwnServers();
  OwnServers(const OwnServers&) = delete;
  OwnServers& operator=(const OwnServers&) = delete;

  const std::vector<Server>& servers() const { return servers_; }

 private:
  std::string folder_;
  std::vector<Server> servers_;
};

}  // namespace assent::bench
