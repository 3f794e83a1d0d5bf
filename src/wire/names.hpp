#pragma once

#include <array>

#include "assent/status.hpp"
#include "assent/survey.hpp"
#include "assent/transaction.hpp"

namespace assent::wire {

/// Every value of an enumeration, so that a name is found by asking to_string() of each.
template <typename Enum>
inline constexpr int kValuesOf = 0;

template <>
inline constexpr std::array kValuesOf<Protocol>{Protocol::two_phase, Protocol::three_phase};
template <>
inline constexpr std::array kValuesOf<Outcome>{Outcome::committed, Outcome::rolled_back, Outcome::unknown};
template <>
inline constexpr std::array kValuesOf<Isolation>{Isolation::server_default, Isolation::read_uncommitted,
                                                 Isolation::read_committed, Isolation::repeatable_read,
                                                 Isolation::serializable};
template <>
inline constexpr std::array kValuesOf<OnRolledBack>{OnRolledBack::return_outcome, OnRolledBack::run_again};
template <>
inline constexpr std::array kValuesOf<BranchState>{
    BranchState::active,   BranchState::prepared, BranchState::committed,    BranchState::rolled_back,
    BranchState::in_doubt, BranchState::unproven, BranchState::acknowledged, BranchState::hazard};
template <>
inline constexpr std::array kValuesOf<ParticipantInfo::State>{ParticipantInfo::State::connecting,
                                                              ParticipantInfo::State::up, ParticipantInfo::State::down,
                                                              ParticipantInfo::State::refused};
template <>
inline constexpr std::array kValuesOf<DoctorFinding::Grade>{DoctorFinding::Grade::pass, DoctorFinding::Grade::warning,
                                                            DoctorFinding::Grade::refusal,
                                                            DoctorFinding::Grade::accepted};
template <>
inline constexpr std::array kValuesOf<Verdict>{Verdict::running,     Verdict::will_commit, Verdict::will_roll_back,
                                               Verdict::committed,   Verdict::rolled_back, Verdict::hazard,
                                               Verdict::undecidable, Verdict::foreign,     Verdict::other_coordinator};

}  // namespace assent::wire
