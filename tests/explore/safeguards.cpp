#include "safeguards.hpp"

namespace assent::explore {
namespace {

// CMakeLists.txt reads the names, for a test of each.
constexpr SafeguardEntry kSafeguards[] = {
    // clang-format off
    {Safeguard::decision_first, "decision_first", Family::two_phase},
    {Safeguard::proof_of_commit, "proof_of_commit", Family::two_phase},
    {Safeguard::owners_word, "owners_word", Family::two_phase},
    {Safeguard::end_at_the_end, "end_at_the_end", Family::two_phase},
    {Safeguard::presumed_abort, "presumed_abort", Family::two_phase},
    {Safeguard::sweeping, "sweeping", Family::two_phase},
    {Safeguard::promise_test, "promise_test", Family::three_phase},
    {Safeguard::binding_value, "binding_value", Family::three_phase},
    {Safeguard::no_votes, "no_votes", Family::three_phase},
    {Safeguard::no_way_back, "no_way_back", Family::three_phase},
    {Safeguard::quorum_first, "quorum_first", Family::three_phase},
    {Safeguard::no_presumption, "no_presumption", Family::three_phase},
    {Safeguard::majority, "majority", Family::three_phase},
    {Safeguard::rows_kept, "rows_kept", Family::three_phase},
    {Safeguard::closing, "closing", Family::three_phase},
    {Safeguard::epoch_closed, "epoch_closed", Family::three_phase},
    {Safeguard::own_ballots, "own_ballots", Family::three_phase},
    {Safeguard::all_prepared, "all_prepared", Family::three_phase},
    // clang-format on
};

}  // namespace

std::span<const SafeguardEntry> safeguards() {
  return kSafeguards;
}

}  // namespace assent::explore
