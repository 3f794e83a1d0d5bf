#include "bench/bench_workload_order.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace assent::bench {
namespace {

constexpr std::int64_t kQuantityMax = 5;
constexpr std::int64_t kPrice = 7;
constexpr unsigned kRowsPerInsert = 1000;

}  // namespace

OrderWorkload::OrderWorkload(Options options)
    : options_(std::move(options)),
      random_(options_.seed),
      order_("INSERT INTO " + options_.databases[kOrders] + ".orders (id, item, quantity) VALUES (?, ?, ?)"),
      take_("UPDATE " + options_.databases[kStock] +
                ".stock SET quantity = quantity - ? WHERE item = ? AND quantity >= ?",
            true),
      pay_("INSERT INTO " + options_.databases[kPayments] + ".payments (order_id, amount) VALUES (?, ?)") {
  ASSENT_CHECK(options_.databases.size() > kPayments);
}

void OrderWorkload::next(Transaction& into) {
  const auto item = 1 + static_cast<std::int64_t>(random_() % options_.accounts);
  const auto quantity = 1 + static_cast<std::int64_t>(random_() % kQuantityMax);
  const auto id = ++last_order_;
  into.clear();
  into.add_branch(kOrders).statements.push_back({&order_, {id, item, quantity}});
  into.add_branch(kStock).statements.push_back({&take_, {quantity, item, quantity}});
  into.add_branch(kPayments).statements.push_back({&pay_, {id, quantity * kPrice}});
}

void OrderWorkload::ended(const Transaction& transaction, Outcome outcome, std::uint64_t committed) {
  if (outcome != Outcome::torn) return;
  const auto quantity = transaction.branches[kStock].statements[0].args[0];
  const auto done = [committed](Participant which) { return static_cast<std::int64_t>(committed >> which & 1); };
  torn_orders_ += done(kOrders);
  torn_ordered_ += done(kOrders) * quantity;
  torn_taken_ += done(kStock) * quantity;
  torn_payments_ += done(kPayments);
}

std::vector<std::string> OrderWorkload::make_tables(unsigned participant) const {
  const auto& database = options_.databases[participant];
  if (participant == kOrders) {
    return {"CREATE TABLE " + database +
            ".orders (id BIGINT NOT NULL PRIMARY KEY, item INT NOT NULL, quantity INT NOT NULL) ENGINE=InnoDB"};
  }
  if (participant == kPayments) {
    return {"CREATE TABLE " + database +
            ".payments (order_id BIGINT NOT NULL PRIMARY KEY, amount BIGINT NOT NULL) ENGINE=InnoDB"};
  }
  if (participant != kStock) return {};
  std::vector<std::string> made = {"CREATE TABLE " + database +
                                   ".stock (item INT NOT NULL PRIMARY KEY, quantity BIGINT NOT NULL) ENGINE=InnoDB"};
  for (unsigned first = 1; first <= options_.accounts; first += kRowsPerInsert) {
    std::string insert = "INSERT INTO " + database + ".stock VALUES ";
    const auto last = std::min(first + kRowsPerInsert - 1, options_.accounts);
    for (unsigned item = first; item <= last; ++item) {
      insert += (item == first ? "(" : ",(") + std::to_string(item) + "," + std::to_string(kOpening) + ")";
    }
    made.push_back(std::move(insert));
  }
  return made;
}

std::vector<SumCheck> OrderWorkload::check(const Ask& ask) const {
  const auto& databases = options_.databases;
  const auto orders = ask(kOrders, "SELECT COUNT(*) FROM " + databases[kOrders] + ".orders") - torn_orders_;
  const auto ordered = ask(kOrders, "SELECT SUM(quantity) FROM " + databases[kOrders] + ".orders") - torn_ordered_;
  const auto left = ask(kStock, "SELECT SUM(quantity) FROM " + databases[kStock] + ".stock");
  const auto taken = static_cast<std::int64_t>(options_.accounts) * kOpening - left - torn_taken_;
  const auto payments = ask(kPayments, "SELECT COUNT(*) FROM " + databases[kPayments] + ".payments") - torn_payments_;
  return {check_sum("as many payments as orders", orders, payments),
          check_sum("stock taken is what was ordered", ordered, taken)};
}

std::string OrderWorkload::spoil() const {
  return "INSERT INTO " + options_.databases[kOrders] + ".orders VALUES (0, 1, 1)";
}

}  // namespace assent::bench
