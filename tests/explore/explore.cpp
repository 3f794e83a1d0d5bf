#include <chrono>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>

#include <boost/program_options.hpp>

#include "worlds.hpp"

namespace {

using namespace assent::explore;
namespace po = boost::program_options;

constexpr const char* kHelp =
    R"(Searches every way in which the rules of a commit protocol can run in a small world: crashes, lost, late and repeated
messages, and rivals who take the living for dead. Says how many states there are, and whether any of them is wrong.

  explore                             the quick set of worlds
  explore --large                     53 million states: ten minutes, and 2.5 GiB
  explore --without promise_test      takes a safeguard away, and tells the shortest way to what goes wrong then
  explore --protocol 3pc --branches 3 --acceptors 3 --rivals 2

Exit status: 0 as expected (nothing wrong; with --without, something), 1 not so, 2 the command line, 3 the bound on states was reached.

)";

struct Setup {
  std::size_t states_max = 0;
  bool expects_violation = false;
};

std::string grouped(std::size_t number) {
  std::string digits = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<std::size_t>(at), ",");
  }
  return digits;
}

/// The exit status.
int explore(const World& world, const Setup& setup, std::size_t& states) {
  const auto began = std::chrono::steady_clock::now();
  const auto found = search(world, setup.states_max, [&](std::size_t so_far) {
    std::cerr << world.name() << ": " << grouped(so_far) << " states so far\n";
  });
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  states += found.states;
  std::printf("%s: %s states, %s steps, at most %u deep, %.1f s: ", world.name().c_str(), grouped(found.states).c_str(),
              grouped(found.steps).c_str(), found.depth, took.count());
  if (!found.violation) {
    std::puts(found.complete ? "no violation" : "stopped at the bound on states, no violation so far");
    return !found.complete ? 3 : setup.expects_violation ? 1 : 0;
  }
  std::printf("%s\n", found.violation->c_str());
  for (std::size_t i = 0; i < found.trace.size(); ++i) {
    std::printf("  %2zu. %s\n", i + 1, world.tell(found.trace[i].before, found.trace[i].action).c_str());
  }
  return setup.expects_violation ? 0 : 1;
}

Worlds without(const std::string& name, const Sizes& sizes) {
  Worlds worlds;
  std::string all;
  for (const auto& one : safeguards()) {
    if (one.name == name) worlds.push_back(make_world(one.family, sizes, one.safeguard));
    all += " " + std::string(one.name);
  }
  if (worlds.empty()) throw po::error("no safeguard is called '" + name + "'; there are:" + all);
  return worlds;
}

int run(int argc, char** argv) {
  Sizes sizes;
  Setup setup;
  std::string protocol;
  po::options_description options("Options");
  // clang-format off
  options.add_options()
    ("help,h", "this text")
    ("large", "the large set")
    ("without", po::value<std::string>()->value_name("SAFEGUARD"), "take this safeguard away")
    ("protocol", po::value(&protocol)->value_name("NAME"), "one world of 2pc or 3pc, of the size that these tell:")
    ("branches", po::value<std::size_t>()->value_name("N"), "1 to 4; 2 in 2pc and 3 in 3pc unless given")
    ("crashes", po::value(&sizes.two.crashes)->value_name("N"), "2pc: of the coordinator, 0 to 3; 2 unless given")
    ("acceptors", po::value(&sizes.three.acceptors)->value_name("N"), "3pc: 1 to 4; 3 unless given")
    ("rivals", po::value(&sizes.three.rivals)->value_name("N"), "3pc: 0 to 3, beside the coordinator; 2 unless given")
    ("processes", po::value(&sizes.log.processes)->value_name("N"), "log: 1 to 4; 2 unless given")
    ("hands", po::value(&sizes.log.hands)->value_name("N"), "log: copies and losses, 0 to 3; 1 unless given")
    ("log-lost", po::value(&sizes.log.log_lost)->value_name("0|1"), "log: whether an operator may say so; 1 unless given")
    ("states-max", po::value(&setup.states_max)->default_value(60'000'000)->value_name("N"), "the bound on states, 40 to 100 bytes each");
  // clang-format on
  po::variables_map given;
  po::store(po::command_line_parser(argc, argv).options(options).positional({}).run(), given);
  po::notify(given);
  if (given.count("help") > 0) {
    std::cout << kHelp << options;
    return 0;
  }
  if (given.count("branches") > 0) sizes.two.branches = sizes.three.branches = given["branches"].as<std::size_t>();
  if (sizes.two.branches < 1 || sizes.two.branches > 4 || sizes.three.acceptors < 1 || sizes.three.acceptors > 4 ||
      sizes.three.rivals > 3 || sizes.two.crashes > 3) {
    throw po::error("a world has 1 to 4 branches, 1 to 4 acceptors, at most 3 rivals and at most 3 crashes");
  }
  if (!protocol.empty() && protocol != "2pc" && protocol != "3pc" && protocol != "log")
    throw po::error("the protocol is 2pc or 3pc");
  const bool sized = given.count("branches") + given.count("crashes") + given.count("acceptors") +
                     given.count("rivals") + given.count("processes") + given.count("hands") + given.count("log-lost");
  if (sized && protocol.empty() && given.count("without") == 0) throw po::error("a size needs --protocol or --without");
  Worlds worlds;
  if (given.count("without") > 0) {
    worlds = without(given["without"].as<std::string>(), sizes);
    setup.expects_violation = true;
  } else if (protocol == "2pc") {
    worlds.push_back(make_world(Family::two_phase, sizes));
  } else if (protocol == "3pc") {
    worlds.push_back(make_world(Family::three_phase, sizes));
  } else if (protocol == "log") {
    worlds.push_back(make_world(Family::log, sizes));
  } else {
    worlds = given.count("large") > 0 ? large_worlds() : quick_worlds();
  }
  int status = 0;
  std::size_t states = 0;
  for (const auto& world : worlds) {
    if (const int found = explore(*world, setup, states); status == 0) status = found;
  }
  std::printf("%s states in all\n", grouped(states).c_str());
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const po::error& wrong) {
    std::cerr << "explore: " << wrong.what() << "; see --help\n";
    return 2;
  } catch (const std::exception& failed) {
    std::cerr << "explore: " << failed.what() << "\n";
    return 1;
  }
}
