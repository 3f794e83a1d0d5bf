#include "participant/transaction_rows.hpp"

#include <algorithm>
#include <set>
#include <span>

#include "base/check.hpp"
#include "participant/acceptor.hpp"
#include "participant/purge.hpp"
#include "protocol/xid.hpp"

namespace assent::participant {
namespace {

using Found = std::map<std::string, ports::TransactionRows>;

/// Transactions that one packet asks for: what it takes stays far below the servers' bound on packets.
constexpr std::size_t kAskedAtOnce = 500;

std::string keys_of(std::span<const std::string> gtrids) {
  std::string keys;
  for (const auto& gtrid : gtrids) {
    ASSENT_CHECK(protocol::parse_gtrid(gtrid));
    keys += (keys.empty() ? "('" : ",'") + gtrid + "'";
  }
  return keys + ")";
}

ports::HeuristicChoice choice_of(const std::vector<Value>& row, std::size_t first) {
  return {text_of(row[first]) == "commit" ? protocol::Value::commit : protocol::Value::rollback,
          text_of(row[first + 1]), text_of(row[first + 2]), int_of(row[first + 3]) * 1000};
}

constexpr const char* kChoiceColumns = "value,who,reason,UNIX_TIMESTAMP(made_at)";

bool is_absent(const SqlError& error) {
  return error.number == errnos::kUnknownDatabase || error.number == errnos::kNoSuchTable;
}

Failure add_rows(Session& session, const Config& config, std::span<const std::string> gtrids, Found& found) {
  const auto from = [&](const char* table) {
    return " FROM " + config.schema + "." + table + " WHERE gtrid IN " + keys_of(gtrids) + ";";
  };
  const std::string age = ",CAST((UNIX_TIMESTAMP()-UNIX_TIMESTAMP(created_at))*1000 AS SIGNED)";
  // The row of a branch that is prepared can be seen only uncommitted. What is seen so and not afterwards is held.
  const auto result = session.run(
      "SELECT gtrid,acceptor," + std::string(kAcceptorColumns) + ",members" + age + from("acceptor") + "SELECT gtrid," +
          kChoiceColumns + from("heuristic") +
          "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED;SELECT gtrid,branch,kind,participants,label" + age +
          from("proof") + "SELECT gtrid,branch,kind" + from("proof") + "SELECT closed_below,proofs_kept FROM " +
          config.schema + ".pulse WHERE coordinator='" + config.coordinator_id + "';SELECT since,epoch FROM " +
          config.schema + ".coordinator WHERE id='" + config.coordinator_id + "';SELECT epoch,below,kept FROM " +
          config.schema + ".purged WHERE coordinator='" + config.coordinator_id + "'",
      8);
  if (result.error) return result.error;
  const auto rows = [&](std::size_t statement) -> const auto& {
    return result.answers[statement].rows->rows;
  };
  const auto note_age = [](ports::TransactionRows& one, const Value& value) {
    const std::chrono::milliseconds seen(int_of(value));
    one.age = std::max(one.age.value_or(seen), seen);
  };
  for (const auto& row : rows(0)) {
    auto& one = found[text_of(row[0])];
    one.acceptors.emplace_back(static_cast<std::uint16_t>(int_of(row[1])), acceptor_row_of(row, 2));
    one.members = protocol::parse_members(text_of(row[5]));
    note_age(one, row[6]);
  }
  for (const auto& row : rows(1)) found[text_of(row[0])].chosen = choice_of(row, 1);
  for (const auto& row : rows(3)) {
    auto& one = found[text_of(row[0])];
    const bool fence = text_of(row[2]) == "fence";
    one.proofs.push_back({static_cast<std::uint16_t>(int_of(row[1])), fence, false});
    // A fence does not know whom it keeps out.
    if (!fence && !one.members) one.members = protocol::parse_members(text_of(row[3]));
    if (one.label.empty()) one.label = text_of(row[4]);
    note_age(one, row[5]);
  }
  for (const auto& row : rows(4)) {
    auto& proofs = found[text_of(row[0])].proofs;
    const auto branch = static_cast<std::uint16_t>(int_of(row[1]));
    const ports::ProofRow committed{branch, text_of(row[2]) == "fence", true};
    const auto seen =
        std::find_if(proofs.begin(), proofs.end(), [&](const auto& proof) { return proof.branch == branch; });
    if (seen == proofs.end()) {
      proofs.push_back(committed);
    } else {
      *seen = committed;
    }
  }
  // Where it never was, nothing that is missing says anything.
  const bool was_here = !rows(5).empty();
  const auto closed_below = was_here ? text_of(rows(5).front()[0]) : std::string();
  const bool kept = was_here && text_of(rows(5).front()[1]) == "1";
  struct Ended {
    std::string below;
    std::string but_for;  ///< With a comma before and behind each.
  };
  std::map<std::uint32_t, Ended> purged;
  for (const auto& row : rows(7)) {
    purged[static_cast<std::uint32_t>(int_of(row[0]))] = {text_of(row[1]), "," + text_of(row[2]) + ","};
  }
  for (const auto& gtrid : gtrids) {
    auto& one = found[gtrid];
    const auto epoch = protocol::parse_gtrid(gtrid)->epoch;
    // As remembers() in schema.hpp.
    one.remembers = !rows(6).empty() && int_of(rows(6).front()[0]) <= epoch && int_of(rows(6).front()[1]) >= epoch;
    one.closed = one.remembers && gtrid < closed_below;
    one.proofs_kept = one.remembers && kept;
    one.vouches = kept;
    const auto ended = purged.find(epoch);
    one.ended = ended != purged.end() && gtrid < ended->second.below &&
                ended->second.but_for.find("," + gtrid + ",") == std::string::npos;
  }
  return std::nullopt;
}

}  // namespace

std::variant<Found, SqlError> find_rows(Session& session, const Config& config,
                                        const std::vector<std::string>& gtrids) {
  Found found;
  for (std::size_t i = 0; i < gtrids.size(); i += kAskedAtOnce) {
    const auto count = std::min(kAskedAtOnce, gtrids.size() - i);
    const auto failed = add_rows(session, config, std::span(gtrids).subspan(i, count), found);
    if (!failed) continue;
    // A server where Assent never was keeps nothing; one whose schema is older does.
    const auto probed = session.run("SELECT 1 FROM " + config.schema + ".proof LIMIT 0");
    if (!probed.error || !is_absent(*probed.error)) return *failed;
    for (const auto& gtrid : gtrids) found[gtrid];
    return found;
  }
  return found;
}

Failure forget_planted(Session& session, const Config& config, std::vector<ports::ListedXid>& branches) {
  if (branches.empty() || !config.proof_rows) return std::nullopt;
  const auto pulse = session.run("SELECT proofs_kept FROM " + config.schema + ".pulse WHERE coordinator='" +
                                 config.coordinator_id + "'");
  if (pulse.error && !is_absent(*pulse.error)) return pulse.error;
  const bool was_here = !pulse.error && !pulse.answers.front().rows->rows.empty();
  if (was_here && text_of(pulse.answers.front().rows->rows.front()[0]) == "0") return std::nullopt;
  std::set<std::string> gtrids;
  for (const auto& branch : branches) gtrids.insert(branch.gtrid);
  const std::vector<std::string> asked(gtrids.begin(), gtrids.end());
  std::set<std::string> vouched;
  for (std::size_t i = 0; i < asked.size(); i += kAskedAtOnce) {
    const auto count = std::min(kAskedAtOnce, asked.size() - i);
    const auto rows =
        session.run("SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED;SELECT gtrid FROM " + config.schema +
                        ".proof WHERE gtrid IN " + keys_of(std::span(asked).subspan(i, count)),
                    2);
    if (rows.error && !is_absent(*rows.error)) return rows.error;
    if (rows.error) break;
    for (const auto& row : rows.answers[1].rows->rows) vouched.insert(text_of(row[0]));
  }
  std::erase_if(branches, [&](const auto& branch) { return !vouched.contains(branch.gtrid); });
  return std::nullopt;
}

std::variant<std::vector<std::string>, SqlError> list_rows(Session& session, const Config& config,
                                                           const std::string& from, const std::string& to,
                                                           std::size_t most) {
  const auto [low, high] = own_range(config, from, to);
  const auto range = " WHERE gtrid>=" + quoted(session, low) + " AND gtrid<" + quoted(session, high) +
                     " ORDER BY gtrid LIMIT " + std::to_string(most);
  // A branch that is prepared, or hidden, has its row, which can be seen only uncommitted.
  const auto result =
      session.run("SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED;SELECT DISTINCT gtrid FROM " + config.schema +
                      ".proof" + range + ";SELECT DISTINCT gtrid FROM " + config.schema + ".acceptor" + range,
                  3);
  if (result.error) {
    if (is_absent(*result.error)) return std::vector<std::string>();
    return *result.error;
  }
  std::set<std::string> gtrids;
  for (const auto statement : {1, 2}) {
    for (const auto& row : result.answers[static_cast<std::size_t>(statement)].rows->rows) {
      gtrids.insert(text_of(row[0]));
    }
  }
  std::vector<std::string> first(gtrids.begin(), gtrids.end());
  if (first.size() > most) first.resize(most);
  return first;
}

std::variant<ports::HeuristicChoice, SqlError> choose(Session& session, const Config& config, const std::string& gtrid,
                                                      const ports::HeuristicChoice& choice) {
  ASSENT_CHECK(protocol::parse_gtrid(gtrid));
  const auto result =
      session.run("INSERT IGNORE INTO " + config.schema + ".heuristic(gtrid,value,who,reason)VALUES('" + gtrid + "','" +
                      (choice.value == protocol::Value::commit ? "commit" : "rollback") + "'," +
                      quoted(session, choice.who) + "," + quoted(session, choice.reason) + ");SELECT " +
                      kChoiceColumns + " FROM " + config.schema + ".heuristic WHERE gtrid='" + gtrid + "'",
                  2);
  if (result.error) return *result.error;
  const auto& rows = result.answers.back().rows->rows;
  if (rows.empty()) return SqlError{0, "HY000", "the choice that was just recorded is gone", false};
  return choice_of(rows.front(), 0);
}

std::variant<std::map<std::string, ports::HeuristicChoice>, SqlError> list_choices(Session& session,
                                                                                   const Config& config) {
  // No name has a letter above it.
  const auto [low, high] = own_range(config, {}, "~");
  const auto result =
      session.run("SELECT gtrid," + std::string(kChoiceColumns) + " FROM " + config.schema +
                  ".heuristic WHERE gtrid>=" + quoted(session, low) + " AND gtrid<" + quoted(session, high));
  std::map<std::string, ports::HeuristicChoice> choices;
  if (result.error) {
    if (is_absent(*result.error)) return choices;
    return *result.error;
  }
  for (const auto& row : result.answers.front().rows->rows) choices.emplace(text_of(row[0]), choice_of(row, 1));
  return choices;
}

}  // namespace assent::participant
