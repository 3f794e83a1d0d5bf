#include "safeguards.hpp"

namespace assent::explore {
namespace {

constexpr FamilyEntry kFamilies[] = {
    {Family::two_phase, "2pc"},   {Family::tampering, "tampering"},
    {Family::three_phase, "3pc"}, {Family::forgetting, "forgetting"},
    {Family::hiding, "hiding"},   {Family::late, "late"},
    {Family::log, "log"},
};

// CMakeLists.txt reads the names, for a test of each.
constexpr SafeguardEntry kSafeguards[] = {
    // clang-format off
    {Safeguard::decision_first, "decision_first", Family::two_phase},
    {Safeguard::proof_of_commit, "proof_of_commit", Family::two_phase},
    {Safeguard::owners_word, "owners_word", Family::two_phase},
    {Safeguard::end_at_the_end, "end_at_the_end", Family::two_phase},
    {Safeguard::presumed_abort, "presumed_abort", Family::two_phase},
    {Safeguard::sweeping, "sweeping", Family::two_phase},
    {Safeguard::siblings_read, "siblings_read", Family::tampering},
    {Safeguard::siblings_wait, "siblings_wait", Family::tampering},
    {Safeguard::rows_until_seen, "rows_until_seen", Family::tampering},
    {Safeguard::hazards_kept, "hazards_kept", Family::tampering},
    {Safeguard::closed_first, "closed_first", Family::tampering},
    {Safeguard::contradiction_told, "contradiction_told", Family::tampering},
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
    {Safeguard::acceptor_identity, "acceptor_identity", Family::forgetting},
    {Safeguard::acceptor_remembers, "acceptor_remembers", Family::forgetting},
    {Safeguard::closed_on_proof, "closed_on_proof", Family::hiding},
    {Safeguard::pre_commit_fence, "pre_commit_fence", Family::late},
    {Safeguard::log_contains, "log_contains", Family::log},
    {Safeguard::sequence_test, "sequence_test", Family::log},
    {Safeguard::own_records, "own_records", Family::log},
    {Safeguard::later_enrolments, "later_enrolments", Family::log},
    {Safeguard::silence_watched, "silence_watched", Family::log},
    {Safeguard::conditional_claim, "conditional_claim", Family::log},
    {Safeguard::log_lock, "log_lock", Family::log},
    {Safeguard::sessions_killed, "sessions_killed", Family::log},
    {Safeguard::lease, "lease", Family::log},
    {Safeguard::lease_while_away, "lease_while_away", Family::log},
    {Safeguard::siblings_read, "siblings_read", Family::log},
    {Safeguard::lost_is_not_dead, "lost_is_not_dead", Family::log},
    {Safeguard::lost_presumes_nothing, "lost_presumes_nothing", Family::log},
    {Safeguard::signs_cover, "signs_cover", Family::log},
    // clang-format on
};

}  // namespace

std::span<const FamilyEntry> families() {
  return kFamilies;
}

std::span<const SafeguardEntry> safeguards() {
  return kSafeguards;
}

}  // namespace assent::explore
