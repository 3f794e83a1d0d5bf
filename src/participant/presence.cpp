#include "participant/presence.hpp"

#include <charconv>
#include <map>
#include <string>

namespace assent::participant {
namespace {

/// Below the 1 MiB at which the server cuts, by more than a conversion of characters could take from it.
constexpr std::size_t kWholeStatusBytesMax = 1'000'000;
constexpr std::string_view kListBegins = "\nLIST OF TRANSACTIONS FOR EACH SESSION:\n";
constexpr std::string_view kStatusEnds = "\nEND OF INNODB MONITOR OUTPUT\n";
/// Stands where the beginning of the list was left out, with or without its heading.
constexpr std::string_view kCut = "... truncated...\n";
constexpr std::string_view kThread = "thread id ";

// A restart within the same second is not told apart from none; connection numbers are then told apart by their hosts.
bool same_start(std::int64_t a, std::int64_t b) {
  return a - b <= 1 && b - a <= 1;
}

struct EngineLook {
  bool allowed = true;
  std::optional<std::set<std::uint64_t>> connections;
};

std::variant<EngineLook, SqlError> look_at_engine(Session& session) {
  auto result = session.run(session.dialect().engine_status);
  if (result.error) {
    if (result.error->number == errnos::kNoPrivilege) return EngineLook{.allowed = false, .connections = {}};
    return std::move(*result.error);
  }
  EngineLook look;
  const auto& rows = result.answers.front().rows;
  if (rows && !rows->rows.empty() && rows->rows.front().size() == 3) {
    look.connections = connections_in(text_of(rows->rows.front()[2]));
  }
  return look;
}

}  // namespace

const char* words(Presence presence) noexcept {
  switch (presence) {
    case Presence::connected: return "still lives";
    case Presence::in_engine: return "has not left the engine yet";
    case Presence::not_known: return "may not have left the engine: SHOW ENGINE INNODB STATUS is over 1 MiB and cut";
    case Presence::unseen: return "may not have left the engine: without the privilege PROCESS that cannot be seen";
    case Presence::gone: return "is gone";
  }
  return "";
}

std::variant<std::vector<Presence>, SqlError> look_for(Session& session,
                                                       std::span<const ConnectionIdentity> connections) {
  std::vector<Presence> found(connections.size(), Presence::gone);
  std::string ids;
  const auto may_be = [&](const ConnectionIdentity& who) {
    return same_start(who.server_start_s, session.identity().server_start_s);
  };
  for (const auto& who : connections) {
    if (may_be(who)) ids += (ids.empty() ? "" : ",") + std::to_string(who.id);
  }
  if (ids.empty()) return found;
  auto listed = session.run("SELECT ID,HOST FROM information_schema.PROCESSLIST WHERE ID IN (" + ids + ")");
  if (listed.error) return std::move(*listed.error);
  std::map<std::uint64_t, std::string> hosts;
  for (const auto& row : listed.answers.front().rows->rows) {
    hosts.emplace(static_cast<std::uint64_t>(int_of(row[0])), text_of(row[1]));
  }
  // After the process list: what is no longer there starts nothing more.
  std::optional<EngineLook> engine;
  for (std::size_t i = 0; i < connections.size(); ++i) {
    const auto& who = connections[i];
    if (!may_be(who)) continue;
    if (const auto at = hosts.find(who.id); at != hosts.end()) {
      // Under another host it is another's, since a restart.
      if (at->second == who.host) found[i] = Presence::connected;
      continue;
    }
    if (!session.dialect().prepared_stays) continue;
    if (!engine) {
      auto looked = look_at_engine(session);
      if (auto* error = std::get_if<SqlError>(&looked)) return std::move(*error);
      engine = std::move(std::get<EngineLook>(looked));
    }
    if (!engine->allowed) {
      found[i] = Presence::unseen;
    } else if (!engine->connections) {
      found[i] = Presence::not_known;
    } else if (engine->connections->contains(who.id)) {
      found[i] = Presence::in_engine;
    }
  }
  return found;
}

std::variant<bool, SqlError> is_connected(Session& session, const ConnectionIdentity& who) {
  if (!same_start(who.server_start_s, session.identity().server_start_s)) return false;
  auto result = session.run("SELECT HOST FROM information_schema.PROCESSLIST WHERE ID=" + std::to_string(who.id));
  if (result.error) return std::move(*result.error);
  const auto& rows = result.answers.front().rows->rows;
  return !rows.empty() && text_of(rows.front()[0]) == who.host;
}

std::optional<std::set<std::uint64_t>> connections_in(std::string_view engine_status) {
  if (engine_status.size() > kWholeStatusBytesMax) return std::nullopt;
  // From the first heading, should a statement quote another, to the very end: rather too much than too little. What
  // comes before it, such as the latest deadlock, names connections of long ago.
  const auto heading = engine_status.find(kListBegins);
  if (heading == std::string_view::npos) return std::nullopt;
  auto list = engine_status.substr(heading + kListBegins.size());
  if (list.starts_with(kCut) || list.find(kStatusEnds) == std::string_view::npos) return std::nullopt;
  std::set<std::uint64_t> connections;
  for (auto at = list.find(kThread); at != std::string_view::npos; at = list.find(kThread)) {
    list.remove_prefix(at + kThread.size());
    std::uint64_t id = 0;
    const auto [end, error] = std::from_chars(list.data(), list.data() + list.size(), id);
    if (error == std::errc{}) connections.insert(id);
  }
  return connections;
}

}  // namespace assent::participant
