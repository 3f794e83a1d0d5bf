#include "wal/codec.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "protocol/quorum.hpp"
#include "protocol/xid.hpp"
#include "wal/format.hpp"

namespace assent::wal {
namespace {

enum class RecordKind : std::uint8_t {
  commit_decision = 1,
  branch_settled = 2,
  transaction_ended = 3,
  hazard_found = 4,
  epoch_started = 5,
  transaction_rolled_back = 6,
  hazard_acknowledged = 7,
  operator_act = 8,
  key_rolled_back = 15,
};

constexpr std::size_t kRecordHeaderBytes = 5;  // kind, length

RecordKind put_payload(std::string& out, const ports::CommitDecision& record) {
  put_decision(out, record);
  return RecordKind::commit_decision;
}

RecordKind put_payload(std::string& out, const ports::BranchSettled& record) {
  base::put_string(out, record.gtrid);
  base::put_int(out, record.branch);
  return RecordKind::branch_settled;
}

RecordKind put_payload(std::string& out, const ports::TransactionEnded& record) {
  base::put_string(out, record.gtrid);
  return RecordKind::transaction_ended;
}

RecordKind put_payload(std::string& out, const ports::HazardFound& record) {
  put_hazard(out, record);
  return RecordKind::hazard_found;
}

RecordKind put_payload(std::string& out, const ports::EpochStarted& record) {
  base::put_string(out, record.coordinator);
  base::put_int(out, record.epoch);
  base::put_int(out, record.started_at_ms);
  base::put_int(out, record.instance);
  base::put_int(out, static_cast<std::uint8_t>(record.log_lost));
  return RecordKind::epoch_started;
}

RecordKind put_payload(std::string& out, const ports::TransactionRolledBack& record) {
  base::put_string(out, record.gtrid);
  return RecordKind::transaction_rolled_back;
}

RecordKind put_payload(std::string& out, const ports::HazardAcknowledged& record) {
  base::put_string(out, record.gtrid);
  base::put_int(out, record.branch);
  base::put_string(out, record.who);
  base::put_string(out, record.reason);
  base::put_int(out, record.acknowledged_at_ms);
  return RecordKind::hazard_acknowledged;
}

RecordKind put_payload(std::string& out, const ports::OperatorAct& record) {
  base::put_string(out, record.act);
  base::put_string(out, record.gtrid);
  base::put_int(out, record.branch);
  base::put_string(out, record.who);
  base::put_string(out, record.why);
  base::put_int(out, record.done_at_ms);
  return RecordKind::operator_act;
}

RecordKind put_payload(std::string& out, const ports::KeyRolledBack& record) {
  base::put_string(out, record.idempotency_key);
  base::put_string(out, record.gtrid);
  base::put_int(out, record.request_fingerprint);
  put_names(out, record.participants);
  put_cause(out, record.cause);
  base::put_int(out, record.rolled_back_at_ms);
  return RecordKind::key_rolled_back;
}

bool take_flag(base::Reader& in, bool& flag) {
  const auto value = in.take_int<std::uint8_t>();
  flag = value == 1;
  return value <= 1;
}

bool take_epoch(base::Reader& in, std::uint32_t version, ports::EpochStarted& record) {
  record.coordinator = in.take_string();
  record.epoch = in.take_int<std::uint32_t>();
  record.started_at_ms = in.take_int<std::int64_t>();
  if (version < 3) return in.ok();
  record.instance = in.take_int<std::uint64_t>();
  return take_flag(in, record.log_lost) && in.ok();
}

bool take_rolled_back(base::Reader& in, ports::KeyRolledBack& record) {
  record.idempotency_key = in.take_string();
  record.gtrid = in.take_string();
  record.request_fingerprint = in.take_int<std::uint64_t>();
  if (!take_names(in, record.participants) || !take_cause(in, record.cause)) return false;
  record.rolled_back_at_ms = in.take_int<std::int64_t>();
  return in.ok();
}

/// As many as there are names, or none.
void put_identities(std::string& out, const std::vector<std::uint64_t>& identities) {
  base::put_int(out, static_cast<std::uint16_t>(identities.size()));
  for (const auto identity : identities) base::put_int(out, identity);
}

bool take_identities(base::Reader& in, std::size_t names, std::vector<std::uint64_t>& identities) {
  const auto count = in.take_int<std::uint16_t>();
  if (!in.ok() || (count != 0 && count != names)) return false;
  identities.clear();
  for (std::uint16_t i = 0; i < count; ++i) identities.push_back(in.take_int<std::uint64_t>());
  return in.ok();
}

/// Not in the middle of a character.
std::string_view cut_text(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xC0) == 0x80) --bytes_max;
  return text.substr(0, bytes_max);
}

