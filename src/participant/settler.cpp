#include "participant/settler.hpp"

#include <algorithm>
#include <thread>

#include "base/check.hpp"
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
  return std::string(words(seen.reply)) + "; " + words(seen.listed) + "; " + words(seen.proof) +
         (seen.owner == Owner::alive ? "; its session still lives" : "");
}

/// One attempt without the owner.
class Attempt {
 public:
  Attempt(Session& control, const Config& config, const SettleWork& work, const OwnerTrace& owner, Reply first_reply)
      : control_(control), config_(config), work_(work), trace_(owner) {
    seen_.decided = work.decided;
    seen_.known_prepared = work.known_prepared;
    seen_.reply = first_reply;
    seen_.proof = config.proof_rows ? Proof::not_read : Proof::not_kept;
  }

  ports::SettleReport run() {
    // The order matters: nobody else may touch the branch before its owner has left; the list is read after the reply,
    // and the row after the list.
    if (look_for_owner() && read_list() && act() && config_.proof_rows) read_proof();
    ports::SettleReport report;
    report.finding = protocol::judge(seen_);
    report.detail = words(seen_);
    if (error_) report.detail += "; " + describe(*error_);
    return report;
  }

 private:
  bool failed(SqlError error) {
    error_ = std::move(error);
    return false;
  }

  bool look_for_owner() {
    if (trace_.connection) {
      auto left = make_leave(control_, *trace_.connection, kOwnerLeavesMax);
      if (auto* error = std::get_if<SqlError>(&left)) return failed(std::move(*error));
      seen_.owner = std::get<bool>(left) ? Owner::gone : Owner::alive;
      return seen_.owner == Owner::gone;
    }
    // A branch of this process that no session of it holds, and none was lost with: it never ran, or came back.
    if (trace_.predecessors_left && !trace_.of_predecessor) return true;
    if (trace_.predecessors_left) {
      seen_.owner = Owner::gone;
      return true;
    }
    auto living = living_predecessors(control_, config_);
    if (auto* error = std::get_if<SqlError>(&living)) return failed(std::move(*error));
    const bool none = std::get<0>(living).empty();
    seen_.owner = none ? Owner::gone : Owner::alive;
    return none;
  }

  bool read_list() {
    seen_.listed = Listed::not_read;
    auto listed = list_xids(control_);
    if (auto* error = std::get_if<SqlError>(&listed)) return failed(std::move(*error));
    const auto& rows = std::get<0>(listed);
    const ports::ListedXid wanted{protocol::kFormatId, work_.xid.gtrid, work_.xid.bqual};
    const bool found = std::find(rows.begin(), rows.end(), wanted) != rows.end();
    seen_.listed = found ? Listed::yes : Listed::no;
    if (found) seen_.known_prepared = true;
    return true;
  }

  bool act() {
    if (seen_.listed != Listed::yes) return true;
    // Sent with ONE PHASE it is never prepared: somebody else's doing is not to be guessed about.
    if (work_.decided == Decided::one_phase) return false;
    const auto result = control_.run(verb_of(work_.decided) + protocol::xid_literal(work_.xid));
    seen_.reply = result.error ? reply_to(*result.error) : Reply::ok_other;
    if (result.error && seen_.reply != Reply::unknown_xid) error_ = result.error;
    if (result.error && result.error->lost) {
      seen_.listed = Listed::not_read;
      return false;
    }
    return read_list();
  }

  void read_proof() {
    const bool may_still_arrive =
        work_.decided == Decided::one_phase || (work_.decided == Decided::rollback && !seen_.known_prepared);
    if (may_still_arrive && seen_.listed == Listed::no) {
      if (!fence()) return;
    }
    if (seen_.proof != Proof::not_read) return;
    const auto result = control_.run("SELECT kind FROM " + config_.schema + ".proof WHERE " + key() + " " +
                                     control_.dialect().read_nowait);
    if (result.error) {
      if (result.error->number == errnos::kLockWaitTimeout || result.error->number == errnos::kNowait) {
        seen_.proof = Proof::locked;
      } else {
        error_ = result.error;
      }
      return;
    }
    const auto& rows = result.answers.front().rows->rows;
    if (rows.empty()) {
      seen_.proof = Proof::absent;
    } else {
      seen_.proof = text_of(rows.front()[0]) == "proof" ? Proof::present : Proof::fenced;
    }
  }

  // A marker under the branch's key: a late runner's own row is then a duplicate, and it fails before it changes
  // anything. False when nothing more needs to be read.
  bool fence() {
    const auto branch = protocol::parse_bqual(work_.xid.bqual);
    const auto gtrid = protocol::parse_gtrid(work_.xid.gtrid);
    ASSENT_CHECK(branch && gtrid);
    const auto result =
        control_.run("INSERT INTO " + config_.schema + ".proof(gtrid,branch,kind,participants,protocol)VALUES('" +
                     work_.xid.gtrid + "'," + std::to_string(branch->branch) + ",'fence',''," +
                     std::to_string(static_cast<int>(gtrid->protocol)) + ")");
    if (!result.error) {
      seen_.proof = Proof::fenced;
      return false;
    }
    if (result.error->number == errnos::kDuplicateKey) return true;
    if (result.error->number == errnos::kLockWaitTimeout) {
      seen_.proof = Proof::locked;
    } else {
      error_ = result.error;
    }
    return false;
  }

  std::string key() const {
    const auto branch = protocol::parse_bqual(work_.xid.bqual);
    ASSENT_CHECK(branch);
    return "gtrid='" + work_.xid.gtrid + "' AND branch=" + std::to_string(branch->branch);
  }

  Session& control_;
  const Config& config_;
  const SettleWork& work_;
  const OwnerTrace& trace_;
  Observation seen_;
  std::optional<SqlError> error_;
};

}  // namespace

OwnerSettled settle_on_owner(Session& owner, const SettleWork& work) {
  const auto result = owner.run(verb_of(work.decided) + protocol::xid_literal(work.xid));
  Observation seen;
  seen.decided = work.decided;
  seen.known_prepared = true;
  OwnerSettled settled;
  if (!result.error) {
    seen.reply = Reply::ok_owner;
    settled.report = {protocol::judge(seen), words(seen.reply)};
    return settled;
  }
  settled.reply = reply_to(*result.error);
  settled.still_held = settled.reply == Reply::refused;
  settled.report = {Finding::ambiguous, std::string(words(settled.reply)) + "; " + describe(*result.error)};
  return settled;
}

ports::SettleReport settle_without_owner(Session& control, const Config& config, const SettleWork& work,
                                         const OwnerTrace& owner, Reply first_reply) {
  return Attempt(control, config, work, owner, first_reply).run();
}

std::variant<bool, SqlError> make_leave(Session& control, const ConnectionIdentity& who, milliseconds patience) {
  const auto until = base::SteadyClock::now() + patience;
  milliseconds pause{1};
  for (bool killed = false;;) {
    auto connected = is_connected(control, who);
    if (auto* error = std::get_if<SqlError>(&connected)) return std::move(*error);
    if (!std::get<bool>(connected)) return true;
    if (!killed) {
      const auto kill = control.run("KILL " + std::to_string(who.id));
      if (kill.error && kill.error->number != kNoSuchThread) return *kill.error;
      killed = true;
      continue;
    }
    if (base::SteadyClock::now() >= until) return false;
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, milliseconds{50});
  }
}

}  // namespace assent::participant
