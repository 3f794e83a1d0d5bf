#include "support/audit.hpp"

#include <cppconn/exception.h>

#include <map>
#include <set>
#include <stdexcept>
#include <unordered_map>

namespace assent::testing {
namespace {

/// Of one kind; more are only counted.
constexpr std::size_t kSaidMax = 8;

/// What one check found.
class Findings {
 public:
  explicit Findings(std::string check) : check_(std::move(check)) {}
  void add(const std::string& what) {
    if (++count_ <= kSaidMax) said_.push_back(check_ + ": " + what);
  }
  void append_to(std::vector<std::string>& problems) const {
    problems.insert(problems.end(), said_.begin(), said_.end());
    if (count_ > kSaidMax) problems.push_back(check_ + ": and " + std::to_string(count_ - kSaidMax) + " more");
  }

 private:
  const std::string check_;
  std::size_t count_ = 0;
  std::vector<std::string> said_;
};

std::string n(std::int64_t number) {
  return std::to_string(number);
}
std::string n(std::uint64_t number) {
  return std::to_string(number);
}

/// One place, as it is read.
struct Seen {
  std::string name;
  std::vector<std::int64_t> balances;                         ///< By account; the first is none.
  std::unordered_map<std::uint64_t, std::int64_t> transfers;  ///< Amount by id.
};

class Auditor {
 public:
  Auditor(const Bank& bank, const Record& record, const std::string& coordinator_id)
      : bank_(bank), coordinator_id_(coordinator_id), contradictions_(record.contradictions()) {
    for (auto& told : record.all()) told_.emplace(told.id, std::move(told));
    for (const auto& place : bank.places()) servers_.emplace_back(place.server, bank.database());
  }

  Audit run(std::chrono::milliseconds patience) {
    // Looked at before they are purged, and against what is read afterwards.
    const auto proofs = proven();
    eventually([&] { return quiet(); }, patience);
    for (std::size_t i = 0; i < servers_.size(); ++i) seen_.push_back(read(i));
    check_total();
    check_all_or_none();
    check_told();
    check_balances();
    check_in_doubt();
    check_proofs(proofs);
    check_purged();
    Findings told_twice("told two outcomes");
    for (const auto& contradiction : contradictions_) told_twice.add(contradiction);
    told_twice.append_to(audit_.problems);
    return std::move(audit_);
  }

 private:
  const std::string& place(std::size_t i) const { return bank_.places()[i].participant; }
  bool is_at(std::size_t i, std::uint64_t id) const { return seen_[i].transfers.contains(id); }
  std::set<std::string> in_doubt(std::size_t i) {
    return branches_in_doubt(servers_[i], bank_.places()[i].server.kind, coordinator_id_);
  }

  // By place: gtrids. A fence says that a branch shall not commit; only proofs say that it has.
  std::vector<std::set<std::string>> proven() {
    std::vector<std::set<std::string>> gtrids;
    for (auto& server : servers_) {
      auto& here = gtrids.emplace_back();
      for (const auto& row : server.rows(proof_rows("gtrid") + " AND kind = 'proof'")) here.insert(row[0]);
    }
    return gtrids;
  }
  std::string proof_rows(const std::string& columns) const {
    // Underscores are letters of a name, and LIKE's joker.
    return "SELECT " + columns + " FROM assent.proof WHERE gtrid >= '" + coordinator_id_ + ".' AND gtrid < '" +
           coordinator_id_ + "/'";
  }

  bool quiet() {
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      if (!in_doubt(i).empty() || servers_[i].number(proof_rows("COUNT(*)")) > 0) return false;
    }
    return true;
  }

  Seen read(std::size_t i) {
    Seen seen;
    seen.name = place(i);
    seen.balances.resize(static_cast<std::size_t>(bank_.accounts()) + 1);
    for (const auto& row : servers_[i].rows("SELECT id, balance FROM accounts")) {
      seen.balances.at(std::stoul(row[0])) = std::stoll(row[1]);
    }
    for (const auto& row : servers_[i].rows("SELECT id, amount FROM transfers")) {
      seen.transfers.emplace(std::stoull(row[0]), std::stoll(row[1]));
    }
    return seen;
  }

  void check_total() {
    std::int64_t total = 0;
    for (const auto& seen : seen_) {
      for (const auto balance : seen.balances) total += balance;
    }
    const auto opening = static_cast<std::int64_t>(seen_.size()) * bank_.accounts() * bank_.opening();
    Findings findings("total balance");
    if (total != opening) findings.add(n(total) + " at all places together, and " + n(opening) + " at the beginning");
    findings.append_to(audit_.problems);
  }

