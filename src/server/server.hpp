#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "assent/result.hpp"
#include "assent/status.hpp"
#include "assent/survey.hpp"
#include "assent/transaction.hpp"
#include "base/event_loop.hpp"
#include "ports/done.hpp"
#include "wire/limits.hpp"

namespace assent::server {

struct Options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  ///< 0: one that is free.
  /// Path of the socket on which what changes the past is served, to its owner and root. Empty: nowhere.
  std::string control_socket{};
  std::uint32_t connections_max = 4'096;
  /// Of one IPv4 address, or one IPv6 network of 64 bits, so that one host cannot take all places.
  std::uint32_t connections_per_address_max = 2'048;
  /// More are not read from the socket until answers have gone out.
  std::uint32_t requests_in_flight_per_connection_max = 256;
  std::size_t frame_bytes_max = wire::kFrameBytesDefault;
  std::size_t answer_bytes_max = wire::kAnswerBytesDefault;
  /// Answers that a client has not read yet. A connection that would pass it is closed; requests stop being read long
  /// before (kReadingPausesAtBytes).
  std::size_t unread_answer_bytes_max = 64 * 1024 * 1024;
  /// A client that takes no byte of a waiting answer for this long is closed.
  std::chrono::milliseconds slow_reader_timeout{30'000};
  /// From the first byte of a request to its newline.
  std::chrono::milliseconds frame_timeout{30'000};
  /// Without a request running or arriving. Zero: for ever, since connections cost little and pools keep them.
  std::chrono::milliseconds idle_timeout{0};
  /// How long stop() lets answers go out.
  std::chrono::milliseconds stop_grace{1'000};
};

/// What the server asks of the coordinator. All are called on the loop's thread and must be quick; the functions must
/// stay callable until stop() has returned.
struct Service {
  /// May call `done` before it returns, or on any thread later.
  std::function<void(Transaction, ports::Done<Result<TransactionResult>> done)> submit;
  std::function<Result<TransactionStatus>(const std::string& gtrid)> status_of_gtrid;
  std::function<Result<TransactionStatus>(const std::string& idempotency_key)> status_of_key;
  std::function<std::vector<TransactionStatus>(std::size_t max)> list;
  std::function<std::vector<ParticipantInfo>()> participants;
  std::function<ServerInfo()> info;
  std::function<std::vector<Hazard>()> hazards;
  // As submit.
  std::function<void(Acknowledgement, ports::Done<Status>)> acknowledge;
  std::function<void(SurveyQuery, ports::Done<Result<Survey>>)> survey;
  std::function<void(std::string who, ports::Done<Result<std::uint64_t>>)> recover_now;
};

struct Core;

/// Serves the wire protocol over TCP, on the loop's thread; and over a Unix socket, where the kernel tells who asks.
/// What changes the past is served there only.
///
/// Requests are read and parsed there. An answer is printed by whichever thread brings it. What the loop's own thread
/// brings is sent when it is through with all that was ready, so that answers share a packet; other threads send at
/// once, without waking the loop's. Nothing grows without bound: connections are counted, each has a bound on its
/// requests in flight, on its frame, and on what its client has not read.
///
/// A client that goes away leaves its running transactions to their own end; their answers are dropped.
///
/// bind(), serve() and stop() from one thread, not the loop's; counters() from any.
class Server {
 public:
  /// `loop` must outlive it, and stop after it.
  Server(base::EventLoop& loop, Options options);
  ~Server();  ///< Stops.
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Takes the addresses, and gives the port. Who connects waits until serve(). Errc::unavailable when one cannot be
  /// had, Errc::invalid_argument when the options contradict each other.
  Result<std::uint16_t> bind();

  /// From now on. Once, after bind().
  void serve(Service service);

  /// No new connections; those there are go on. May be called more than once.
  void stop_accepting();

  /// Lets waiting answers go out for at most `stop_grace`, then closes everything. Call it once the service has
  /// answered what it will answer; later answers are dropped. May be called more than once.
  void stop();

  /// Since the start; names as in `server.info`.
  std::map<std::string, std::uint64_t> counters() const;

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace assent::server
