#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <variant>

namespace assent::protocol {

// The third phase, as pure rules: an outcome that is kept by a majority of acceptors, so that neither the coordinator
// nor its log is needed to learn or to finish it (quorum-based three-phase commit: Skeen 1982, Keidar and Dolev 1998;
// the acceptors' two rules are those of Paxos, used for commit by Gray and Lamport 2006). THREE_PHASE.md beside this
// file tells the whole protocol.
//
//     pre_commit:  accepting at ballot 0 --accepted by a majority--> decided: commit
//     terminate:   promising at ballot b --promised by a majority--> accepting --accepted by a majority--> decided
//     either:      refused by so many that no majority is left--> outbid
//     terminate:   promising or outbid --one has closed it, and a majority has nothing accepted--> over
//
// A proposer that is outbid has decided nothing: it tries again with a higher ballot, or learns what another one
// decided. An acceptor closes a transaction, and forgets it, once its coordinator says that every branch is settled.

/// Orders attempts to decide a transaction; no two proposers use the same. 0 is the coordinator's own, for the
/// pre-commit, and needs no promise, since nobody is below it.
using Ballot = std::uint64_t;
constexpr Ballot kCoordinatorsBallot = 0;

/// Everybody else's: 15 bits of a round, which rises with each attempt, above 48 at random. Two with the same ballot
/// would have to meet in the same round of the same transaction by a chance of 1 in 2.8 * 10^14.
constexpr std::uint16_t kRoundMax = 0x7fff;
constexpr Ballot make_ballot(std::uint16_t round, std::uint64_t random) {
  constexpr unsigned kRandomBits = 48;
  return Ballot{round} << kRandomBits | (random & ((Ballot{1} << kRandomBits) - 1));
}
constexpr std::uint16_t round_of(Ballot ballot) {
  return static_cast<std::uint16_t>(ballot >> 48U);
}

constexpr std::size_t kAcceptorsMax = 64;

enum class Value : std::uint8_t { commit, rollback };

struct Accepted {
  Ballot ballot;
  Value value;
  bool operator==(const Accepted&) const = default;
};

/// What one acceptor keeps of a transaction, in one row. Both rules read and write it atomically, and it is durable
/// before the answer is sent.
struct AcceptorRow {
  Ballot promised = kCoordinatorsBallot;
  std::optional<Accepted> accepted;
  bool operator==(const AcceptorRow&) const = default;
};

/// Promises to accept nothing below `ballot`, which is above the coordinator's. False: it has promised a higher one.
/// The same ballot again is granted again, since the first answer may have been lost.
bool promise(AcceptorRow& row, Ballot ballot);

/// Accepts, unless a higher ballot was promised: then false. This test is the fence against a proposer that was taken
/// for dead and comes back.
bool accept(AcceptorRow& row, Ballot ballot, Value value);

/// One proposer's attempt at one ballot.
struct Proposal {
  enum class Phase : std::uint8_t {
    promising,
    accepting,
    decided,
    outbid,
    over,  ///< Every branch was settled, and nobody keeps what was decided.
  };
  Phase phase = Phase::promising;
  Ballot ballot = kCoordinatorsBallot;
  std::uint8_t acceptors = 0;
  std::uint64_t granted = 0;        ///< By acceptor, a bit each: who has granted what this phase asks for.
  std::uint64_t refused = 0;        ///< The same, for either phase.
  std::uint64_t closed = 0;         ///< Who has closed it: those have refused as well.
  std::uint64_t empty = 0;          ///< Who has promised, having accepted nothing.
  bool chosen = false;              ///< It has a value to be accepted: came to accepting, or began there.
  Ballot outbid_by = 0;             ///< The highest that was named in a refusal.
  std::optional<Accepted> binding;  ///< What was accepted at the highest ballot, of those that promised.
  Value value = Value::rollback;    ///< From accepting on.
  bool operator==(const Proposal&) const = default;
};

constexpr std::size_t majority_of(std::size_t acceptors) {
  return acceptors / 2 + 1;
}

/// The coordinator's attempt, once every branch is prepared. From the moment at which the first acceptor is asked the
/// coordinator may no longer roll back by itself.
Proposal pre_commit(std::size_t acceptors);

/// A recoverer's attempt, whatever it believes to know. `ballot` is unique, and above all that it has seen.
Proposal terminate(std::size_t acceptors, Ballot ballot);

// An acceptor's answers. One that is lost is no event: the acceptor is asked again.
struct Promised {
  std::size_t acceptor;
  std::optional<Accepted> accepted;
};
struct AcceptedBy {
  std::size_t acceptor;
};
struct Refused {
  std::size_t acceptor;
  Ballot promised;
};
struct Closed {
  std::size_t acceptor;
};
using QuorumEvent = std::variant<Promised, AcceptedBy, Refused, Closed>;

/// Pure. Answers that come late or again are ignored.
Proposal step(Proposal proposal, const QuorumEvent& event);

/// What an acceptor has answered to the first question, or would answer by its row.
struct AcceptorSeen {
  std::size_t acceptor = 0;
  bool closed = false;
  std::optional<Accepted> accepted{};
};
/// All of these answers together: those come first that have accepted something, at the highest ballot before the
/// others. Where only a minority has accepted, the outcome depends on whether one of them is among those that are
/// counted.
Proposal step_all(Proposal proposal, std::span<const AcceptorSeen> answers);

/// Whether this acceptor is still to be asked for what the phase needs.
bool asks(const Proposal& proposal, std::size_t acceptor);

}  // namespace assent::protocol
