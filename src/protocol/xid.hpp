#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "assent/transaction.hpp"

namespace assent::protocol {

/// formatID of every XID of Assent: "ASNT" in ASCII. Below 2^31, since MariaDB takes no more.
inline constexpr std::uint32_t kFormatId = 0x41534E54;
static_assert(kFormatId < 0x80000000U);

/// X/Open XA allows 64 bytes each for gtrid and bqual.
inline constexpr std::size_t kXidPartBytesMax = 64;
inline constexpr std::size_t kCoordinatorIdBytesMax = 16;
inline constexpr std::size_t kParticipantNameBytesMax = 48;
inline constexpr std::uint16_t kBranchesMax = 64;

/// What a gtrid tells by itself. Its text is of fixed width per coordinator, so that byte order is the order
/// (coordinator, epoch, sequence):
///
///     shop1.0000002a.00000000012f.9f86d081884c7d65.2
///     coordinator . epoch . sequence . random . protocol      (hexadecimal, lower case)
///
/// The random part makes an XID unguessable (anybody who knows it can settle the branch) and unique even when the log
/// was restored from a copy.
struct GtridParts {
  std::string coordinator;     ///< 1 to kCoordinatorIdBytesMax of [a-z0-9_-].
  std::uint32_t epoch = 0;     ///< Rises at every start of the coordinator.
  std::uint64_t sequence = 0;  ///< Below 2^48; rises within an epoch.
  std::uint64_t random = 0;
  Protocol protocol = Protocol::two_phase;
  bool operator==(const GtridParts&) const = default;
};

std::string format_gtrid(const GtridParts& parts);
/// Nothing when the text is not a gtrid of Assent, whole and exact.
std::optional<GtridParts> parse_gtrid(std::string_view text);

/// The part of a gtrid up to its sequence, `shop1.0000002a.00000000012f`: a bound for ranges of proof rows, since it
/// sorts before every gtrid with this sequence and after every one with a lower one.
std::string gtrid_range_bound(std::string_view coordinator, std::uint32_t epoch, std::uint64_t sequence);
/// Of a gtrid, or of such a bound. Nothing for anything else.
std::optional<std::uint32_t> epoch_of(std::string_view gtrid_or_bound);

/// What a branch qualifier tells: `01.03.orders` is branch 1 of 3, at participant `orders`. Branches count from 1 here.
struct BqualParts {
  std::uint16_t branch = 0;  ///< 1 to count.
  std::uint16_t count = 0;   ///< 1 to kBranchesMax.
  std::string participant;
  bool operator==(const BqualParts&) const = default;
};

std::string format_bqual(const BqualParts& parts);
std::optional<BqualParts> parse_bqual(std::string_view text);

/// Names of coordinators and participants: [a-z0-9] first, then [a-z0-9_-].
bool valid_name(std::string_view name, std::size_t bytes_max);

/// One branch, as XA statements and XA RECOVER name it.
struct Xid {
  std::string gtrid;
  std::string bqual;
  bool operator==(const Xid&) const = default;
  auto operator<=>(const Xid&) const = default;
};

/// `'gtrid','bqual',1095978580`, the literal that goes into an XA statement. Both parts must be ones that format_gtrid
/// and format_bqual made (printable ASCII without quotes); anything else is a broken invariant.
std::string xid_literal(const Xid& xid);

}  // namespace assent::protocol
