#include "server/control_socket.hpp"

#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <limits>

namespace assent::server {

using boost::asio::local::stream_protocol;
using boost::system::error_code;

namespace {

constexpr mode_t kOwnerOnly = 0600;

std::string name_of(uid_t uid) {
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
    return "uid " + std::to_string(uid);
  }
  return found->pw_name;
}

// The account that logged in, which neither su nor sudo changes.
uid_t login_of(pid_t pid, uid_t otherwise) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/loginuid");
  std::uint64_t uid = 0;
  const bool known = static_cast<bool>(file >> uid) && uid < std::numeric_limits<std::uint32_t>::max();
  return known ? static_cast<uid_t>(uid) : otherwise;
}

std::uint64_t inode_at(const std::string& path) {
  struct stat found {};
  const bool is_socket = ::lstat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode);
  return is_socket ? found.st_ino : 0;
}

bool somebody_listens(const std::string& path, boost::asio::io_context& context) {
  stream_protocol::socket socket(context);
  error_code error;
  socket.connect(path, error);
  return error != boost::asio::error::connection_refused;
}

}  // namespace

Status ControlSocket::bind(const std::string& path) {
  const auto failed = [&](const std::string& why) {
    return Error{Errc::unavailable, "cannot listen on the control socket " + path + ": " + why, false};
  };
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return failed("a socket's path has at most " + std::to_string(sizeof(sockaddr_un::sun_path) - 1) +
                  " bytes; set control.socket to a shorter one");
  }
  error_code error;
  acceptor_.open(stream_protocol(), error);
  if (error) return failed(error.message());
  // The mode of the socket that bind() makes: there is no moment at which others may connect.
  if (::fchmod(acceptor_.native_handle(), kOwnerOnly) != 0) error.assign(errno, boost::system::system_category());
  if (!error) acceptor_.bind(path, error);
  auto& context = static_cast<boost::asio::io_context&>(acceptor_.get_executor().context());
  if (error == boost::asio::error::address_in_use && inode_at(path) != 0 && !somebody_listens(path, context)) {
    ::unlink(path.c_str());
    acceptor_.bind(path, error);
  }
  if (!error) {
    path_ = path;
    inode_ = inode_at(path);
    acceptor_.listen(stream_protocol::acceptor::max_listen_connections, error);
  }
  if (!error) return Ok{};
  close();
  return failed(error.message() + "; set control.socket to another path, or stop the process that uses it");
}

void ControlSocket::close() {
  error_code ignored;
  acceptor_.close(ignored);
  if (!path_.empty() && inode_at(path_) == inode_) ::unlink(path_.c_str());
  path_.clear();
}

std::optional<std::string> account_of_peer(int descriptor) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
  const auto login = login_of(peer.pid, peer.uid);
  const auto as = login == peer.uid ? "" : "as " + name_of(peer.uid) + ", ";
  return name_of(login) + " (" + as + "uid " + std::to_string(peer.uid) + ", pid " + std::to_string(peer.pid) + ')';
}

}  // namespace assent::server
