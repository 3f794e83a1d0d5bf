#include "bench/bench_raw_session.hpp"

#include <errmsg.h>
#include <poll.h>

#include <stdexcept>

namespace assent::bench {

RawSession::RawSession(EventLoop& loop, const Server& server, Transport transport, Listener& listener, unsigned client,
                       unsigned participant)
    : loop_(loop),
      listener_(listener),
      client_(client),
      participant_(participant),
      session_(connect(server, transport, Account::user, true)) {
  loop_.watch(::mysql_get_socket(session_.get()), *this);
}

RawSession::~RawSession() {
  loop_.forget(::mysql_get_socket(session_.get()));
}

void RawSession::send(std::string_view statements) {
  answer_.affected.clear();
  answer_.error = 0;
  MYSQL* const session = session_.get();
  int failed = 0;
  int wait = ::mysql_send_query_start(&failed, session, statements.data(), statements.size());
  while (wait != 0) {
    // The socket's buffer is full, which packets of this size do not bring about; being right matters, not speed.
    struct pollfd writable {
      ::mysql_get_socket(session), POLLOUT, 0
    };
    ::poll(&writable, 1, -1);
    wait = ::mysql_send_query_cont(&failed, session, MYSQL_WAIT_WRITE);
  }
  if (failed != 0) throw std::runtime_error("the bare client lost a session: " + error_text());
  step_ = Step::first_result;
  resumed_ = false;
}

std::string RawSession::error_text() const {
  return ::mysql_error(session_.get());
}

void RawSession::ready() {
  if (step_ == Step::idle) throw std::runtime_error("a server closed a session of the bare client");
  while (step_ != Step::idle) {
    resumed_ = advance() != 0;
    if (resumed_) return;
    finished_step();
  }
  listener_.answered(*this);
}

// What the library waits for, 0 when the step is done.
int RawSession::advance() {
  MYSQL* const session = session_.get();
  switch (step_) {
    case Step::first_result:
      return resumed_ ? ::mysql_read_query_result_cont(&failed_, session, MYSQL_WAIT_READ)
                      : ::mysql_read_query_result_start(&failed_, session);
    case Step::next_result:
      return resumed_ ? ::mysql_next_result_cont(&next_, session, MYSQL_WAIT_READ)
                      : ::mysql_next_result_start(&next_, session);
    case Step::rows:
      return resumed_ ? ::mysql_store_result_cont(&rows_, session, MYSQL_WAIT_READ)
                      : ::mysql_store_result_start(&rows_, session);
    case Step::idle: break;
  }
  return 0;
}

void RawSession::finished_step() {
  switch (step_) {
    case Step::first_result: return failed_ != 0 ? end() : took_result();
    case Step::next_result: return next_ != 0 ? end() : took_result();
    case Step::rows:
      if (rows_ == nullptr) return end();
      answer_.affected.push_back(::mysql_num_rows(rows_));
      ::mysql_free_result(rows_);
      step_ = Step::next_result;
      if (!::mysql_more_results(session_.get())) end();
      return;
    case Step::idle: return;
  }
}

void RawSession::took_result() {
  if (::mysql_field_count(session_.get()) > 0) {
    step_ = Step::rows;
    return;
  }
  answer_.affected.push_back(::mysql_affected_rows(session_.get()));
  step_ = Step::next_result;
  if (!::mysql_more_results(session_.get())) end();
}

void RawSession::end() {
  step_ = Step::idle;
  answer_.error = ::mysql_errno(session_.get());
  if (answer_.error >= CR_MIN_ERROR && answer_.error <= CR_MAX_ERROR) {
    throw std::runtime_error("the bare client lost a session: " + error_text());
  }
}

}  // namespace assent::bench
