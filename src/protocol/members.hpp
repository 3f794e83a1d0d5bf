#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assent::protocol {

/// Who takes part in a transaction, by name.
struct Members {
  std::vector<std::string> participants;  ///< By branch: participants[0] holds branch 1.
  std::vector<std::string> acceptors;     ///< Of three phases; empty in two.
  bool operator==(const Members&) const = default;
};

/// At most this many bytes: kBranchesMax participants, kAcceptorsMax acceptors.
inline constexpr std::size_t kMembersBytesMax = 6400;

/// `orders,stock,payments`, and where the acceptors are not the participants `orders,stock/orders,stock,witness`: the
/// text that every row of the transaction at its participants and acceptors keeps, so that whoever finds one of them
/// knows whom to ask.
std::string format_members(const Members& members);
/// The same back; the acceptors are the participants where none are named. Nothing when the text is not one.
std::optional<Members> parse_members(std::string_view text);

}  // namespace assent::protocol