bool take_record(RecordKind kind, std::uint32_t version, base::Reader& in, ports::LogRecord& out) {
  switch (kind) {
    case RecordKind::commit_decision: return take_decision(in, version, out.emplace<ports::CommitDecision>());
    case RecordKind::branch_settled: {
      auto& record = out.emplace<ports::BranchSettled>();
      record.gtrid = in.take_string();
      record.branch = in.take_int<std::uint16_t>();
      return in.ok();
    }
    case RecordKind::transaction_ended: {
      out.emplace<ports::TransactionEnded>().gtrid = in.take_string();
      return in.ok();
    }
    case RecordKind::transaction_rolled_back: {
      out.emplace<ports::TransactionRolledBack>().gtrid = in.take_string();
      return in.ok();
    }
    case RecordKind::hazard_found: {
      // A block does not tell formats 3 and 4 apart: without its kind, the record is of format 3.
      auto& hazard = out.emplace<ports::HazardFound>();
      const bool has_kind = take_hazard(in, hazard) && in.left() > 0 && version >= 3;
      return has_kind ? take_hazard_kind(in, kFormatVersion, hazard.kind) : in.ok();
    }
    case RecordKind::epoch_started: return take_epoch(in, version, out.emplace<ports::EpochStarted>());
    case RecordKind::key_rolled_back: return version >= 3 && take_rolled_back(in, out.emplace<ports::KeyRolledBack>());
    case RecordKind::hazard_acknowledged: {
      auto& record = out.emplace<ports::HazardAcknowledged>();
      record.gtrid = in.take_string();
      record.branch = in.take_int<std::uint16_t>();
      record.who = in.take_string();
      record.reason = in.take_string();
      record.acknowledged_at_ms = in.take_int<std::int64_t>();
      return in.ok();
    }
    case RecordKind::operator_act: {
      auto& record = out.emplace<ports::OperatorAct>();
      record.act = in.take_string();
      record.gtrid = in.take_string();
      record.branch = in.take_int<std::uint16_t>();
      record.who = in.take_string();
      record.why = in.take_string();
      record.done_at_ms = in.take_int<std::int64_t>();
      return in.ok();
    }
  }
  return false;
}

}  // namespace

Status encode_record(const ports::LogRecord& record, std::string& out) {
  const auto* decision = std::get_if<ports::CommitDecision>(&record);
  static_assert(protocol::kAcceptorsMax == protocol::kBranchesMax);
  if (decision != nullptr) {
    const auto names = std::max(decision->participants.size(), decision->acceptors.size());
    if (names > protocol::kBranchesMax) {
      return Error{Errc::invalid_argument, "a decision for " + std::to_string(names) +
                                               " branches or acceptors was not logged: the bound is " +
                                               std::to_string(protocol::kBranchesMax)};
    }
    const auto fits = [](const auto& identities, const auto& named) {
      return identities.empty() || identities.size() == named.size();
    };
    ASSENT_CHECK(fits(decision->identities, decision->participants));
    ASSENT_CHECK(fits(decision->acceptor_identities, decision->acceptors));
  }
  const std::size_t start = out.size();
  out.resize(start + kRecordHeaderBytes);
  const RecordKind kind = std::visit([&](const auto& held) { return put_payload(out, held); }, record);
  const std::size_t bytes = out.size() - start;
  if (bytes > kRecordBytesMax) {
    out.resize(start);
    return Error{Errc::invalid_argument, "a record of " + std::to_string(bytes) +
                                             " bytes was not logged: the bound is " + std::to_string(kRecordBytesMax) +
                                             "; shorten the label or the idempotency key"};
  }
  std::string header;
  base::put_int(header, static_cast<std::uint8_t>(kind));
  base::put_int(header, static_cast<std::uint32_t>(bytes - kRecordHeaderBytes));
  out.replace(start, kRecordHeaderBytes, header);
  return Ok{};
}

bool decode_records(std::string_view payload, std::uint32_t version, std::uint32_t count,
                    const std::function<void(ports::LogRecord&&)>& each) {
  base::Reader in(payload);
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto kind = in.take_int<std::uint8_t>();
    const auto body = in.take_string();
    if (!in.ok()) return false;
    base::Reader fields(body);
    ports::LogRecord record;
    if (!take_record(static_cast<RecordKind>(kind), version, fields, record) || fields.left() != 0) return false;
    each(std::move(record));
  }
  return in.ok() && in.left() == 0;
}

