#include "participant/purge.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "protocol/xid.hpp"

namespace assent::participant {
namespace {

/// Rows read, and deleted, in one statement.
constexpr std::size_t kRowsPerDelete = 500;
static_assert(ports::Participant::kPurgedRowsMax % kRowsPerDelete == 0);

/// So many open hazards of one epoch can be listed as exceptions from what has ended.
constexpr std::size_t kKeptMax = 100'000;

// Those of an epoch, with commas between them.
std::optional<std::string> kept_of(std::uint32_t epoch, const std::vector<std::string>& kept) {
  std::string list;
  std::size_t count = 0;
  for (const auto& gtrid : kept) {
    const auto parts = protocol::parse_gtrid(gtrid);
    if (!parts || parts->epoch != epoch) continue;
    if (++count > kKeptMax) return std::nullopt;
    list += (list.empty() ? "" : ",") + gtrid;
  }
  return list;
}

// For each epoch in `rows`, which are in order, how far its transactions have ended. Gives the number of statements;
// nothing when too many have not.
std::optional<std::size_t> add_ends(std::string& packet, const Config& config,
                                    const std::vector<std::vector<Value>>& rows, const std::vector<std::string>& kept) {
  std::map<std::uint32_t, std::string> last;
  for (const auto& row : rows) {
    if (const auto parts = protocol::parse_gtrid(text_of(row[0]))) last[parts->epoch] = text_of(row[0]);
  }
  for (const auto& [epoch, gtrid] : last) {
    // Everything that is not above it.
    const auto below = "'" + gtrid + "~'";
    const auto list = kept_of(epoch, kept);
    if (!list) return std::nullopt;
    packet += "INSERT INTO " + config.schema + ".purged(coordinator,epoch,below,kept)VALUES('" + config.coordinator_id +
              "'," + std::to_string(epoch) + "," + below + ",'" + *list +
              "')ON DUPLICATE KEY UPDATE below=GREATEST(below," + below + "),kept='" + *list + "';";
  }
  return last.size();
}

}  // namespace

std::pair<std::string, std::string> own_range(const Config& config, const std::string& from, const std::string& to) {
  const auto prefix = config.coordinator_id + ".";
  const auto prefix_end = config.coordinator_id + "/";  // the byte after the point
  return {std::max(from, prefix), std::min(to, prefix_end)};
}

std::variant<std::uint64_t, SqlError> purge_range(Session& session, const Config& config,
                                                  const ports::Participant::PurgedRange& range) {
  const auto& only = range.only;
  // A gtrid's last letter is its protocol.
  const std::string of_it = !only                            ? ""
                            : *only == Protocol::three_phase ? " AND gtrid LIKE '%.3'"
                                                             : " AND gtrid LIKE '%.2'";
  const auto [low, high] = own_range(config, range.from, range.to);
  std::uint64_t purged = 0;
  for (auto after = low; after < high && purged < ports::Participant::kPurgedRowsMax;) {
    const auto found = session.run(
        "SELECT gtrid,branch FROM " + config.schema + ".proof WHERE gtrid>=" + quoted(session, after) + " AND gtrid<" +
        quoted(session, high) + of_it + " ORDER BY gtrid,branch LIMIT " + std::to_string(kRowsPerDelete));
    if (found.error) return *found.error;
    const auto& rows = found.answers.front().rows->rows;
    if (rows.empty()) break;
    // One by one: a list of keys makes both servers look through the whole table, and wait for its running branches.
    std::string packet = "START TRANSACTION;";
    const auto said = only ? 0 : add_ends(packet, config, rows, range.kept);
    if (!said) return SqlError{0, "HY000", "too many hazards are open: acknowledge them"};
    for (const auto& row : rows) {
      packet += "DELETE FROM " + config.schema + ".proof WHERE gtrid=" + quoted(session, text_of(row[0])) +
                " AND branch=" + text_of(row[1]) + ";";
    }
    const auto deleted = session.run(packet + "COMMIT", *said + rows.size() + 2);
    if (deleted.error) {
      // Whoever uses this session next must not stand in a transaction. What cannot be undone ends with it.
      if (!deleted.error->lost && session.run("ROLLBACK").error) session.shut_down();
      return *deleted.error;
    }
    purged += rows.size();
    if (rows.size() < kRowsPerDelete) break;
    after = text_of(rows.back()[0]);
  }
  return purged;
}

}  // namespace assent::participant
