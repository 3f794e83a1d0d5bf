#include "participant/branch_run.hpp"

#include <algorithm>
#include <chrono>

#include "base/check.hpp"
#include "participant/sql_values.hpp"

namespace assent::participant {
namespace {

using ports::Vote;

/// Before the next to be rounded to a whole second a lock wait is at least this.
constexpr std::int64_t kLockWaitMinS = 1;
constexpr std::int64_t kLockWaitMaxS = 3600;

/// What a packet is likely to need beside the application's own statements.
constexpr std::size_t kOwnBytes = 640;
constexpr std::size_t kOwnStatements = 6;

std::string words(const AffectedRange& range) {
  if (range.min == range.max) return std::to_string(range.min);
  if (range.max == UINT64_MAX) return "at least " + std::to_string(range.min);
  return std::to_string(range.min) + " to " + std::to_string(range.max);
}

std::uint32_t lock_wait_until(base::SteadyTime deadline) {
  const auto left = std::chrono::ceil<std::chrono::seconds>(deadline - base::SteadyClock::now()).count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(left, kLockWaitMinS, kLockWaitMaxS));
}

}  // namespace

void BranchRunner::Packet::reserve(std::size_t bytes, std::size_t statements) {
  text_.reserve(bytes);
  steps_.reserve(statements);
}

std::string& BranchRunner::Packet::add(Step step, std::size_t statement) {
  if (!steps_.empty()) text_.push_back(';');
  steps_.push_back({step, statement});
  return text_;
}

BranchRunner::BranchRunner(Session& session, const Config& config, const ports::BranchWork& work,
                           const ScannedBranch& statements, Ending ending)
    : session_(session),
      config_(config),
      work_(work),
      scanned_(statements),
      ending_(ending),
      xid_(protocol::xid_literal(work_.xid)) {
  ASSENT_CHECK(scanned_.size() == work_.branch->statements.size());
}

BranchRunner::Next BranchRunner::begin() {
  // What may still be refused after it ran (an expectation, rows over the bound) must not have committed by then.
  split_ = ending_ == Ending::commit_one_phase && may_be_refused_after();
  build();
  if (packet_.text().size() + 1 > session_.packet_bytes_max()) return too_large();
  auto sent = send(Sent::branch, std::move(packet_.text()));
  sent.statements = packet_.size();
  sent.budget = {.rows = config_.result_rows_max, .bytes = config_.result_bytes_max};
  return sent;
}

BranchRunner::Next BranchRunner::go_on(PacketResult result) {
  switch (sent_) {
    case Sent::branch: return judge(result);
    case Sent::split_ending: return judge_ending(result);
    // Answers with an error of its own after a deadlock, and still ends the branch.
    case Sent::xa_end: return send(Sent::rollback, "XA ROLLBACK " + xid_);
    case Sent::rollback: break;
  }
  return judge_rollback(result);
}

BranchRunner::Send BranchRunner::send(Sent what, std::string packet) {
  sent_ = what;
  return {.packet = std::move(packet), .statements = 1, .budget = {}};
}

void BranchRunner::build() {
  std::size_t bytes = kOwnBytes;
  for (const auto& sql : scanned_) bytes += 2 * sql->text.size();
  packet_.reserve(bytes, kOwnStatements + 2 * scanned_.size());
  lock_wait_s_ = lock_wait_until(work_.deadline);
  if (session_.lock_wait_s != lock_wait_s_) {
    const auto seconds = std::to_string(lock_wait_s_);
    packet_.add(Step::settings)
        .append("SET SESSION innodb_lock_wait_timeout=" + seconds + ",lock_wait_timeout=" + seconds);
  }
  if (work_.isolation != Isolation::server_default) {
    // For the next transaction only.
    packet_.add(Step::settings).append("SET TRANSACTION ISOLATION LEVEL ").append(isolation_words(work_.isolation));
  }
  if (session_.insert_id_is_stale) packet_.add(Step::settings).append("DO LAST_INSERT_ID(0)");
  packet_.add(Step::xa_start).append("XA START ").append(xid_);
  if (config_.proof_rows) add_proof();
  const Escape escape = [this](std::string_view text) { return session_.escape(text); };
  for (std::size_t i = 0; i < scanned_.size(); ++i) {
    append_bound(packet_.add(Step::statement, i), *scanned_[i], work_.branch->statements[i].args, escape);
    add_count(i);
  }
  packet_.add(Step::xa_end).append("XA END ").append(xid_);
  if (!split_) add_ending();
}

