#include "protocol/quorum.hpp"

#include <algorithm>
#include <bit>
#include <vector>

#include "base/check.hpp"

namespace assent::protocol {
namespace {

constexpr std::uint64_t bit(std::size_t acceptor) {
  return std::uint64_t{1} << acceptor;
}

bool is_majority(std::uint64_t who, std::size_t acceptors) {
  return static_cast<std::size_t>(std::popcount(who)) >= majority_of(acceptors);
}

bool is_open(const Proposal& proposal) {
  return proposal.phase == Proposal::Phase::promising || proposal.phase == Proposal::Phase::accepting;
}

/// One step in the making.
struct QuorumStepper {
  Proposal next;

  void on(const Promised& event) {
    if (next.chosen || next.phase == Proposal::Phase::over) return;
    if (!event.accepted) next.empty |= bit(event.acceptor);
    if (is_over()) return;
    if (next.phase != Proposal::Phase::promising) return;
    next.granted |= bit(event.acceptor);
    if (event.accepted && (!next.binding || next.binding->ballot < event.accepted->ballot)) {
      next.binding = event.accepted;
    }
    if (!is_majority(next.granted, next.acceptors)) return;
    // What a majority may have accepted binds. Where nothing was accepted nothing can have been decided, nor can it be
    // any more below this ballot; that all branches are prepared says nothing.
    next.value = next.binding ? next.binding->value : Value::rollback;
    next.phase = Proposal::Phase::accepting;
    next.chosen = true;
    next.granted = 0;
  }

  /// This is where a transaction is decided, whichever proposer first counts a majority.
  void on(const AcceptedBy& event) {
    if (next.phase != Proposal::Phase::accepting) return;
    next.granted |= bit(event.acceptor);
    if (is_majority(next.granted, next.acceptors)) next.phase = Proposal::Phase::decided;
  }

  void on(const Refused& event) {
    if (!is_open(next)) return;
    next.outbid_by = std::max(next.outbid_by, event.promised);
    refused_by(event.acceptor);
  }

  void on(const Closed& event) {
    if (next.phase == Proposal::Phase::decided || next.phase == Proposal::Phase::over) return;
    next.closed |= bit(event.acceptor);
    if (!is_over()) refused_by(event.acceptor);
  }

  void refused_by(std::size_t acceptor) {
    next.refused |= bit(acceptor);
    const auto left = next.acceptors - static_cast<std::size_t>(std::popcount(next.refused));
    if (is_open(next) && left < majority_of(next.acceptors)) next.phase = Proposal::Phase::outbid;
  }

  /// An acceptor that has closed the transaction may have had no part in it. But if a majority accepted something,
  /// every majority that is asked has one of these acceptors in it. If that one no longer has the row, it has closed
  /// the transaction, and every branch was settled.
  bool is_over() {
    const bool over = !next.chosen && next.closed != 0 && is_majority(next.closed | next.empty, next.acceptors);
    if (over) next.phase = Proposal::Phase::over;
    return over;
  }
};

}  // namespace

bool promise(AcceptorRow& row, Ballot ballot) {
  ASSENT_CHECK(ballot > kCoordinatorsBallot);
  if (row.promised > ballot) return false;
  row.promised = ballot;
  return true;
}

bool accept(AcceptorRow& row, Ballot ballot, Value value) {
  if (row.promised > ballot) return false;
  row.promised = ballot;
  row.accepted = Accepted{ballot, value};
  return true;
}

Proposal pre_commit(std::size_t acceptors) {
  ASSENT_CHECK(acceptors >= 1 && acceptors <= kAcceptorsMax);
  Proposal proposal;
  proposal.phase = Proposal::Phase::accepting;
  proposal.chosen = true;
  proposal.acceptors = static_cast<std::uint8_t>(acceptors);
  proposal.value = Value::commit;
  return proposal;
}

Proposal terminate(std::size_t acceptors, Ballot ballot) {
  ASSENT_CHECK(acceptors >= 1 && acceptors <= kAcceptorsMax && ballot > kCoordinatorsBallot);
  Proposal proposal;
  proposal.ballot = ballot;
  proposal.acceptors = static_cast<std::uint8_t>(acceptors);
  return proposal;
}

Proposal step(Proposal proposal, const QuorumEvent& event) {
  QuorumStepper stepper{proposal};
  std::visit(
      [&](const auto& e) {
        ASSENT_CHECK(e.acceptor < stepper.next.acceptors);
        stepper.on(e);
      },
      event);
  return stepper.next;
}

Proposal step_all(Proposal proposal, std::span<const AcceptorSeen> answers) {
  std::vector<AcceptorSeen> order(answers.begin(), answers.end());
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    if (!a.accepted || !b.accepted) return a.accepted.has_value() && !b.accepted.has_value();
    return a.accepted->ballot > b.accepted->ballot;
  });
  for (const auto& one : order) {
    proposal = one.closed ? step(proposal, Closed{one.acceptor}) : step(proposal, Promised{one.acceptor, one.accepted});
  }
  return proposal;
}

bool asks(const Proposal& proposal, std::size_t acceptor) {
  return is_open(proposal) && ((proposal.granted | proposal.refused) & bit(acceptor)) == 0;
}

}  // namespace assent::protocol
