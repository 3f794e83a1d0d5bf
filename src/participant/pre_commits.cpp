#include "participant/pre_commits.hpp"

#include <algorithm>
#include <future>
#include <thread>
#include <utility>

#include <boost/asio/post.hpp>

#include "base/failpoints.hpp"
#include "participant/acceptor.hpp"

namespace assent::participant {

namespace asio = boost::asio;

namespace {

constexpr RowBudget kBudget{.rows = 2 * PreCommits::kBatchMax, .bytes = 1 << 20};

}  // namespace

void PreCommits::ask(ports::AcceptorQuestion question, ports::Done<Result<ports::AcceptorAnswer>> done) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_) {
      waiting_.questions.push_back(std::move(question));
      waiting_.dones.push_back(std::move(done));
      if (std::exchange(busy_, true)) return;
      done = nullptr;
    }
  }
  if (done) return done(Error{Errc::unavailable, "participant \"" + config_.name + "\" is stopping", true});
  // Not now: what else is asked in this turn goes along.
  asio::post(loop_.context(), [this] { work(); });
}

void PreCommits::work() {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.questions.empty()) {
      busy_ = false;
      quiet_.notify_all();
      return;
    }
    const auto count = std::min(waiting_.questions.size(), kBatchMax);
    const auto move_to = [count](auto& from, auto& to) {
      const auto end = from.begin() + static_cast<std::ptrdiff_t>(count);
      to.assign(std::make_move_iterator(from.begin()), std::make_move_iterator(end));
      from.erase(from.begin(), end);
    };
    move_to(waiting_.questions, asked_.questions);
    move_to(waiting_.dones, asked_.dones);
  }
  get_ready();
}

void PreCommits::get_ready() {
  if (session_ && (session_->is_dead_when_idle() || server_ != health_.identity())) drop_session();
  if (session_) return send();
  lane_.post([this] {
    auto failure = connect();
    asio::post(loop_.context(), [this, failure = std::move(failure)] {
      if (!failure) return send();
      control_.look_again();
      fail(describe(*failure));
    });
  });
}

// On the lane.
Failure PreCommits::connect() {
  if (stopping()) return SqlError{0, "HY000", "the coordinator is stopping", true};
  if (!health_.serving()) return SqlError{0, "HY000", why_not(config_, health_), true};
  auto opened = BranchSession::open(config_);
  if (auto* error = std::get_if<SqlError>(&opened)) return std::move(*error);
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return SqlError{0, "HY000", "the coordinator is stopping", true};
    session_ = std::move(std::get<0>(opened));
    live_ = session_.get();
  }
  // A successor ends it with the others before it closes an epoch that this process wrote in.
  auto failure = register_session(*session_, config_, registered_);
  if (!failure) {
    registered_ = session_->identity();
    auto server = find_identity(*session_, config_);
    if (auto* unread = std::get_if<SqlError>(&server)) {
      failure = std::move(*unread);
    } else if (server_ = std::get<0>(server); server_ != health_.identity()) {
      failure = SqlError{0, "HY000", protocol::another_server(config_.name, health_.identity(), server_), true};
    }
  }
  if (failure) drop_session();
  return failure;
}

void PreCommits::send() {
  if (stopping()) return fail("the coordinator is stopping");
  turn_away_strangers();
  if (asked_.questions.empty()) return work();
  start(pre_commit_statement(config_, asked_.questions), 1, &PreCommits::written);
}

// What another server was to accept is not asked here.
void PreCommits::turn_away_strangers() {
  Asked kept;
  for (std::size_t i = 0; i < asked_.questions.size(); ++i) {
    auto& question = asked_.questions[i];
    if (protocol::is_same_server(question.server, server_)) {
      kept.questions.push_back(std::move(question));
      kept.dones.push_back(std::move(asked_.dones[i]));
    } else {
      asked_.dones[i](Error{Errc::unavailable, met_another(config_, health_, question.server, server_), true});
    }
  }
  asked_ = std::move(kept);
}

void PreCommits::start(std::string packet, std::size_t statements, void (PreCommits::*then)(PacketResult)) {
  if (!patience_) patience_.emplace(loop_.context());
  patience_->expires_after(config_.control_answer_timeout);
  patience_->async_wait([this](const boost::system::error_code& cancelled) {
    if (cancelled) return;
    const std::lock_guard lock(mutex_);
    if (live_) live_->shut_down();
  });
  session_->start(loop_.context(), std::move(packet), statements, kBudget, [this, then](PacketResult result) {
    patience_->cancel();
    (this->*then)(std::move(result));
  });
}

void PreCommits::written(PacketResult result) {
  if (broken(result)) return;
  if (result.answers.front().affected == asked_.questions.size()) {
    return answer(std::vector<ports::AcceptorAnswer>(asked_.questions.size(), newly_accepted()));
  }
  start(rows_statement(config_, asked_.questions), 2, &PreCommits::read);
}

void PreCommits::read(PacketResult result) {
  if (broken(result)) return;
  if (!is_owner(*result.answers.front().rows)) {
    control_.look_again();
    return fail("its owner row names another process by now, or is gone");
  }
  answer(answers_from(asked_.questions, *result.answers.back().rows));
}

bool PreCommits::broken(const PacketResult& result) {
  if (!result.error) return false;
  if (session_->lost()) {
    drop_session();
    // It stays on record, since its packet may still be run.
    registered_.reset();
    control_.look_again();
  }
  fail(describe(*result.error));
  return true;
}

void PreCommits::fail(const std::string& why) {
  const auto asked = std::exchange(asked_, {});
  const Error error{Errc::unavailable, "acceptor \"" + config_.name + "\": " + why, true};
  tell([asked, error] {
    for (const auto& done : asked.dones) done(error);
  });
}

void PreCommits::answer(std::vector<ports::AcceptorAnswer> answers) {
  const auto asked = std::exchange(asked_, {});
  tell([asked, answers = std::move(answers)] {
    for (std::size_t i = 0; i < answers.size(); ++i) asked.dones[i](answers[i]);
  });
}

void PreCommits::tell(std::function<void()> report) {
#ifdef ASSENT_FAILPOINTS
  // What follows may come by a failpoint that holds: that must not hold the loop.
  if (base::any_failpoint_armed()) {
    std::thread([this, report = std::move(report)] {
      report();
      asio::post(loop_.context(), [this] { work(); });
    }).detach();
    return;
  }
#endif
  report();
  work();
}

void PreCommits::drop_session() {
  {
    const std::lock_guard lock(mutex_);
    live_ = nullptr;
  }
  session_.reset();
}

bool PreCommits::stopping() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void PreCommits::stop() {
  {
    std::unique_lock lock(mutex_);
    if (std::exchange(stopping_, true)) return;
    if (live_) live_->shut_down();
    quiet_.wait(lock, [this] { return !busy_; });
  }
  lane_.stop();
  drop_session();
  // A timer that went off meanwhile has been looked at after this.
  std::promise<void> passed;
  asio::post(loop_.context(), [&] {
    patience_.reset();
    passed.set_value();
  });
  passed.get_future().wait();
}

}  // namespace assent::participant
