#include "bench/bench_raw_driver.hpp"

#include <algorithm>
#include <stdexcept>

#include "base/check.hpp"

namespace assent::bench {
namespace {

constexpr std::chrono::seconds kSetUpBound{30};
// What XA ROLLBACK answers when the server has rolled back by itself: XAER_NOTA and the XA_RB codes.
constexpr bool is_gone(unsigned error) {
  return error == 1397 || error == 1402 || error == 1613 || error == 1614;
}

/// XA START, the statements, XA END and what ends the run.
std::size_t steps_of(const Transaction::Branch& branch) {
  return branch.statements.size() + 3;
}

std::uint64_t all_of(std::size_t branches) {
  return branches >= 64 ? ~0ULL : (1ULL << branches) - 1;
}

}  // namespace

RawDriver::RawDriver(EventLoop& loop, const std::vector<Place>& places, Options options, Finisher& finisher)
    : options_(std::move(options)), participants_(places.size()), finisher_(finisher), clients_(options_.clients) {
  set_up_sessions(loop, places);
}

void RawDriver::set_up_sessions(EventLoop& loop, const std::vector<Place>& places) {
  auto settings = "SET SESSION innodb_lock_wait_timeout=" + std::to_string(kLockWaitS);
  if (!options_.settings.empty()) settings += "," + options_.settings;
  for (unsigned client = 0; client < options_.clients; ++client) {
    for (unsigned i = 0; i < places.size(); ++i) {
      auto session = std::make_unique<RawSession>(loop, places[i].server, options_.transport, *this, client, i);
      session->send(settings);
      sessions_.push_back(std::move(session));
    }
  }
  // Until the first transaction, answers are only counted.
  std::size_t waiting = sessions_.size();
  settling_ = &waiting;
  const auto until = Clock::now() + kSetUpBound;
  while (waiting > 0) {
    if (Clock::now() > until) throw std::runtime_error("the servers do not answer the bare client");
    loop.poll(until);
  }
  settling_ = nullptr;
}

void RawDriver::start(unsigned number, const Transaction& transaction) {
  auto& client = clients_[number];
  client.transaction = &transaction;
  client.phase = Phase::run;
  client.one_phase = can_be_one_phase(transaction);
  client.waiting = transaction.used;
  client.branches.assign(transaction.used, {});
  client.gtrid.assign(options_.tag);
  append_integer(client.gtrid, number);
  client.gtrid.push_back('.');
  append_integer(client.gtrid, static_cast<std::int64_t>(++client.sequence));
  for (std::size_t i = 0; i < transaction.used; ++i) {
    send_run(client, i, session(number, transaction.branches[i].participant));
  }
}

// Whatever may be refused after it ran must not have committed by then.
bool RawDriver::can_be_one_phase(const Transaction& transaction) const {
  if (transaction.used != 1) return false;
  const auto& statements = transaction.branches[0].statements;
  return std::none_of(statements.begin(), statements.end(), [](const auto& one) { return one.shape->expect_one(); });
}

void RawDriver::send_run(Client& client, std::size_t branch, RawSession& session) {
  const auto& work = client.transaction->branches[branch];
  text_.clear();
  if (options_.style == Style::statement) {
    append_step(client, branch, client.branches[branch].next++);
  } else {
    for (std::size_t step = 0; step < steps_of(work); ++step) {
      const auto before = text_.size();
      append_step(client, branch, step);
      if (text_.size() != before) text_.push_back(';');
    }
    text_.pop_back();
  }
  session.send(text_);
}

void RawDriver::append_step(const Client& client, std::size_t branch, std::size_t step) {
  const auto& statements = client.transaction->branches[branch].statements;
  const bool local = options_.style == Style::local;
  if (step == 0) {
    local ? static_cast<void>(text_.append("BEGIN")) : append_xa("XA START ", client, branch);
  } else if (step <= statements.size()) {
    statements[step - 1].shape->append_sql(text_, statements[step - 1].args);
  } else if (step == statements.size() + 1) {
    if (!local) append_xa("XA END ", client, branch);
  } else if (local) {
    text_.append("COMMIT");
  } else {
    append_xa(client.one_phase ? "XA COMMIT " : "XA PREPARE ", client, branch);
    if (client.one_phase) text_.append(" ONE PHASE");
  }
}

void RawDriver::append_xa(const char* verb, const Client& client, std::size_t branch) {
  text_.append(verb).append("'").append(client.gtrid).append("','");
  append_integer(text_, static_cast<std::int64_t>(branch) + 1);
  text_.append("',");
  append_integer(text_, kRawFormatId);
}

void RawDriver::answered(RawSession& session) {
  if (settling_ != nullptr) {
    if (session.answer().error != 0) throw std::runtime_error("a setting was refused: " + session.error_text());
    --*settling_;
    return;
  }
  auto& client = clients_[session.client()];
  const auto& transaction = *client.transaction;
  std::size_t branch = 0;
  while (transaction.branches[branch].participant != session.participant()) ++branch;
  switch (client.phase) {
    case Phase::run: return ran(client, branch, session);
    case Phase::undo: return undone(client, branch, session);
    case Phase::commit: break;
  }
  if (session.answer().error != 0) throw std::runtime_error("XA COMMIT failed: " + session.error_text());
  if (--client.waiting == 0) end(session.client(), Outcome::committed, all_of(transaction.used));
}

void RawDriver::ran(Client& client, std::size_t branch, RawSession& session) {
  auto& state = client.branches[branch];
  const auto& answer = session.answer();
  const auto& work = client.transaction->branches[branch];
  if (answer.error != 0) {
    state.failed = true;
    trouble(std::to_string(answer.error) + " " + session.error_text());
  } else if (options_.style == Style::statement && state.next < steps_of(work)) {
    look_at_counts(client, branch, answer);
    return send_run(client, branch, session);
  } else {
    state.prepared = true;
    look_at_counts(client, branch, answer);
  }
  if (--client.waiting == 0) all_ran(session.client());
}

void RawDriver::look_at_counts(Client& client, std::size_t branch, const RawSession::Answer& answer) {
  auto& state = client.branches[branch];
  const auto& statements = client.transaction->branches[branch].statements;
  for (const auto affected : answer.affected) {
    const auto step = state.results++;
    if (step == 0 || step > statements.size()) continue;
    if (!statements[step - 1].shape->expect_one() || affected == 1) continue;
    state.refused = true;
    trouble("affected " + std::to_string(affected) + " rows, expected 1");
  }
}

void RawDriver::all_ran(unsigned number) {
  auto& client = clients_[number];
  const auto& branches = client.branches;
  const auto good = [](const Branch& branch) { return !branch.failed && !branch.refused; };
  const bool all_good = std::all_of(branches.begin(), branches.end(), good);
  if (options_.style == Style::local) {
    std::uint64_t committed = 0;
    for (std::size_t i = 0; i < branches.size(); ++i) committed |= good(branches[i]) ? 1ULL << i : 0;
    if (all_good) return end(number, Outcome::committed, committed);
    client.phase = Phase::undo;
    client.torn = committed;
    return begin_undo(number);
  }
  if (!all_good) return begin_undo(number);
  if (client.one_phase) return end(number, Outcome::committed, all_of(branches.size()));
  client.phase = Phase::commit;
  client.waiting = branches.size();
  for (std::size_t i = 0; i < branches.size(); ++i) {
    text_.clear();
    append_xa("XA COMMIT ", client, i);
    session(number, client.transaction->branches[i].participant).send(text_);
  }
}

void RawDriver::begin_undo(unsigned number) {
  auto& client = clients_[number];
  client.phase = Phase::undo;
  client.waiting = client.branches.size();
  for (std::size_t i = 0; i < client.branches.size(); ++i) {
    auto& state = client.branches[i];
    text_.clear();
    if (options_.style == Style::local) {
      text_.append("ROLLBACK");
    } else {
      // A branch that failed is not ended yet; its END may fail, since the server has rolled back by itself.
      state.undoing = !state.prepared;
      append_xa(state.prepared ? "XA ROLLBACK " : "XA END ", client, i);
    }
    session(number, client.transaction->branches[i].participant).send(text_);
  }
}

void RawDriver::undone(Client& client, std::size_t branch, RawSession& session) {
  auto& state = client.branches[branch];
  if (state.undoing) {
    state.undoing = false;
    text_.clear();
    append_xa("XA ROLLBACK ", client, branch);
    return session.send(text_);
  }
  const auto error = session.answer().error;
  if (error != 0 && !is_gone(error)) throw std::runtime_error("XA ROLLBACK failed: " + session.error_text());
  if (--client.waiting > 0) return;
  end(session.client(), client.torn != 0 ? Outcome::torn : Outcome::rolled_back, client.torn);
}

void RawDriver::end(unsigned number, Outcome outcome, std::uint64_t committed) {
  clients_[number].torn = 0;
  finisher_.finished(number, outcome, committed);
}

}  // namespace assent::bench
