#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/server.hpp"

namespace assent::server {

inline constexpr std::chrono::seconds kPatience{20};

/// A service in memory. A transaction with a label waits until release() names that label; others commit at once.
class InMemoryService {
 public:
  using Done = ports::Done<Result<TransactionResult>>;

  Service service() {
    return {
        .submit = [this](Transaction transaction, Done done) { submit(std::move(transaction), std::move(done)); },
        .status_of_gtrid = [](const std::string& gtrid) -> Result<TransactionStatus> {
          return Error{Errc::not_found, "no transaction " + gtrid, false};
        },
        .status_of_key = [](const std::string& key) -> Result<TransactionStatus> {
          TransactionStatus status;
          status.idempotency_key = key;
          return status;
        },
        .list = [](std::size_t max) { return std::vector<TransactionStatus>(max); },
        .participants = [] { return std::vector<ParticipantInfo>(2); },
        .info = [] { return ServerInfo{}; },
        .hazards = [] { return std::vector<Hazard>(3); },
        .acknowledge =
            [this](const Acknowledgement& said, const ports::Done<Status>& done) {
              {
                const std::lock_guard lock(mutex_);
                last_who_ = said.who;
              }
              done(said.branch == 1 ? Status(Ok{}) : Error{Errc::not_found, "no such hazard", false});
            },
        .survey =
            [](const SurveyQuery& query, const ports::Done<Result<Survey>>& done) {
              // Brought by another thread, as the coordinator's is.
              std::thread([=] {
                Survey survey;
                survey.coordinator = query.participant;
                done(survey);
              }).detach();
            },
        .recover_now = [](const std::string& who,
                          const ports::Done<Result<std::uint64_t>>& done) { done(std::uint64_t{who.size()}); },
    };
  }

  /// Answers the waiting transaction with this label, on the caller's thread.
  void release(const std::string& label, std::size_t row_bytes = 0) {
    Done done;
    {
      std::unique_lock lock(mutex_);
      ASSERT_TRUE(arrived_.wait_for(lock, kPatience, [&] { return waiting_.contains(label); })) << label;
      done = std::move(waiting_.at(label));
      waiting_.erase(label);
    }
    done(result(label, row_bytes));
  }

  /// Blocks until so many transactions wait.
  bool wait_for(std::size_t waiting) {
    std::unique_lock lock(mutex_);
    return arrived_.wait_for(lock, kPatience, [&] { return waiting_.size() >= waiting; });
  }
  std::size_t waiting() {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
  }
  std::vector<std::string> labels() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> all;
    for (const auto& [label, done] : waiting_) all.push_back(label);
    return all;
  }
  /// Who has acknowledged last.
  std::string last_who() {
    const std::lock_guard lock(mutex_);
    return last_who_;
  }
  std::size_t submitted() {
    const std::lock_guard lock(mutex_);
    return submitted_;
  }

 private:
  static TransactionResult result(const std::string& gtrid, std::size_t row_bytes) {
    TransactionResult result;
    result.gtrid = gtrid;
    result.outcome = Outcome::committed;
    result.settled = true;
    if (row_bytes > 0) {
      StatementResult select;
      select.rows = Rows{{"c"}, {{std::string(row_bytes, 'r')}}};
      result.branches.push_back({"p", BranchState::committed, {select}});
    }
    return result;
  }

  void submit(Transaction transaction, Done done) {
    {
      const std::lock_guard lock(mutex_);
      ++submitted_;
      if (!transaction.label.empty()) {
        EXPECT_TRUE(waiting_.emplace(transaction.label, std::move(done)).second);
        arrived_.notify_all();
        return;
      }
    }
    done(result("at once", 0));
  }

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::map<std::string, Done> waiting_;
  std::size_t submitted_ = 0;
  std::string last_who_;
};

/// Where a control socket may be made.
class ControlFolder {
 public:
  ControlFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "assent-control-XXXXXX").string();
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
  }
  ~ControlFolder() { std::filesystem::remove_all(path_); }
  ControlFolder(const ControlFolder&) = delete;
  ControlFolder& operator=(const ControlFolder&) = delete;
  std::string socket() const { return path_ / "control"; }

 private:
  std::filesystem::path path_;
};

