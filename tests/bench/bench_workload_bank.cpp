#include "bench/bench_workload_bank.hpp"

#include <algorithm>
#include <numeric>

#include "base/check.hpp"

namespace assent::bench {
namespace {

constexpr std::int64_t kAmountMax = 100;
constexpr unsigned kReadsPerBranch = 5;
constexpr unsigned kOneTransferIn = 10;
constexpr unsigned kHotAccounts = 8;
constexpr unsigned kRowsPerInsert = 1000;

}  // namespace

BankWorkload::BankWorkload(Kind kind, Options options)
    : kind_(kind), options_(std::move(options)), random_(options_.seed) {
  ASSENT_CHECK(options_.touched <= options_.databases.size() && options_.accounts > 0);
  for (unsigned i = 0; i < options_.databases.size(); ++i) {
    changes_.emplace_back("UPDATE " + table(i) + " SET balance = balance + ? WHERE id = ?");
    reads_.emplace_back("SELECT balance FROM " + table(i) + " WHERE id = ?");
  }
  chosen_.resize(options_.databases.size());
  std::iota(chosen_.begin(), chosen_.end(), 0U);
}

void BankWorkload::next(Transaction& into) {
  into.clear();
  choose_participants();
  if (kind_ == Kind::deposit) return deposit(into);
  if (kind_ == Kind::read_mostly && random_() % kOneTransferIn != 0) return read(into);
  transfer(into);
}

// The first `touched` of chosen_, in random order.
void BankWorkload::choose_participants() {
  for (unsigned i = 0; i < options_.touched; ++i) {
    std::swap(chosen_[i], chosen_[i + random_() % (chosen_.size() - i)]);
  }
}

std::int64_t BankWorkload::account(bool pays) {
  const auto among = pays && kind_ == Kind::hot ? std::min(kHotAccounts, options_.accounts) : options_.accounts;
  return 1 + static_cast<std::int64_t>(random_() % among);
}

// The first pays, and the others receive as much together.
void BankWorkload::transfer(Transaction& into) {
  const auto others = static_cast<std::int64_t>(options_.touched) - 1;
  const auto amount = 1 + static_cast<std::int64_t>(random_() % kAmountMax);
  for (unsigned i = 0; i < options_.touched; ++i) {
    auto& branch = into.add_branch(chosen_[i]);
    accounts_.clear();
    for (unsigned k = 0; k < options_.statements; ++k) accounts_.push_back(account(i == 0));
    // In one order everywhere, so that the branches of one server do not deadlock among themselves.
    std::sort(accounts_.begin(), accounts_.end());
    for (const auto id : accounts_)
      branch.statements.push_back({&changes_[chosen_[i]], {i == 0 ? -amount * others : amount, id}});
  }
}

void BankWorkload::read(Transaction& into) {
  for (unsigned i = 0; i < options_.touched; ++i) {
    auto& branch = into.add_branch(chosen_[i]);
    for (unsigned k = 0; k < kReadsPerBranch; ++k) branch.statements.push_back({&reads_[chosen_[i]], {account(false)}});
  }
}

void BankWorkload::deposit(Transaction& into) {
  auto& branch = into.add_branch(chosen_[0]);
  accounts_.clear();
  for (unsigned k = 0; k < options_.statements; ++k) accounts_.push_back(account(false));
  std::sort(accounts_.begin(), accounts_.end());
  for (const auto id : accounts_) branch.statements.push_back({&changes_[chosen_[0]], {1, id}});
}

void BankWorkload::ended(const Transaction& transaction, Outcome outcome, std::uint64_t committed) {
  // A whole transfer makes nothing.
  const bool counts = outcome == Outcome::torn || (kind_ == Kind::deposit && outcome != Outcome::rolled_back);
  if (!counts || outcome == Outcome::refused) return;
  auto& into = outcome == Outcome::unknown ? perhaps_made_ : made_;
  for (std::size_t i = 0; i < transaction.used; ++i) {
    if (outcome != Outcome::unknown && (committed >> i & 1) == 0) continue;
    for (const auto& statement : transaction.branches[i].statements) {
      if (statement.shape == &changes_[transaction.branches[i].participant]) into += statement.args[0];
    }
  }
}

std::vector<std::string> BankWorkload::make_tables(unsigned participant) const {
  std::vector<std::string> made = {"CREATE TABLE " + table(participant) +
                                   " (id INT NOT NULL PRIMARY KEY, balance BIGINT NOT NULL) ENGINE=InnoDB"};
  for (unsigned first = 1; first <= options_.accounts; first += kRowsPerInsert) {
    std::string insert = "INSERT INTO " + table(participant) + " VALUES ";
    const auto last = std::min(first + kRowsPerInsert - 1, options_.accounts);
    for (unsigned id = first; id <= last; ++id) {
      insert += (id == first ? "(" : ",(") + std::to_string(id) + "," + std::to_string(kOpening) + ")";
    }
    made.push_back(std::move(insert));
  }
  return made;
}

std::vector<SumCheck> BankWorkload::check(const Ask& ask) const {
  std::int64_t total = 0;
  for (unsigned i = 0; i < options_.databases.size(); ++i) total += ask(i, "SELECT SUM(balance) FROM " + table(i));
  const auto opening = static_cast<std::int64_t>(options_.databases.size()) * options_.accounts * kOpening;
  return {check_sum("total of all accounts", opening + made_, total, perhaps_made_)};
}

std::string BankWorkload::spoil() const {
  return "UPDATE " + table(0) + " SET balance = balance - 1 WHERE id = 1";
}

}  // namespace assent::bench
