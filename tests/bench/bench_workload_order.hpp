#pragma once

#include "bench/bench_workload.hpp"

namespace assent::bench {

/// The busiest day in a shop: an order, its stock and its payment live in three databases.
class OrderWorkload final : public Workload {
 public:
  explicit OrderWorkload(Options options);

  void next(Transaction& into) override;
  void ended(const Transaction& transaction, Outcome outcome, std::uint64_t committed) override;
  std::vector<std::string> make_tables(unsigned participant) const override;
  std::vector<SumCheck> check(const Ask& ask) const override;
  std::string spoil() const override;

 private:
  enum Participant : unsigned { kOrders, kStock, kPayments };

  const Options options_;
  std::mt19937_64 random_;
  const Shape order_;
  const Shape take_;
  const Shape pay_;
  std::int64_t last_order_ = 0;
  // What torn transactions left, by what has committed of them.
  std::int64_t torn_orders_ = 0;
  std::int64_t torn_ordered_ = 0;
  std::int64_t torn_taken_ = 0;
  std::int64_t torn_payments_ = 0;
};

}  // namespace assent::bench
