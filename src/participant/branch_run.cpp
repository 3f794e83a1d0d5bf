#include "participant/branch_run.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>

#include "base/check.hpp"
#include "participant/sql_values.hpp"

namespace assent::participant {
namespace {

using ports::Vote;

/// Before the next to be rounded to a whole second a lock wait is at least this.
constexpr std::int64_t kLockWaitMinS = 1;
constexpr std::int64_t kLockWaitMaxS = 3600;

enum class Step : std::uint8_t { settings, xa_start, proof, statement, count, xa_end, last };

/// The statements of one packet and what each is for.
class Packet {
 public:
  std::string& add(Step step, std::size_t statement = 0) {
    if (!steps_.empty()) text_.push_back(';');
    steps_.push_back({step, statement});
    return text_;
  }
  const std::string& text() const { return text_; }
  std::size_t size() const { return steps_.size(); }
  Step step(std::size_t i) const { return steps_[i].first; }
  std::size_t statement(std::size_t i) const { return steps_[i].second; }

 private:
  std::string text_;
  std::vector<std::pair<Step, std::size_t>> steps_;
};

std::string words(const AffectedRange& range) {
  if (range.min == range.max) return std::to_string(range.min);
  if (range.max == UINT64_MAX) return "at least " + std::to_string(range.min);
  return std::to_string(range.min) + " to " + std::to_string(range.max);
}

std::uint32_t lock_wait_until(base::SteadyTime deadline) {
  const auto left = std::chrono::ceil<std::chrono::seconds>(deadline - base::SteadyClock::now()).count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(left, kLockWaitMinS, kLockWaitMaxS));
}

class Runner {
 public:
  Runner(Session& session, const Config& config, const ports::BranchWork& work, const ScannedBranch& scanned,
         RunOptions options)
      : session_(session), config_(config), work_(work), scanned_(scanned), options_(options) {}

  BranchRun run() {
    xid_ = protocol::xid_literal(work_.xid);
    // What may still be refused after it ran (an expectation, rows over the bound) must not have committed by then.
    split_ = options_.ending == Ending::commit_one_phase && may_be_refused_after();
    build();
    if (packet_.text().size() + 1 > session_.packet_bytes_max()) return too_large();
    const auto result = session_.run(packet_.text(), packet_.size(),
                                     {.rows = config_.result_rows_max, .bytes = config_.result_bytes_max});
    session_.lock_wait_s = result.error && result.answers.empty() ? 0 : lock_wait_s_;
    return judge(result);
  }

 private:
  void build() {
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

  bool may_be_refused_after() const {
    for (std::size_t i = 0; i < scanned_.size(); ++i) {
      if (work_.branch->statements[i].expect_affected || scanned_[i]->verb == Verb::read) return true;
      if (scanned_[i]->returns_rows) return true;
    }
    return false;
  }

  void add_ending() {
    auto& text = packet_.add(Step::last);
    if (options_.ending == Ending::prepare) {
      text.append("XA PREPARE ").append(xid_);
    } else {
      text.append("XA COMMIT ").append(xid_).append(" ONE PHASE");
    }
  }

  // First in the branch, so that a fence under its key stops a late runner before it changes anything.
  void add_proof() {
    const auto bqual = protocol::parse_bqual(work_.xid.bqual);
    ASSENT_CHECK(bqual);
    packet_.add(Step::proof)
        .append("INSERT INTO ")
        .append(config_.schema)
        .append(".proof(gtrid,branch,kind,participants,protocol)VALUES('")
        .append(work_.xid.gtrid)
        .append("',")
        .append(std::to_string(bqual->branch))
        .append(",'proof','")
        .append(session_.escape(work_.participants))
        .append("',")
        .append(std::to_string(static_cast<int>(work_.protocol)))
        .append(")");
  }

  // The counts of all but the first statement of a packet are not handed out by the client library.
  void add_count(std::size_t i) {
    const auto& sql = *scanned_[i];
    const bool insert_id = sql.verb == Verb::insert || sql.uses_last_insert_id;
    if (insert_id) {
      // A later statement may want the id; otherwise it is cleared, so that it is not taken for that one's own.
      const bool kept = std::any_of(scanned_.begin() + static_cast<std::ptrdiff_t>(i) + 1, scanned_.end(),
                                    [](const auto& later) { return later->uses_last_insert_id; });
      packet_.add(Step::count, i)
          .append(kept ? "SELECT ROW_COUNT(),LAST_INSERT_ID()"
                       : "SELECT ROW_COUNT(),LAST_INSERT_ID(),LAST_INSERT_ID(0)");
    } else if (sql.verb == Verb::remove || (sql.verb == Verb::update && !options_.update_remarks)) {
      packet_.add(Step::count, i).append("SELECT ROW_COUNT()");
    }
  }

  BranchRun too_large() const {
    BranchRun run;
    run.vote = refuse(config_.name,
                      "the branch is larger than participant \"" + config_.name + "\" takes in one packet (" +
                          std::to_string(session_.packet_bytes_max()) +
                          " bytes): split the transaction, or raise max_allowed_packet there",
                      false);
    run.reusable = true;
    return run;
  }

  BranchRun judge(const PacketResult& result) {
    collect(result);
    if (result.error) return result.error->lost ? lost(*result.error, result) : failed(*result.error, result);
    if (auto cause = broken_expectation(result)) return roll_back_whole(std::move(*cause));
    if (split_) return commit_split();
    BranchRun run;
    run.vote.kind = options_.ending == Ending::prepare ? Vote::Kind::prepared : Vote::Kind::committed;
    run.vote.statements = std::move(results_);
    run.holds_branch = options_.ending == Ending::prepare;
    run.reusable = reusable();
    return run;
  }

  bool reusable() const {
    return !session_.lost() &&
           std::none_of(scanned_.begin(), scanned_.end(), [](const auto& sql) { return sql->uses_variables; });
  }

  void collect(const PacketResult& result) {
    results_.resize(scanned_.size());
    std::uint64_t seen_insert_id = 0;
    session_.insert_id_is_stale = result.error.has_value();
    for (std::size_t i = 0; i < result.answers.size(); ++i) {
      const auto& answer = result.answers[i];
      auto& into = results_[packet_.statement(i)];
      if (packet_.step(i) == Step::statement) {
        const auto verb = scanned_[packet_.statement(i)]->verb;
        if (answer.rows) into.rows = answer.rows;
        if (verb == Verb::update) into.affected = changed_rows(answer.info);
        if (verb == Verb::read && !answer.rows) continue;
      } else if (packet_.step(i) == Step::count && answer.rows && !answer.rows->rows.empty()) {
        const auto& row = answer.rows->rows.front();
        const auto affected = int_of(row[0]);
        // -1 after statements with rows; INSERT ... RETURNING gives one row for each it wrote.
        const bool returning = affected < 0 && scanned_[packet_.statement(i)]->verb != Verb::read && into.rows;
        into.affected =
            returning ? into.rows->rows.size() : static_cast<std::uint64_t>(std::max<std::int64_t>(affected, 0));
        if (row.size() < 2) continue;
        const auto id = static_cast<std::uint64_t>(int_of(row[1]));
        if (id != 0 && id != seen_insert_id) into.last_insert_id = id;
        seen_insert_id = row.size() == 3 ? 0 : id;
        if (row.size() == 2) session_.insert_id_is_stale = true;
        if (row.size() == 3 && !result.error) session_.insert_id_is_stale = false;
      }
    }
  }

  std::optional<Cause> broken_expectation(const PacketResult& result) const {
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
      cause.message = "affected " + std::to_string(affected) + (affected == 1 ? " row" : " rows") + ", expected " +
                      words(*expected);
      return cause;
    }
    return std::nullopt;
  }

