#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/bench_results.hpp"

namespace assent::bench {
namespace {

using Json = nlohmann::ordered_json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Replaces every default in `json` by a value that is not one, each a different number.
void make_unlike_defaults(Json& json, int& next) {
  for (auto& [key, value] : json.items()) {
    if (value.is_object() || value.is_array()) {
      make_unlike_defaults(value, next);
    } else if (value.is_boolean()) {
      value = !value.get<bool>();
    } else if (value.is_string()) {
      value = "text " + std::to_string(++next);
    } else {
      value = ++next;
    }
  }
}

/// Every member of every struct, and in every list an element.
Json full_comparison() {
  Comparison comparison;
  comparison.servers.emplace_back();
  comparison.modes.emplace_back().rounds.emplace_back();
  comparison.open_loop.modes.emplace_back();
  comparison.sums.checks.emplace_back();
  comparison.targets.emplace_back();
  auto json = to_json(comparison);
  int next = 0;
  make_unlike_defaults(json, next);
  return json;
}

TEST(ResultsTest, EveryMemberComesBackFromJson) {
  const auto json = full_comparison();
  const auto read = comparison_from_json(json);
  ASSERT_TRUE(read.ok()) << read.error().what;
  EXPECT_EQ(to_json(*read), json);
}

TEST(ResultsTest, ASweepComesBackWithItsPoints) {
  Json json{{"axis", "statements"}, {"points", {full_comparison(), full_comparison()}}, {"targets", Json::array()}};
  const auto read = sweep_from_json(json);
  ASSERT_TRUE(read.ok()) << read.error().what;
  EXPECT_EQ(read->points.size(), 2U);
  EXPECT_EQ(to_json(*read), json);
}

TEST(ResultsTest, TheNamesThatOthersReadAreThere) {
  Comparison comparison;
  comparison.modes.emplace_back().mode = "assent";
  comparison.modes[0].tx_per_s = {4000, 3900, 4100};
  comparison.modes[0].ratio_to_raw = {0.8, 0.7, 0.9};
  comparison.modes[0].latency.p99_ms = 12;
  comparison.modes[0].coordinator_cpu_us_per_tx = 70;
  comparison.modes[0].log_syncs_per_tx = 0.1;
  const auto mode = to_json(comparison).at("modes").at(0);
  EXPECT_EQ(mode.at("mode"), "assent");
  EXPECT_EQ(mode.at("tx_per_s"), 4000);
  EXPECT_EQ(mode.at("tx_per_s_min"), 3900);
  EXPECT_EQ(mode.at("tx_per_s_max"), 4100);
  EXPECT_EQ(mode.at("ratio_to_raw"), 0.8);
  EXPECT_EQ(mode.at("ratio_min"), 0.7);
  EXPECT_EQ(mode.at("ratio_max"), 0.9);
  EXPECT_EQ(mode.at("p99_ms"), 12);
  EXPECT_EQ(mode.at("coordinator_cpu_us_per_tx"), 70);
  EXPECT_EQ(mode.at("log_syncs_per_tx"), 0.1);
}

TEST(ResultsTest, AModeHasExactlyTheseMembers) {
  Comparison comparison;
  comparison.modes.emplace_back();
  std::vector<std::string> names;
  const auto json = to_json(comparison);
  for (const auto& [name, value] : json.at("modes").at(0).items()) names.push_back(name);
  EXPECT_THAT(names,
              ElementsAre("mode", "tx_per_s", "tx_per_s_min", "tx_per_s_max", "ratio_to_raw", "ratio_min", "ratio_max",
                          "p50_ms", "p95_ms", "p99_ms", "p999_ms", "max_ms", "coordinator_cpu_us_per_tx",
                          "client_cpu_us_per_tx", "server_cpu_us_per_tx", "log_syncs_per_tx", "server_syncs_per_tx",
                          "coordinator_rss_mib", "coordinator_rss_peak_mib", "committed", "rolled_back", "refused",
                          "unknown", "torn", "rounds"));
}

TEST(ResultsTest, UnknownMembersAreIgnoredAndMissingOnesKeepTheirDefault) {
  const auto read = comparison_from_json(Json{{"version", "9"}, {"from_the_future", 1}});
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->version, "9");
  EXPECT_EQ(read->options.clients, RunOptions().clients);
}

TEST(ResultsTest, AWrongTypeIsNamedByItsPath) {
  const auto read = comparison_from_json(Json{{"modes", {{{"tx_per_s", "fast"}}}}});
  ASSERT_FALSE(read.ok());
  EXPECT_THAT(read.error().what, HasSubstr("modes: tx_per_s: "));
  EXPECT_FALSE(comparison_from_json(Json{{"modes", 1}}).ok());
  EXPECT_FALSE(comparison_from_json(Json{{"machine", 1}}).ok());
  EXPECT_FALSE(comparison_from_json(Json::array()).ok());
}

}  // namespace
}  // namespace assent::bench
