#include "participant/settler.hpp"

#include <algorithm>
#include <set>
#include <thread>
#include <utility>

#include "base/check.hpp"
#include "base/failpoints.hpp"
#include "base/log.hpp"
#include "participant/schema.hpp"

namespace assent::participant {
namespace {

using protocol::Decided;
using protocol::Finding;
using protocol::Listed;
using protocol::Observation;
using protocol::Owner;
using protocol::Proof;
using protocol::Reply;
using std::chrono::milliseconds;

constexpr std::uint32_t kNoSuchThread = 1094;
/// A statement about one branch that takes this long has waited for a lock.
constexpr milliseconds kLongWait{900};

std::string verb_of(Decided decided) {
  return decided == Decided::rollback ? "XA ROLLBACK " : "XA COMMIT ";
}

// The branch is no longer there as far as this session can tell, or was rolled back by the server.
bool took_it_away(std::uint32_t number) {
  return number == errnos::kXaRolledBack || number == errnos::kXaRolledBackTimeout ||
         number == errnos::kXaRolledBackDeadlock;
}

Reply reply_to(const SqlError& error) {
  if (error.lost) return Reply::none;
  if (error.number == errnos::kXaUnknownXid) return Reply::unknown_xid;
  return took_it_away(error.number) ? Reply::rolled_back : Reply::refused;
}

const char* words(Reply reply) {
  switch (reply) {
    case Reply::ok_owner: return "its own session said OK";
    case Reply::ok_other: return "the server said OK to another session";
    case Reply::unknown_xid: return "the server does not know the XID";
    case Reply::rolled_back: return "the server says it rolled the branch back";
    case Reply::refused: return "the server refused";
    case Reply::none: return "nothing was said";
  }
  return "";
}

const char* words(Listed listed) {
  switch (listed) {
    case Listed::yes: return "listed by XA RECOVER";
    case Listed::no: return "not listed by XA RECOVER";
    case Listed::not_read: return "XA RECOVER not read";
  }
  return "";
}

const char* words(Proof proof) {
  switch (proof) {
    case Proof::present: return "proof row present";
    case Proof::absent: return "proof row absent";
    case Proof::fenced: return "fenced";
    case Proof::locked: return "proof row locked";
    case Proof::not_read: return "proof row not read";
    case Proof::not_kept: return "no proof rows kept";
  }
  return "";
}

std::string words(const Observation& seen) {
  return std::string(words(seen.reply)) + "; " + words(seen.listed) + "; " + words(seen.proof);
}

// The table's judgement, unless a test takes a safeguard away to show what becomes of the money without it.
Finding judged(const Observation& seen) {
  const auto finding = protocol::judge(seen);
  if (seen.decided != Decided::commit) return finding;
  const bool on_trust = (finding == Finding::hazard && ASSENT_FAILS_AT(without_proof_check)) ||
                        (seen.reply == Reply::unknown_xid && ASSENT_FAILS_AT(without_doubt_of_nota)) ||
                        (seen.reply == Reply::ok_other && ASSENT_FAILS_AT(without_doubt_of_other_ok));
  return on_trust ? Finding::committed : finding;
}

/// One attempt without the owner, as far as it has come.
struct Attempt {
  Attempt(const SettleElsewhere& asked, std::size_t its_place, const Config& config)
      : work(asked.work), owner(asked.owner), place(its_place) {
    seen.decided = work.decided;
    seen.known_prepared = work.known_prepared;
    seen.reply = asked.first_reply;
    seen.proof = config.proof_rows ? Proof::not_read : Proof::not_kept;
  }

  bool needs_fence() const {
    const bool may_still_arrive =
        work.decided == Decided::one_phase || (work.decided == Decided::rollback && !seen.known_prepared);
    return may_still_arrive && seen.listed == Listed::no;
  }

  std::string key() const {
    const auto branch = protocol::parse_bqual(work.xid.bqual);
    ASSENT_CHECK(branch);
    return "gtrid='" + work.xid.gtrid + "' AND branch=" + std::to_string(branch->branch);
  }

