#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace assent::explore {

/// A state of a world, whole, in 192 bits: two that are equal are the same state, without a chance of a collision.
struct Packed {
  static constexpr unsigned kBits = 192;
  std::array<std::uint64_t, 3> words{};
  bool operator==(const Packed& other) const {
    return words[0] == other.words[0] && words[1] == other.words[1] && words[2] == other.words[2];
  }
};

/// What a world can do next. How to read it is the world's own matter.
using Action = std::uint16_t;

/// A small world of processes that run the pure rules, and of what lies between them.
class World {
 public:
  virtual ~World() = default;
  virtual std::string name() const = 0;
  virtual Packed start() const = 0;
  /// Every state that can come next, with what leads there. Actions that change nothing may be left out.
  virtual void each_next(const Packed& state, const std::function<void(Action, const Packed&)>& visit) const = 0;
  /// What is wrong with it, in words; nothing if all is well.
  virtual std::optional<std::string> violation(const Packed& state) const = 0;
  /// What it is, in the state that it meets.
  virtual std::string tell(const Packed& before, Action action) const = 0;
};

struct Way {
  Packed before;
  Action action;
};

struct Found {
  std::size_t states = 0;
  std::size_t steps = 0;    ///< Transitions that were followed.
  std::uint32_t depth = 0;  ///< The longest of the shortest ways to a state.
  bool complete = false;    ///< Nothing is left to visit. False with a violation, or at the bound.
  std::optional<std::string> violation;
  std::vector<Way> trace;  ///< A shortest way to it.
};

/// Breadth first, through all of them. Memory: 40 to 48 bytes for each of at most `states_max` states, below 2^32.
/// `progress` is called now and then. Single-threaded.
Found search(const World& world, std::size_t states_max,
             const std::function<void(std::size_t states)>& progress = nullptr);

}  // namespace assent::explore
