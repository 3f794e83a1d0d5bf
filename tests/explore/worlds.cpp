#include "worlds.hpp"

namespace assent::explore {

std::unique_ptr<World> make_world(Family family, const Sizes& sizes, Safeguard without) {
  auto trouble = sizes.trouble;
  trouble.forgets = family == Family::forgetting;
  trouble.hides = family == Family::hiding;
  trouble.late = family == Family::late;
  switch (family) {
    case Family::two_phase: return two_phase_world(sizes.two, without);
    case Family::tampering: return two_phase_world(sizes.tampering, without);
    case Family::three_phase: return three_phase_world(sizes.three, without);
    case Family::forgetting:
    case Family::hiding:
    case Family::late: return three_phase_world(trouble, without);
    case Family::log: return log_world(sizes.log, without);
  }
  return nullptr;
}

Worlds quick_worlds() {
  Worlds worlds;
  for (std::size_t branches = 1; branches <= 3; ++branches) worlds.push_back(two_phase_world({branches, 3}));
  worlds.push_back(two_phase_world({.crashes = 1, .hands = 1, .comebacks = 1}));
  for (const ThreePhaseSize size : {ThreePhaseSize{2, 2, 1},
                                    {2, 2, 2},
                                    {2, 3, 1},
                                    {3, 3, 1},
                                    {2, 3, 2},
                                    {.branches = 2, .rivals = 1, .forgets = true},
                                    {.branches = 2, .rivals = 1, .hides = true},
                                    {.branches = 2, .rivals = 1, .late = true}}) {
    worlds.push_back(three_phase_world(size));
  }
  worlds.push_back(log_world({.processes = 2, .hands = 1, .log_lost = false}));
  return worlds;
}

Worlds large_worlds() {
  Worlds worlds;
  worlds.push_back(two_phase_world({4, 3}));
  worlds.push_back(two_phase_world({.hands = 2, .comebacks = 1}));
  worlds.push_back(two_phase_world({.branches = 3, .hands = 1, .comebacks = 1}));
  worlds.push_back(three_phase_world({3, 3, 2}));
  worlds.push_back(three_phase_world({2, 3, 3}));
  worlds.push_back(three_phase_world({.branches = 2, .forgets = true}));
  worlds.push_back(three_phase_world({.branches = 2, .hides = true, .late = true}));
  worlds.push_back(log_world({.processes = 2, .hands = 2, .log_lost = true}));
  worlds.push_back(log_world({.processes = 3, .hands = 1, .log_lost = false}));
  return worlds;
}

}  // namespace assent::explore
