#include <chrono>
#include <cstdio>
#include <exception>
#include <initializer_list>
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
  explore --large                     the larger worlds: many minutes of one core, and some GiB
  explore --without promise_test      takes a safeguard away, and tells the shortest way to what goes wrong then
  explore --world 3pc --branches 3 --acceptors 3 --rivals 2
  explore --world log --processes 3 --hands 1

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

/// Of each kind of world, as far as the command line says.
void resize(Sizes& sizes, const po::variables_map& given) {
  const auto set = [&](const char* option, std::size_t most, std::initializer_list<std::size_t*> where) {
    if (given.count(option) == 0) return;
    const auto value = given[option].as<std::size_t>();
    if (value > most) throw po::error("a world is at most as large as --help says");
    for (auto* size : where) *size = value;
  };
  set("branches", 4, {&sizes.two.branches, &sizes.tampering.branches, &sizes.three.branches, &sizes.trouble.branches});
  set("crashes", 3, {&sizes.two.crashes, &sizes.tampering.crashes});
  set("acceptors", 4, {&sizes.three.acceptors, &sizes.trouble.acceptors});
  set("rivals", 3, {&sizes.three.rivals, &sizes.trouble.rivals});
  set("processes", 4, {&sizes.log.processes});
  set("hands", 3, {&sizes.tampering.hands, &sizes.log.hands});
  if (given.count("log-lost") > 0) sizes.log.log_lost = given["log-lost"].as<bool>();
  if (sizes.two.branches < 1 || sizes.three.acceptors < 1 || sizes.log.processes < 1) {
    throw po::error("a world has branches, acceptors and processes");
  }
}

Worlds one(const std::string& name, const Sizes& sizes) {
  Worlds worlds;
  std::string all;
  for (const auto& family : families()) {
    if (family.name == name) worlds.push_back(make_world(family.family, sizes));
    all += " " + std::string(family.name);
  }
  if (worlds.empty()) throw po::error("no world is called '" + name + "'; there are:" + all);
  return worlds;
}

int run(int argc, char** argv) {
  Setup setup;
  po::options_description options("Options");
  // clang-format off
  options.add_options()
    ("help,h", "this text")
    ("large", "the large set")
    ("without", po::value<std::string>()->value_name("SAFEGUARD"), "take this safeguard away")
    ("world", po::value<std::string>()->value_name("NAME"), "one world alone: 2pc, tampering (2pc, and somebody's hand), 3pc, forgetting (3pc, and an acceptor that forgets), hiding (3pc, and branches that hide or come back), late (3pc, and late packets), or log; of the size that these tell:")
    ("branches", po::value<std::size_t>()->value_name("N"), "1 to 4; 2 unless given, in 3pc 3")
    ("crashes", po::value<std::size_t>()->value_name("N"), "2pc: of the coordinator, 0 to 3; 2 unless given")
    ("acceptors", po::value<std::size_t>()->value_name("N"), "3pc: 1 to 4; 3 unless given")
    ("rivals", po::value<std::size_t>()->value_name("N"), "3pc: beside the coordinator, 0 to 3; 2 unless given, in trouble 1")
    ("processes", po::value<std::size_t>()->value_name("N"), "log: 1 to 4; 2 unless given")
    ("hands", po::value<std::size_t>()->value_name("N"), "tampering: branches settled by hand; log: copies and losses; 0 to 3; 1 unless given")
    ("log-lost", po::value<bool>()->value_name("0|1"), "log: whether an operator may say so; 1 unless given")
    ("states-max", po::value(&setup.states_max)->default_value(60'000'000)->value_name("N"), "the bound on states, 40 to 48 bytes each");
  // clang-format on
  po::variables_map given;
  po::store(po::command_line_parser(argc, argv).options(options).positional({}).run(), given);
  po::notify(given);
  if (given.count("help") > 0) {
    std::cout << kHelp << options;
    return 0;
  }
  Sizes sizes;
  resize(sizes, given);
  Worlds worlds;
  if (given.count("without") > 0) {
    worlds = without(given["without"].as<std::string>(), sizes);
    setup.expects_violation = true;
  } else if (given.count("world") > 0) {
    worlds = one(given["world"].as<std::string>(), sizes);
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
