#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/bench_loop.hpp"
#include "bench/bench_sql.hpp"

namespace assent::bench {

/// One session of the bare client, driven by an event loop: a packet of statements goes out in one call, and nothing is
/// read before the socket says that there is something. Throws std::runtime_error when the connection breaks.
class RawSession final : public EventLoop::Watcher {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    /// The packet that was sent last is answered to its end. Another may be sent from within.
    virtual void answered(RawSession& session) = 0;
  };

  /// What came back for a packet. Statements behind one that failed were not run.
  struct Answer {
    std::vector<std::uint64_t> affected;  ///< Rows of each statement that succeeded; of a SELECT those that it gave.
    unsigned error = 0;                   ///< Of the one behind them; 0: none failed.
  };

  /// `client` and `participant` are for the listener's own use.
  RawSession(EventLoop& loop, const Server& server, Transport transport, Listener& listener, unsigned client,
             unsigned participant);
  ~RawSession() override;
  RawSession(const RawSession&) = delete;
  RawSession& operator=(const RawSession&) = delete;

  void send(std::string_view statements);
  const Answer& answer() const { return answer_; }
  std::string error_text() const;

  unsigned client() const { return client_; }
  unsigned participant() const { return participant_; }

  void ready() override;

 private:
  enum class Step : std::uint8_t { idle, first_result, next_result, rows };
  int advance();
  void finished_step();
  void took_result();
  void end();

  EventLoop& loop_;
  Listener& listener_;
  const unsigned client_;
  const unsigned participant_;
  Mysql session_;
  Step step_ = Step::idle;
  bool resumed_ = false;  ///< The step was begun and waits for more to read.
  // Where the library leaves what a step gave.
  my_bool failed_ = 0;
  int next_ = 0;
  MYSQL_RES* rows_ = nullptr;
  Answer answer_;
};

}  // namespace assent::bench
