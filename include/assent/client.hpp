#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "assent/result.hpp"
#include "assent/status.hpp"
#include "assent/survey.hpp"
#include "assent/transaction.hpp"

namespace assent {

/// One connection to a coordinator, one request at a time. Not thread safe: use one per thread, or lock.
///
/// Errors: Errc::unavailable when the coordinator cannot be reached or the connection broke before the request was
/// sent; for submit(), Errc::timed_out and Errc::io mean that the outcome is not known: ask again with the same
/// idempotency key. Any other code is the coordinator's own answer, and nothing was run. After Errc::io or
/// Errc::timed_out the connection is closed, and the next call connects again.
class Client {
 public:
  struct Address {
    std::string host = "127.0.0.1";
    std::uint16_t port = 0;
    /// Of the coordinator's control socket, on this host; used in place of host and port when not empty.
    std::string unix_socket{};
    std::chrono::milliseconds connect_timeout{3'000};
    /// On top of a transaction's own timeout. Other requests wait this long.
    std::chrono::milliseconds answer_grace{10'000};
  };

  static Result<Client> connect(Address address);
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  Result<TransactionResult> submit(const Transaction& transaction);
  Result<TransactionStatus> status_of_gtrid(const std::string& gtrid);
  Result<TransactionStatus> status_of_key(const std::string& idempotency_key);
  Result<std::vector<TransactionStatus>> list();
  Result<std::vector<ParticipantInfo>> participants();
  Result<ServerInfo> info();
  Result<std::vector<Hazard>> hazards();
  // Over the control socket only. Who asks is the account of this process, as the kernel tells it.
  Status acknowledge(const Acknowledgement& acknowledgement);
  Result<Survey> survey(const SurveyQuery& query);
  /// Has it settle what has a certain verdict now; gives how many branches that is.
  Result<std::uint64_t> recover_now();

 private:
  class Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace assent