/// A plain client socket, as `nc` would be.
class Socket {
 public:
  /// From an address of this host of its own, if `from` is one: IPv4, in the host's byte order.
  explicit Socket(std::uint16_t port, int receive_buffer_bytes = 0, std::uint32_t from = 0)
      : handle_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer_bytes > 0) {
      ::setsockopt(handle_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    if (from != 0) {
      address.sin_addr.s_addr = htonl(from);
      EXPECT_EQ(::bind(handle_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    }
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(handle_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~Socket() { close(); }
  Socket(Socket&& other) noexcept : handle_(std::exchange(other.handle_, -1)), rest_(std::move(other.rest_)) {}
  Socket& operator=(Socket&&) = delete;

  /// False when the peer does not take it (any more).
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(handle_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  /// The next line without its newline; nothing when the peer has closed.
  std::optional<std::string> line() {
    while (true) {
      if (const auto newline = rest_.find('\n'); newline != std::string::npos) {
        auto first = rest_.substr(0, newline);
        rest_.erase(0, newline + 1);
        return first;
      }
      if (!receive()) return std::nullopt;
    }
  }

  /// Whether the peer closes, by FIN or by RST, before it sends anything more.
  bool closed_by_peer() { return rest_.empty() && !receive(); }

  /// Whether bytes have come that were not read.
  bool readable() {
    pollfd watched{handle_, POLLIN, 0};
    return !rest_.empty() || ::poll(&watched, 1, 0) > 0;
  }

  void half_close() { ::shutdown(handle_, SHUT_WR); }
  void close() {
    if (handle_ >= 0) ::close(std::exchange(handle_, -1));
  }
  /// Closes so that the peer gets a reset.
  void reset() {
    const linger at_once{1, 0};
    ::setsockopt(handle_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
  }

 private:
  bool receive() {
    pollfd watched{handle_, POLLIN, 0};
    const auto patience = std::chrono::duration_cast<std::chrono::milliseconds>(kPatience);
    if (::poll(&watched, 1, static_cast<int>(patience.count())) <= 0) {
      ADD_FAILURE() << "nothing came";
      return false;
    }
    char bytes[65536];
    const auto got = ::recv(handle_, bytes, sizeof bytes, 0);
    if (got <= 0) return false;
    rest_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }

  int handle_;
  std::string rest_;
};

inline std::string submit_line(const std::string& id, const std::string& label = "") {
  const auto with_label = label.empty() ? "" : R"("label":")" + label + "\",";
  return R"({"jsonrpc":"2.0","id":)" + id + R"(,"method":"txn.submit","params":{)" + with_label +
         R"("branches":[{"participant":"a","statements":[{"sql":"x"}]}]}})" + "\n";
}
inline std::string info_line(const std::string& id) {
  return R"({"jsonrpc":"2.0","id":)" + id + R"(,"method":"server.info"})" + "\n";
}
inline std::string list_line(const std::string& id, int max) {
  return R"({"jsonrpc":"2.0","id":)" + id + R"(,"method":"txn.list","params":{"max":)" + std::to_string(max) + "}}\n";
}
inline bool has(const std::optional<std::string>& line, std::string_view part) {
  return line && line->find(part) != std::string::npos;
}

/// Asks again and again, since what is waited for is not announced; true once `holds` does.
template <typename Holds>
bool eventually(Holds holds) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

/// Room for what memory tests allow; sanitizers keep several times as much, and freed memory too.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr std::size_t kSlack = 16;
#else
inline constexpr std::size_t kSlack = 1;
#endif

inline std::size_t resident_kib() {
  std::size_t pages = 0;
  std::size_t resident = 0;
  if (auto* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%zu %zu", &pages, &resident) != 2) resident = 0;
    std::fclose(file);
  }
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) / 1024;
}

class ServerTest : public testing::Test {
 protected:
  void serve(Options options = {}) {
    server.emplace(loop, std::move(options));
    const auto bound = server->bind();
    ASSERT_TRUE(bound.ok()) << bound.error().what;
    port = *bound;
    server->serve(service.service());
  }
  std::uint64_t counter(const std::string& name) { return server->counters().at(name); }
  Socket connect() { return Socket(port); }

  base::EventLoop loop;
  InMemoryService service;
  std::optional<Server> server;
  std::uint16_t port = 0;
};

}  // namespace assent::server