  const ports::SettleOrder& work;
  const OwnerTrace& owner;
  std::size_t place;
  Observation seen;
  Presence presence = Presence::gone;  ///< Of its owner, or of one that may be.
  std::optional<SqlError> error;
  bool over = false;        ///< Nothing more is to be seen of it.
  bool broken_off = false;  ///< By a lost connection or a stop: what was seen so far settles nothing.
};

using Group = std::vector<Attempt*>;

/// One attempt for each branch of a batch, without their owners. For each one the order matters: nobody else may touch
/// it before its owner has left; the list is read after the reply, and the row after the list.
class Batch {
 public:
  Batch(Session& control, const Config& config, std::span<const SettleElsewhere> asked,
        const std::function<bool()>& stopping, const std::function<void(std::size_t, ports::SettleReport)>& report)
      : control_(control), config_(config), stopping_(stopping), report_(report) {
    attempts_.reserve(asked.size());
    for (const auto& one : asked) attempts_.emplace_back(one, attempts_.size(), config);
  }

  void run() {
    Group ready;
    Group owned;
    std::vector<Leaving> owners;
    for (auto& attempt : attempts_) {
      if (attempt.owner.connection) {
        owned.push_back(&attempt);
        owners.push_back({*attempt.owner.connection});
      } else {
        look_for_predecessors(attempt);
        ready.push_back(&attempt);
      }
    }
    // All are killed before any is waited for, and the other branches do not wait with them.
    make_leave(control_, owners, milliseconds{0});
    Group slow;
    std::vector<Leaving> staying;
    for (std::size_t i = 0; i < owned.size(); ++i) {
      if (owners[i].left()) {
        owned[i]->seen.owner = Owner::gone;
        ready.push_back(owned[i]);
      } else {
        slow.push_back(owned[i]);
        staying.push_back(std::move(owners[i]));
      }
    }
    settle(std::move(ready));
    make_leave(control_, staying, stopping_() ? milliseconds{0} : kOwnerLeavesMax);
    for (std::size_t i = 0; i < slow.size(); ++i) note_owner(*slow[i], std::move(staying[i]));
    settle(std::move(slow));
  }

 private:
  void fail(Attempt& attempt, SqlError error) {
    attempt.over = true;
    attempt.broken_off = attempt.broken_off || error.lost;
    attempt.error = std::move(error);
  }

  // Asked before each statement about one branch: the rest of a batch must not hold up a stop, nor wait for minutes in
  // a row behind a backup's lock.
  bool goes_on(Attempt& attempt) {
    if (attempt.over) return false;
    if (!stopping_() && !waited_long_) return true;
    attempt.over = attempt.broken_off = true;
    return false;
  }

  PacketResult run_timed(const std::string& statement) {
    const auto begun = base::SteadyClock::now();
    auto result = control_.run(statement);
    if (base::SteadyClock::now() - begun >= kLongWait) waited_long_ = true;
    return result;
  }

  void note_owner(Attempt& attempt, Leaving owner) {
    if (owner.error) return fail(attempt, std::move(*owner.error));
    note_presence(attempt, owner.presence);
  }

  void note_presence(Attempt& attempt, Presence presence) {
    const bool gone = presence == Presence::gone;
    attempt.presence = presence;
    attempt.seen.owner = gone ? Owner::gone : Owner::alive;
    attempt.over = !gone;
  }

  void look_for_predecessors(Attempt& attempt) {
    if (attempt.owner.predecessors_left) {
      // A branch of this process that no session of it holds, and none was lost with: it never ran, or came back.
      if (attempt.owner.of_predecessor) attempt.seen.owner = Owner::gone;
      return;
    }
    if (!staying_) staying_ = staying_predecessors(control_, config_);
    if (const auto* error = std::get_if<SqlError>(&*staying_)) return fail(attempt, *error);
    auto presence = Presence::gone;
    for (const auto& one : std::get<0>(*staying_)) presence = std::min(presence, one.presence);
    // Nobody is waited for here: where the engine may not be asked, the process list must do.
    note_presence(attempt, presence == Presence::unseen ? Presence::gone : presence);
  }

  void settle(Group group) {
    read_list(group);
    Group acted;
    for (auto* attempt : group) {
      if (attempt->seen.listed == Listed::yes && goes_on(*attempt) && act(*attempt)) acted.push_back(attempt);
    }
    read_list(acted);
    // A fence may wait for a lock.
    std::stable_partition(group.begin(), group.end(), [](const auto* attempt) { return !attempt->needs_fence(); });
    for (auto* attempt : group) {
      if (config_.proof_rows && goes_on(*attempt)) read_proof(*attempt);
      tell(*attempt);
    }
  }

