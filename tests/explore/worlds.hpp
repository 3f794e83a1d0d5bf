#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "log_world.hpp"
#include "safeguards.hpp"
#include "search.hpp"
#include "three_phase_world.hpp"
#include "two_phase_world.hpp"

namespace assent::explore {

struct Sizes {
  TwoPhaseSize two;
  TwoPhaseSize tampering{.hands = 1, .comebacks = 1};
  ThreePhaseSize three;
  ThreePhaseSize trouble{.branches = 2, .rivals = 1};  ///< Of three phases with more that goes wrong.
  LogSize log;
};

std::unique_ptr<World> make_world(Family family, const Sizes& sizes, Safeguard without = Safeguard::none);

using Worlds = std::vector<std::unique_ptr<World>>;

/// Seconds.
Worlds quick_worlds();
/// Minutes.
Worlds large_worlds();

}  // namespace assent::explore
