#include "protocol/members.hpp"

#include "protocol/quorum.hpp"
#include "protocol/xid.hpp"

namespace assent::protocol {
namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) {
    if (!text.empty()) text.push_back(',');
    text += name;
  }
  return text;
}

std::optional<std::vector<std::string>> split(std::string_view text, std::size_t names_max) {
  std::vector<std::string> names;
  for (;;) {
    const auto end = text.find(',');
    const auto name = text.substr(0, end);
    if (!valid_name(name, kParticipantNameBytesMax) || names.size() == names_max) return std::nullopt;
    names.emplace_back(name);
    if (end == std::string_view::npos) return names;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

std::string format_members(const Members& members) {
  auto text = joined(members.participants);
  if (!members.acceptors.empty() && members.acceptors != members.participants) text += "/" + joined(members.acceptors);
  return text;
}

std::optional<Members> parse_members(std::string_view text) {
  const auto slash = text.find('/');
  auto participants = split(text.substr(0, slash), kBranchesMax);
  if (!participants) return std::nullopt;
  if (slash == std::string_view::npos) return Members{*participants, *participants};
  auto acceptors = split(text.substr(slash + 1), kAcceptorsMax);
  if (!acceptors) return std::nullopt;
  return Members{std::move(*participants), std::move(*acceptors)};
}

}  // namespace assent::protocol