  // Once for all of them.
  void read_list(const Group& group) {
    const auto is_over = [](const auto* attempt) { return attempt->over; };
    if (std::all_of(group.begin(), group.end(), is_over)) return;
    auto listed = list_xids(control_);
    const auto* error = std::get_if<SqlError>(&listed);
    std::set<protocol::Xid> ours;
    if (!error) {
      for (auto& row : std::get<0>(listed)) {
        if (row.format_id == protocol::kFormatId) ours.insert({std::move(row.gtrid), std::move(row.bqual)});
      }
    }
    for (auto* attempt : group) {
      if (attempt->over) continue;
      attempt->seen.listed = Listed::not_read;
      if (error) {
        fail(*attempt, *error);
        continue;
      }
      const bool found = ours.contains(attempt->work.xid);
      attempt->seen.listed = found ? Listed::yes : Listed::no;
      if (found) attempt->seen.known_prepared = true;
    }
  }

  // Whether the list is to be read again.
  bool act(Attempt& attempt) {
    // Sent with ONE PHASE it is never prepared: somebody else's doing is not to be guessed about.
    if (attempt.work.decided == Decided::one_phase) {
      attempt.over = true;
      return false;
    }
    // What the list said was before the reply.
    attempt.seen.listed = Listed::not_read;
    const auto result = run_timed(verb_of(attempt.work.decided) + protocol::xid_literal(attempt.work.xid));
    attempt.seen.reply = result.error ? reply_to(*result.error) : Reply::ok_other;
    if (!result.error) return true;
    if (result.error->lost) {
      fail(attempt, *result.error);
    } else if (attempt.seen.reply != Reply::unknown_xid) {
      attempt.error = result.error;
    }
    return !attempt.over;
  }

  void read_proof(Attempt& attempt) {
    look_for_row(attempt);
    if (attempt.seen.proof == Proof::absent && attempt.needs_fence()) fence(attempt);
  }

  void look_for_row(Attempt& attempt) {
    const auto result = control_.run("SELECT kind FROM " + config_.schema + ".proof WHERE " + attempt.key() + " " +
                                     control_.dialect().read_nowait);
    if (result.error) return note_lock(attempt, *result.error);
    const auto& rows = result.answers.front().rows->rows;
    if (rows.empty()) {
      attempt.seen.proof = Proof::absent;
    } else {
      attempt.seen.proof = text_of(rows.front()[0]) == "proof" ? Proof::present : Proof::fenced;
    }
  }

  // A marker under the branch's key: a late runner's own row is then a duplicate, and it fails before it changes
  // anything. Only where the key was just seen to be free: an INSERT waits for a lock (a restarted server may
  // still be rolling back what was running), a look does not.
  void fence(Attempt& attempt) {
    const auto& xid = attempt.work.xid;
    const auto branch = protocol::parse_bqual(xid.bqual);
    const auto gtrid = protocol::parse_gtrid(xid.gtrid);
    ASSENT_CHECK(branch && gtrid);
    const auto result = run_timed(
        "INSERT INTO " + config_.schema + ".proof(gtrid,branch,kind,participants,protocol)VALUES('" + xid.gtrid + "'," +
        std::to_string(branch->branch) + ",'fence',''," + std::to_string(static_cast<int>(gtrid->protocol)) + ")");
    if (!result.error) {
      attempt.seen.proof = Proof::fenced;
    } else if (result.error->number == errnos::kDuplicateKey) {
      look_for_row(attempt);
    } else {
      note_lock(attempt, *result.error);
    }
  }

  void note_lock(Attempt& attempt, const SqlError& error) {
    if (error.number == errnos::kLockWaitTimeout || error.number == errnos::kNowait) {
      attempt.seen.proof = Proof::locked;
    } else {
      fail(attempt, error);
    }
  }

  void tell(const Attempt& attempt) {
    ports::SettleReport report;
    report.finding = attempt.broken_off ? Finding::ambiguous : judged(attempt.seen);
    report.detail = words(attempt.seen);
    if (attempt.presence != Presence::gone) report.detail += std::string("; its session ") + words(attempt.presence);
    if (attempt.error) {
      report.detail += "; " + describe(*attempt.error);
    } else if (attempt.broken_off) {
      report.detail += waited_long_ ? "; the server lets statements wait" : "; the participant is stopping";
    }
    report_(attempt.place, std::move(report));
  }

