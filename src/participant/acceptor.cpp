#include "participant/acceptor.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "base/failpoints.hpp"
#include "base/random.hpp"
#include "participant/purge.hpp"
#include "participant/schema.hpp"

namespace assent::participant {
namespace {

using ports::AcceptorAnswer;
using ports::AcceptorQuestion;
using protocol::Value;
using Kind = AcceptorAnswer::Kind;

const char* word(Value value) {
  return value == Value::commit ? "'commit'" : "'rollback'";
}

std::string key(const AcceptorQuestion& question) {
  return "'" + question.gtrid + "'," + std::to_string(question.acceptor);
}

std::uint64_t unsigned_of(const assent::Value& value) {
  return std::strtoull(text_of(value).c_str(), nullptr, 10);
}

// What it has accepted, it says again, whatever it has promised since: the first answer may have been lost.
AcceptorAnswer answer_of(const AcceptorQuestion& question, const protocol::AcceptorRow& row) {
  const bool granted = question.value ? row.accepted == protocol::Accepted{question.ballot, *question.value}
                                      : row.promised == question.ballot;
  return {granted ? Kind::granted : Kind::refused, row};
}

const Rows& rows_of(const PacketResult& result) {
  ASSENT_CHECK(!result.answers.empty() && result.answers.back().rows);
  return *result.answers.back().rows;
}

}  // namespace

protocol::AcceptorRow acceptor_row_of(const std::vector<assent::Value>& columns, std::size_t first) {
  protocol::AcceptorRow row;
  row.promised = unsigned_of(columns[first]);
  if (!std::holds_alternative<Null>(columns[first + 1])) {
    const auto value = text_of(columns[first + 2]) == "commit" ? Value::commit : Value::rollback;
    row.accepted = protocol::Accepted{unsigned_of(columns[first + 1]), value};
  }
  return row;
}

std::variant<AcceptorAnswer, SqlError> ask_acceptor(Session& session, const Config& config,
                                                    const AcceptorQuestion& question) {
  const auto ballot = std::to_string(question.ballot);
  // Asked again it counts up, and so is written again: InnoDB shows a row before it is durable, and the first answer
  // may have been lost in between.
  // A coordinator that has never been here has closed nothing.
  auto packet = "INSERT IGNORE INTO " + config.schema + ".pulse(coordinator,closed_below)VALUES('" +
                config.coordinator_id + "','');INSERT INTO " + config.schema + ".acceptor(gtrid,acceptor," +
                kAcceptorColumns + ",members)SELECT " + key(question) + "," + ballot + ",";
  packet += question.value ? ballot + "," + word(*question.value) : "NULL,NULL";
  const auto mine = " FROM " + config.schema + ".pulse," + config.schema + ".coordinator WHERE coordinator='" +
                    config.coordinator_id + "' AND id=coordinator AND " + remembers(question.gtrid);
  packet += "," + quoted(session, question.members) + mine + " AND closed_below<='" + question.gtrid +
            "' LOCK IN SHARE MODE ON DUPLICATE KEY UPDATE asked=asked+1,";
  if (question.value) {
    const auto unless_promised = [&](const std::string& column, const std::string& value) {
      return column + "=IF(promised<=" + ballot + "," + value + "," + column + ")";
    };
    packet += unless_promised("accepted_value", word(*question.value)) + "," +
              unless_promised("accepted_ballot", ballot) + "," + unless_promised("promised", ballot);
  } else {
    packet += "promised=GREATEST(promised," + ballot + ")";
  }
  // One that is closed is so from the moment at which that was said, whatever is still to be deleted.
  packet += ";SELECT " + std::string(kAcceptorColumns) + " FROM " + config.schema + ".acceptor WHERE gtrid='" +
            question.gtrid + "' AND acceptor=" + std::to_string(question.acceptor) + ";SELECT closed_below>'" +
            question.gtrid + "'" + mine;
  auto result = session.run(packet, 4);
  if (result.error) return std::move(*result.error);
  const auto& remembered = rows_of(result).rows;
  if (remembered.empty()) {
    return SqlError{0, "HY000",
                    "it has not kept what coordinator '" + config.coordinator_id +
                        "' wrote here in the transaction's epoch (made anew since, or restored from a copy), so it has "
                        "no vote",
                    false};
  }
  if (int_of(remembered.front()[0]) == 1) return AcceptorAnswer{Kind::closed, {}};
  const auto& rows = result.answers[2].rows->rows;
  if (rows.empty()) return SqlError{0, "HY000", "its rows changed while it was asked", false};
  return answer_of(question, acceptor_row_of(rows.front(), 0));
}

std::string pre_commit_statement(const Config& config, std::span<const AcceptorQuestion> questions) {
  auto packet = "INSERT INTO " + config.schema + ".acceptor(gtrid,acceptor," + kAcceptorColumns + ",members)";
  std::string asked;
  for (const auto& question : questions) {
    ASSENT_CHECK(question.ballot == protocol::kCoordinatorsBallot && question.value == Value::commit);
    // Names of participants need no escaping.
    asked += asked.empty() ? "SELECT " : " UNION ALL SELECT ";
    asked += "'" + question.gtrid + "' gtrid," + std::to_string(question.acceptor) + " acceptor,'" + question.members +
             "' members";
  }
  // Only as long as this process is the owner here, and has not closed what it asks about: both rows are locked until
  // the acceptance is durable, whatever the server's isolation level. Else a packet that was sent long ago, or by a
  // process that was stopped in between, would be accepted after others have decided.
  packet += "SELECT asked.gtrid,asked.acceptor,0,0,'commit',asked.members FROM (" + asked + ") asked,";
  packet += config.schema + ".coordinator owner," + config.schema + ".pulse WHERE owner.id='" + config.coordinator_id +
            "' AND owner.instance=" + std::to_string(base::process_instance()) + " AND pulse.coordinator='" +
            config.coordinator_id + "' AND pulse.closed_below<=asked.gtrid LOCK IN SHARE MODE ";
  if (ASSENT_FAILS_AT(without_promise_test)) {
    return packet += "ON DUPLICATE KEY UPDATE promised=0,accepted_ballot=0,accepted_value='commit'";
  }
  // One that is there was promised to somebody, or is our own, of an answer that was lost.
  return packet +=
         "ON DUPLICATE KEY UPDATE " + config.schema + ".acceptor.asked=" + config.schema + ".acceptor.asked+1";
}

std::string rows_statement(const Config& config, std::span<const AcceptorQuestion> questions) {
  std::string keys;
  for (const auto& question : questions) keys += (keys.empty() ? "(" : ",(") + key(question) + ")";
  // Without the row of `pulse` nothing is known of what is closed.
  return "SELECT COUNT(*) FROM " + config.schema + ".coordinator," + config.schema + ".pulse WHERE id='" +
         config.coordinator_id + "' AND coordinator=id AND instance=" + std::to_string(base::process_instance()) +
         ";SELECT gtrid,acceptor," + kAcceptorColumns + " FROM " + config.schema +
         ".acceptor WHERE (gtrid,acceptor) IN (" + keys + ")";
}

bool is_owner(const Rows& rows) {
  return !rows.rows.empty() && int_of(rows.rows.front().at(0)) > 0;
}

std::vector<AcceptorAnswer> answers_from(std::span<const AcceptorQuestion> questions, const Rows& rows) {
  std::vector<AcceptorAnswer> answers;
  for (const auto& question : questions) {
    const auto found = std::find_if(rows.rows.begin(), rows.rows.end(), [&](const auto& row) {
      return text_of(row[0]) == question.gtrid && unsigned_of(row[1]) == question.acceptor;
    });
    answers.push_back(found == rows.rows.end() ? AcceptorAnswer{Kind::closed, {}}
                                               : answer_of(question, acceptor_row_of(*found, 2)));
  }
  return answers;
}

AcceptorAnswer newly_accepted() {
  return {Kind::granted,
          {protocol::kCoordinatorsBallot, protocol::Accepted{protocol::kCoordinatorsBallot, Value::commit}}};
}

std::variant<std::uint64_t, SqlError> close_acceptor(Session& session, const Config& config, const std::string& from,
                                                     const std::string& to) {
  constexpr auto kRowsMax = ports::Participant::kPurgedRowsMax;
  const auto [low, high] = own_range(config, from, to);
  const auto above = config.schema + ".acceptor WHERE gtrid>=" + quoted(session, low) + " AND gtrid<";
  // The first row, and the first that is left to the next time.
  auto ends =
      session.run("SELECT gtrid FROM " + above + quoted(session, high) + " ORDER BY gtrid LIMIT 1;SELECT gtrid FROM " +
                      above + quoted(session, high) + " ORDER BY gtrid LIMIT 1 OFFSET " + std::to_string(kRowsMax),
                  2);
  if (ends.error) return std::move(*ends.error);
  if (ends.answers.front().rows->rows.empty()) return std::uint64_t{0};
  const bool more = !rows_of(ends).rows.empty();
  const auto end = quoted(session, more ? text_of(rows_of(ends).rows.front()[0]) : high);
  // Said first, so that nobody who asks about one of them afterwards takes the missing row for a new one.
  auto deleted = session.run("UPDATE " + config.schema + ".pulse SET closed_below=" + end + " WHERE coordinator='" +
                                 config.coordinator_id + "' AND closed_below<" + end + ";DELETE FROM " + above + end +
                                 ";SELECT ROW_COUNT()",
                             3);
  if (deleted.error) return std::move(*deleted.error);
  const auto count = static_cast<std::uint64_t>(int_of(rows_of(deleted).rows.front()[0]));
  return more ? std::max(count, kRowsMax) : count;
}

}  // namespace assent::participant
