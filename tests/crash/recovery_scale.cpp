// How long the recovery tool takes over many branches in doubt, on servers of its own: a program, since it measures.

#include <chrono>
#include <cstdio>
#include <iostream>
#include <map>
#include <thread>

#include <boost/program_options.hpp>
#include <nlohmann/json.hpp>

#include "protocol/xid.hpp"
#include "support/bank.hpp"
#include "support/daemon.hpp"
#include "support/servers.hpp"

namespace assent::testing {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kPlaces = 4;
constexpr const char* kDatabase = "many";
constexpr const char* kNames[kPlaces] = {"north", "east", "south", "west"};
constexpr int kPreparersPerPlace = 4;

double seconds_since(Clock::time_point begun) {
  return std::chrono::duration<double>(Clock::now() - begun).count();
}

/// One branch of the transaction `number` at a place; transactions touch two places next to each other.
void prepare(const Bank::Place& place, int number, int branch, const std::string& members) {
  const auto gtrid = protocol::format_gtrid(
      {kDatabase, 1, (std::uint64_t{1} << 40) + static_cast<std::uint64_t>(number), 7, Protocol::two_phase});
  const auto xid = protocol::xid_literal(
      {gtrid, protocol::format_bqual({static_cast<std::uint16_t>(branch), 2, place.participant})});
  Sql hand(place.server, kDatabase);
  hand.run("XA START " + xid);
  hand.run("INSERT INTO assent.proof(gtrid,branch,kind,participants,protocol) VALUES ('" + gtrid + "'," +
           std::to_string(branch) + ",'proof','" + members + "',2)");
  hand.run("UPDATE accounts SET balance=balance+1 WHERE id=" + std::to_string(number + 1));
  hand.run("XA END " + xid);
  hand.run("XA PREPARE " + xid);
}

void prepare_all(const std::vector<Bank::Place>& places, int transactions) {
  std::vector<std::thread> threads;
  for (int place = 0; place < kPlaces; ++place) {
    for (int part = 0; part < kPreparersPerPlace; ++part) {
      threads.emplace_back([&, place, part] {
        for (int number = part; number < transactions; number += kPreparersPerPlace) {
          const int first = number % kPlaces;
          const int second = (number + 1) % kPlaces;
          const auto members = std::string(kNames[first]) + "," + kNames[second];
          if (place == first) prepare(places[static_cast<std::size_t>(place)], number, 1, members);
          if (place == second) prepare(places[static_cast<std::size_t>(place)], number, 2, members);
        }
      });
    }
  }
  for (auto& thread : threads) thread.join();
}

struct Ran {
  int code = -1;
  double seconds = 0;
  std::string output;
};

Ran recover(const Daemon& daemon, std::vector<std::string> more, const std::string& output) {
  more.insert(more.begin(), {"recover", "--config", daemon.config_path(), "--json", "--timeout-ms", "600000"});
  const auto begun = Clock::now();
  Program tool("assentctl", more, output);
  Ran ran;
  ran.code = tool.wait(std::chrono::minutes(11));
  ran.seconds = seconds_since(begun);
  ran.output = tool.output();
  return ran;
}

int run(int branches) {
  auto& servers = Servers::start(2, 2);
  std::vector<Bank::Place> places;
  for (int i = 0; i < kPlaces; ++i) {
    const char* server[kPlaces] = {"mariadb1", "mysql1", "mariadb2", "mysql2"};
    places.push_back({kNames[i], servers.at(server[i])});
  }
  const int transactions = branches / 2;
  const Bank bank({.database = kDatabase, .places = places, .accounts = transactions, .opening = 0});
  Daemon daemon({.coordinator_id = kDatabase, .participants = bank.participants(), .more_json = ""});
  daemon.start();
  daemon.wait_up();
  daemon.kill_9();
  auto begun = Clock::now();
  prepare_all(places, transactions);
  std::printf("prepared %d branches over %d servers in %.1f s\n", 2 * transactions, kPlaces, seconds_since(begun));
  const TempFolder folder;
  const auto listed = recover(daemon, {}, folder.path() + "/listed");
  std::map<std::string, int> verdicts;
  const auto parsed = nlohmann::json::parse(listed.output);
  for (const auto& branch : parsed.at("branches")) ++verdicts[branch["verdict"]];
  std::printf("listed in %.2f s, exit code %d:", listed.seconds, listed.code);
  for (const auto& [verdict, count] : verdicts) std::printf(" %d %s", count, verdict.c_str());
  std::printf("\n");
  const auto settled = recover(daemon, {"--apply"}, folder.path() + "/settled");
  std::printf("settled in %.2f s, exit code %d\n%s", settled.seconds, settled.code,
              settled.output.substr(0, settled.output.find('{')).c_str());
  std::size_t left = 0;
  for (const auto& place : places) left += Sql(place.server).rows("XA RECOVER").size();
  std::printf("left in doubt: %zu\n", left);
  return verdicts["will_roll_back"] == 2 * transactions && settled.code == 0 && left == 0 ? 0 : 1;
}

}  // namespace
}  // namespace assent::testing

int main(int argc, char** argv) {
  namespace po = boost::program_options;
  po::options_description options(
      "Prepares many branches on two MariaDB and two MySQL servers of its own, and lets the "
      "recovery tool list and settle them.\n\nExit codes: 0 all were listed and settled, 1 not, "
      "64 wrong usage.\n\nExample:\n  recovery_scale --branches 10000\n\nOptions");
  options.add_options()("branches", po::value<int>()->value_name("N")->default_value(10'000), "branches in doubt")(
      "help,h", "show this help");
  po::variables_map given;
  try {
    po::store(po::parse_command_line(argc, argv, options), given);
    po::notify(given);
  } catch (const po::error& error) {
    std::cerr << "recovery_scale: " << error.what() << " (see --help)\n";
    return 64;
  }
  if (given.count("help") > 0) {
    std::cout << options;
    return 0;
  }
  return assent::testing::run(given["branches"].as<int>());
}