  // The packet ran to its end, and the branch is not wanted: prepared, or ended when split.
  BranchRun roll_back_whole(Cause cause) {
    BranchRun run;
    const auto rollback = session_.run("XA ROLLBACK " + xid_);
    run.vote.cause = std::move(cause);
    // An ended branch that was not prepared goes with its session.
    run.vote.kind = rollback.error && !split_ ? Vote::Kind::lost : Vote::Kind::refused;
    run.reusable = !rollback.error && reusable();
    return run;
  }

  BranchRun commit_split() {
    Packet ending;
    std::swap(ending, packet_);
    add_ending();
    const auto result = session_.run(packet_.text());
    BranchRun run;
    if (!result.error) {
      run.vote.kind = Vote::Kind::committed;
      run.vote.statements = std::move(results_);
      run.reusable = reusable();
      return run;
    }
    return result.error->lost ? lost(*result.error, result) : failed(*result.error, result);
  }

  Cause cause_of(const SqlError& error, const PacketResult& result) const {
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

  BranchRun lost(const SqlError& error, const PacketResult& result) {
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

  // A statement failed and the session lives: none after it was run.
  BranchRun failed(const SqlError& error, const PacketResult& result) {
    BranchRun run;
    run.vote.cause = cause_of(error, result);
    run.vote.kind = Vote::Kind::refused;
    const auto at = packet_.step(result.answers.size());
    run.vote.duplicate_xid = at == Step::xa_start && error.number == errnos::kXaDuplicateXid;
    // A pending isolation level, or a branch of the same name on this session: not worth telling apart.
    if (at == Step::settings || at == Step::xa_start) return run;
    // XA END answers with an error of its own after a deadlock, and still ends the branch.
    if (at != Step::last) session_.run("XA END " + xid_);
    const auto rollback = session_.run("XA ROLLBACK " + xid_);
    // Not prepared, it goes with its session, which is closed. Where the ending itself failed, nobody knows.
    if (rollback.error && at == Step::last) run.vote.kind = Vote::Kind::lost;
    run.reusable = !rollback.error && reusable();
    return run;
  }

  Session& session_;
  const Config& config_;
  const ports::BranchWork& work_;
  const ScannedBranch& scanned_;
  RunOptions options_;
  std::string xid_;
  Packet packet_;
  std::uint32_t lock_wait_s_ = 0;
  bool split_ = false;
  std::vector<StatementResult> results_;
};

}  // namespace

BranchRun run_branch(Session& session, const Config& config, const ports::BranchWork& work,
                     const ScannedBranch& statements, RunOptions options) {
  ASSENT_CHECK(statements.size() == work.branch->statements.size());
  return Runner(session, config, work, statements, options).run();
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

// In whatever language: matched, changed, warnings.
std::uint64_t changed_rows(std::string_view remark) noexcept {
  std::uint64_t number = 0;
  for (int which = 0; which < 2; ++which) {
    const auto digits = remark.find_first_of("0123456789");
    if (digits == std::string_view::npos) return 0;
    const char* const end = remark.data() + remark.size();
    const auto parsed = std::from_chars(remark.data() + digits, end, number);
    if (parsed.ec != std::errc{}) return 0;
    remark = std::string_view(parsed.ptr, static_cast<std::size_t>(end - parsed.ptr));
  }
  return number;
}

}  // namespace assent::participant
