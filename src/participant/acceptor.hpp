#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "participant/config.hpp"
#include "participant/session.hpp"
#include "ports/participant.hpp"

namespace assent::participant {

// The acceptor that a participant's server keeps for transactions in three phases: a row for each, in the table
// `acceptor` of Assent's schema, written by statements that commit by themselves (protocol/quorum.hpp has the rules).
// The tests and the writing are one statement each, so the server makes them atomic.

/// One question, at any ballot, by whoever asks. An error where what this coordinator wrote here in the transaction's
/// epoch is not all here any more: nobody knows then what was promised or accepted.
std::variant<ports::AcceptorAnswer, SqlError> ask_acceptor(Session& session, const Config& config,
                                                           const ports::AcceptorQuestion& question);

// Many pre-commits at once, which only the coordinator that owns the transactions may send: in one packet, and where
// not all of them made a row, another one to see what there is, and why. The statement that writes the rows tests that
// its process is the owner here, and that the transaction is not closed.

std::string pre_commit_statement(const Config& config, std::span<const ports::AcceptorQuestion> questions);
/// Two statements: whether this process is the owner here, and the rows.
std::string rows_statement(const Config& config, std::span<const ports::AcceptorQuestion> questions);
bool is_owner(const Rows& first);
/// By question, from the rows that the second one brought.
std::vector<ports::AcceptorAnswer> answers_from(std::span<const ports::AcceptorQuestion> questions, const Rows& rows);
/// To a pre-commit that made its row.
ports::AcceptorAnswer newly_accepted();

/// A row's columns, in the order in which acceptor_row_of() reads them, from the one at `first` on.
inline constexpr const char* kAcceptorColumns = "promised,accepted_ballot,accepted_value";
protocol::AcceptorRow acceptor_row_of(const std::vector<Value>& columns, std::size_t first);

/// As ports::Participant::close_acceptor() says.
std::variant<std::uint64_t, SqlError> close_acceptor(Session& session, const Config& config, const std::string& from,
                                                     const std::string& to);

}  // namespace assent::participant
