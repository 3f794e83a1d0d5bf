#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "assent/result.hpp"
#include "assent/transaction.hpp"
#include "ports/decision_log.hpp"
#include "ports/done.hpp"

namespace assent::coordinator {

using SubmitDone = ports::Done<Result<TransactionResult>>;

/// The idempotency keys in use and lately used: which transaction each stands for, and how it ended. At most `keys_max`
/// committed ones and as many rolled back ones are kept, oldest first out; running ones are bounded by the live
/// transactions. After a restart they come back as the log kept them, in its order. Thread safe.
class IdempotencyIndex {
 public:
  explicit IdempotencyIndex(std::size_t keys_max) : keys_max_(keys_max) {}

  /// Takes over what the log kept. A key of three phases that may still come to a rollback counts as running.
  void restore(const ports::LogState& state);
  /// Whether the key stands for this transaction, and waits for its outcome.
  bool awaits(const std::string& key, const std::string& gtrid) const;

  struct Mine {};      ///< The key is new: run the transaction, then finish() or abandon().
  struct Attached {};  ///< It is running: `done` will be called with its outcome.
  using Claim = std::variant<Mine, Attached, TransactionResult, Error>;

  /// `done` is kept only when Attached. A TransactionResult is the first outcome, without the rows of its statements.
  Claim claim(const std::string& key, std::uint64_t fingerprint, const SubmitDone& done);

  void finish(const std::string& key, const TransactionResult& result);
  /// An outcome that was given as unknown has become known. Of no effect otherwise.
  void amend(const std::string& key, const std::string& gtrid, Outcome outcome);
  /// A branch of it has come to the opposite of what was decided, for good: nobody is told an outcome any more.
  void contradict(const std::string& key, const std::string& gtrid);
  /// It was never run: the key is free again, and whoever attached gets the error.
  void abandon(const std::string& key, const Error& error);

  std::optional<TransactionResult> find(const std::string& key) const;
  /// The transaction behind a key, running or ended.
  std::optional<std::string> gtrid_of(const std::string& key) const;
  void set_gtrid(const std::string& key, const std::string& gtrid);

 private:
  struct Entry {
    std::uint64_t fingerprint = 0;
    std::string gtrid;
    std::optional<TransactionResult> result;
    std::vector<SubmitDone> waiting;
  };
  void keep(const std::string& key, Outcome outcome);

  const std::size_t keys_max_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Entry> entries_;
  // Oldest first. Apart, so that failures do not push out what must not run twice.
  std::deque<std::string> committed_;  ///< Or not known not to have.
  std::deque<std::string> rolled_back_;
};

}  // namespace assent::coordinator
