#include "participant/branch_session.hpp"

#include <mysql.h>
#include <poll.h>

#include <algorithm>
#include <mutex>
#include <thread>
#include <utility>

#include <boost/asio/post.hpp>

#include "base/check.hpp"
#include "base/failpoints.hpp"

namespace assent::participant {
namespace {

constexpr unsigned kBinaryCharset = 63;

// A result that comes as fast as it is read lets others have the thread after so many rows or answers.
constexpr std::size_t kStepsAtOnce = 512;
/// Beside MYSQL_WAIT_...: nothing to wait for, and more to do.
constexpr int kYield = 1 << 30;

ColumnKind kind_of(const MYSQL_FIELD& field) {
  switch (field.type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
      return (field.flags & UNSIGNED_FLAG) != 0 ? ColumnKind::unsigned_int : ColumnKind::signed_int;
    case MYSQL_TYPE_YEAR: return ColumnKind::unsigned_int;
    case MYSQL_TYPE_FLOAT:
    case MYSQL_TYPE_DOUBLE: return ColumnKind::real;
    case MYSQL_TYPE_DECIMAL:
    case MYSQL_TYPE_NEWDECIMAL: return ColumnKind::decimal;
    case MYSQL_TYPE_BIT: return ColumnKind::bits;
    case MYSQL_TYPE_GEOMETRY: return ColumnKind::blob;
    case MYSQL_TYPE_STRING:
    case MYSQL_TYPE_VAR_STRING:
    case MYSQL_TYPE_VARCHAR:
    case MYSQL_TYPE_TINY_BLOB:
    case MYSQL_TYPE_BLOB:
    case MYSQL_TYPE_MEDIUM_BLOB:
    case MYSQL_TYPE_LONG_BLOB: {
      const bool words = (field.flags & (ENUM_FLAG | SET_FLAG)) != 0;
      return field.charsetnr == kBinaryCharset && !words ? ColumnKind::blob : ColumnKind::text;
    }
    default: return ColumnKind::text;
  }
}

Value value_of(const char* bytes, std::size_t size, ColumnKind kind) {
  if (bytes == nullptr) return Null{};
  if (kind != ColumnKind::bits) return to_value(std::string(bytes, size), kind);
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < size; ++i) bits = bits << 8 | static_cast<unsigned char>(bytes[i]);
  return Blob{bytes_of_bits(bits)};
}

// The library's first call sets it up, and two of those at once must not be.
void start_library() {
  static std::once_flag once;
  std::call_once(once, [] { ASSENT_CHECK(mysql_library_init(0, nullptr, nullptr) == 0); });
}

MYSQL* make_handle() {
  start_library();
  auto* const made = mysql_init(nullptr);
  ASSENT_CHECK(made != nullptr);
  return made;
}

}  // namespace

BranchSession::BranchSession() : Session(Purpose::branches), mysql_(make_handle()) {}

BranchSession::~BranchSession() {
  ASSENT_CHECK(!done_);
  if (descriptor_) descriptor_->release();
  // Without this a goodbye on a dead connection could wait.
  if (lost_) shut_down();
  if (rows_ != nullptr) mysql_free_result(rows_);
  mysql_close(mysql_);
}

BranchSession::Opened BranchSession::open(const Config& config) {
  std::unique_ptr<BranchSession> session(new BranchSession);
  if (auto error = session->connect(config)) return std::move(*error);
  return session;
}

