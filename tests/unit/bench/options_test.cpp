#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "bench/bench_options.hpp"

namespace assent::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Result<Options> parse(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return parse_options(words);
}

std::string refused(const std::string& line) {
  const auto parsed = parse(line);
  EXPECT_FALSE(parsed.ok()) << line;
  return parsed.ok() ? "" : parsed.error().what;
}

TEST(OptionsTest, CompareHasSensibleDefaults) {
  const auto parsed = parse("compare");
  ASSERT_TRUE(parsed.ok()) << parsed.error().what;
  EXPECT_EQ(parsed->command, Options::Command::compare);
  EXPECT_THAT(parsed->modes,
              ElementsAre("raw-packet", "raw-statement", "local", "assent-no-proof", "assent", "assent-3pc"));
  EXPECT_EQ(parsed->run.workload, "transfer");
  EXPECT_EQ(parsed->run.servers, "mariadb");
  EXPECT_EQ(parsed->run.clients, 64U);
  EXPECT_EQ(parsed->run.connections, 8U);
  EXPECT_EQ(parsed->run.participants, 2U);
  EXPECT_EQ(parsed->run.server_count, 2U);
  EXPECT_EQ(parsed->run.pairs, 5U);
  EXPECT_EQ(parsed->run.open_loop_percent, 70);
}

TEST(OptionsTest, TheCommandOfTheTargetsIsTaken) {
  const auto parsed = parse("compare --servers mysql --clients 1 --pairs 5 --json");
  ASSERT_TRUE(parsed.ok()) << parsed.error().what;
  EXPECT_EQ(parsed->run.servers, "mysql");
  EXPECT_EQ(parsed->run.clients, 1U);
  EXPECT_EQ(parsed->run.connections, 1U);
  EXPECT_TRUE(parsed->json);
}

TEST(OptionsTest, ModesComeInTheOrderInWhichTheyAreShown) {
  EXPECT_THAT(parse("compare --modes assent,raw,local")->modes, ElementsAre("raw-packet", "local", "assent"));
  EXPECT_THAT(parse("run")->modes, ElementsAre("assent"));
  EXPECT_THAT(parse("run --mode raw")->modes, ElementsAre("raw-packet"));
  EXPECT_THAT(parse("idle --mode assent-3pc")->modes, ElementsAre("assent-3pc"));
  EXPECT_THAT(refused("compare --modes assent,rwa"), HasSubstr("'rwa'"));
  EXPECT_THAT(refused("run --mode assent,raw"), HasSubstr("one mode"));
}

TEST(OptionsTest, TheWorkloadSaysHowManyParticipants) {
  EXPECT_EQ(parse("run --workload order")->run.participants, 3U);
  EXPECT_EQ(parse("run --workload order")->run.touched, 3U);
  EXPECT_EQ(parse("run --workload single")->run.participants, 1U);
  EXPECT_EQ(parse("run --workload single")->run.server_count, 1U);
  EXPECT_EQ(parse("compare --participants 8")->run.touched, 2U);
  EXPECT_EQ(parse("compare --touched 5")->run.participants, 5U);
  EXPECT_THAT(refused("run --workload order --participants 2"), HasSubstr("--participants"));
  EXPECT_THAT(refused("run --participants 4 --touched 5"), HasSubstr("--touched"));
  EXPECT_THAT(refused("run --workload nothing"), HasSubstr("'nothing'"));
}

TEST(OptionsTest, WrongUsageIsNamed) {
  EXPECT_THAT(refused(""), HasSubstr("name a command"));
  EXPECT_THAT(refused("measure"), HasSubstr("'measure'"));
  EXPECT_THAT(refused("compare --frobnicate"), HasSubstr("frobnicate"));
  EXPECT_THAT(refused("compare --clients 0"), HasSubstr("--clients takes a number from 1"));
  EXPECT_THAT(refused("compare --clients many"), HasSubstr("many"));
  EXPECT_THAT(refused("compare --servers oracle"), HasSubstr("--servers takes"));
  EXPECT_THAT(refused("compare --server mysql://a:b@c --servers mysql"), HasSubstr("exclude each other"));
  EXPECT_THAT(refused("compare --transport pigeon"), HasSubstr("--transport takes"));
  EXPECT_THAT(refused("compare --coordinator localhost:7411"), HasSubstr("--coordinator goes with"));
  EXPECT_THAT(refused("compare --rate 100"), HasSubstr("--rate"));
  EXPECT_THAT(refused("compare --coordinator-config {nonsense"), HasSubstr("not JSON"));
  EXPECT_THAT(refused("run --workload order --touched 2"), HasSubstr("--touched"));
  EXPECT_THAT(refused("run --workload order --statements 2"), HasSubstr("--statements"));
  EXPECT_THAT(refused("sweep --workload order --axis participants"), HasSubstr("axis clients"));
  EXPECT_THAT(refused("idle --modes raw"), HasSubstr("idle takes"));
  EXPECT_THAT(refused("run --server mysql://nobody"), HasSubstr("names no user"));
  EXPECT_THAT(refused("run --server /nowhere/at/all.json"), HasSubstr("cannot be read"));
  EXPECT_THAT(refused("compare one two"), HasSubstr("positional"));
}

TEST(OptionsTest, ASweepHasPointsOfItsAxis) {
  const auto clients = parse("sweep");
  ASSERT_TRUE(clients.ok()) << clients.error().what;
  EXPECT_EQ(clients->axis, "clients");
  EXPECT_THAT(clients->values, ElementsAre(1U, 4U, 16U, 64U, 128U, 256U));
  EXPECT_EQ(clients->run.open_loop_percent, 0);
  EXPECT_EQ(at_point(*clients, 4).run.clients, 4U);
  EXPECT_EQ(at_point(*clients, 4).run.connections, 4U);
  EXPECT_EQ(at_point(*clients, 256).run.connections, 8U);
  EXPECT_EQ(at_point(*parse("sweep --connections 2"), 256).run.connections, 2U);
  const auto touched = parse("sweep --axis touched --values 2,8");
  ASSERT_TRUE(touched.ok()) << touched.error().what;
  EXPECT_EQ(at_point(*touched, 8).run.touched, 8U);
  EXPECT_EQ(at_point(*touched, 8).run.participants, 8U);
  EXPECT_EQ(at_point(*touched, 2).run.participants, 2U);
  EXPECT_THAT(refused("sweep --axis weather"), HasSubstr("--axis takes"));
  EXPECT_THAT(refused("sweep --values 1,x"), HasSubstr("--values takes"));
  EXPECT_THAT(refused("sweep --values 0"), HasSubstr("--values"));
  EXPECT_THAT(refused("sweep --axis participants --values 1"), HasSubstr("from 2"));
}

TEST(OptionsTest, HelpIsAlwaysGiven) {
  EXPECT_EQ(parse("--help")->command, Options::Command::help);
  EXPECT_EQ(parse("compare -h")->command, Options::Command::help);
  const auto text = help_text();
  for (const char* word : {"raw-packet", "transfer", "--servers", "Examples:", "Exit codes:"}) {
    EXPECT_THAT(text, HasSubstr(word));
  }
  EXPECT_EQ(text.find("spoil"), std::string::npos);
}

}  // namespace
}  // namespace assent::bench
