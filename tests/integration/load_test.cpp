// 64 clients that transfer at once. How long: ASSENT_LOAD_SECONDS, 5 unless given.

#include <atomic>
#include <cstdio>
#include <random>
#include <thread>

#include "support/pair.hpp"

namespace assent::testing {
namespace {

constexpr int kClients = 64;

class LoadTest : public PairTest {};
ASSENT_FOR_EVERY_PAIR(LoadTest);

TEST_P(LoadTest, TheSumsHoldUnder64ClientsAndNothingIsLeftInDoubt) {
  const char* given = std::getenv("ASSENT_LOAD_SECONDS");
  const auto duration = std::chrono::seconds(given == nullptr ? 5 : std::stoi(given));
  daemon_.start();
  daemon_.wait_up();

  std::atomic<bool> stop{false};
  std::atomic<std::int64_t> committed{0};
  std::atomic<std::int64_t> rolled_back{0};
  std::atomic<std::int64_t> moved{0};
  std::atomic<std::int64_t> failed{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([&, i] {
      std::mt19937 random(static_cast<unsigned>(i));
      auto client = daemon_.client();
      while (!stop) {
        const int from = 1 + static_cast<int>(random() % kAccounts);
        const int to = 1 + static_cast<int>(random() % kAccounts);
        const auto amount = (random() % 2 == 0 ? 1 : -1) * static_cast<std::int64_t>(1 + random() % 5);
        const auto result = client.submit(transfer(from, to, amount));
        if (!result.ok()) {
          ++failed;
          std::fprintf(stderr, "client %d: %s\n", i, result.error().what.c_str());
          return;
        }
        if (result->outcome == Outcome::committed) {
          ++committed;
          moved += amount;
        } else if (result->outcome == Outcome::rolled_back) {
          ++rolled_back;
        } else {
          ++failed;
        }
      }
    });
  }
  const auto started = std::chrono::steady_clock::now();
  const double cpu_before = cpu_seconds(daemon_.pid());
  const double servers_before = cpu_seconds(east().pid) + cpu_seconds(west().pid);
  eventually([&] { return failed > 0; }, duration);
  const double cpu = cpu_seconds(daemon_.pid()) - cpu_before;
  const double servers_cpu = cpu_seconds(east().pid) + cpu_seconds(west().pid) - servers_before;
  const auto ended = committed + rolled_back;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  stop = true;
  for (auto& client : clients) client.join();

  EXPECT_EQ(failed, 0) << daemon_.output();
  EXPECT_GT(committed, 0);
  EXPECT_EQ(total(east()), kAccounts * kOpening - moved);
  EXPECT_EQ(total(west()), kAccounts * kOpening + moved);
  EXPECT_TRUE(eventually([&] { return in_doubt() == 0; }));

  const auto counters = daemon_.client().info()->counters;
  std::printf(
      "%s: %d clients, %.1f s: %.0f committed/s, %lld rolled back; CPU per transaction: assentd %.0f us, "
      "servers %.0f us; %.1f decisions shared a log sync\n",
      GetParam().c_str(), kClients, seconds, static_cast<double>(committed) / seconds,
      static_cast<long long>(rolled_back), cpu * 1e6 / static_cast<double>(ended),
      servers_cpu * 1e6 / static_cast<double>(ended),
      static_cast<double>(counters.at("log_forced_records")) / static_cast<double>(counters.at("log_syncs")));
  EXPECT_EQ(daemon_.terminate(), 0) << daemon_.output();
}

}  // namespace
}  // namespace assent::testing
