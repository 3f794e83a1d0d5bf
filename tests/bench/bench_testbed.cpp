#include "bench/bench_testbed.hpp"

#include <algorithm>
#include <set>

#include "bench/bench_process.hpp"
#include "support/daemon.hpp"

namespace assent::bench {
namespace {

constexpr std::int64_t kOldVersionsMax = 200;  ///< Transactions whose old row versions wait for the purge.
constexpr std::int64_t kDirtyPagesMax = 64;
constexpr std::chrono::seconds kSettleBound{10};
constexpr std::chrono::seconds kBranchesBound{20};

bool is_mysql(const Server& server) {
  return server.kind == "mysql";
}

std::int64_t status(Sql& sql, const std::string& name) {
  const auto rows = sql.rows("SHOW GLOBAL STATUS LIKE '" + name + "'");
  return rows.empty() ? 0 : std::stoll(rows[0].at(1));
}

using Stopped = std::function<bool()>;

void wait_for_purge(Sql& sql, bool mysql, const Stopped& stopped) {
  const char* const old_versions =
      mysql ? "SELECT COUNT FROM information_schema.INNODB_METRICS WHERE NAME='trx_rseg_history_len'"
            : "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE "
              "VARIABLE_NAME='INNODB_HISTORY_LIST_LENGTH'";
  testing::eventually([&] { return stopped() || sql.number(old_versions) <= kOldVersionsMax; }, kSettleBound);
}

void flush_pages(Sql& sql, const Stopped& stopped) {
  const auto before =
      sql.rows("SELECT @@GLOBAL.innodb_max_dirty_pages_pct, @@GLOBAL.innodb_max_dirty_pages_pct_lwm").at(0);
  // The low mark must not be above the other.
  if (!sql.try_run("SET GLOBAL innodb_max_dirty_pages_pct_lwm=0")) return;
  sql.try_run("SET GLOBAL innodb_max_dirty_pages_pct=0");
  testing::eventually([&] { return stopped() || status(sql, "Innodb_buffer_pool_pages_dirty") <= kDirtyPagesMax; },
                      kSettleBound);
  sql.try_run("SET GLOBAL innodb_max_dirty_pages_pct=" + before.at(0));
  sql.try_run("SET GLOBAL innodb_max_dirty_pages_pct_lwm=" + before.at(1));
}

void wait_for_rows(Sql& sql, const std::string& schema, const std::string& table, const Stopped& stopped) {
  const auto there = sql.number("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='" + schema +
                                "' AND table_name='" + table + "'");
  if (there == 0) return;
  testing::eventually([&] { return stopped() || sql.number("SELECT COUNT(*) FROM " + schema + "." + table) == 0; },
                      kSettleBound);
}

}  // namespace

Testbed::Testbed(std::vector<Server> servers, Transport transport, unsigned participants, std::string tag)
    : servers_(std::move(servers)), transport_(transport), tag_(std::move(tag)), prefixes_{tag_} {
  for (auto& server : servers_) {
    sql_.push_back(std::make_unique<Sql>(server, transport_, Account::admin));
    const auto version = sql_.back()->rows("SELECT VERSION()").at(0).at(0);
    if (server.kind.empty()) server.kind = version.find("MariaDB") == std::string::npos ? "mysql" : "mariadb";
    if (server.version.empty()) server.version = version.substr(0, version.find('-'));
  }
  for (unsigned i = 0; i < participants; ++i) {
    places_.push_back({servers_[i % servers_.size()], tag_ + "_" + std::to_string(i + 1)});
  }
}

Testbed::~Testbed() {
  try {
    roll_back_left();
  } catch (const std::exception&) {
    // The server is gone, and this run's databases with it or for somebody else to remove.
    return;
  }
  for (unsigned i = 0; i < places_.size(); ++i) {
    auto& sql = *sql_[i % sql_.size()];
    sql.try_run("SET SESSION lock_wait_timeout=5");
    sql.try_run("DROP DATABASE IF EXISTS " + places_[i].database);
    sql.try_run("DROP DATABASE IF EXISTS " + coordinator_schema());
  }
}

std::vector<std::string> Testbed::databases() const {
  std::vector<std::string> names;
  for (const auto& place : places_) names.push_back(place.database);
  return names;
}

std::vector<ServerInfo> Testbed::infos() const {
  std::vector<ServerInfo> infos;
  for (const auto& server : servers_) infos.push_back({server.name, server.kind, server.version});
  return infos;
}

void Testbed::fill(const Workload& workload) {
  for (unsigned i = 0; i < places_.size(); ++i) {
    run_at(i, "DROP DATABASE IF EXISTS " + places_[i].database);
    run_at(i, "CREATE DATABASE " + places_[i].database);
    for (const auto& statement : workload.make_tables(i)) run_at(i, statement);
  }
}

void Testbed::settle(const Stopped& stopped) {
  for (std::size_t i = 0; i < sql_.size(); ++i) {
    for (const auto* table : {"proof", "acceptor"}) wait_for_rows(*sql_[i], coordinator_schema(), table, stopped);
    wait_for_purge(*sql_[i], is_mysql(servers_[i]), stopped);
    flush_pages(*sql_[i], stopped);
  }
}

void Testbed::run_at(unsigned participant, const std::string& statement) {
  sql_[participant % sql_.size()]->run(statement);
}

// Their names, by XA RECOVER.
std::vector<std::string> Testbed::left_branches() {
  std::vector<std::string> left;
  for (const auto& sql : sql_) {
    for (const auto& row : sql->rows("XA RECOVER")) {
      const auto begins = [&](const std::string& prefix) { return row.at(3).starts_with(prefix); };
      if (std::any_of(prefixes_.begin(), prefixes_.end(), begins)) left.push_back(row[3]);
    }
  }
  return left;
}

// What the bare client left prepared when it was broken off; it keeps tables locked.
void Testbed::roll_back_left() {
  for (const auto& sql : sql_) {
    for (const auto& row : sql->rows("XA RECOVER")) {
      if (!row.at(3).starts_with(tag_) || row[0] != std::to_string(kRawFormatId)) continue;
      const auto gtrid_bytes = std::stoul(row[1]);
      sql->try_run("XA ROLLBACK '" + row[3].substr(0, gtrid_bytes) + "','" + row[3].substr(gtrid_bytes) + "'," +
                   row[0]);
    }
  }
}

Sums Testbed::check(const Workload& workload) {
  std::vector<std::string> left;
  testing::eventually([&] { return (left = left_branches()).empty(); }, kBranchesBound);
  Sums sums;
  sums.checks.push_back({"no branch left in XA RECOVER", left.empty(),
                         left.empty() ? "none" : std::to_string(left.size()) + " left, among them " + left.front()});
  const auto ask = [this](unsigned participant, const std::string& query) {
    return sql_[participant % sql_.size()]->number(query);
  };
  for (auto& check : workload.check(ask)) sums.checks.push_back(std::move(check));
  sums.right = std::all_of(sums.checks.begin(), sums.checks.end(), [](const auto& check) { return check.right; });
  return sums;
}

std::uint64_t Testbed::syncs() {
  std::int64_t total = 0;
  for (std::size_t i = 0; i < sql_.size(); ++i) {
    total += status(*sql_[i], "Innodb_data_fsyncs");
    // MySQL counts the files of its binary log only in the performance schema, where most of "the rest" are syncs.
    total += is_mysql(servers_[i]) ? sql_[i]->number(
                                         "SELECT COUNT_MISC FROM performance_schema.file_summary_by_event_name WHERE "
                                         "EVENT_NAME='wait/io/file/sql/binlog'")
                                   : status(*sql_[i], "Binlog_group_commits");
  }
  return static_cast<std::uint64_t>(total);
}

std::string Testbed::syncs_from() const {
  std::set<std::string> kinds;
  for (const auto& server : servers_) kinds.insert(server.kind);
  std::string from;
  if (kinds.contains("mariadb")) from = "MariaDB: Innodb_data_fsyncs + Binlog_group_commits";
  if (!kinds.contains("mysql")) return from;
  return from + (from.empty() ? "" : "; ") +
         "MySQL: Innodb_data_fsyncs + COUNT_MISC of wait/io/file/sql/binlog in the performance schema";
}

double Testbed::cpu_us() const {
  double total = 0;
  for (const auto& server : servers_) total += bench::cpu_us(server.pid);
  return total;
}

}  // namespace assent::bench
