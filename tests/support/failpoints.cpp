#include "support/failpoints.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <stdexcept>

namespace assent::testing {

std::string FailpointSocket::ask(const std::string& line) const {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() >= sizeof(address.sun_path)) throw std::runtime_error("too long for a socket: " + path_);
  path_.copy(address.sun_path, path_.size());
  std::string answer;
  if (fd >= 0 && ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    const auto words = line + "\n";
    ::send(fd, words.data(), words.size(), MSG_NOSIGNAL);
    char byte = 0;
    while (::recv(fd, &byte, 1, 0) == 1 && byte != '\n') answer.push_back(byte);
  }
  if (fd >= 0) ::close(fd);
  return answer;
}

void FailpointSocket::say(const std::string& line) const {
  if (ask(line) != "ok") throw std::runtime_error("no answer from " + path_ + " to: " + line);
}

std::uint64_t FailpointSocket::passed(const std::string& point) const {
  const auto count = ask("passed " + point);
  return count.empty() ? 0 : std::stoull(count);
}

std::map<std::string, std::string> failpoint_environment(const std::string& socket, const std::string& words) {
  const char* without = std::getenv("ASSENT_WITHOUT");
  return {{"ASSENT_FAILPOINTS", words + (without ? std::string(";") + without + "=error" : "")},
          {"ASSENT_FAILPOINT_SOCKET", socket}};
}

}  // namespace assent::testing
