#include <gtest/gtest.h>

#include "bench/bench_targets.hpp"

namespace assent::bench {
namespace {

Comparison measured(const std::string& kind, unsigned clients, double no_proof, double with_proof,
                    double three_phases = 1) {
  Comparison comparison;
  comparison.options.clients = clients;
  comparison.servers = {{"a", kind, "1"}, {"b", kind, "1"}};
  comparison.raw_mode = "raw-packet";
  for (const auto& [name, ratio] : {std::pair("raw-packet", 1.0), std::pair("assent-no-proof", no_proof),
                                    std::pair("assent", with_proof), std::pair("assent-3pc", three_phases)}) {
    auto& mode = comparison.modes.emplace_back();
    mode.mode = name;
    mode.ratio_to_raw.median = ratio;
    mode.tx_per_s.median = 1000 * ratio;
    if (std::string(name) == "raw-packet") continue;
    mode.coordinator_cpu_us_per_tx = 80;
    mode.log_syncs_per_tx = 0.51;
  }
  return comparison;
}

/// Null when there is none.
const Target* find(const std::vector<Target>& targets, const std::string& name) {
  for (const auto& target : targets) {
    if (target.name.starts_with(name)) return &target;
  }
  return nullptr;
}

TEST(TargetsTest, BoundsThemselvesHold) {
  EXPECT_TRUE(at_least("a", 2, 2).held);
  EXPECT_FALSE(at_least("a", 2, 1.99).held);
  EXPECT_TRUE(at_most("a", 2, 2).held);
  EXPECT_FALSE(at_most("a", 2, 2.01).held);
}

TEST(TargetsTest, RatiosAreThoseOfTheServersAndClients) {
  const auto mariadb = targets_of(measured("mariadb", 64, 0.85, 0.74));
  ASSERT_NE(find(mariadb, "assent-no-proof: throughput"), nullptr);
  EXPECT_TRUE(find(mariadb, "assent-no-proof: throughput")->held);
  ASSERT_NE(find(mariadb, "assent: throughput"), nullptr);
  EXPECT_EQ(find(mariadb, "assent: throughput")->target, 0.75);
  EXPECT_FALSE(find(mariadb, "assent: throughput")->held);
  const auto mysql = targets_of(measured("mysql", 64, 0.85, 0.85));
  EXPECT_FALSE(find(mysql, "assent-no-proof: throughput")->held);
  EXPECT_TRUE(find(mysql, "assent: throughput")->held);
  EXPECT_EQ(find(targets_of(measured("mariadb", 1, 0.7, 0.7)), "assent-no-proof: throughput")->target, 0.70);
  EXPECT_EQ(find(targets_of(measured("mysql", 1, 0.7, 0.7)), "assent-no-proof: throughput")->target, 0.85);
  EXPECT_EQ(find(targets_of(measured("mariadb", 16, 0.7, 0.7)), "assent-no-proof: throughput"), nullptr);
}

TEST(TargetsTest, ThreePhasesHaveRatiosOfTheirOwn) {
  const auto mariadb = targets_of(measured("mariadb", 64, 1, 1, 0.54));
  ASSERT_NE(find(mariadb, "assent-3pc: throughput"), nullptr);
  EXPECT_EQ(find(mariadb, "assent-3pc: throughput")->target, 0.55);
  EXPECT_FALSE(find(mariadb, "assent-3pc: throughput")->held);
  EXPECT_TRUE(find(targets_of(measured("mysql", 64, 1, 1, 0.65)), "assent-3pc: throughput")->held);
  EXPECT_EQ(find(targets_of(measured("mysql", 1, 1, 1, 1)), "assent-3pc: throughput"), nullptr);
}

TEST(TargetsTest, CpuAndSyncsAreHeldAgainstTheirBounds) {
  const auto targets = targets_of(measured("mariadb", 64, 1, 1));
  EXPECT_TRUE(find(targets, "assent: microseconds")->held);
  EXPECT_FALSE(find(targets, "assent: log syncs")->held);
  EXPECT_EQ(find(targets_of(measured("mariadb", 1, 1, 1)), "assent: log syncs"), nullptr) << "nobody to share one with";
}

TEST(TargetsTest, OpenLoopIsHeldAgainstTheBareClientsLatency) {
  auto comparison = measured("mariadb", 64, 1, 1);
  comparison.open_loop.modes.push_back({"raw-packet", 100, true, 1, 2, 3, 1});
  comparison.open_loop.modes.push_back({"assent", 100, true, 1, 3, 3, 1.5});
  const auto targets = targets_of(comparison);
  ASSERT_NE(find(targets, "assent: p99"), nullptr);
  EXPECT_FALSE(find(targets, "assent: p99")->held);
  EXPECT_EQ(find(targets, "raw-packet: p99"), nullptr);
}

TEST(TargetsTest, OtherWorkloadsHaveNone) {
  auto comparison = measured("mariadb", 64, 1, 1);
  comparison.options.workload = "order";
  EXPECT_TRUE(targets_of(comparison).empty());
}

TEST(TargetsTest, ASweepHoldsItsPointsAgainstEachOther) {
  Sweep clients{
      .axis = "clients", .points = {measured("mariadb", 64, 1, 1), measured("mariadb", 256, 1, 0.84)}, .targets = {}};
  ASSERT_EQ(targets_of(clients).size(), 1U);
  EXPECT_NEAR(targets_of(clients)[0].measured, 0.84, 1e-9);
  EXPECT_FALSE(targets_of(clients)[0].held);
  Sweep participants{.axis = "participants",
                     .points = {measured("mariadb", 64, 1, 0.8), measured("mariadb", 64, 1, 0.8)},
                     .targets = {}};
  participants.points[0].options.participants = 2;
  participants.points[1].options.participants = 8;
  ASSERT_EQ(targets_of(participants).size(), 1U);
  EXPECT_TRUE(targets_of(participants)[0].held);
  participants.points.pop_back();
  EXPECT_TRUE(targets_of(participants).empty());
}

}  // namespace
}  // namespace assent::bench
