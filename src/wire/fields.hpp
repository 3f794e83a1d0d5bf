#pragma once

#include <concepts>
#include <string>
#include <type_traits>
#include <vector>

#include "assent/status.hpp"
#include "assent/survey.hpp"
#include "assent/transaction.hpp"
#include "wire/bounds.hpp"
#include "wire/limits.hpp"
#include "wire/message.hpp"

namespace assent::wire {

// The one table of what stands where on the wire. `Io` is a Reader's members or a Writer's: required() must be there,
// optional() may be left out and is when it holds nothing, defaulted() may be left out and is always written.
// Value, and AffectedRange as `expect`, have forms of their own in reader.cpp and writer.cpp.

/// T, or const T where it is written.
template <typename S, typename T>
concept Is = std::same_as<std::remove_const_t<S>, T>;

template <typename Io, Is<AffectedRange> S>
void fields(Io& io, S& s) {
  io.optional("min", s.min);
  io.optional("max", s.max);
}

template <typename Io, Is<Statement> S>
void fields(Io& io, S& s) {
  io.required("sql", s.sql, TextBound{.bytes_min = 1, .chars = Chars::no_nul});
  io.optional("args", s.args, CountBound{.max = kArgsPerStatementMax});
  io.optional("expect", s.expect_affected);
}

template <typename Io, Is<Branch> S>
void fields(Io& io, S& s) {
  io.required("participant", s.participant,
              TextBound{.bytes_min = 1, .bytes_max = kParticipantBytesMax, .chars = Chars::printable});
  io.required("statements", s.statements, CountBound{.min = 1, .max = kStatementsPerBranchMax});
}

template <typename Io, Is<Transaction> S>
void fields(Io& io, S& s) {
  io.optional("protocol", s.protocol);
  io.optional("timeout_ms", s.timeout, NumberBound{.max = kTimeoutMsMax});
  io.optional("isolation", s.isolation);
  io.optional("idempotency_key", s.idempotency_key,
              TextBound{.bytes_min = 1, .bytes_max = kIdempotencyKeyBytesMax, .chars = Chars::printable});
  io.optional("on_rolled_back", s.on_rolled_back);
  io.optional("label", s.label, TextBound{.bytes_max = kLabelBytesMax, .chars = Chars::one_line});
  io.required("branches", s.branches, CountBound{.min = 1, .max = kBranchesMax});
}

template <typename Io, Is<StatusQuery> S>
void fields(Io& io, S& s) {
  io.optional("gtrid", s.gtrid, TextBound{.bytes_min = 1, .bytes_max = kGtridBytesMax, .chars = Chars::printable});
  io.optional("idempotency_key", s.idempotency_key,
              TextBound{.bytes_min = 1, .bytes_max = kIdempotencyKeyBytesMax, .chars = Chars::printable});
}

template <typename Io, Is<ListQuery> S>
void fields(Io& io, S& s) {
  io.defaulted("max", s.max, NumberBound{.min = 1, .max = kListMax});
}

template <typename Io, Is<ParticipantsQuery> S>
void fields(Io&, S&) {}

template <typename Io, Is<InfoQuery> S>
void fields(Io&, S&) {}

template <typename Io, Is<HazardsQuery> S>
void fields(Io&, S&) {}

template <typename Io, Is<Acknowledgement> S>
void fields(Io& io, S& s) {
  io.required("gtrid", s.gtrid, TextBound{.bytes_min = 1, .bytes_max = kGtridBytesMax, .chars = Chars::printable});
  io.required("branch", s.branch, NumberBound{.min = 1, .max = kBranchesMax});
  io.required("reason", s.reason, TextBound{.bytes_min = 1, .bytes_max = kReasonBytesMax, .chars = Chars::one_line});
}

template <typename Io, Is<SurveyQuery> S>
void fields(Io& io, S& s) {
  io.optional("gtrid", s.gtrid,
              TextBound{.bytes_min = 1, .bytes_max = 2 * kGtridBytesMax + 2, .chars = Chars::printable});
  io.optional("participant", s.participant,
              TextBound{.bytes_min = 1, .bytes_max = kParticipantBytesMax, .chars = Chars::printable});
  io.optional("age_min_ms", s.age_min_ms, NumberBound{.max = UINT32_MAX});
  io.optional("from", s.from,
              TextBound{.bytes_min = 1, .bytes_max = 2 * kGtridBytesMax + 2, .chars = Chars::printable});
}

template <typename Io, Is<RecoverQuery> S>
void fields(Io&, S&) {}

template <typename Io, Is<Hazard> S>
void fields(Io& io, S& s) {
  io.required("gtrid", s.gtrid);
  io.required("branch", s.branch);
  io.optional("participant", s.participant);
  io.required("reason", s.reason);
  io.required("found_at_ms", s.found_at_ms);
}

template <typename Io, Is<HazardList> S>
void fields(Io& io, S& s) {
  io.required("hazards", s.hazards);
}

template <typename Io, Is<Acknowledged> S>
void fields(Io&, S&) {}

template <typename Io, Is<Recovering> S>
void fields(Io& io, S& s) {
  io.required("branches", s.branches);
}

template <typename Io, Is<Rows> S>
void fields(Io& io, S& s) {
  io.required("columns", s.columns);
  io.required("values", s.rows);
}

template <typename Io, Is<StatementResult> S>
void fields(Io& io, S& s) {
  io.required("affected", s.affected);
  io.optional("last_insert_id", s.last_insert_id);
  io.optional("rows", s.rows);
}

template <typename Io, Is<BranchResult> S>
void fields(Io& io, S& s) {
  io.required("participant", s.participant);
  io.required("state", s.state);
  io.optional("statements", s.statements);
}

template <typename Io, Is<Cause> S>
void fields(Io& io, S& s) {
  io.optional("participant", s.participant);
  io.optional("statement", s.statement);
  io.optional("errno", s.server_errno);
  io.optional("sqlstate", s.sqlstate);
  io.required("message", s.message);
  io.required("retryable", s.retryable);
}

template <typename Io, Is<TransactionResult> S>
void fields(Io& io, S& s) {
  io.required("gtrid", s.gtrid);
  io.required("outcome", s.outcome);
  io.required("settled", s.settled);
  io.optional("rows_omitted", s.rows_omitted);
  io.required("branches", s.branches);
  io.optional("cause", s.cause);
}

template <typename Io, Is<TransactionStatus::BranchStatus> S>
void fields(Io& io, S& s) {
  io.required("participant", s.participant);
  io.required("state", s.state);
  io.optional("detail", s.detail);
}

template <typename Io, Is<TransactionStatus> S>
void fields(Io& io, S& s) {
  io.required("gtrid", s.gtrid);
  io.optional("outcome", s.outcome);
  io.required("settled", s.settled);
  io.required("protocol", s.protocol);
  io.optional("label", s.label);
  io.optional("idempotency_key", s.idempotency_key);
  io.required("age_ms", s.age_ms);
  io.required("branches", s.branches);
  io.optional("cause", s.cause);
}

template <typename Io, Is<TransactionList> S>
void fields(Io& io, S& s) {
  io.required("transactions", s.transactions);
}

template <typename Io, Is<DoctorFinding> S>
void fields(Io& io, S& s) {
  io.required("probe", s.probe);
  io.required("grade", s.grade);
  io.required("seen", s.seen);
  io.optional("remedy", s.remedy);
}

template <typename Io, Is<ParticipantInfo> S>
void fields(Io& io, S& s) {
  io.required("name", s.name);
  io.required("state", s.state);
  io.optional("reason", s.reason);
  io.required("address", s.address);
  io.required("server_kind", s.server_kind);
  io.required("server_version", s.server_version);
  io.required("proof_rows", s.proof_rows);
  io.required("sessions", s.sessions);
  io.required("sessions_max", s.sessions_max);
  io.required("in_flight", s.in_flight);
  io.required("findings", s.findings);
}

template <typename Io, Is<ParticipantList> S>
void fields(Io& io, S& s) {
  io.required("participants", s.participants);
}

template <typename Io, Is<SurveyWait> S>
void fields(Io& io, S& s) {
  io.required("connection", s.connection);
  io.required("user", s.user);
  io.required("host", s.host);
  io.required("waiting_ms", s.waiting_ms);
  io.required("table", s.table);
  io.optional("row", s.row);
}

template <typename Io, Is<SurveyBranch> S>
void fields(Io& io, S& s) {
  io.required("gtrid", s.gtrid);
  io.required("participant", s.participant);
  io.optional("branch", s.branch);
  io.required("verdict", s.verdict);
  io.required("reason", s.reason);
  io.optional("protocol", s.protocol);
  io.optional("age_ms", s.age_ms);
  io.optional("label", s.label);
  io.optional("blocks", s.blocks);
}

template <typename Io, Is<SurveyGap> S>
void fields(Io& io, S& s) {
  io.required("participant", s.participant);
  io.required("what", s.what);
}

template <typename Io, Is<SurveyChoice> S>
void fields(Io& io, S& s) {
  io.required("gtrid", s.gtrid);
  io.required("participant", s.participant);
  io.required("outcome", s.outcome);
  io.required("who", s.who);
  io.required("reason", s.reason);
  io.required("made_at_ms", s.made_at_ms);
}

template <typename Io, Is<Survey> S>
void fields(Io& io, S& s) {
  io.required("coordinator", s.coordinator);
  io.required("branches", s.branches);
  io.required("heuristic", s.heuristic);
  io.required("unreachable", s.unreachable);
  io.required("locks_not_seen", s.locks_not_seen);
  io.optional("next", s.next);
}

template <typename Io, Is<ServerInfo> S>
void fields(Io& io, S& s) {
  io.required("version", s.version);
  io.required("coordinator", s.coordinator);
  io.required("epoch", s.epoch);
  io.required("uptime_ms", s.uptime_ms);
  io.required("state", s.state);
  io.required("live", s.live);
  io.required("in_doubt", s.in_doubt);
  io.required("hazards", s.hazards);
  io.optional("control_socket", s.control_socket);
  io.required("limits", s.limits);
  io.required("counters", s.counters);
}

}  // namespace assent::wire
