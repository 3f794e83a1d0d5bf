#include "participant/sql_cache.hpp"

#include <algorithm>
#include <set>

#include "participant/sql_values.hpp"

namespace assent::participant {
namespace {

/// Names asked for in one statement.
constexpr std::size_t kNamesPerQuery = 32;
/// Views upon views are followed to this depth; the servers stop at 61.
constexpr int kViewDepthMax = 8;

std::string upper(std::string text) {
  for (auto& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

// Their engine cannot take part in XA either, but nothing is written to them.
bool is_catalogue(const std::string& schema) {
  const auto name = upper(schema);
  return name == "INFORMATION_SCHEMA" || name == "PERFORMANCE_SCHEMA";
}

bool writes_catalogue(const ScannedSql& sql) {
  return sql.verb != Verb::read && std::any_of(sql.candidates.begin(), sql.candidates.end(), [](const auto& name) {
           return upper(name.schema) == "PERFORMANCE_SCHEMA";
         });
}

}  // namespace

Result<std::shared_ptr<const ScannedSql>> SqlCache::scan(const std::string& sql) const {
  const bool kept = sql.size() <= kTextBytesMax;
  if (kept) {
    const std::lock_guard lock(mutex_);
    if (const auto found = known_.find(sql); found != known_.end()) return found->second;
  }
  auto scanned = scan_sql(sql, own_schema_);
  if (!scanned) return std::move(scanned).error();
  auto shared = std::make_shared<const ScannedSql>(*std::move(scanned));
  if (kept) {
    const std::lock_guard lock(mutex_);
    if (known_.size() >= kEntriesMax) known_.clear();
    known_.emplace(sql, shared);
  }
  return shared;
}

Result<ScannedBranch> SqlCache::scan(const Branch& branch) const {
  ScannedBranch scanned;
  scanned.reserve(branch.statements.size());
  for (std::size_t i = 0; i < branch.statements.size(); ++i) {
    const auto refuse = [&](const Error& error) {
      return Error{error.code, "statements[" + std::to_string(i) + "]: " + error.what, false};
    };
    auto sql = scan(branch.statements[i].sql);
    if (!sql) return refuse(sql.error());
    if (auto checked = check_values(**sql, branch.statements[i].args); !checked) return refuse(checked.error());
    scanned.push_back(*std::move(sql));
  }
  return scanned;
}

bool EngineGuard::is_trusted(const ScannedSql& sql) const {
  if (sql.candidates.empty()) return true;
  const std::lock_guard lock(mutex_);
  const auto found = trusted_until_.find(sql.candidates);
  return found != trusted_until_.end() && base::SteadyClock::now() < found->second;
}

bool EngineGuard::trusts(const ScannedBranch& branch) const {
  return std::all_of(branch.begin(), branch.end(),
                     [this](const auto& sql) { return !writes_catalogue(*sql) && is_trusted(*sql); });
}

std::variant<std::optional<EngineGuard::Refusal>, SqlError> EngineGuard::check(Session& session,
                                                                               const ScannedBranch& branch) {
  for (std::size_t i = 0; i < branch.size(); ++i) {
    if (writes_catalogue(*branch[i])) {
      return std::optional<Refusal>(Refusal{i,
                                            "writes and names a table of performance_schema, which does not "
                                            "roll back: do it outside the transaction"});
    }
    if (is_trusted(*branch[i])) continue;
    auto looked = look_up(session, branch[i]->candidates);
    if (auto* error = std::get_if<SqlError>(&looked)) return std::move(*error);
    const auto& unfit = std::get<0>(looked);
    if (!unfit.empty()) {
      const auto& [table, engine] = unfit.front();
      return std::optional<Refusal>(
          Refusal{i, "names the table " + table.schema + "." + table.name + ", whose engine " + engine +
                         " cannot roll back: ALTER TABLE it to InnoDB, or write to it outside the transaction"});
    }
    const std::lock_guard lock(mutex_);
    if (trusted_until_.size() >= kEntriesMax) trusted_until_.clear();
    trusted_until_[branch[i]->candidates] = base::SteadyClock::now() + kTrusted;
  }
  return std::optional<Refusal>();
}

// Equality on both columns: the servers then open these tables only, and do not read whole schemas.
std::variant<std::vector<EngineGuard::Unfit>, SqlError> EngineGuard::look_up(Session& session,
                                                                             const std::vector<NameCandidate>& names) {
  std::vector<Unfit> unfit;
  std::set<NameCandidate> seen;
  std::vector<NameCandidate> asked = names;
  for (int depth = 0; depth < kViewDepthMax && !asked.empty(); ++depth) {
    std::vector<NameCandidate> views;
    for (std::size_t from = 0; from < asked.size(); from += kNamesPerQuery) {
      std::string query;
      for (std::size_t i = from; i < std::min(asked.size(), from + kNamesPerQuery); ++i) {
        auto name = asked[i];
        if (name.schema.empty()) name.schema = config_.database;
        if (name.schema.empty() || is_catalogue(name.schema) || !seen.insert(name).second) continue;
        query +=
            (query.empty() ? "" : " UNION ALL ") +
            std::string(
                "SELECT TABLE_SCHEMA,TABLE_NAME,TABLE_TYPE,IFNULL(ENGINE,'') ENGINE FROM information_schema.TABLES "
                "WHERE TABLE_SCHEMA=") +
            quoted(session, name.schema) + " AND TABLE_NAME=" + quoted(session, name.name);
      }
      if (query.empty()) continue;
      auto result = session.run(
          "SELECT t.*,IFNULL((SELECT XA FROM information_schema.ENGINES e WHERE e.ENGINE=t.ENGINE),'NO') FROM (" +
          query + ") t");
      if (result.error) return std::move(*result.error);
      for (const auto& row : result.answers.front().rows->rows) {
        NameCandidate table{text_of(row[0]), text_of(row[1])};
        const auto type = text_of(row[2]);
        if (type == "VIEW") {
          views.push_back(std::move(table));
        } else if (type != "SYSTEM VIEW" && text_of(row[4]) != "YES") {
          unfit.push_back({std::move(table), text_of(row[3])});
        }
      }
    }
    asked.clear();
    for (const auto& view : views) {
      auto result = session.run("SELECT VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA=" +
                                quoted(session, view.schema) + " AND TABLE_NAME=" + quoted(session, view.name));
      if (result.error) return std::move(*result.error);
      for (const auto& row : result.answers.front().rows->rows) {
        const auto definition = scan_sql(text_of(row[0]), "");
        if (!definition) continue;
        for (auto name : definition->candidates) {
          if (name.schema.empty()) name.schema = view.schema;
          asked.push_back(std::move(name));
        }
      }
    }
  }
  return unfit;
}

}  // namespace assent::participant
