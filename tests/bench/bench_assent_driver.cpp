#include "bench/bench_assent_driver.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "wire/bounds.hpp"
#include "wire/limits.hpp"

namespace assent::bench {
namespace {

constexpr std::size_t kAnswerBytesMax = 1 << 20;

int connect_to(const Address& address) {
  struct addrinfo hints {};
  hints.ai_socktype = SOCK_STREAM;
  struct addrinfo* found = nullptr;
  if (::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found) != 0) {
    throw std::runtime_error("the host " + address.host + " is not known");
  }
  int socket = -1;
  for (auto* one = found; one != nullptr && socket < 0; one = one->ai_next) {
    socket = ::socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, one->ai_protocol);
    if (socket >= 0 && ::connect(socket, one->ai_addr, one->ai_addrlen) != 0) {
      ::close(socket);
      socket = -1;
    }
  }
  ::freeaddrinfo(found);
  if (socket < 0) {
    throw std::runtime_error("no connection to the coordinator at " + address.host + ":" +
                             std::to_string(address.port));
  }
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return socket;
}

/// The index of the value of `key` in the object at `index`; 0 when there is none.
std::size_t member(const wire::Tape& tape, std::size_t index, std::string_view key) {
  const auto& object = tape.at(index);
  if (object.kind != wire::Tape::Kind::object) return 0;
  for (std::size_t at = index + 1; at < object.end;) {
    const auto value = tape.at(at).end;
    if (tape.text(tape.at(at)) == key) return value;
    at = tape.at(value).end;
  }
  return 0;
}

std::string_view text_at(const wire::Tape& tape, std::size_t index, std::string_view key) {
  const auto found = member(tape, index, key);
  return found == 0 || tape.at(found).kind != wire::Tape::Kind::string ? std::string_view() : tape.text(tape.at(found));
}

}  // namespace

class AssentDriver::Connection final : public EventLoop::Watcher {
 public:
  Connection(AssentDriver& driver, EventLoop& loop, const Address& address)
      : driver_(driver), loop_(loop), socket_(connect_to(address)), in_(kAnswerBytesMax) {
    loop_.watch(socket_, *this);
  }
  ~Connection() override {
    loop_.forget(socket_);
    ::close(socket_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  std::string& out() { return out_; }

  void flush() {
    if (out_.empty()) return;
    const auto sent = ::send(socket_, out_.data(), out_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) lost();
    if (sent > 0) out_.erase(0, static_cast<std::size_t>(sent));
    if (const bool rest = !out_.empty(); rest != waits_to_write_) {
      waits_to_write_ = rest;
      loop_.watch_writing_too(socket_, *this, rest);
    }
  }

  void ready() override {
    if (waits_to_write_) flush();
    const auto space = in_.space();
    const auto got = ::recv(socket_, space.data(), space.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) lost();
    in_.fed(static_cast<std::size_t>(got));
    while (const auto line = in_.next()) driver_.answered(*line);
    if (in_.overflowed()) throw std::runtime_error("an answer of the coordinator is over the bound");
  }

 private:
  [[noreturn]] void lost() { throw std::runtime_error("the coordinator closed a connection"); }

  AssentDriver& driver_;
  EventLoop& loop_;
  const int socket_;
  wire::Framer in_;
  std::string out_;
  bool waits_to_write_ = false;
};

AssentDriver::AssentDriver(EventLoop& loop, const Address& address, std::vector<std::string> participants,
                           unsigned connections, std::chrono::milliseconds timeout, std::optional<Protocol> protocol,
                           Finisher& finisher)
    : finisher_(finisher),
      before_branches_(",\"method\":\"txn.submit\",\"params\":{\"timeout_ms\":" + std::to_string(timeout.count())) {
  if (protocol) before_branches_ += std::string(",\"protocol\":\"") + to_string(*protocol) + '"';
  before_branches_ += ",\"branches\":[";
  for (const auto& name : participants) {
    before_branch_.push_back("{\"participant\":\"" + name + "\",\"statements\":[");
  }
  for (unsigned i = 0; i < connections; ++i) {
    connections_.push_back(std::make_unique<Connection>(*this, loop, address));
  }
}

AssentDriver::~AssentDriver() = default;

void AssentDriver::start(unsigned client, const Transaction& transaction) {
  auto& out = connections_[client % connections_.size()]->out();
  out.append("{\"jsonrpc\":\"2.0\",\"id\":");
  append_integer(out, client);
  out.append(before_branches_);
  for (std::size_t i = 0; i < transaction.used; ++i) {
    const auto& branch = transaction.branches[i];
    if (i > 0) out.push_back(',');
    out.append(before_branch_[branch.participant]);
    for (std::size_t k = 0; k < branch.statements.size(); ++k) {
      if (k > 0) out.push_back(',');
      branch.statements[k].shape->append_json(out, branch.statements[k].args);
    }
    out.append("]}");
  }
  out.append("]}}\n");
}

void AssentDriver::flush() {
  for (const auto& connection : connections_) connection->flush();
}

void AssentDriver::answered(std::string_view line) {
  if (!tape_.parse(line, wire::kNestingMax).empty()) throw std::runtime_error("the coordinator's answer is not JSON");
  const auto id = member(tape_, 0, "id");
  if (id == 0 || tape_.at(id).kind != wire::Tape::Kind::natural) {
    throw std::runtime_error("the coordinator answered: " + std::string(line.substr(0, 300)));
  }
  const auto client = static_cast<unsigned>(tape_.at(id).natural);
  const auto result = member(tape_, 0, "result");
  const auto outcome = result == 0 ? std::string_view("refused") : text_at(tape_, result, "outcome");
  if (outcome == "committed") return finisher_.finished(client, Outcome::committed, ~0ULL);
  if (result == 0) {
    trouble(std::string(text_at(tape_, member(tape_, 0, "error"), "message")));
    return finisher_.finished(client, Outcome::refused, 0);
  }
  const auto cause = member(tape_, result, "cause");
  trouble(cause == 0 ? std::string(outcome) : std::string(text_at(tape_, cause, "message")));
  finisher_.finished(client, outcome == "rolled_back" ? Outcome::rolled_back : Outcome::unknown, 0);
}

}  // namespace assent::bench
