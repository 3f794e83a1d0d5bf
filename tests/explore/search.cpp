#include "search.hpp"

#include <algorithm>
#include <limits>
#include <memory>

namespace assent::explore {
namespace {

constexpr std::uint32_t kNobody = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t kProgressEvery = 1'000'000;

struct Node {
  Packed state;
  std::uint32_t parent;
  std::uint16_t depth;
  Action action;
};
static_assert(sizeof(Node) == 32);

/// Grows without moving what is there, which would take twice the memory for a while.
class Nodes {
 public:
  std::uint32_t size() const { return size_; }
  const Node& operator[](std::uint32_t at) const { return blocks_[at / kBlock][at % kBlock]; }
  void push_back(const Node& node) {
    if (size_ % kBlock == 0) blocks_.push_back(std::make_unique<Node[]>(kBlock));
    blocks_.back()[size_++ % kBlock] = node;
  }

 private:
  static constexpr std::uint32_t kBlock = 1U << 16;
  std::vector<std::unique_ptr<Node[]>> blocks_;
  std::uint32_t size_ = 0;
};

std::uint64_t mixed(std::uint64_t x) {
  x ^= x >> 32;
  x *= 0xD6E8FEB86659FD93ULL;
  x ^= x >> 32;
  x *= 0xD6E8FEB86659FD93ULL;
  return x ^ (x >> 32);
}

/// Numbers of nodes, by their states.
class Index {
 public:
  explicit Index(const Nodes& nodes) : nodes_(nodes), slots_(1U << 16, kNobody) {}

  /// Where the number of that state is, or is to be put.
  std::uint32_t& slot(const Packed& state) {
    if (std::size_t{nodes_.size()} * 2 > slots_.size()) grow();
    return find(state);
  }

 private:
  std::uint32_t& find(const Packed& state) {
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = mixed(state.words[0] + mixed(state.words[1] + mixed(state.words[2]))) & mask;;
         at = (at + 1) & mask) {
      if (slots_[at] == kNobody || nodes_[slots_[at]].state == state) return slots_[at];
    }
  }
  void grow() {
    slots_.assign(slots_.size() * 2, kNobody);
    for (std::uint32_t i = 0; i < nodes_.size(); ++i) find(nodes_[i].state) = i;
  }

  const Nodes& nodes_;
  std::vector<std::uint32_t> slots_;
};

}  // namespace

Found search(const World& world, std::size_t states_max, const std::function<void(std::size_t)>& progress) {
  Found found;
  Nodes nodes;
  Index index(nodes);
  bool full = false;
  const auto visit = [&](const Packed& state, std::uint32_t parent, Action action) {
    auto& slot = index.slot(state);
    if (slot != kNobody) return;
    if (nodes.size() == states_max) {
      full = true;
      return;
    }
    slot = nodes.size();
    const auto depth = parent == kNobody ? 0U : nodes[parent].depth + 1U;
    nodes.push_back({state, parent, static_cast<std::uint16_t>(depth), action});
  };
  visit(world.start(), kNobody, 0);
  std::uint32_t at = 0;
  for (; at < nodes.size() && !full; ++at) {
    const Packed state = nodes[at].state;
    found.violation = world.violation(state);
    if (found.violation) break;
    world.each_next(state, [&](Action action, const Packed& next) {
      ++found.steps;
      visit(next, at, action);
    });
    if (progress && at % kProgressEvery == kProgressEvery - 1) progress(nodes.size());
  }
  found.states = nodes.size();
  found.depth = nodes[nodes.size() - 1].depth;
  found.complete = !found.violation && !full;
  if (found.violation) {
    found.depth = nodes[at].depth;
    for (auto i = at; nodes[i].parent != kNobody; i = nodes[i].parent)
      found.trace.push_back({nodes[nodes[i].parent].state, nodes[i].action});
    std::reverse(found.trace.begin(), found.trace.end());
  }
  return found;
}

}  // namespace assent::explore