bool BranchRunner::may_be_refused_after() const {
  for (std::size_t i = 0; i < scanned_.size(); ++i) {
    if (work_.branch->statements[i].expect_affected || scanned_[i]->verb == Verb::read) return true;
    if (scanned_[i]->returns_rows) return true;
  }
  return false;
}

void BranchRunner::add_ending() {
  auto& text = packet_.add(Step::last);
  if (ending_ == Ending::prepare) {
    text.append("XA PREPARE ").append(xid_);
  } else {
    text.append("XA COMMIT ").append(xid_).append(" ONE PHASE");
  }
}

// First in the branch, so that a fence under its key stops a late runner before it changes anything.
void BranchRunner::add_proof() {
  const auto bqual = protocol::parse_bqual(work_.xid.bqual);
  ASSENT_CHECK(bqual);
  packet_.add(Step::proof)
      .append("INSERT INTO ")
      .append(config_.schema)
      .append(".proof(gtrid,branch,kind,participants,protocol,label)VALUES('")
      .append(work_.xid.gtrid)
      .append("',")
      .append(std::to_string(bqual->branch))
      .append(",'proof','")
      .append(session_.escape(work_.members))
      .append("',")
      .append(std::to_string(static_cast<int>(work_.protocol)))
      .append(",'")
      .append(session_.escape(work_.label))
      .append("')");
}

// An id that was given rather than made is told by the client library as well, and by the server not.
void BranchRunner::add_count(std::size_t i) {
  const auto& sql = *scanned_[i];
  const bool insert_id = sql.verb == Verb::insert || sql.uses_last_insert_id;
  if (insert_id) {
    // A later statement may want the id; otherwise it is cleared, so that it is not taken for that one's own.
    const bool kept = std::any_of(scanned_.begin() + static_cast<std::ptrdiff_t>(i) + 1, scanned_.end(),
                                  [](const auto& later) { return later->uses_last_insert_id; });
    packet_.add(Step::count, i).append(kept ? "SELECT LAST_INSERT_ID()" : "SELECT LAST_INSERT_ID(),LAST_INSERT_ID(0)");
  }
}

BranchRun BranchRunner::too_large() const {
  BranchRun run;
  run.vote = refuse(config_.name,
                    "the branch is larger than participant \"" + config_.name + "\" takes in one packet (" +
                        std::to_string(session_.packet_bytes_max()) +
                        " bytes): split the transaction, or raise max_allowed_packet there",
                    false);
  run.reusable = true;
  return run;
}

BranchRunner::Next BranchRunner::judge(PacketResult& result) {
  collect(result);
  session_.lock_wait_s = result.error && result.answers.empty() ? 0 : lock_wait_s_;
  if (result.error) return failed(*result.error, result);
  if (auto cause = broken_expectation(result)) {
    // It ran to its end and is not wanted: prepared, or ended when split. Then it goes with its session.
    refused_.vote.cause = std::move(cause);
    stays_if_rollback_fails_ = !split_;
    return send(Sent::rollback, "XA ROLLBACK " + xid_);
  }
  if (split_) {
    packet_ = {};
    add_ending();
    return send(Sent::split_ending, std::move(packet_.text()));
  }
  BranchRun run;
  run.vote.kind = ending_ == Ending::prepare ? Vote::Kind::prepared : Vote::Kind::committed;
  run.vote.statements = std::move(results_);
  run.holds_branch = ending_ == Ending::prepare;
  run.reusable = reusable();
  return run;
}

bool BranchRunner::reusable() const {
  return !session_.lost() &&
         std::none_of(scanned_.begin(), scanned_.end(), [](const auto& sql) { return sql->uses_variables; });
}

void BranchRunner::collect(PacketResult& result) {
  results_.resize(scanned_.size());
  std::uint64_t seen_insert_id = 0;
  session_.insert_id_is_stale = result.error.has_value();
  for (std::size_t i = 0; i < result.answers.size(); ++i) {
    auto& answer = result.answers[i];
    auto& into = results_[packet_.statement(i)];
    if (packet_.step(i) == Step::statement) {
      const auto verb = scanned_[packet_.statement(i)]->verb;
      // A write with rows gives one for each that it wrote.
      if (verb != Verb::read) into.affected = answer.rows ? answer.rows->rows.size() : answer.affected;
      if (answer.rows) into.rows = std::move(answer.rows);
    } else if (packet_.step(i) == Step::count && answer.rows && !answer.rows->rows.empty()) {
      const auto& row = answer.rows->rows.front();
      const auto id = static_cast<std::uint64_t>(int_of(row[0]));
      if (id != 0 && id != seen_insert_id) into.last_insert_id = id;
      seen_insert_id = row.size() == 2 ? 0 : id;
      if (row.size() == 1) session_.insert_id_is_stale = true;
      if (row.size() == 2 && !result.error) session_.insert_id_is_stale = false;
    }
  }
}

