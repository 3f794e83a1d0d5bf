#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "participant/config.hpp"
#include "participant/session.hpp"
#include "participant/sql_scan.hpp"
#include "ports/participant.hpp"

namespace assent::participant {

/// A branch's statements, scanned, in order.
using ScannedBranch = std::vector<std::shared_ptr<const ScannedSql>>;

enum class Ending : std::uint8_t { prepare, commit_one_phase };

/// How a branch went on its session, and what it left there.
struct BranchRun {
  ports::Vote vote;
  bool holds_branch = false;  ///< The session has prepared it, and alone should settle it.
  bool reusable = false;      ///< Without the branch, or after it is settled, the session is as good as new.
  bool never_ran = false;  ///< The server had closed the session before it read anything: the branch may be run again.
};

/// Runs one branch, from XA START to its vote: says what to send, and is told what came back. In one packet (one phase
/// with expectations: in two), and another one or two where the branch has to be rolled back. Every failed statement
/// dooms it. Neither sends nor waits itself.
class BranchRunner {
 public:
  /// A packet for the branch's session, to be sent as it is.
  struct Send {
    std::string packet;
    std::size_t statements = 1;
    RowBudget budget;
  };
  using Next = std::variant<Send, BranchRun>;

  /// All of these must outlive it.
  BranchRunner(Session& session, const Config& config, const ports::BranchWork& work, const ScannedBranch& statements,
               Ending ending);

  Next begin();
  /// After each Send, with its result.
  Next go_on(PacketResult result);

 private:
  enum class Step : std::uint8_t { settings, xa_start, proof, statement, count, xa_end, last };

  /// The statements of one packet and what each is for.
  class Packet {
   public:
    void reserve(std::size_t bytes, std::size_t statements);
    std::string& add(Step step, std::size_t statement = 0);
    std::string& text() { return text_; }
    std::size_t size() const { return steps_.size(); }
    Step step(std::size_t i) const { return steps_[i].first; }
    std::size_t statement(std::size_t i) const { return steps_[i].second; }

   private:
    std::string text_;
    std::vector<std::pair<Step, std::size_t>> steps_;
  };

  /// Whose result comes next.
  enum class Sent : std::uint8_t { branch, split_ending, xa_end, rollback };

  void build();
  bool may_be_refused_after() const;
  void add_ending();
  void add_proof();
  void add_count(std::size_t i);
  BranchRun too_large() const;
  Send send(Sent what, std::string packet);
  Next judge(PacketResult& result);
  Next judge_ending(const PacketResult& result);
  Next judge_rollback(const PacketResult& result);
  bool reusable() const;
  void collect(PacketResult& result);
  std::optional<Cause> broken_expectation(const PacketResult& result) const;
  Cause cause_of(const SqlError& error, const PacketResult& result) const;
  BranchRun lost(const SqlError& error, const PacketResult& result);
  Next failed(const SqlError& error, const PacketResult& result);

  Session& session_;
  const Config& config_;
  const ports::BranchWork& work_;
  const ScannedBranch& scanned_;
  const Ending ending_;
  std::string xid_;
  Packet packet_;
  Sent sent_ = Sent::branch;
  BranchRun refused_;                     ///< What it comes to once it is rolled back.
  bool stays_if_rollback_fails_ = false;  ///< Then it may be prepared, and nobody knows.
  std::uint32_t lock_wait_s_ = 0;
  bool split_ = false;
  std::vector<StatementResult> results_;
};

/// A refusal with a cause of ours.
ports::Vote refuse(const std::string& participant, std::string message, bool retryable);

}  // namespace assent::participant
