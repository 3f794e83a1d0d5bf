#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
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
/// transactions.
///
/// After a restart they come back from the log, in its order: all committed keys, and the rolled back ones for which
/// some client wants the same outcome for ever (OnRolledBack::return_outcome). If such a key were forgotten, its
/// request could run after the application has sent another one in its place. Where every client wants the request to
/// run again, the log has no record of the rollback, and running it again after a restart is right. Thread safe.
class IdempotencyIndex {
 public:
  explicit IdempotencyIndex(std::size_t keys_max) : keys_max_(keys_max) {}

  /// Takes over what the log kept. A key counts as running while the decision that the log has is not yet its outcome:
  /// see is_outcome().
  void restore(const ports::LogState& state, std::uint32_t given_up_below = 0);
  /// Whether the key stands for this transaction, and waits for its outcome.
  bool awaits(const std::string& key, const std::string& gtrid) const;

  struct Mine {};      ///< The key is new, or is to be run again: run the transaction, then finish() or abandon().
  struct Attached {};  ///< It is running: `done` will be called with its outcome.
  /// It was rolled back, and the log does not have that yet. Log it, call note_kept(), and only then answer the client.
  struct Unkept {
    TransactionResult result;
  };
  using Claim = std::variant<Mine, Attached, Unkept, TransactionResult, Error>;

  /// `done` is kept only when Attached. A TransactionResult is the first outcome, without the rows of its statements.
  Claim claim(const std::string& key, std::uint64_t fingerprint, OnRolledBack on_rolled_back, const SubmitDone& done);

  /// Answers the clients that wait for it. Returns false and does nothing if this rollback must be in the log first;
  /// the caller then logs it and calls finish_kept().
  bool finish(const std::string& key, const TransactionResult& result);
  void finish_kept(const std::string& key, const TransactionResult& result);
  /// Whether its outcome was given as unknown, and the log must have the rollback before it is amended.
  bool keeps_late_rollback(const std::string& key, const std::string& gtrid) const;
  void note_kept(const std::string& key, const std::string& gtrid);
  /// An outcome that was given as unknown has become known. Of no effect otherwise.
  void amend(const std::string& key, const std::string& gtrid, Outcome outcome);
  /// A branch of it has ended contrary to the decision, and stays so. From now on its outcome is reported as unknown.
  void contradict(const std::string& key, const std::string& gtrid);
  /// It was never run: the key is free again, or as it was before it was to be run again. Attached clients get the
  /// error.
  void abandon(const std::string& key, const Error& error);

  std::optional<TransactionResult> find(const std::string& key) const;
  /// The transaction behind a key, running or ended.
  std::optional<std::string> gtrid_of(const std::string& key) const;
  void set_gtrid(const std::string& key, const std::string& gtrid);

 private:
  /// Keys that have ended, oldest first. A key that is run again leaves its place behind.
  struct Order {
    std::deque<std::pair<std::uint64_t, std::string>> places;
    std::size_t kept = 0;
  };
  struct Entry {
    std::uint64_t fingerprint = 0;
    std::string gtrid;
    std::optional<TransactionResult> result;
    std::vector<SubmitDone> waiting;
    bool returns = true;                        ///< Somebody who waits for it wants a rollback given again for ever.
    bool in_log = false;                        ///< Its rollback is.
    std::optional<TransactionResult> before{};  ///< Of the run before, while it is run again.
    Order* order = nullptr;                     ///< That has its place; null while it runs.
    std::uint64_t place = 0;
  };
  bool finish(const std::string& key, const TransactionResult& result, bool in_log);
  void keep(const std::string& key, Entry& entry);
  static void leave(Entry& entry);
  void tidy(Order& order);

  const std::size_t keys_max_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Entry> entries_;
  std::uint64_t last_place_ = 0;
  // Apart, so that failures do not push out what must not run twice.
  Order committed_;  ///< Or not known not to have.
  Order rolled_back_;
};

/// What the log keeps of a rollback under a key.
ports::KeyRolledBack rolled_back_key(const std::string& key, std::uint64_t fingerprint,
                                     const TransactionResult& result);

}  // namespace assent::coordinator