std::optional<Cause> BranchRunner::broken_expectation(const PacketResult& result) const {
  Cause cause;
  cause.participant = config_.name;
  if (result.over_budget) {
    cause.statement = static_cast<std::uint32_t>(packet_.statement(*result.over_budget));
    cause.message = "more rows than a branch may return (" + std::to_string(config_.result_rows_max) + " rows, " +
                    std::to_string(config_.result_bytes_max) + " bytes in all): select less, or raise the bound";
    return cause;
  }
  for (std::size_t i = 0; i < results_.size(); ++i) {
    const auto& expected = work_.branch->statements[i].expect_affected;
    const auto affected = results_[i].affected;
    if (!expected || (affected >= expected->min && affected <= expected->max)) continue;
    cause.statement = static_cast<std::uint32_t>(i);
    cause.message =
        "affected " + std::to_string(affected) + (affected == 1 ? " row" : " rows") + ", expected " + words(*expected);
    return cause;
  }
  return std::nullopt;
}

BranchRunner::Next BranchRunner::judge_ending(const PacketResult& result) {
  if (result.error) return failed(*result.error, result);
  BranchRun run;
  run.vote.kind = Vote::Kind::committed;
  run.vote.statements = std::move(results_);
  run.reusable = reusable();
  return run;
}

Cause BranchRunner::cause_of(const SqlError& error, const PacketResult& result) const {
  Cause cause;
  cause.participant = config_.name;
  cause.server_errno = error.number;
  cause.sqlstate = error.sqlstate;
  cause.message = error.message;
  cause.retryable = is_retryable(error.number);
  const auto at = std::min(result.answers.size(), packet_.size() - 1);
  if (packet_.step(at) == Step::statement || packet_.step(at) == Step::count) {
    cause.statement = static_cast<std::uint32_t>(packet_.statement(at));
  } else if (packet_.step(at) == Step::proof && error.number == errnos::kDuplicateKey) {
    cause.message = "the branch was given up for lost and fenced off before it ran";
    cause.retryable = true;
  } else if (packet_.step(at) == Step::proof && !error.lost) {
    cause.message = "Assent's own table " + config_.schema + ".proof refuses its row: " + error.message;
  }
  return cause;
}

BranchRun BranchRunner::lost(const SqlError& error, const PacketResult& result) {
  BranchRun run;
  run.vote.cause = cause_of(error, result);
  // The server says that it closed the session for idleness, or that it will not read the packet.
  const bool unread =
      result.answers.empty() && packet_.step(0) != Step::last && (error.number == 4031 || error.number == 1153);
  run.never_ran = unread && error.number == 4031;
  // Nothing in a first packet of two can prepare or commit: what ran goes with the session.
  const bool harmless = packet_.step(packet_.size() - 1) != Step::last;
  run.vote.kind = unread || harmless ? Vote::Kind::refused : Vote::Kind::lost;
  return run;
}

// After an error none of the later statements was run.
BranchRunner::Next BranchRunner::failed(const SqlError& error, const PacketResult& result) {
  if (error.lost) return lost(error, result);
  BranchRun run;
  run.vote.cause = cause_of(error, result);
  run.vote.kind = Vote::Kind::refused;
  const auto at = packet_.step(result.answers.size());
  run.vote.duplicate_xid = at == Step::xa_start && error.number == errnos::kXaDuplicateXid;
  // A pending isolation level, or a branch of the same name on this session: not worth telling apart.
  if (at == Step::settings || at == Step::xa_start) return run;
  refused_ = std::move(run);
  // Not prepared, it goes with its session, which is closed. Where the ending itself failed, nobody knows.
  stays_if_rollback_fails_ = at == Step::last;
  if (at == Step::last) return send(Sent::rollback, "XA ROLLBACK " + xid_);
  return send(Sent::xa_end, "XA END " + xid_);
}

BranchRunner::Next BranchRunner::judge_rollback(const PacketResult& result) {
  refused_.vote.kind = result.error && stays_if_rollback_fails_ ? Vote::Kind::lost : Vote::Kind::refused;
  refused_.reusable = !result.error && reusable();
  return std::move(refused_);
}

ports::Vote refuse(const std::string& participant, std::string message, bool retryable) {
  Vote vote;
  vote.kind = Vote::Kind::refused;
  vote.cause.emplace();
  vote.cause->participant = participant;
  vote.cause->message = std::move(message);
  vote.cause->retryable = retryable;
  return vote;
}

}  // namespace assent::participant
