#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/quorum.hpp"
#include "protocol/xid.hpp"

namespace assent::protocol {

/// 64 bits of what a server says of itself (participant/schema.hpp). Neither 0, which is written for an unknown one,
/// nor kNoServer.
using ServerIdentity = std::uint64_t;
/// The identity of a member that had not been seen when its transaction began. A server that has its name later was not
/// part of the transaction, and its rows do not count.
inline constexpr ServerIdentity kNoServer = ~ServerIdentity{0};

/// Who takes part in a transaction, by name, and which server each name led to when it began.
struct Members {
  std::vector<std::string> participants;               ///< By branch: participants[0] holds branch 1.
  std::vector<std::string> acceptors;                  ///< Of three phases; empty in two.
  std::map<std::string, ServerIdentity> identities{};  ///< Missing: not known, as an older version wrote it.
  bool operator==(const Members&) const = default;

  std::optional<ServerIdentity> identity_of(const std::string& name) const;
};

inline constexpr std::size_t kMemberBytesMax = kParticipantNameBytesMax + 1 + 16 + 1;  ///< With its separator.
/// kBranchesMax participants and kAcceptorsMax acceptors take no more.
inline constexpr std::size_t kMembersBytesMax = 8'500;
static_assert((kBranchesMax + kAcceptorsMax) * kMemberBytesMax <= kMembersBytesMax);

/// `orders@1f2e3d4c5b6a7988,stock@...`, and where the acceptors are not the participants, a `/` and the acceptors
/// behind it: the text that every row of the transaction at its participants and acceptors keeps, so that each of them
/// tells who else is to be asked. Behind the `@` is the server's identity in hexadecimal; a name whose identity is not
/// known has none.
std::string format_members(const Members& members);
/// The same back; the acceptors are the participants where none are named. Nothing when the text is not one.
std::optional<Members> parse_members(std::string_view text);

/// Whether the server that is there now may speak for the one that was there when the transaction began.
inline bool is_same_server(std::optional<ServerIdentity> then, std::optional<ServerIdentity> now) {
  return !then || (*then != kNoServer && then == now);
}
/// The sentence that says that it may not, and why.
std::string another_server(std::string_view name, std::optional<ServerIdentity> then,
                           std::optional<ServerIdentity> now);

}  // namespace assent::protocol
