#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "participant/columns.hpp"
#include "participant/config.hpp"
#include "participant/session.hpp"
#include "ports/done.hpp"

struct st_mysql;
struct st_mysql_res;

namespace assent::participant {

/// A session that runs branches, over the C client library that Connector/C++ stands on as well: it can wait for the
/// server without a thread. With Connector/C++ each branch takes a thread that the kernel wakes up for every answer and
/// every hand-over, which was measured to cost most of the time that a transaction took (tests/bench/README.md).
///
/// run() and start() may not overlap. start() only on the loop's thread.
class BranchSession final : public Session {
 public:
  using Opened = std::variant<std::unique_ptr<BranchSession>, SqlError>;

  /// Connects, within the connect timeout, and sets the session up. Blocks.
  static Opened open(const Config& config);
  ~BranchSession() override;

  /// As run(), without blocking. `done` is called on the loop's thread, after start() has returned or before; the
  /// session must live until then. How long the server may take is the caller's to bound, by shut_down().
  void start(boost::asio::io_context& loop, std::string packet, std::size_t statements, RowBudget budget,
             ports::Done<PacketResult> done);

  std::string escape(std::string_view text) override;

 private:
  enum class Step : std::uint8_t { send, answer, row, next };

  BranchSession();
  std::optional<SqlError> connect(const Config& config);
  PacketResult exchange(const std::string& packet, std::size_t statements, RowBudget budget) override;

  void begin(std::string packet, std::size_t statements, RowBudget budget);
  /// Goes on as far as it can, or as is fair. What to wait for (MYSQL_WAIT_..., kYield: only for others to have a
  /// turn), or 0 when the packet is over.
  int advance(int ready);
  /// One step. Gives what to wait for, or 0 when it is done.
  int take(int ready);
  void take_answer();
  void take_row();
  void take_next();
  void end_answer();
  void fail();
  void fail(std::string message);
  void go_on(int ready);
  void start_aside();

  st_mysql* const mysql_;
  std::optional<boost::asio::posix::stream_descriptor> descriptor_;
  std::chrono::milliseconds answer_timeout_{0};  ///< Of run().

  // Of the packet under way.
  std::string packet_;
  ports::Done<PacketResult> done_;
  std::size_t statements_ = 0;
  RowBudget budget_;
  PacketResult result_;
  Step step_ = Step::send;
  bool suspended_ = false;  ///< The library waits in the middle of a step.
  bool over_ = false;
  int failed_ = 0;        ///< What the library's step gave.
  char failed_byte_ = 0;  ///< The same, where it gives a byte.
  char** row_ = nullptr;  ///< The same, for a row.
  st_mysql_res* rows_ = nullptr;
  std::vector<ColumnKind> kinds_;
  Answer answer_;
  bool over_budget_ = false;
};

}  // namespace assent::participant