std::optional<SqlError> BranchSession::connect(const Config& config) {
  const auto set = [this](mysql_option option, const void* value) {
    ASSENT_CHECK(mysql_optionsv(mysql_, option, value) == 0);
  };
  const auto connect_s = static_cast<unsigned>(whole_seconds(config.connect_timeout));
  // What blocks is the set-up; how long a branch may take is bounded by whoever starts it.
  const auto answer_s = static_cast<unsigned>(whole_seconds(config.control_answer_timeout));
  const unsigned no = 0;
  const my_bool yes = 1;
  const unsigned tcp = MYSQL_PROTOCOL_TCP;
  const unsigned local = MYSQL_PROTOCOL_SOCKET;
  set(MYSQL_OPT_NONBLOCK, nullptr);
  set(MYSQL_OPT_PROTOCOL, config.unix_socket.empty() ? &tcp : &local);
  set(MYSQL_SET_CHARSET_NAME, "utf8mb4");
  set(MYSQL_OPT_LOCAL_INFILE, &no);
  set(MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
  set(MYSQL_OPT_READ_TIMEOUT, &answer_s);
  set(MYSQL_OPT_WRITE_TIMEOUT, &answer_s);
  mysql_options4(mysql_, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "assentd");
  mysql_options4(mysql_, MYSQL_OPT_CONNECT_ATTR_ADD, "assent_coordinator", config.coordinator_id.c_str());
  if (!config.tls_ca.empty()) {
    set(MYSQL_OPT_SSL_CA, config.tls_ca.c_str());
    set(MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes);
  }
  if (config.tls_required || !config.tls_ca.empty()) set(MYSQL_OPT_SSL_ENFORCE, &yes);
  const bool over_tcp = config.unix_socket.empty();
  const auto* connected =
      mysql_real_connect(mysql_, over_tcp ? config.host.c_str() : nullptr, config.user.c_str(), config.password.c_str(),
                         config.database.empty() ? nullptr : config.database.c_str(), over_tcp ? config.port : 0,
                         over_tcp ? nullptr : config.unix_socket.c_str(), CLIENT_MULTI_STATEMENTS);
  if (connected == nullptr) {
    lost_ = true;
    return SqlError{mysql_errno(mysql_), mysql_sqlstate(mysql_), mysql_error(mysql_), true};
  }
  socket_ = SocketHandle::of(mysql_get_socket(mysql_));
  if (!socket_.held()) {
    lost_ = true;
    return SqlError{0, "HY000", "no file descriptor is free: raise the limit on open files", true};
  }
  answer_timeout_ = config.control_answer_timeout;
  return set_up(config, mysql_get_server_info(mysql_));
}

std::string BranchSession::escape(std::string_view text) {
  std::string escaped(2 * text.size() + 1, '\0');
  escaped.resize(mysql_real_escape_string(mysql_, escaped.data(), text.data(), text.size()));
  return escaped;
}

PacketResult BranchSession::exchange(const std::string& packet, std::size_t statements, RowBudget budget) {
  begin(packet, statements, budget);
  const auto until = base::SteadyClock::now() + answer_timeout_;
  for (int events = advance(0); events != 0;) {
    if (events == kYield) {
      events = advance(0);
      continue;
    }
    const bool writes = (events & MYSQL_WAIT_WRITE) != 0;
    pollfd waited{socket_.descriptor(), static_cast<short>(writes ? POLLOUT : POLLIN), 0};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - base::SteadyClock::now());
    // Silent for too long: cut off, the library finds the connection lost.
    if (left.count() <= 0 || ::poll(&waited, 1, static_cast<int>(left.count())) == 0) shut_down();
    events = advance(writes ? MYSQL_WAIT_WRITE : MYSQL_WAIT_READ);
  }
  return std::exchange(result_, {});
}

void BranchSession::start(boost::asio::io_context& loop, std::string packet, std::size_t statements, RowBudget budget,
                          ports::Done<PacketResult> done) {
  ASSENT_CHECK(!done_);
  // Not the library's own descriptor: it closes that one when the connection is lost, and the number is used again.
  if (!descriptor_) {
    descriptor_.emplace(loop, socket_.descriptor());
    // Over TLS the library sends as the socket is.
    descriptor_->native_non_blocking(true);
  }
  done_ = std::move(done);
  begin(std::move(packet), statements, budget);
#ifdef ASSENT_FAILPOINTS
  if (base::any_failpoint_armed()) return start_aside();
#endif
  go_on(0);
}

#ifdef ASSENT_FAILPOINTS
// What is armed may hold, and must not hold the loop.
void BranchSession::start_aside() {
  const auto aside = [this](auto question, auto then) {
    std::thread([this, question, then] {
      const bool fails = question();
      boost::asio::post(descriptor_->get_executor(), [then, fails] { then(fails); });
    }).detach();
  };
  const auto told = [this, done = std::exchange(done_, nullptr)] {
    const auto last = done;
    last(std::exchange(result_, {}));
  };
  done_ = [this, aside, told](PacketResult result) {
    result_ = std::move(result);
    aside([this] { return fails_after(packet_); },
          [this, told](bool fails) {
            if (fails) result_ = cut();
            told();
          });
  };
  aside([this] { return fails_before(packet_); },
        [this, told](bool fails) {
          if (!fails) return go_on(0);
          done_ = nullptr;
          result_ = cut();
          told();
        });
}
#endif

void BranchSession::go_on(int ready) {
  const int events = advance(ready);
  if (events == kYield) return boost::asio::post(descriptor_->get_executor(), [this] { go_on(0); });
  if (events != 0) {
    const bool writes = (events & MYSQL_WAIT_WRITE) != 0;
    const auto kind =
        writes ? boost::asio::posix::stream_descriptor::wait_write : boost::asio::posix::stream_descriptor::wait_read;
    const int then = writes ? MYSQL_WAIT_WRITE : MYSQL_WAIT_READ;
    return descriptor_->async_wait(kind, [this, then](const boost::system::error_code&) { go_on(then); });
  }
  last_used_ = base::SteadyClock::now();
#ifndef ASSENT_FAILPOINTS
  // An idle session keeps nothing of what was sent.
  packet_ = {};
#endif
  // `done` may start the next packet, or destroy this.
  const auto done = std::exchange(done_, nullptr);
  done(std::exchange(result_, {}));
}

