#include "traffic.hpp"

#include <set>

namespace assent::testing {
namespace {

/// Between two connections that are ended, and between refused transactions.
constexpr timespec kPause{0, 15'000'000};

}  // namespace

Traffic::Traffic(const Bank& bank, std::function<std::uint16_t()> port, std::function<bool()> end_a_connection)
    : bank_(bank), port_(std::move(port)) {
  Sql(bank.places()[0].server, bank.database()).run("CREATE TABLE IF NOT EXISTS singles(id BIGINT PRIMARY KEY)");
  threads_.emplace_back([this] { run_singles(); });
  threads_.emplace_back([this] { run_refused(); });
  threads_.emplace_back([this, end = std::move(end_a_connection)] {
    while (!stop_) {
      // A server that is busy may turn it away.
      try {
        if (end()) ++ended_;
      } catch (const std::exception& turned_away) {
        std::fprintf(stderr, "no connection was ended: %s\n", turned_away.what());
      }
      ::nanosleep(&kPause, nullptr);
    }
  });
}

void Traffic::stop() {
  stop_ = true;
  for (auto& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

std::optional<Client> Traffic::connect() const {
  Client::Address address;
  address.port = port_();
  auto client = Client::connect(address);
  if (client.ok()) return std::move(client).value();
  ::nanosleep(&kPause, nullptr);
  return std::nullopt;
}

void Traffic::run_singles() {
  for (std::int64_t id = 1; !stop_;) {
    auto client = connect();
    while (client && !stop_) {
      Transaction single;
      // Every second one in two packets, since its expectation may fail after it ran.
      const auto expected = id % 2 == 0 ? std::optional(AffectedRange{1, 1}) : std::nullopt;
      single.branches.push_back({bank_.places()[0].participant, {{"INSERT INTO singles VALUES (?)", {id}, expected}}});
      const auto result = client->submit(single);
      if (!result.ok()) {
        const bool lost = result.error().code == Errc::io || result.error().code == Errc::timed_out;
        if (!lost) never_run_.insert(id);
        // Started again, the coordinator has another port.
        if (lost || result.error().code == Errc::unavailable) client.reset();
      } else {
        told_[id] = result->outcome;
      }
      ++id;
    }
  }
}

void Traffic::run_refused() {
  while (!stop_) {
    auto client = connect();
    while (client && !stop_) {
      Transaction refused = bank_.transfer(1, 1, 1, 0);
      refused.idempotency_key.clear();
      for (auto& branch : refused.branches) branch.statements = {Bank::change(1, 0)};
      refused.branches.back().statements.front().expect_affected = AffectedRange{7, 7};
      const auto result = client->submit(refused);
      if (!result.ok() && !result.error().retryable) client.reset();
      ::nanosleep(&kPause, nullptr);
    }
  }
}

std::vector<std::string> Traffic::problems() const {
  std::set<std::int64_t> there;
  for (const auto& row : Sql(bank_.places()[0].server, bank_.database()).rows("SELECT id FROM singles")) {
    there.insert(std::stoll(row[0]));
  }
  std::vector<std::string> problems;
  for (const auto& [id, outcome] : told_) {
    const bool is_there = there.contains(id);
    if (outcome == Outcome::unknown || is_there == (outcome == Outcome::committed)) continue;
    problems.push_back("single " + std::to_string(id) + " was told as " + to_string(outcome) + " and is " +
                       (is_there ? "there" : "not there"));
  }
  for (const auto id : never_run_) {
    if (there.contains(id)) problems.push_back("single " + std::to_string(id) + " was never run and is there");
  }
  return problems;
}

}  // namespace assent::testing
