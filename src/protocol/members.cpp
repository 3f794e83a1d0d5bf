#include "protocol/members.hpp"

#include <charconv>

namespace assent::protocol {
namespace {

constexpr std::size_t kIdentityDigits = 16;

std::string hex_of(ServerIdentity identity) {
  std::string digits(kIdentityDigits, '0');
  for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit, identity >>= 4) {
    *digit = "0123456789abcdef"[identity & 15];
  }
  return digits;
}

std::optional<ServerIdentity> identity_in(std::string_view digits) {
  ServerIdentity identity = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), identity, 16);
  // Upper case, a sign or fewer digits were not written by format_members().
  if (error != std::errc() || identity == 0 || end != digits.data() + digits.size() || hex_of(identity) != digits)
    return std::nullopt;
  return identity;
}

std::string joined(const Members& members, const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) {
    if (!text.empty()) text.push_back(',');
    text += name;
    if (const auto identity = members.identity_of(name)) text += "@" + hex_of(*identity);
  }
  return text;
}

/// Reads names into `names` and their identities into `all`. False when the text is not a list of them.
bool read(std::string_view text, std::size_t names_max, std::vector<std::string>& names, Members& all) {
  for (;;) {
    const auto end = text.find(',');
    const auto member = text.substr(0, end);
    const auto at = member.find('@');
    const auto name = member.substr(0, at);
    if (!valid_name(name, kParticipantNameBytesMax) || names.size() == names_max) return false;
    names.emplace_back(name);
    if (at != std::string_view::npos) {
      const auto identity = identity_in(member.substr(at + 1));
      if (!identity) return false;
      // A name leads to one server.
      const auto [known, is_new] = all.identities.emplace(name, *identity);
      if (!is_new && known->second != *identity) return false;
    }
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

std::optional<ServerIdentity> Members::identity_of(const std::string& name) const {
  const auto found = identities.find(name);
  return found == identities.end() ? std::nullopt : std::optional(found->second);
}

std::string format_members(const Members& members) {
  auto text = joined(members, members.participants);
  if (!members.acceptors.empty() && members.acceptors != members.participants) {
    text += "/" + joined(members, members.acceptors);
  }
  return text;
}

std::optional<Members> parse_members(std::string_view text) {
  const auto slash = text.find('/');
  Members members;
  if (!read(text.substr(0, slash), kBranchesMax, members.participants, members)) return std::nullopt;
  if (slash == std::string_view::npos) {
    members.acceptors = members.participants;
  } else if (!read(text.substr(slash + 1), kAcceptorsMax, members.acceptors, members)) {
    return std::nullopt;
  }
  return members;
}

std::string another_server(std::string_view name, std::optional<ServerIdentity> then,
                           std::optional<ServerIdentity> now) {
  const auto text = [](std::optional<ServerIdentity> identity) {
    return identity && *identity != kNoServer ? hex_of(*identity) : std::string("none");
  };
  const auto participant = "participant '" + std::string(name) + "'";
  if (then == kNoServer) return participant + " had not been seen when the transaction began";
  return participant + " is another server now (identity " + text(now) + " instead of " + text(then) + ")";
}

}  // namespace assent::protocol