void BranchSession::begin(std::string packet, std::size_t statements, RowBudget budget) {
  packet_ = std::move(packet);
  statements_ = statements;
  budget_ = budget;
  result_ = {};
  result_.answers.reserve(statements);
  over_ = lost_;
  step_ = Step::send;
  suspended_ = false;
  if (lost_) result_.error = SqlError{2006, "HY000", "the connection was lost before", true};
}

int BranchSession::advance(int ready) {
  for (std::size_t steps = 0; !over_; ++steps) {
    if (steps == kStepsAtOnce) return kYield;
    // The answer takes its time: to look for it at once would be a system call in vain.
    if (step_ == Step::answer && !suspended_ && ready == 0 && result_.answers.empty()) return MYSQL_WAIT_READ;
    if (const int events = take(suspended_ ? ready : 0)) {
      suspended_ = true;
      return events;
    }
    suspended_ = false;
    ready = 0;
    switch (step_) {
      case Step::send: failed_ != 0 ? fail() : static_cast<void>(step_ = Step::answer); break;
      case Step::answer: take_answer(); break;
      case Step::row: take_row(); break;
      case Step::next: take_next(); break;
    }
  }
  return 0;
}

int BranchSession::take(int ready) {
  const bool starts = !suspended_;
  switch (step_) {
    case Step::send:
      return starts ? mysql_send_query_start(&failed_, mysql_, packet_.data(), packet_.size())
                    : mysql_send_query_cont(&failed_, mysql_, ready);
    case Step::answer:
      return starts ? mysql_read_query_result_start(&failed_byte_, mysql_)
                    : mysql_read_query_result_cont(&failed_byte_, mysql_, ready);
    case Step::row: return starts ? mysql_fetch_row_start(&row_, rows_) : mysql_fetch_row_cont(&row_, rows_, ready);
    case Step::next:
      return starts ? mysql_next_result_start(&failed_, mysql_) : mysql_next_result_cont(&failed_, mysql_, ready);
  }
  return 0;
}

void BranchSession::take_answer() {
  if (failed_byte_ != 0) return fail();
  answer_ = {};
  if (mysql_field_count(mysql_) == 0) {
    answer_.affected = mysql_affected_rows(mysql_);
    return end_answer();
  }
  rows_ = mysql_use_result(mysql_);
  if (rows_ == nullptr) return fail();
  const auto* fields = mysql_fetch_fields(rows_);
  auto& columns = answer_.rows.emplace().columns;
  kinds_.clear();
  for (unsigned i = 0; i < mysql_num_fields(rows_); ++i) {
    kinds_.push_back(kind_of(fields[i]));
    columns.emplace_back(fields[i].name, fields[i].name_length);
  }
  over_budget_ = false;
  step_ = Step::row;
}

void BranchSession::take_row() {
  if (row_ == nullptr) {
    const bool failed = mysql_errno(mysql_) != 0;
    if (failed) return fail();
    mysql_free_result(std::exchange(rows_, nullptr));
    if (over_budget_ && !result_.over_budget) result_.over_budget = result_.answers.size();
    return end_answer();
  }
  if (over_budget_ || budget_.rows == 0) {
    over_budget_ = true;
    return;
  }
  --budget_.rows;
  const auto* lengths = mysql_fetch_lengths(rows_);
  std::vector<Value> values;
  values.reserve(kinds_.size());
  for (std::size_t i = 0; i < kinds_.size(); ++i) {
    values.push_back(value_of(row_[i], lengths[i], kinds_[i]));
    if (!take_from(budget_, values.back())) over_budget_ = true;
  }
  if (over_budget_) {
    answer_.rows->rows.clear();
  } else {
    answer_.rows->rows.push_back(std::move(values));
  }
}

void BranchSession::end_answer() {
  result_.answers.push_back(std::move(answer_));
  const bool last = result_.answers.size() == statements_;
  const bool more = mysql_more_results(mysql_) != 0;
  if (last == more) return fail("the server sent another count of answers than there were statements");
  over_ = last;
  step_ = Step::next;
}

void BranchSession::take_next() {
  if (failed_ > 0) return fail();
  ASSENT_CHECK(failed_ == 0);
  // It has read the next answer as well.
  failed_byte_ = 0;
  take_answer();
}

void BranchSession::fail() {
  SqlError error{mysql_errno(mysql_), mysql_sqlstate(mysql_), mysql_error(mysql_), false};
  // The library's own complaints may have no number: it is then in no state to go on.
  error.lost = error.number == 0 || loses_connection(error.number);
  if (rows_ != nullptr) {
    if (error.lost) shut_down();
    mysql_free_result(std::exchange(rows_, nullptr));
  }
  result_.error = note(std::move(error));
  over_ = true;
}

void BranchSession::fail(std::string message) {
  result_.error = note({0, "HY000", std::move(message), true});
  over_ = true;
}

}  // namespace assent::participant