void put_names(std::string& out, const std::vector<std::string>& names) {
  base::put_int(out, static_cast<std::uint16_t>(names.size()));
  for (const auto& name : names) base::put_string(out, name);
}

bool take_names(base::Reader& in, std::vector<std::string>& names) {
  const auto count = in.take_int<std::uint16_t>();
  if (!in.ok() || count > protocol::kBranchesMax) return false;
  names.clear();
  for (std::uint16_t i = 0; i < count; ++i) names.emplace_back(in.take_string());
  return in.ok();
}

void put_decision(std::string& out, const ports::CommitDecision& decision) {
  base::put_string(out, decision.gtrid);
  base::put_int(out, static_cast<std::uint8_t>(decision.protocol));
  put_names(out, decision.participants);
  if (decision.protocol == Protocol::three_phase) put_names(out, decision.acceptors);
  base::put_string(out, decision.idempotency_key);
  base::put_int(out, decision.request_fingerprint);
  base::put_string(out, decision.label);
  base::put_int(out, decision.decided_at_ms);
  put_identities(out, decision.identities);
  if (decision.protocol == Protocol::three_phase) put_identities(out, decision.acceptor_identities);
}

bool take_decision(base::Reader& in, std::uint32_t version, ports::CommitDecision& decision) {
  decision.gtrid = in.take_string();
  decision.protocol = static_cast<Protocol>(in.take_int<std::uint8_t>());
  if (decision.protocol != Protocol::two_phase && decision.protocol != Protocol::three_phase) return false;
  if (!take_names(in, decision.participants)) return false;
  if (decision.protocol == Protocol::three_phase && !take_names(in, decision.acceptors)) return false;
  decision.idempotency_key = in.take_string();
  decision.request_fingerprint = in.take_int<std::uint64_t>();
  decision.label = in.take_string();
  decision.decided_at_ms = in.take_int<std::int64_t>();
  if (version < 3) return in.ok();
  if (!take_identities(in, decision.participants.size(), decision.identities)) return false;
  return decision.protocol == Protocol::two_phase ||
         take_identities(in, decision.acceptors.size(), decision.acceptor_identities);
}

void put_cause(std::string& out, const std::optional<Cause>& cause) {
  base::put_int(out, static_cast<std::uint8_t>(cause.has_value()));
  if (!cause) return;
  base::put_string(out, cause->participant);
  base::put_int(out, static_cast<std::uint8_t>(cause->statement.has_value()));
  base::put_int(out, cause->statement.value_or(0));
  base::put_int(out, cause->server_errno);
  base::put_string(out, cause->sqlstate);
  base::put_string(out, cut_text(cause->message, ports::kKeptCauseBytesMax));
  base::put_int(out, static_cast<std::uint8_t>(cause->retryable));
}

bool take_cause(base::Reader& in, std::optional<Cause>& cause) {
  bool there = false, has_statement = false;
  cause.reset();
  if (!take_flag(in, there)) return false;
  if (!there) return in.ok();
  auto& taken = cause.emplace();
  taken.participant = in.take_string();
  if (!take_flag(in, has_statement)) return false;
  const auto statement = in.take_int<std::uint32_t>();
  if (has_statement) taken.statement = statement;
  taken.server_errno = in.take_int<std::uint32_t>();
  taken.sqlstate = in.take_string();
  taken.message = in.take_string();
  return take_flag(in, taken.retryable) && in.ok();
}

void put_hazard(std::string& out, const ports::HazardFound& hazard) {
  base::put_string(out, hazard.gtrid);
  base::put_int(out, hazard.branch);
  base::put_string(out, hazard.reason);
  base::put_int(out, hazard.found_at_ms);
  put_hazard_kind(out, hazard.kind);
}

bool take_hazard(base::Reader& in, ports::HazardFound& hazard) {
  hazard.gtrid = in.take_string();
  hazard.branch = in.take_int<std::uint16_t>();
  hazard.reason = in.take_string();
  hazard.found_at_ms = in.take_int<std::int64_t>();
  hazard.kind = ports::HazardKind::lost;
  return in.ok();
}

void put_hazard_kind(std::string& out, ports::HazardKind kind) {
  base::put_int(out, static_cast<std::uint8_t>(kind));
}

bool take_hazard_kind(base::Reader& in, std::uint32_t version, ports::HazardKind& kind) {
  kind = ports::HazardKind::lost;
  if (version < 4) return in.ok();
  bool against = false;
  if (!take_flag(in, against)) return false;
  if (against) kind = ports::HazardKind::committed_against;
  return in.ok();
}

}  // namespace assent::wal