  Session& control_;
  const Config& config_;
  const std::function<bool()>& stopping_;
  const std::function<void(std::size_t, ports::SettleReport)>& report_;
  std::vector<Attempt> attempts_;
  bool waited_long_ = false;
  std::optional<std::variant<std::vector<Predecessor>, SqlError>> staying_;
};

// Kills those that are still connected. Whether there is somebody to wait for.
bool look_whether_left(Session& control, std::span<Leaving> all) {
  std::vector<Leaving*> staying;
  std::vector<ConnectionIdentity> connections;
  for (auto& one : all) {
    if (one.left() || one.error) continue;
    staying.push_back(&one);
    connections.push_back(one.who);
  }
  if (staying.empty()) return false;
  auto looked = look_for(control, connections);
  const auto* error = std::get_if<SqlError>(&looked);
  bool some_stay = false;
  for (std::size_t i = 0; i < staying.size(); ++i) {
    auto& one = *staying[i];
    if (error) {
      one.error = *error;
      continue;
    }
    one.presence = std::get<0>(looked)[i];
    if (one.presence == Presence::not_known || one.presence == Presence::unseen) {
      if (!one.unseen_since) one.unseen_since = base::SteadyClock::now();
      if (base::SteadyClock::now() - *one.unseen_since >= kLeavesUnseenIn) {
        one.presence = Presence::gone;
        one.assumed = true;
      }
    }
    if (one.presence == Presence::connected && !std::exchange(one.killed, true)) {
      auto kill = control.run("KILL " + std::to_string(one.who.id));
      if (kill.error && kill.error->number != kNoSuchThread) one.error = std::move(*kill.error);
    }
    some_stay = some_stay || (!one.left() && !one.error);
  }
  return some_stay;
}

}  // namespace

std::string settling_statement(const ports::SettleOrder& work) {
  auto text = verb_of(work.decided);
  text.reserve(text.size() + 2 * protocol::kXidPartBytesMax + 16);
  return text += protocol::xid_literal(work.xid);
}

OwnerSettled settled_on_owner(const ports::SettleOrder& work, const PacketResult& result) {
  Observation seen;
  seen.decided = work.decided;
  seen.known_prepared = true;
  OwnerSettled settled;
  if (!result.error) {
    seen.reply = Reply::ok_owner;
    settled.report = {judged(seen), words(seen.reply)};
    return settled;
  }
  settled.reply = reply_to(*result.error);
  settled.still_held = settled.reply == Reply::refused;
  seen.reply = settled.reply;
  settled.report = {judged(seen), std::string(words(settled.reply)) + "; " + describe(*result.error)};
  return settled;
}

void settle_without_owners(Session& control, const Config& config, std::span<const SettleElsewhere> batch,
                           const std::function<bool()>& stopping,
                           const std::function<void(std::size_t, ports::SettleReport)>& report) {
  Batch(control, config, batch, stopping, report).run();
}

std::optional<std::string> end_predecessors(Session& control, const Config& config, bool* all_seen_gone) {
  auto staying = staying_predecessors(control, config);
  if (const auto* error = std::get_if<SqlError>(&staying)) return describe(*error);
  std::vector<Leaving> leaving;
  for (auto& [who, presence] : std::get<0>(staying)) {
    if (presence == Presence::connected) {
      spdlog::warn("participant {}: ending connection {} of an earlier process", config.name, who.id);
    }
    leaving.push_back({std::move(who)});
  }
  make_leave(control, leaving, kPredecessorLeavesMax);
  if (all_seen_gone) {
    *all_seen_gone = std::none_of(leaving.begin(), leaving.end(), [](const auto& one) { return one.assumed; });
  }
  for (const auto& one : leaving) {
    if (one.error) return describe(*one.error);
    if (!one.left()) {
      return "connection " + std::to_string(one.who.id) + " of an earlier process " + words(one.presence);
    }
  }
  return std::nullopt;
}

void make_leave(Session& control, std::span<Leaving> all, milliseconds patience) {
  const auto until = base::SteadyClock::now() + patience;
  for (milliseconds pause{1};; pause = std::min(pause * 2, milliseconds{50})) {
    if (!look_whether_left(control, all) || base::SteadyClock::now() >= until) return;
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace assent::participant
