#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "assent/result.hpp"
#include "base/bytes.hpp"
#include "ports/decision_log.hpp"

namespace assent::wal {

// Records to bytes and back. Pure. What encodes, decodes; a decoder takes nothing that the encoder would not write.

/// Appends one record to `out`, which is left as it was when the record is over a bound (Errc::invalid_argument).
Status encode_record(const ports::LogRecord& record, std::string& out);

/// Takes a batch's payload apart, calling `each` in order. False when the bytes are not exactly `count` records of this
/// version of the format; those before the fault have been given by then.
bool decode_records(std::string_view payload, std::uint32_t version, std::uint32_t count,
                    const std::function<void(ports::LogRecord&&)>& each);

// The parts that checkpoints share. A take_ function gives false when the reader ran short or a value is impossible.

void put_decision(std::string& out, const ports::CommitDecision& decision);
bool take_decision(base::Reader& in, std::uint32_t version, ports::CommitDecision& decision);
void put_cause(std::string& out, const std::optional<Cause>& cause);
bool take_cause(base::Reader& in, std::optional<Cause>& cause);
void put_hazard(std::string& out, const ports::HazardFound& hazard);
/// But for its kind, which is `lost` then.
bool take_hazard(base::Reader& in, ports::HazardFound& hazard);
/// As of formats before 3, where none is there: lost.
void put_hazard_kind(std::string& out, ports::HazardKind kind);
bool take_hazard_kind(base::Reader& in, std::uint32_t version, ports::HazardKind& kind);
void put_names(std::string& out, const std::vector<std::string>& names);
bool take_names(base::Reader& in, std::vector<std::string>& names);

}  // namespace assent::wal
