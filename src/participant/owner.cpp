#include "participant/owner.hpp"

#include <unistd.h>

#include <array>

#include "base/check.hpp"
#include "base/random.hpp"

namespace assent::participant {
namespace {

using ports::OwnerRow;

constexpr std::uint32_t kUnknownColumn = 1054;
/// All that changes when the row is renewed or taken over.
constexpr const char* kRenewal =
    "CONCAT_WS('/',instance,epoch,COALESCE(sequence,'-'),COALESCE(UNIX_TIMESTAMP(seen_at),'-'))";
/// The same of a row in the table of an older version, and of the same row after the migration.
constexpr const char* kOldRenewal = "CONCAT_WS('/',instance,epoch,'-','-')";

std::string silence_of(const char* column) {
  return std::string("CAST((UNIX_TIMESTAMP(NOW(3))-UNIX_TIMESTAMP(") + column + "))*1000 AS SIGNED)";
}

std::string here(const Config& config) {
  return " WHERE id='" + config.coordinator_id + "'";
}

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

bool is_missing(const SqlError& error) {
  return error.number == errnos::kUnknownDatabase || error.number == errnos::kNoSuchTable;
}

const Rows& rows_of(const PacketResult& result) {
  ASSENT_CHECK(!result.answers.empty() && result.answers.back().rows);
  return *result.answers.back().rows;
}

std::uint64_t unsigned_of(const Value& value) {
  return std::strtoull(text_of(value).c_str(), nullptr, 10);
}

bool is_null(const Value& value) {
  return std::holds_alternative<Null>(value);
}

// Older versions gave their signs of life elsewhere.
std::optional<SqlError> read_old_silence(Session& session, const Config& config, OwnerRow& owner) {
  auto pulse = session.run("SELECT " + silence_of("seen_at") + ",UNIX_TIMESTAMP(seen_at) FROM " + config.schema +
                           ".pulse WHERE coordinator='" + config.coordinator_id + "'");
  if (pulse.error) {
    if (is_missing(*pulse.error) || pulse.error->number == kUnknownColumn) return std::nullopt;
    return pulse.error;
  }
  if (rows_of(pulse).rows.empty()) return std::nullopt;
  const auto& row = rows_of(pulse).rows.front();
  owner.silent = std::chrono::milliseconds(int_of(row[0]));
  owner.old_pulse = text_of(row[1]);
  return std::nullopt;
}

}  // namespace

std::variant<std::optional<OwnerRow>, SqlError> read_owner(Session& session, const Config& config) {
  const auto from = " FROM " + config.schema + ".coordinator" + here(config);
  const std::string always = "SELECT log_id,epoch,host,instance,";
  auto result = session.run(always + "place,sequence," + silence_of("seen_at") + "," + kRenewal + from);
  if (result.error && result.error->number == kUnknownColumn) {
    result = session.run(always + "0,NULL,NULL," + kOldRenewal + from);
  }
  if (result.error) {
    if (is_missing(*result.error)) return std::optional<OwnerRow>();
    return std::move(*result.error);
  }
  if (rows_of(result).rows.empty()) return std::optional<OwnerRow>();
  const auto& row = rows_of(result).rows.front();
  OwnerRow owner;
  owner.log_id = unsigned_of(row[0]);
  owner.epoch = static_cast<std::uint32_t>(int_of(row[1]));
  owner.host = text_of(row[2]);
  owner.instance = unsigned_of(row[3]);
  owner.place = unsigned_of(row[4]);
  if (!is_null(row[5])) owner.sequence = unsigned_of(row[5]);
  if (!is_null(row[6])) owner.silent = std::chrono::milliseconds(int_of(row[6]));
  owner.renewal = text_of(row[7]);
  // Made by an older version for a claim that was then cut off.
  if (owner.log_id == 0 && owner.epoch == 0 && owner.instance == 0) return std::optional<OwnerRow>();
  if (!owner.sequence) {
    if (auto error = read_old_silence(session, config, owner)) return std::move(*error);
  }
  return std::optional(std::move(owner));
}

std::variant<std::string, SqlError> read_closed_below(Session& session, const Config& config) {
  auto result = session.run("SELECT closed_below FROM " + config.schema + ".pulse WHERE coordinator='" +
                            config.coordinator_id + "'");
  if (result.error) {
    if (is_missing(*result.error)) return std::string();
    return std::move(*result.error);
  }
  const auto& rows = rows_of(result).rows;
  return rows.empty() ? std::string() : text_of(rows.front()[0]);
}

std::variant<bool, SqlError> claim(Session& session, const Config& config, const protocol::FenceLog& log,
                                   std::uint64_t durable_sequence, const std::optional<OwnerRow>& before, bool again) {
  const auto table = config.schema + ".coordinator";
  const auto since = std::to_string(again ? log.epoch + std::uint64_t{1} : log.epoch);
  const auto values = "log_id=" + std::to_string(log.log_id) + ",epoch=" + std::to_string(log.epoch) +
                      ",host=" + quoted(session, host_name()) +
                      ",instance=" + std::to_string(base::process_instance()) + ",place=" + std::to_string(log.place) +
                      ",sequence=" + std::to_string(durable_sequence) + ",seen_at=NOW(3),claimed_at=NOW()";
  // One statement each: what was judged is tested where it is overwritten.
  auto result = before
                    ? session.run("UPDATE " + table + " SET " + values + here(config) + " AND " + kRenewal + "=" +
                                      quoted(session, before->renewal) + ";SELECT ROW_COUNT()",
                                  2)
                    : session.run("DELETE FROM " + table + here(config) + " AND log_id=0 AND epoch=0 AND instance=0;" +
                                      "INSERT INTO " + table + " SET id='" + config.coordinator_id +
                                      "',since=" + since + "," + values + ";SELECT ROW_COUNT()",
                                  3);
  if (result.error) {
    if (result.error->number == errnos::kDuplicateKey) return false;
    return std::move(*result.error);
  }
  if (int_of(rows_of(result).rows.at(0).at(0)) != 1) return false;
  // Once proof rows were not kept here, a missing one never again says anything.
  const std::string kept = config.proof_rows ? "1" : "0";
  auto pulse = session.run("INSERT INTO " + config.schema + ".pulse(coordinator,closed_below,proofs_kept)VALUES('" +
                           config.coordinator_id + "',''," + kept +
                           ")ON DUPLICATE KEY UPDATE proofs_kept=LEAST(COALESCE(proofs_kept,1)," + kept + ")");
  if (pulse.error) return std::move(*pulse.error);
  return true;
}

std::variant<Renewal, SqlError> renew_claim(Session& session, const Config& config, std::uint64_t durable_sequence) {
  const auto table = config.schema + ".coordinator";
  const auto own = std::to_string(base::process_instance());
  auto renewed = session.run("UPDATE " + table + " SET seen_at=NOW(3),sequence=GREATEST(COALESCE(sequence,0)," +
                                 std::to_string(durable_sequence) + ")" + here(config) + " AND instance=" + own +
                                 ";SELECT ROW_COUNT()",
                             2);
  if (renewed.error) return std::move(*renewed.error);
  if (int_of(rows_of(renewed).rows.at(0).at(0)) == 1) return Renewal::held;
  // Or twice within a millisecond, which changes nothing.
  auto row = session.run("SELECT instance FROM " + table + here(config));
  if (row.error) return std::move(*row.error);
  if (rows_of(row).rows.empty()) return Renewal::gone;
  return text_of(rows_of(row).rows.front()[0]) == own ? Renewal::held : Renewal::taken;
}

}  // namespace assent::participant
