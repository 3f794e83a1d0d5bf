#include "bench/bench_servers.hpp"

#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include <nlohmann/json.hpp>

namespace assent::bench {
namespace {

constexpr std::string_view kScheme = "mysql://";
/// The same for all modes, and so large that every table of a benchmark stays in memory.
constexpr const char* kBufferPool = "--innodb-buffer-pool-size=256M";

Error wrong(std::string what) {
  return {Errc::invalid_argument, std::move(what), false};
}

/// Runs a shell command and gives its standard output. Its standard error goes to ours.
std::string output_of(const std::string& command) {
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot run: " + command);
  std::string text;
  std::array<char, 4096> chunk;
  for (std::size_t got = 0; (got = std::fread(chunk.data(), 1, chunk.size(), pipe)) > 0;)
    text.append(chunk.data(), got);
  if (const int status = ::pclose(pipe); status != 0) throw std::runtime_error("the servers cannot be had: " + command);
  return text;
}

std::string shell_word(const std::string& text) {
  std::string made = "'";
  for (const char c : text) made += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return made + "'";
}

/// Nothing where a % is not followed by two hexadecimal digits.
std::optional<std::string> decoded(std::string_view text) {
  std::string made;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      made += text[i];
      continue;
    }
    unsigned value = 0;
    const auto digits = text.substr(i + 1, 2);
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 2 || parsed.ptr != digits.data() + 2) return std::nullopt;
    made += static_cast<char>(value);
    i += 2;
  }
  return made;
}

}  // namespace

Result<Server> server_of_url(const std::string& url) {
  constexpr const char* kForm =
      "--server takes mysql://user:password@host:port, or a file as `scripts/servers up --json` prints it";
  std::string_view rest = url;
  if (!rest.starts_with(kScheme)) return wrong(kForm);
  rest.remove_prefix(kScheme.size());
  Server server;
  constexpr std::string_view kSocket = "?socket=";
  if (const auto query = rest.find('?'); query != std::string_view::npos) {
    const auto path = decoded(rest.substr(query).starts_with(kSocket) ? rest.substr(query + kSocket.size()) : "");
    if (!path || path->empty()) return wrong("of a server's URL only ?socket=PATH is understood");
    server.socket = *path;
    rest = rest.substr(0, query);
  }
  const auto at = rest.rfind('@');
  if (at == std::string_view::npos || at == 0) return wrong(std::string("the URL names no user: ") + kForm);
  const auto account = rest.substr(0, at);
  const auto colon = account.find(':');
  const auto user = decoded(account.substr(0, colon));
  const auto password = decoded(colon == std::string_view::npos ? "" : account.substr(colon + 1));
  if (!user || !password) return wrong("a % in the URL is not followed by two hexadecimal digits");
  server.user = server.admin_user = *user;
  server.password = server.admin_password = *password;
  auto address = rest.substr(at + 1);
  while (address.ends_with('/')) address.remove_suffix(1);
  const auto port_at = address.rfind(':');
  if (port_at != std::string_view::npos) {
    const auto digits = address.substr(port_at + 1);
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), server.port);
    if (parsed.ec != std::errc{} || parsed.ptr != digits.data() + digits.size() || server.port == 0) {
      return wrong("the port of the URL is no number from 1 to 65535");
    }
    address = address.substr(0, port_at);
  }
  if (address.empty()) return wrong(std::string("the URL names no host: ") + kForm);
  server.host = address;
  server.name = server.host + ":" + std::to_string(server.port);
  return server;
}

Result<std::vector<Server>> servers_of_json(const std::string& text) {
  std::vector<Server> servers;
  try {
    const auto set = nlohmann::json::parse(text);
    for (const auto& entry : set.at("servers")) {
      Server server;
      server.name = entry.at("name");
      server.kind = entry.value("kind", "");
      server.version = entry.value("version", "");
      server.host = entry.at("host");
      server.port = entry.at("port");
      server.socket = entry.value("socket", "");
      server.user = entry.at("user");
      server.password = entry.at("password");
      server.admin_user = entry.value("admin_user", server.user);
      server.admin_password = entry.value("admin_password", server.password);
      server.pid = entry.value("pid", 0);
      servers.push_back(std::move(server));
    }
  } catch (const nlohmann::json::exception& e) {
    return wrong(std::string("not what `scripts/servers up --json` prints: ") + e.what());
  }
  if (servers.empty()) return wrong("the file names no server");
  return servers;
}

Result<std::vector<Server>> given_servers(const std::string& url_or_file) {
  if (url_or_file.starts_with(kScheme)) {
    auto server = server_of_url(url_or_file);
    if (!server) return server.error();
    return std::vector<Server>{*server};
  }
  std::ifstream file(url_or_file);
  if (!file) return wrong("--server: the file " + url_or_file + " cannot be read, and it is no mysql:// URL");
  return servers_of_json({std::istreambuf_iterator<char>(file), {}});
}

OwnServers::OwnServers(const Wanted& wanted) : folder_(wanted.folder) {
  auto command = std::string(ASSENT_SCRIPTS_DIR) + "/servers up --json --mariadb " + std::to_string(wanted.mariadb) +
                 " --mysql " + std::to_string(wanted.mysql) + " --dir " + shell_word(folder_) + " --owner " +
                 std::to_string(::getpid()) + " -- " + kBufferPool +
                 " --max-connections=" + std::to_string(wanted.connections_max);
  for (const auto& option : wanted.options) command += " " + shell_word(option);
  auto servers = servers_of_json(output_of(command));
  if (!servers) throw std::runtime_error(servers.error().what);
  servers_ = std::move(*servers);
}

OwnServers::~OwnServers() {
  try {
    output_of(std::string(ASSENT_SCRIPTS_DIR) + "/servers down --now --dir " + shell_word(folder_) + " 2>/dev/null");
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "assent-bench: %s\n", failure.what());
  }
}

}  // namespace assent::bench