  void check_all_or_none() {
    Findings split("not at all places");
    Findings changed("another amount");
    std::set<std::uint64_t> ids;
    for (const auto& seen : seen_) {
      for (const auto& [id, amount] : seen.transfers) ids.insert(id);
    }
    for (const auto id : ids) {
      const auto told = told_.find(id);
      for (std::size_t i = 0; i < seen_.size(); ++i) {
        const auto row = seen_[i].transfers.find(id);
        if (row == seen_[i].transfers.end()) {
          split.add("transfer " + n(id) + as_told(id) + " is missing at " + place(i));
        } else if (told != told_.end() && row->second != bank_.change_at(i, told->second.amount)) {
          changed.add("transfer " + n(id) + " has " + n(row->second) + " at " + place(i) + ", not " +
                      n(bank_.change_at(i, told->second.amount)));
        }
      }
    }
    split.append_to(audit_.problems);
    changed.append_to(audit_.problems);
  }

  std::string as_told(std::uint64_t id) const {
    const auto told = told_.find(id);
    if (told == told_.end()) return " (which nobody made)";
    const auto& gtrid = told->second.gtrid;
    return std::string(" (told as ") + to_string(told->second.outcome) + (gtrid.empty() ? "" : ", " + gtrid) + ")";
  }

  void check_told() {
    Findings lost("committed and lost");
    Findings undead("not committed and there");
    Findings nobodys("nobody's");
    for (const auto& [id, told] : told_) {
      bool anywhere = false;
      for (std::size_t i = 0; i < seen_.size(); ++i) {
        anywhere = anywhere || is_at(i, id);
        const auto what = "transfer " + n(id) + as_told(id);
        if (told.outcome == Told::Outcome::committed && !is_at(i, id)) lost.add(what + " is not at " + place(i));
        if ((told.outcome == Told::Outcome::rolled_back || told.outcome == Told::Outcome::never_run) && is_at(i, id)) {
          undead.add(what + " is at " + place(i));
        }
      }
      if (told.outcome == Told::Outcome::unknown) ++(anywhere ? audit_.unknown_committed : audit_.unknown_rolled_back);
    }
    for (const auto& seen : seen_) {
      for (const auto& [id, amount] : seen.transfers) {
        if (!told_.contains(id)) nobodys.add("transfer " + n(id) + " is at " + seen.name + ", and nobody made it");
      }
    }
    lost.append_to(audit_.problems);
    undead.append_to(audit_.problems);
    nobodys.append_to(audit_.problems);
  }

  void check_balances() {
    Findings findings("balance");
    for (std::size_t i = 0; i < seen_.size(); ++i) {
      std::vector<std::int64_t> expected(seen_[i].balances.size(), bank_.opening());
      for (const auto& [id, amount] : seen_[i].transfers) {
        const auto told = told_.find(id);
        if (told == told_.end()) continue;
        expected.at(static_cast<std::size_t>(i == 0 ? told->second.from : told->second.to)) += amount;
      }
      for (std::size_t account = 1; account < expected.size(); ++account) {
        if (seen_[i].balances[account] == expected[account]) continue;
        findings.add("account " + n(std::uint64_t{account}) + " at " + place(i) + " has " +
                     n(seen_[i].balances[account]) + ", and its transfers make it " + n(expected[account]));
      }
    }
    findings.append_to(audit_.problems);
  }

  void check_in_doubt() {
    Findings findings("in doubt");
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      for (const auto& gtrid : in_doubt(i)) findings.add(gtrid + " is in XA RECOVER at " + place(i));
    }
    findings.append_to(audit_.problems);
  }

  void check_proofs(const std::vector<std::set<std::string>>& proofs) {
    Findings findings("proof of no commit");
    for (const auto& [id, told] : told_) {
      if (told.gtrid.empty()) continue;
      const bool not_committed = told.outcome == Told::Outcome::rolled_back || told.outcome == Told::Outcome::never_run;
      for (std::size_t i = 0; i < proofs.size(); ++i) {
        if (!proofs[i].contains(told.gtrid) || (is_at(i, id) && !not_committed)) continue;
        findings.add(told.gtrid + " is proven committed at " + place(i) + ", transfer " + n(id) + as_told(id) +
                     (is_at(i, id) ? " is there" : " is not there"));
      }
    }
    findings.append_to(audit_.problems);
  }

  void check_purged() {
    Findings findings("not purged");
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      for (const auto& row : servers_[i].rows(proof_rows("gtrid, kind"))) {
        findings.add("the " + row[1] + " row of " + row[0] + " is still at " + place(i));
      }
    }
    findings.append_to(audit_.problems);
  }

  const Bank& bank_;
  const std::string coordinator_id_;
  const std::vector<std::string> contradictions_;
  std::map<std::uint64_t, Told> told_;
  std::vector<Sql> servers_;  ///< By place.
  std::vector<Seen> seen_;
  Audit audit_;
};

}  // namespace

Audit audit(const Bank& bank, const Record& record, const std::string& coordinator_id,
            std::chrono::milliseconds patience) {
  try {
    return Auditor(bank, record, coordinator_id).run(patience);
  } catch (const sql::SQLException& failure) {
    throw std::runtime_error(std::string("the audit cannot read a database: ") + failure.what());
  }
}

}  // namespace assent::testing
