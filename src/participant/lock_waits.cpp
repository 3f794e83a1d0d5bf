#include "participant/lock_waits.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <thread>

#include "base/check.hpp"
#include "base/clock.hpp"
#include "participant/connector_session.hpp"
#include "participant/remedies.hpp"
#include "protocol/xid.hpp"

namespace assent::participant {
namespace {

using ports::BlockedSession;
using ports::LockWaits;

/// Branches whose numbers are looked for at most, those asked for first. On MariaDB by sessions of ours that all wait
/// at once, so that nothing else that is to be done here waits for more than a second.
constexpr std::size_t kMatchedMax = 256;
constexpr std::size_t kWaitersMax = 32;
/// How long those are given to be seen waiting.
constexpr std::chrono::milliseconds kSeenWaitingIn{900};
/// MariaDB makes its views anew once nobody has read them for 100 ms.
constexpr std::chrono::milliseconds kViewsEvery{110};

/// A number of InnoDB's for a transaction.
using EngineNumber = std::string;

struct Wait {
  EngineNumber blocker;
  bool has_session = false;  ///< The one that blocks: then it is somebody at work, unless its session is idle.
  BlockedSession who;
};

bool is_refused(const SqlError& error) {
  return error.number == errnos::kNoPrivilege || error.number == 1142 || error.number == 1044 || error.number == 1143;
}

// InnoDB's tables in information_schema are copies, made anew only when nobody has read them for a while. So on MySQL
// they are asked only about the one that blocks, which is there for long.
std::string waits_query(const Session& session) {
  if (session.dialect().kind == ServerKind::mysql) {
    return "SELECT w.BLOCKING_ENGINE_TRANSACTION_ID,COALESCE(b.trx_mysql_thread_id,0),t.PROCESSLIST_ID,"
           "t.PROCESSLIST_USER,t.PROCESSLIST_HOST,t.PROCESSLIST_TIME,CONCAT(l.OBJECT_SCHEMA,'.',l.OBJECT_NAME),"
           "l.LOCK_DATA FROM performance_schema.data_lock_waits w"
           " JOIN performance_schema.threads t ON t.THREAD_ID=w.REQUESTING_THREAD_ID"
           " LEFT JOIN information_schema.INNODB_TRX b ON b.trx_id=w.BLOCKING_ENGINE_TRANSACTION_ID"
           " LEFT JOIN performance_schema.data_locks l ON l.ENGINE_LOCK_ID=w.REQUESTING_ENGINE_LOCK_ID";
  }
  return "SELECT w.blocking_trx_id,COALESCE(b.trx_mysql_thread_id,0),r.trx_mysql_thread_id,p.USER,p.HOST,"
         "TIMESTAMPDIFF(SECOND,r.trx_wait_started,NOW()),REPLACE(l.lock_table,'`',''),l.lock_data"
         " FROM information_schema.INNODB_LOCK_WAITS w"
         " JOIN information_schema.INNODB_TRX r ON r.trx_id=w.requesting_trx_id"
         " LEFT JOIN information_schema.INNODB_TRX b ON b.trx_id=w.blocking_trx_id"
         " LEFT JOIN information_schema.INNODB_LOCKS l ON l.lock_id=w.requested_lock_id"
         " LEFT JOIN information_schema.PROCESSLIST p ON p.ID=r.trx_mysql_thread_id";
}

std::variant<std::vector<Wait>, SqlError> read_waits(Session& session) {
  auto result = session.run(waits_query(session));
  if (result.error) return std::move(*result.error);
  std::vector<Wait> waits;
  for (const auto& row : result.answers.front().rows->rows) {
    Wait wait;
    wait.blocker = text_of(row[0]);
    wait.has_session = int_of(row[1]) != 0;
    wait.who = {static_cast<std::uint64_t>(int_of(row[2])), text_of(row[3]), text_of(row[4]),
                std::chrono::seconds(int_of(row[5])),       text_of(row[6]), text_of(row[7])};
    waits.push_back(std::move(wait));
  }
  return waits;
}

std::string proof_row_of(const Config& config, const protocol::Xid& xid) {
  const auto branch = protocol::parse_bqual(xid.bqual);
  ASSENT_CHECK(branch && protocol::parse_gtrid(xid.gtrid));
  return "SELECT 1 FROM " + config.schema + ".proof WHERE gtrid='" + xid.gtrid +
         "' AND branch=" + std::to_string(branch->branch) + " ";
}

using Holders = std::map<EngineNumber, protocol::Xid>;

// `0x73686F70, 1`, the key of a row of proof as MySQL shows it.
std::string key_as_shown(const protocol::Xid& xid) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string text = "0x";
  for (const char c : xid.gtrid) {
    text.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
    text.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
  }
  return text + ", " + std::to_string(protocol::parse_bqual(xid.bqual)->branch);
}

std::variant<Holders, SqlError> holders_at_mysql(Session& session, const Config& config,
                                                 std::span<const protocol::Xid> branches) {
  std::map<std::string, const protocol::Xid*> by_key;
  for (const auto& xid : branches) {
    // Refused at once, it makes the lock one that is listed.
    auto wanted = session.run(proof_row_of(config, xid) + session.dialect().read_nowait);
    if (wanted.error && wanted.error->lost) return std::move(*wanted.error);
    by_key[key_as_shown(xid)] = &xid;
  }
  auto locks =
      session.run("SELECT ENGINE_TRANSACTION_ID,LOCK_DATA FROM performance_schema.data_locks WHERE OBJECT_SCHEMA='" +
                  config.schema + "' AND OBJECT_NAME='proof' AND LOCK_TYPE='RECORD' AND LOCK_STATUS='GRANTED'");
  if (locks.error) return std::move(*locks.error);
  Holders holders;
  for (const auto& row : locks.answers.front().rows->rows) {
    const auto found = by_key.find(text_of(row[1]));
    if (found != by_key.end()) holders.emplace(text_of(row[0]), *found->second);
  }
  return holders;
}

/// Sessions of ours, each of which waits for the proof row of one branch.
class Waiters {
 public:
  Waiters(const Config& config, std::span<const protocol::Xid> branches) {
    for (const auto& xid : branches) {
      auto opened = open_control_session(config);
      auto* session = std::get_if<std::unique_ptr<Session>>(&opened);
      if (session == nullptr) return;
      waiting_for_.emplace((*session)->identity().id, xid);
      sessions_.push_back(std::move(*session));
      threads_.emplace_back([&waiter = *sessions_.back(), query = proof_row_of(config, xid)] {
        const ConnectorThread thread;
        waiter.run(query + "LOCK IN SHARE MODE");
      });
    }
  }
  ~Waiters() {
    for (auto& thread : threads_) thread.join();
  }
  Waiters(const Waiters&) = delete;
  Waiters& operator=(const Waiters&) = delete;

