#pragma once

#include "bench/bench_workload.hpp"

namespace assent::bench {

/// Accounts at every participant; what is paid at one is received at others, so that the total of all never changes.
class BankWorkload final : public Workload {
 public:
  enum class Kind : std::uint8_t {
    transfer,
    hot,  ///< A transfer that one of the first few accounts pays.
    read_mostly,
    deposit,  ///< At one participant: what was given is counted here.
  };

  BankWorkload(Kind kind, Options options);

  void next(Transaction& into) override;
  void ended(const Transaction& transaction, Outcome outcome, std::uint64_t committed) override;
  std::vector<std::string> make_tables(unsigned participant) const override;
  std::vector<SumCheck> check(const Ask& ask) const override;
  std::string spoil() const override;

 private:
  void transfer(Transaction& into);
  void read(Transaction& into);
  void deposit(Transaction& into);
  void choose_participants();
  std::int64_t account(bool pays);
  std::string table(unsigned participant) const { return options_.databases[participant] + ".accounts"; }

  const Kind kind_;
  const Options options_;
  std::mt19937_64 random_;
  std::vector<Shape> changes_;  ///< By participant.
  std::vector<Shape> reads_;
  std::vector<unsigned> chosen_;  ///< Participants of the transaction being made.
  std::vector<std::int64_t> accounts_;
  // Money that was not there at the beginning.
  std::int64_t made_ = 0;
  std::int64_t perhaps_made_ = 0;
};

}  // namespace assent::bench
