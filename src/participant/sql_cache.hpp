#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "assent/transaction.hpp"
#include "base/clock.hpp"
#include "participant/branch_run.hpp"
#include "participant/config.hpp"
#include "participant/session.hpp"
#include "participant/sql_scan.hpp"

namespace assent::participant {

/// Statements already scanned, by their text, so that a template is read once and not per transaction. Bounded: when
/// full it begins anew. Thread safe.
class SqlCache {
 public:
  static constexpr std::size_t kEntriesMax = 2048;
  /// Longer texts are scanned each time.
  static constexpr std::size_t kTextBytesMax = 4096;

  explicit SqlCache(std::string own_schema) : own_schema_(std::move(own_schema)) {}

  Result<std::shared_ptr<const ScannedSql>> scan(const std::string& sql) const;
  /// All of a branch, its values checked too. The error names the statement.
  Result<ScannedBranch> scan(const Branch& branch) const;

 private:
  const std::string own_schema_;
  mutable std::mutex mutex_;
  mutable std::unordered_map<std::string, std::shared_ptr<const ScannedSql>> known_;
};

/// Keeps branches away from tables whose engine cannot take part in XA: what is written there stays when the branch
/// rolls back. Asks the server's catalogue for every set of names once a minute. Thread safe.
class EngineGuard {
 public:
  static constexpr std::size_t kEntriesMax = 2048;
  static constexpr std::chrono::seconds kTrusted{60};

  struct Refusal {
    std::size_t statement = 0;
    std::string message;
  };

  explicit EngineGuard(const Config& config) : config_(config) {}

  /// Whether the branch may run for all that is known already: check() would ask the server nothing.
  bool trusts(const ScannedBranch& branch) const;
  /// Nothing when the branch may run.
  std::variant<std::optional<Refusal>, SqlError> check(Session& session, const ScannedBranch& branch);

 private:
  struct Unfit {
    NameCandidate table;
    std::string engine;
  };
  bool is_trusted(const ScannedSql& sql) const;
  std::variant<std::vector<Unfit>, SqlError> look_up(Session& session, const std::vector<NameCandidate>& names);

  const Config& config_;
  mutable std::mutex mutex_;
  std::map<std::vector<NameCandidate>, base::SteadyTime> trusted_until_;
};

}  // namespace assent::participant