  /// By connection.
  const std::map<std::uint64_t, protocol::Xid>& waiting_for() const { return waiting_for_; }

 private:
  std::vector<std::unique_ptr<Session>> sessions_;
  std::map<std::uint64_t, protocol::Xid> waiting_for_;
  std::vector<std::thread> threads_;
};

std::variant<Holders, SqlError> holders_at_mariadb(Session& session, const Config& config,
                                                   std::span<const protocol::Xid> branches) {
  Holders holders;
  const Waiters waiters(config, branches);
  const auto until = base::SteadyClock::now() + kSeenWaitingIn;
  std::set<std::uint64_t> seen;
  while (seen.size() < waiters.waiting_for().size() && base::SteadyClock::now() < until) {
    std::this_thread::sleep_for(kViewsEvery);
    auto waits = read_waits(session);
    if (auto* error = std::get_if<SqlError>(&waits)) return std::move(*error);
    for (const auto& wait : std::get<0>(waits)) {
      const auto ours = waiters.waiting_for().find(wait.who.connection);
      if (ours == waiters.waiting_for().end()) continue;
      seen.insert(ours->first);
      holders.emplace(wait.blocker, ours->second);
    }
  }
  return holders;
}

std::string grants(const Session& session) {
  const auto process = grant_process(session.account());
  if (session.dialect().kind == ServerKind::mariadb) return process;
  return grant_lock_views(session.account()) + "; " + process;
}

}  // namespace

std::variant<LockWaits, SqlError> find_waits(Session& session, const Config& config,
                                             const std::vector<protocol::Xid>& branches) {
  LockWaits found;
  if (branches.empty()) return found;
  const bool mysql = session.dialect().kind == ServerKind::mysql;
  if (!mysql) std::this_thread::sleep_for(kViewsEvery);
  auto waits = read_waits(session);
  if (auto* error = std::get_if<SqlError>(&waits)) {
    if (!is_refused(*error)) return std::move(*error);
    found.incomplete = "the account may not look at the server's locks: " + grants(session);
    return found;
  }
  const auto& all = std::get<0>(waits);
  if (all.empty()) return found;
  const auto asked =
      std::span(branches).first(config.proof_rows ? std::min(branches.size(), mysql ? kMatchedMax : kWaitersMax) : 0);
  auto matched = mysql ? holders_at_mysql(session, config, asked) : holders_at_mariadb(session, config, asked);
  if (auto* error = std::get_if<SqlError>(&matched)) return std::move(*error);
  const auto& holders = std::get<Holders>(matched);
  bool some_unknown = false;
  for (const auto& wait : all) {
    const auto holder = holders.find(wait.blocker);
    if (holder != holders.end()) {
      found.by_branch[holder->second].push_back(wait.who);
    } else if (!wait.has_session) {
      some_unknown = true;
      found.others.push_back(wait.who);
    }
  }
  if (some_unknown && asked.size() < branches.size()) {
    found.incomplete = "only the first " + std::to_string(asked.size()) +
                       " branches were matched with the server's locks; name one with --gtrid";
  }
  return found;
}

}  // namespace assent::participant
