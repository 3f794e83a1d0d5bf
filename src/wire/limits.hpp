#pragma once

#include <cstddef>
#include <cstdint>

#include "protocol/xid.hpp"

namespace assent::wire {

// Every bound of the wire protocol, with its unit. PROTOCOL.md names the same numbers, and a test compares them.

/// A frame is one line without its newline. The configured bound may be lower or higher, up to kFrameBytesCeiling.
inline constexpr std::size_t kFrameBytesDefault = 1024 * 1024;
inline constexpr std::size_t kFrameBytesCeiling = 64 * 1024 * 1024;

/// An answer over the server's bound comes without the rows of its SELECTs.
inline constexpr std::size_t kAnswerBytesDefault = 16 * 1024 * 1024;
/// What a client takes; above every server's bound.
inline constexpr std::size_t kAnswerBytesCeiling = 64 * 1024 * 1024;

/// Objects and arrays within each other. A submit needs 9.
inline constexpr std::size_t kNestingMax = 32;

inline constexpr std::size_t kIdBytesMax = 128;
inline constexpr std::size_t kBranchesMax = protocol::kBranchesMax;
inline constexpr std::size_t kStatementsPerBranchMax = 10'000;
inline constexpr std::size_t kArgsPerStatementMax = 65'535;
inline constexpr std::size_t kLabelBytesMax = 128;
inline constexpr std::size_t kIdempotencyKeyBytesMax = 128;
inline constexpr std::size_t kReasonBytesMax = 1'000;
inline constexpr std::size_t kGtridBytesMax = protocol::kXidPartBytesMax;
inline constexpr std::size_t kParticipantBytesMax = protocol::kParticipantNameBytesMax;
/// MySQL's and MariaDB's DECIMAL holds no more.
inline constexpr std::size_t kDecimalDigitsMax = 65;
/// One day. The coordinator's configured bound is usually far lower.
inline constexpr std::uint64_t kTimeoutMsMax = 86'400'000;
inline constexpr std::uint32_t kListDefault = 100;
inline constexpr std::uint32_t kListMax = 1'000;

static_assert(kFrameBytesDefault <= kFrameBytesCeiling);
static_assert(kAnswerBytesDefault <= kAnswerBytesCeiling);
// Offsets into a parsed frame or answer are kept in 32 bits.
static_assert(kFrameBytesCeiling < UINT32_MAX && kAnswerBytesCeiling < UINT32_MAX);

}  // namespace assent::wire
