#include "protocol/xid.hpp"

#include <array>
#include <charconv>

#include "base/check.hpp"

namespace assent::protocol {
namespace {

constexpr std::size_t kEpochDigits = 8;
constexpr std::size_t kSequenceDigits = 12;
constexpr std::size_t kRandomDigits = 16;
constexpr std::uint64_t kSequenceEnd = std::uint64_t{1} << (4 * kSequenceDigits);
static_assert(kCoordinatorIdBytesMax + 1 + kEpochDigits + 1 + kSequenceDigits + 1 + kRandomDigits + 2 <=
              kXidPartBytesMax);
static_assert(sizeof("64.64.") - 1 + kParticipantNameBytesMax <= kXidPartBytesMax);
static_assert(kBranchesMax < 100, "a branch number takes two digits");

void append_hex(std::string& out, std::uint64_t value, std::size_t digits) {
  constexpr const char* kHex = "0123456789abcdef";
  for (std::size_t i = digits; i-- > 0;) out.push_back(kHex[(value >> (4 * i)) & 0xf]);
}

void append_decimal2(std::string& out, std::uint16_t value) {
  out.push_back(static_cast<char>('0' + value / 10));
  out.push_back(static_cast<char>('0' + value % 10));
}

/// Takes exactly `digits` lower-case hexadecimal digits.
std::optional<std::uint64_t> take_hex(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text.substr(0, digits)) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && !(c >= 'a' && c <= 'f')) return std::nullopt;
    value = value << 4 | static_cast<std::uint64_t>(digit ? c - '0' : c - 'a' + 10);
  }
  text.remove_prefix(digits);
  return value;
}

std::optional<std::uint16_t> take_decimal2(std::string_view& text) {
  if (text.size() < 2 || text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9') return std::nullopt;
  const auto value = static_cast<std::uint16_t>((text[0] - '0') * 10 + (text[1] - '0'));
  text.remove_prefix(2);
  return value;
}

bool take_dot(std::string_view& text) {
  if (text.empty() || text.front() != '.') return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

bool valid_name(std::string_view name, std::size_t bytes_max) {
  if (name.empty() || name.size() > bytes_max || name.front() == '_' || name.front() == '-') return false;
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string_view::npos;
}

std::string gtrid_range_bound(std::string_view coordinator, std::uint32_t epoch, std::uint64_t sequence) {
  ASSENT_CHECK(valid_name(coordinator, kCoordinatorIdBytesMax) && sequence < kSequenceEnd);
  std::string text(coordinator);
  text.push_back('.');
  append_hex(text, epoch, kEpochDigits);
  text.push_back('.');
  append_hex(text, sequence, kSequenceDigits);
  return text;
}

std::optional<std::uint32_t> epoch_of(std::string_view gtrid_or_bound) {
  const auto dot = gtrid_or_bound.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  gtrid_or_bound.remove_prefix(dot + 1);
  const auto epoch = take_hex(gtrid_or_bound, kEpochDigits);
  if (!epoch || !take_dot(gtrid_or_bound)) return std::nullopt;
  return static_cast<std::uint32_t>(*epoch);
}

std::string format_gtrid(const GtridParts& parts) {
  auto text = gtrid_range_bound(parts.coordinator, parts.epoch, parts.sequence);
  text.push_back('.');
  append_hex(text, parts.random, kRandomDigits);
  text.push_back('.');
  text.push_back(parts.protocol == Protocol::two_phase ? '2' : '3');
  return text;
}

std::optional<GtridParts> parse_gtrid(std::string_view text) {
  GtridParts parts;
  const auto dot = text.find('.');
  if (dot == std::string_view::npos || !valid_name(text.substr(0, dot), kCoordinatorIdBytesMax)) return std::nullopt;
  parts.coordinator = text.substr(0, dot);
  text.remove_prefix(dot + 1);
  const auto epoch = take_hex(text, kEpochDigits);
  if (!epoch || !take_dot(text)) return std::nullopt;
  const auto sequence = take_hex(text, kSequenceDigits);
  if (!sequence || !take_dot(text)) return std::nullopt;
  const auto random = take_hex(text, kRandomDigits);
  if (!random || !take_dot(text) || (text != "2" && text != "3")) return std::nullopt;
  parts.epoch = static_cast<std::uint32_t>(*epoch);
  parts.sequence = *sequence;
  parts.random = *random;
  parts.protocol = text == "2" ? Protocol::two_phase : Protocol::three_phase;
  return parts;
}

std::string format_bqual(const BqualParts& parts) {
  ASSENT_CHECK(parts.branch >= 1 && parts.branch <= parts.count && parts.count <= kBranchesMax);
  ASSENT_CHECK(valid_name(parts.participant, kParticipantNameBytesMax));
  std::string text;
  append_decimal2(text, parts.branch);
  text.push_back('.');
  append_decimal2(text, parts.count);
  text.push_back('.');
  return text + parts.participant;
}

std::optional<BqualParts> parse_bqual(std::string_view text) {
  const auto branch = take_decimal2(text);
  if (!branch || !take_dot(text)) return std::nullopt;
  const auto count = take_decimal2(text);
  if (!count || !take_dot(text)) return std::nullopt;
  if (*branch < 1 || *branch > *count || *count > kBranchesMax) return std::nullopt;
  if (!valid_name(text, kParticipantNameBytesMax)) return std::nullopt;
  return BqualParts{*branch, *count, std::string(text)};
}

std::string xid_literal(const Xid& xid) {
  for (const auto* part : {&xid.gtrid, &xid.bqual}) {
    ASSENT_CHECK(!part->empty() && part->size() <= kXidPartBytesMax);
    for (const char c : *part) ASSENT_CHECK(c > ' ' && c < '\x7f' && c != '\'' && c != '\\');
  }
  std::array<char, 16> format_id;
  const auto end = std::to_chars(format_id.data(), format_id.data() + format_id.size(), kFormatId).ptr;
  std::string text;
  text.reserve(xid.gtrid.size() + xid.bqual.size() + 20);
  text.append("'").append(xid.gtrid).append("','").append(xid.bqual).append("',").append(format_id.data(), end);
  return text;
}

}  // namespace assent::protocol
