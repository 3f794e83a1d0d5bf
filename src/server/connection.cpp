#include "server/connection.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <variant>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>

#include "base/check.hpp"
#include "base/failpoints.hpp"

namespace assent::server {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

Connection::Connection(std::shared_ptr<Core> core, Socket socket, Peer peer)
    : core_(std::move(core)),
      socket_(std::move(socket)),
      peer_(std::move(peer)),
      framer_(core_->options.frame_bytes_max),
      last_read_(base::SteadyClock::now()),
      frame_began_(last_read_),
      handle_(socket_.native_handle()),
      progress_(last_read_) {
  error_code ignored;
  // Of no meaning to a socket of this host.
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
}

void Connection::start() {
  read();
}

void Connection::refuse(const wire::Refusal& refusal) {
  answer([&](std::string& out) { wire::append_answer(out, refusal); });
  end();
}

// --- taking requests ------------------------------------------------------------------------------------------------

void Connection::read() {
  if (reading_ || ending_ || closed_) return;
  reading_ = true;
  const auto space = framer_.space();
  socket_.async_read_some(
      asio::buffer(space.data(), space.size()),
      [self = shared_from_this()](const error_code& error, std::size_t bytes) { self->on_read(error, bytes); });
}

void Connection::on_read(const error_code& error, std::size_t bytes) {
  reading_ = false;
  if (ending_ || closed_) return;
  if (error == asio::error::eof) {
    if (framer_.waiting_bytes() > 0) {
      ++core_->counters.bad_frames;
      answer([](std::string& out) { wire::append_answer(out, wire::unterminated_frame()); });
    }
    return end();
  }
  if (error) return close();
  last_read_ = base::SteadyClock::now();
  if (framer_.waiting_bytes() == 0) frame_began_ = last_read_;
  framer_.fed(bytes);
  if (!speaks_) {
    if (const auto refusal = wire::wrong_beginning(framer_.waiting())) {
      ++core_->counters.bad_frames;
      return refuse(*refusal);
    }
    speaks_ = framer_.waiting().find('{') != std::string_view::npos;
  }
  pump();
}

void Connection::pump() {
  {
    const std::lock_guard lock(mutex_);
    corked_ = true;
  }
  bool drained = false;
  while (!drained && has_room()) {
    if (const auto line = framer_.next()) {
      heard_ = true;
      handle(*line);
      frame_began_ = last_read_;
    } else {
      drained = true;
    }
  }
  if (framer_.overflowed()) {
    ++core_->counters.bad_frames;
    answer([&](std::string& out) { wire::append_answer(out, wire::oversized_frame(core_->options.frame_bytes_max)); });
  }
  {
    const std::lock_guard lock(mutex_);
    corked_ = false;
    flush();
    if (may_resume()) wake();
  }
  if (framer_.overflowed()) {
    end();
  } else if (drained) {
    read();
  }
}

bool Connection::has_room() {
  const std::lock_guard lock(mutex_);
  if (broken_) return false;
  if (unsent_bytes() >= kCoalescedBytes) flush();
  paused_ =
      in_flight_ >= core_->options.requests_in_flight_per_connection_max || unsent_bytes() > kReadingPausesAtBytes;
  return !paused_;
}

bool Connection::may_resume() const {
  return paused_ && in_flight_ <= core_->options.requests_in_flight_per_connection_max / 2 &&
         unsent_bytes() <= kReadingPausesAtBytes;
}

void Connection::handle(std::string_view line) {
  auto parsed = core_->parser.parse_request(line);
  if (const auto* refusal = std::get_if<wire::Refusal>(&parsed)) {
    ++core_->counters.bad_frames;
    return answer([&](std::string& out) { wire::append_answer(out, *refusal); });
  }
  ++core_->counters.requests;
  auto& request = std::get<wire::Request>(parsed);
  if (std::holds_alternative<Transaction>(request.call)) return submit(std::move(request));
  std::visit(
      [&](const auto& call) {
        if constexpr (requires { query(request.id, call); }) query(request.id, call);
      },
      request.call);
}

void Connection::begin() {
  const std::lock_guard lock(mutex_);
  ++in_flight_;
}

void Connection::submit(wire::Request request) {
  begin();
  core_->service.submit(std::get<Transaction>(std::move(request.call)),
                        [self = shared_from_this(), id = std::move(request.id)](Result<TransactionResult> result) {
                          self->complete(id, std::move(result));
                        });
}

void Connection::query(const wire::Id& id, const wire::StatusQuery& query) {
  const auto& service = core_->service;
  auto status =
      query.gtrid.empty() ? service.status_of_key(query.idempotency_key) : service.status_of_gtrid(query.gtrid);
  answer([&](std::string& out) {
    if (status.ok()) return wire::append_answer(out, id, *status);
    wire::append_answer(out, wire::refusal_of(id, std::move(status).error()));
  });
}

void Connection::query(const wire::Id& id, const wire::ListQuery& query) {
  const wire::TransactionList list{core_->service.list(query.max)};
  answer([&](std::string& out) { wire::append_answer(out, id, list); });
}

void Connection::query(const wire::Id& id, const wire::ParticipantsQuery&) {
  const wire::ParticipantList list{core_->service.participants()};
  answer([&](std::string& out) { wire::append_answer(out, id, list); });
}

void Connection::query(const wire::Id& id, const wire::InfoQuery&) {
  auto info = core_->service.info();
  const auto& options = core_->options;
  info.limits.insert({{"connections_max", options.connections_max},
                      {"requests_in_flight_per_connection_max", options.requests_in_flight_per_connection_max},
                      {"frame_bytes_max", options.frame_bytes_max},
                      {"answer_bytes_max", options.answer_bytes_max}});
  info.counters.merge(core_->counters_by_name());
  info.control_socket = options.control_socket;
  answer([&](std::string& out) { wire::append_answer(out, id, info); });
}

void Connection::query(const wire::Id& id, const wire::HazardsQuery&) {
  const wire::HazardList list{core_->service.hazards()};
  answer([&](std::string& out) { wire::append_answer(out, id, list); });
}

bool Connection::may_control(const wire::Id& id) {
  if (peer_.account) return true;
  const auto& path = core_->options.control_socket;
  answer([&](std::string& out) {
    wire::append_answer(
        out, wire::refusal_of(id, Error{Errc::refused,
                                        path.empty() ? "this is not served over TCP, and there is no control socket"
                                                     : "this is not served over TCP: on the coordinator's host, as its "
                                                       "account or root, connect to its control socket, " +
                                                           path,
                                        false}));
  });
  return false;
}

void Connection::query(const wire::Id& id, const Acknowledgement& asked) {
  if (!may_control(id)) return;
  begin();
  auto said = asked;
  said.who = *peer_.account;
  core_->service.acknowledge(std::move(said), [self = shared_from_this(), id](const Status& status) {
    self->complete(id, status.ok() ? Result<wire::Acknowledged>(wire::Acknowledged{}) : status.error());
  });
}

void Connection::query(const wire::Id& id, const SurveyQuery& query) {
  if (!may_control(id)) return;
  begin();
  core_->service.survey(
      query, [self = shared_from_this(), id](Result<Survey> survey) { self->complete(id, std::move(survey)); });
}

void Connection::query(const wire::Id& id, const wire::RecoverQuery&) {
  if (!may_control(id)) return;
  begin();
  core_->service.recover_now(*peer_.account, [self = shared_from_this(), id](const Result<std::uint64_t>& branches) {
    self->complete(id, branches.ok() ? Result<wire::Recovering>(wire::Recovering{*branches}) : branches.error());
  });
}

// --- answering, on any thread ---------------------------------------------------------------------------------------

template <typename T>
void Connection::complete(const wire::Id& id, Result<T> result) {
  const bool lost = ASSENT_FAILS_AT(answer_unsent);
  const std::lock_guard lock(mutex_);
  ASSENT_CHECK(in_flight_ > 0);
  --in_flight_;
  if (closed_ || broken_) {
    ++core_->counters.answers_dropped;
    return;
  }
  if (result.ok()) {
    append_result(id, std::move(result).value());
  } else {
    wire::append_answer(unsent_, wire::refusal_of(id, std::move(result).error()));
  }
  if (lost) return give_up();
  flush_soon();
  ASSENT_FAILPOINT(answer_sent);
  if (may_resume() || (ending_ && in_flight_ == 0)) wake();
}

template <typename T>
void Connection::append_result(const wire::Id& id, const T& result) {
  wire::append_answer(unsent_, id, result);
}

void Connection::append_result(const wire::Id& id, TransactionResult result) {
  const std::size_t before = unsent_.size();
  wire::append_answer(unsent_, id, result);
  if (unsent_.size() - before <= core_->options.answer_bytes_max) return;
  unsent_.resize(before);
  result.rows_omitted = true;
  for (auto& branch : result.branches) {
    for (auto& statement : branch.statements) statement.rows.reset();
  }
  wire::append_answer(unsent_, id, result);
}

template <typename Print>
void Connection::answer(Print print) {
  const std::lock_guard lock(mutex_);
  if (closed_ || broken_) return;
  print(unsent_);
  flush();
}

// Other answers may be about to follow.
void Connection::flush_soon() {
  if (!core_->loop.runs_here() || unsent_bytes() >= kCoalescedBytes) return flush();
  if (std::exchange(flushes_soon_, true)) return;
  asio::post(core_->loop.context(), [self = shared_from_this()] {
    const std::lock_guard lock(self->mutex_);
    self->flushes_soon_ = false;
    self->flush();
    if (self->ending_ && self->in_flight_ == 0) self->wake();
  });
}

void Connection::flush() {
  if (closed_ || broken_) return;
  if (unsent_bytes() > core_->options.unread_answer_bytes_max) {
    ++core_->counters.slow_clients_closed;
    return give_up();
  }
  if (waits_writable_ || (corked_ && unsent_bytes() < kCoalescedBytes)) return;
  while (unsent_bytes() > 0) {
    const auto sent = ::send(handle_, unsent_.data() + unsent_at_, unsent_bytes(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) {
      unsent_at_ += static_cast<std::size_t>(sent);
      progress_ = base::SteadyClock::now();
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      waits_writable_ = true;
      asio::post(core_->loop.context(), [self = shared_from_this()] { self->wait_writable(); });
      break;
    } else if (errno != EINTR) {
      return give_up();
    }
  }
  forget_sent();
}

void Connection::forget_sent() {
  if (unsent_bytes() == 0) {
    unsent_at_ = 0;
    unsent_.clear();
    if (unsent_.capacity() > kCoalescedBytes) std::string().swap(unsent_);
  } else if (unsent_at_ > unsent_.size() / 2) {
    unsent_.erase(0, unsent_at_);
    unsent_at_ = 0;
  }
}

void Connection::give_up() {
  broken_ = true;
  wake();
}

void Connection::wake() {
  if (woken_) return;
  woken_ = true;
  asio::post(core_->loop.context(), [self = shared_from_this()] { self->on_wake(); });
}

void Connection::on_wake() {
  bool broken = false;
  bool resume = false;
  {
    const std::lock_guard lock(mutex_);
    woken_ = false;
    broken = broken_;
    resume = may_resume();
  }
  if (closed_) return;
  if (broken) return close();
  if (ending_) return end_if_done();
  if (resume) pump();
}

void Connection::wait_writable() {
  if (closed_) return;
  socket_.async_wait(Socket::wait_write, [self = shared_from_this()](const error_code&) { self->on_writable(); });
}

void Connection::on_writable() {
  {
    const std::lock_guard lock(mutex_);
    waits_writable_ = false;
    flush();
  }
  on_wake();
}

// --- ending ---------------------------------------------------------------------------------------------------------

void Connection::end() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  end_if_done();
}

void Connection::end_if_done() {
  {
    const std::lock_guard lock(mutex_);
    if (in_flight_ > 0 || unsent_bytes() > 0 || broken_) return;
  }
  linger();
}

void Connection::linger() {
  if (lingering_ || closed_) return;
  lingering_ = true;
  linger_by_ = base::SteadyClock::now() + kLingerTimeout;
  error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  drain();
}

void Connection::drain() {
  // What is thrown away may lie on what others throw away.
  socket_.async_read_some(asio::buffer(core_->thrown_away),
                          [self = shared_from_this()](const error_code& error, std::size_t bytes) {
                            self->lingered_bytes_ += bytes;
                            if (error || self->lingered_bytes_ > kLingerBytesMax) return self->close();
                            if (!self->closed_) self->drain();
                          });
}

void Connection::tick(base::SteadyTime now) {
  if (closed_) return;
  if (lingering_) {
    if (now > linger_by_) close();
    return;
  }
  const auto& options = core_->options;
  bool stuck = false;
  bool idle = false;
  {
    const std::lock_guard lock(mutex_);
    stuck = unsent_bytes() > 0 && now - progress_ > options.slow_reader_timeout;
    idle = in_flight_ == 0 && unsent_bytes() == 0;
    idle = idle && options.idle_timeout.count() > 0 && now - std::max(progress_, last_read_) > options.idle_timeout;
  }
  if (stuck) ++core_->counters.slow_clients_closed;
  if (stuck || idle) return close();
  // While it reads, nothing waits in the framer but the beginning of a line.
  if (reading_ && !ending_ && framer_.waiting_bytes() > 0 && now - frame_began_ > options.frame_timeout) {
    ++core_->counters.bad_frames;
    refuse(wire::refusal_of(
        {}, Error{Errc::timed_out,
                  "the request's line did not end within " + std::to_string(options.frame_timeout.count()) +
                      " ms; nothing of it was run, and the connection is closed",
                  true}));
  }
}

std::optional<base::SteadyTime> Connection::unheard_since() {
  if (closed_ || ending_ || lingering_ || !reading_) return std::nullopt;
  const std::lock_guard lock(mutex_);
  if (in_flight_ > 0 || unsent_bytes() > 0) return std::nullopt;
  if (framer_.waiting_bytes() > 0 || !heard_) return frame_began_;
  return std::nullopt;
}

void Connection::give_way() {
  answer([&](std::string& out) {
    wire::append_answer(out, wire::refusal_of({}, Error{Errc::overloaded,
                                                        "all connections are taken, and another client gets the place "
                                                        "of this one, on which no whole request came; nothing of it "
                                                        "was run: connect again when there is something to send",
                                                        true}));
  });
  close();
}

void Connection::stop_softly() {
  if (closed_) return;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    if (unsent_bytes() > 0 && !broken_) return;
  }
  // Bytes left unread at close() would make the kernel take back what was sent last.
  error_code error;
  socket_.shutdown(Socket::shutdown_send, error);
  for (std::size_t taken = 0; !error && taken < kLingerBytesMax;) {
    const std::size_t bytes = socket_.read_some(asio::buffer(core_->thrown_away), error);
    taken += bytes;
  }
  close();
}

void Connection::close() {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    closed_ = true;
    unsent_at_ = 0;
    std::string().swap(unsent_);
  }
  error_code ignored;
  socket_.close(ignored);
  core_->forget(shared_from_this());
}

}  // namespace assent::server
