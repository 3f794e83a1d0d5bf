#include "app/recovery.hpp"

#include <algorithm>
#include <set>
#include <thread>

#include "app/engine.hpp"
#include "coordinator/live_transaction.hpp"
#include "coordinator/resolver.hpp"
#include "ports/asked.hpp"
#include "wal/log.hpp"

namespace assent::app {
namespace {

using coordinator::Seen;
using coordinator::SeenTransaction;
using ports::asked;
using std::chrono::milliseconds;

constexpr milliseconds kTick{10};
constexpr milliseconds kLookEvery{250};
constexpr milliseconds kProgressEvery{1'000};

std::vector<AuditedAct> acts_of(const Seen& seen) {
  std::vector<AuditedAct> acts;
  for (const auto& [gtrid, one] : seen.transactions) {
    for (const auto* branch : one.to_settle()) {
      const bool commits = branch->verdict == Verdict::will_commit;
      acts.push_back({commits ? "commit" : "roll_back", gtrid, branch->number, branch->participant, branch->reason});
    }
  }
  return acts;
}

std::set<protocol::Xid> xids_to_settle(const Seen& seen) {
  std::set<protocol::Xid> xids;
  for (const auto& [gtrid, one] : seen.transactions) {
    for (const auto* branch : one.to_settle()) xids.insert(*branch->xid);
  }
  return xids;
}

using Scan = Result<std::vector<ports::ListedXid>>;

// Those of `xids` that a server still lists, and those whose server cannot be asked.
std::set<protocol::Xid> still_listed(const Databases& databases, const std::set<protocol::Xid>& xids) {
  std::vector<std::future<Scan>> scans;
  for (auto* participant : databases.all()) {
    scans.push_back(asked<Scan>([&](auto done) { participant->scan(std::move(done)); }));
  }
  std::set<protocol::Xid> left;
  for (std::size_t i = 0; i < scans.size(); ++i) {
    const auto scan = scans[i].get();
    if (scan.ok()) {
      for (const auto& [format_id, gtrid, bqual] : *scan) {
        protocol::Xid xid{gtrid, bqual};
        if (format_id == protocol::kFormatId && xids.contains(xid)) left.insert(std::move(xid));
      }
      continue;
    }
    for (const auto& xid : xids) {
      if (protocol::parse_bqual(xid.bqual)->participant == databases.all()[i]->name()) left.insert(xid);
    }
  }
  return left;
}

// What came of them, after the fact.
Status audit_ends(const Audit& audit, const std::vector<AuditedAct>& acts, const std::set<protocol::Xid>& left) {
  std::set<std::pair<std::string, std::string>> not_done;
  for (const auto& xid : left) not_done.emplace(xid.gtrid, protocol::parse_bqual(xid.bqual)->participant);
  std::vector<AuditedAct> done, undone;
  for (const auto& act : acts) {
    (not_done.contains({act.gtrid, act.participant}) ? undone : done).push_back(act);
  }
  auto written = audit.write(done, "done");
  return written.ok() ? audit.write(undone, "not_done") : written;
}

class Progress {
 public:
  Progress(const RecoveryBounds& bounds, std::size_t total) : bounds_(bounds), total_(total) {}

  void note(std::size_t left) {
    if (base::SteadyClock::now() < next_) return;
    next_ += kProgressEvery;
    total_ = std::max(total_, left);
    bounds_.progress(total_ - left, total_);
  }

 private:
  const RecoveryBounds& bounds_;
  std::size_t total_;
  base::SteadyTime next_ = base::SteadyClock::now() + kProgressEvery;
};

/// Whether the coordinator has come to the end of what it can do.
class Rest {
 public:
  explicit Rest(const coordinator::Coordinator& coordinator) : coordinator_(coordinator) {}

  // Nobody is still to be reached for the first time, whatever is alive and in doubt is so at a participant that is not
  // there, and since that is so everything was looked at twice.
  bool is_here() {
    const auto sweeps = coordinator_.info().counters.at("full_sweeps");
    if (!is_quiet()) quiet_since_ = sweeps;
    return sweeps >= quiet_since_ + 2;
  }

 private:
  bool is_quiet() const;

  const coordinator::Coordinator& coordinator_;
  std::uint64_t quiet_since_ = 0;  ///< In full sweeps.
};

bool Rest::is_quiet() const {
  std::set<std::string> up;
  for (const auto& info : coordinator_.participants()) {
    if (info.state == ParticipantInfo::State::connecting) return false;
    if (info.state == ParticipantInfo::State::up) up.insert(info.name);
  }
  std::set<std::string> left;
  for (const auto& status : coordinator_.left_behind()) left.insert(status.gtrid);
  for (const auto& status : coordinator_.list(std::numeric_limits<std::size_t>::max())) {
    if (left.contains(status.gtrid)) continue;
    if (!status.outcome) return false;
    for (const auto& branch : status.branches) {
      if (branch.state == BranchState::in_doubt && up.contains(branch.participant)) return false;
    }
  }
  return true;
}

std::vector<AuditedAct> hazards_of(const std::vector<Hazard>& hazards) {
  std::vector<AuditedAct> acts;
  for (const auto& one : hazards) acts.push_back({"hazard", one.gtrid, one.branch, one.participant, one.reason});
  return acts;
}

Seen only_without_log(Seen seen) {
  std::erase_if(seen.transactions, [](const auto& one) { return !one.second.without_log; });
  return seen;
}

}  // namespace

std::size_t count_to_settle(const Seen& seen, bool without_log) {
  std::size_t count = 0;
  for (const auto& [gtrid, one] : seen.transactions) {
    if (one.without_log == without_log) count += one.to_settle().size();
  }
  return count;
}

Seen LostLog::look() const {
  if (!log_) return surveyor_.look(nullptr);
  const coordinator::LogKnowledge knowledge(*log_);
  return surveyor_.look(&knowledge, true);
}

Seen LostLog::look_to_settle() {
  auto seen = look();
  sign_of_life_.reset();
  const auto silences = surveyor_.silences();
  std::erase_if(seen.transactions, [&](const auto& one) {
    if (!one.second.without_log) return false;
    bool lives = false;
    for (const auto& branch : one.second.branches) {
      const auto found = silences.find(branch.participant);
      if (found == silences.end() || seen.unreachable.contains(branch.participant)) continue;
      // Where it cannot be asked just now, it may live.
      const auto silent = found->second.value_or(milliseconds{0});
      if (silent >= kSilentAtLeast) continue;
      sign_of_life_ = std::min(sign_of_life_.value_or(silent), silent);
      lives = true;
    }
    return lives;
  });
  return seen;
}

Error it_lives(const std::string& coordinator_id, milliseconds sign_of_life) {
  return {
      Errc::conflict,
      "coordinator '" + coordinator_id + "' gave a sign of life " + std::to_string(sign_of_life.count()) +
          " ms ago: it runs, and finishes its transactions itself. If it was killed just now, run this again in " +
          std::to_string(LostLog::kSilentAtLeast.count() / 1000) +
          " s; if it runs on another log by now, or this is a choice for a transaction in three phases, stop it first, "
          "and start it again afterwards",
      false};
}

Result<std::optional<ports::LogState>> log_after_the_loss(const Config& config) {
  auto read = wal::read_state(config.log.directory, wal::posix_disk());
  if (read.ok()) return read->epoch > 0 ? std::optional(std::move(*read)) : std::nullopt;
  if (read.error().code == Errc::not_found) return std::optional<ports::LogState>();
  auto error = read.error();
  error.what +=
      "; as long as there is a log that may know, nothing is concluded without it: repair it, or move it aside";
  return error;
}

Result<ports::LogState> read_log_of_stopped(const Config& config) {
  const auto& directory = config.log.directory;
  if (const auto owner = wal::running_owner(directory, wal::posix_disk())) {
    return Error{Errc::log_locked, "the coordinator runs (" + *owner + ", log " + directory + ")", false};
  }
  return wal::read_state(directory, wal::posix_disk());
}

Status fits_owner(const Config& config, const Databases& databases) {
  auto options = config.log;
  options.allow_create = false;
  const auto candidate = wal::look(options, wal::posix_disk());
  if (!candidate.ok()) return candidate.error();
  const coordinator::StartQuestion question{config.coordinator.coordinator_id, candidate->place(), false,
                                            config.log.directory};
  const auto plan = coordinator::plan_start(question, candidate->state(), databases.all());
  return plan.ok() ? Status(Ok{}) : Status(plan.error());
}

Result<std::map<std::string, std::string>> recover_with_log(const Config& config, const Databases& databases,
                                                            const Seen& seen, const Audit& audit,
                                                            const RecoveryBounds& bounds) {
  const auto acts = acts_of(seen);
  if (auto written = audit.write(acts, "begun"); !written.ok()) return std::move(written).error();
  Config own = config;
  own.log.allow_create = false;
  // Somebody waits for it.
  own.coordinator.sweep_period = kLookEvery;
  Engine engine;
  auto started = engine.look(own);
  if (started.ok()) started = engine.start(own);
  if (!started.ok()) {
    engine.stop_coordinator();
    engine.close_log();
    return std::move(started).error();
  }
  for (const auto& act : acts) {
    engine.log->append(
        ports::OperatorAct{act.act, act.gtrid, act.branch, operator_name(), act.why, base::wall_clock_ms()});
  }
  const auto wanted = xids_to_settle(seen);
  const auto until = base::SteadyClock::now() + bounds.patience;
  Progress progress(bounds, wanted.size());
  auto left = still_listed(databases, wanted);
  Rest rest(*engine.coordinator);
  while (!bounds.interrupted() && base::SteadyClock::now() < until) {
    std::set<std::string> away;
    for (const auto& info : engine.coordinator->participants()) {
      if (info.state != ParticipantInfo::State::up) away.insert(info.name);
    }
    const bool all_that_can = std::all_of(left.begin(), left.end(), [&](const auto& xid) {
      return away.contains(protocol::parse_bqual(xid.bqual)->participant);
    });
    if (rest.is_here() && all_that_can) break;
    progress.note(left.size());
    std::this_thread::sleep_for(kLookEvery);
    left = still_listed(databases, wanted);
  }
  // That one is no longer listed proves nothing: what the coordinator says counts.
  const auto not_settled = [&](const std::string& gtrid, const std::string& participant) {
    for (auto xid = wanted.lower_bound({gtrid, ""}); xid != wanted.end() && xid->gtrid == gtrid; ++xid) {
      if (protocol::parse_bqual(xid->bqual)->participant == participant) left.insert(*xid);
    }
  };
  for (const auto& hazard : engine.coordinator->hazards()) not_settled(hazard.gtrid, hazard.participant);
  for (const auto& status : engine.coordinator->list(std::numeric_limits<std::size_t>::max())) {
    for (const auto& branch : status.branches) {
      if (branch.state == BranchState::in_doubt) not_settled(status.gtrid, branch.participant);
    }
  }
  std::map<std::string, std::string> not_done;
  for (const auto& info : engine.coordinator->participants()) {
    if (info.state != ParticipantInfo::State::up) not_done[info.name] = info.reason;
  }
  engine.stop_coordinator();
  if (!engine.close_log()) {
    // What this log said last may be lost, and with it what was made of it.
    if (auto written = audit.write(acts, "not_done"); !written.ok()) return std::move(written).error();
    return Error{Errc::log_indeterminate,
                 "the log in " + config.log.directory + " could not be written; mend its disk and run this again",
                 false};
  }
  if (auto written = audit_ends(audit, acts, left); !written.ok()) return std::move(written).error();
  return not_done;
}

Result<std::vector<SurveyBranch>> recover_without_log(const Config& config, const std::string& coordinator_id,
                                                      const std::function<Seen()>& look, const Audit& audit,
                                                      const RecoveryBounds& bounds) {
  Databases databases;
  if (auto opened = databases.open(config, coordinator_id); !opened.ok()) return std::move(opened).error();
  const auto house = coordinator::make_house_without_log(databases.all());
  const auto resolver =
      std::make_shared<coordinator::Resolver>(coordinator::Resolver::Means{.participants = databases.all(),
                                                                           .house = house,
                                                                           .knowledge = nullptr,
                                                                           .in_anothers_place = true,
                                                                           .interrupted = bounds.interrupted});
  // Before the resolver goes, whatever it waits for must have been answered.
  const std::unique_ptr<Databases, std::function<void(Databases*)>> closing(&databases, [&](Databases* all) {
    all->close();
    house->registry.clear();
  });
  const auto until = base::SteadyClock::now() + bounds.patience;
  std::set<protocol::Xid> begun;
  std::set<protocol::Xid> wanted;
  std::vector<AuditedAct> acts;
  auto left = only_without_log(look());
  Progress progress(bounds, count_to_settle(left, true));
  const auto is_left = [&] { return count_to_settle(left, true) > 0 || !resolver->unproven().empty(); };
  while (is_left() && !bounds.interrupted() && base::SteadyClock::now() < until) {
    // What was met before stands there already.
    std::vector<AuditedAct> fresh;
    for (auto& act : acts_of(left)) {
      const protocol::Xid key{act.gtrid, act.participant};
      if (begun.insert(key).second) fresh.push_back(std::move(act));
    }
    if (auto written = audit.write(fresh, "begun"); !written.ok()) return std::move(written).error();
    acts.insert(acts.end(), fresh.begin(), fresh.end());
    const auto xids = xids_to_settle(left);
    wanted.insert(xids.begin(), xids.end());
    resolver->settle(left);
    const auto next_look = base::SteadyClock::now() + kLookEvery;
    while (house->registry.live() > 0 && !bounds.interrupted() && base::SteadyClock::now() < next_look) {
      for (const auto& live : house->registry.all()) live->tick(base::SteadyClock::now());
      std::this_thread::sleep_for(kTick);
    }
    left = only_without_log(look());
    progress.note(count_to_settle(left, true));
  }
  auto not_done = still_listed(databases, wanted);
  std::vector<SurveyBranch> unproven;
  for (const auto& [xid, one] : resolver->unproven()) {
    not_done.insert(xid);
    const bool commits = one.decided == protocol::Decided::commit;
    unproven.push_back(
        {.gtrid = xid.gtrid,
         .participant = one.branch.participant,
         .branch = one.branch.number,
         .verdict = Verdict::undecidable,
         .reason = std::string(commits ? "committed" : "rolled back") + " by this tool, and not proven: " + one.detail,
         .protocol = Protocol::two_phase,
         .age_ms = std::nullopt,
         .label = {},
         .blocks = {}});
  }
  // What came to the opposite, or is left as it was, was not done.
  const auto note_left = [&](const SeenTransaction& one) {
    for (const auto& branch : one.branches) {
      const bool settled = branch.verdict == Verdict::committed || branch.verdict == Verdict::rolled_back;
      if (branch.xid && !settled) not_done.insert(*branch.xid);
    }
  };
  for (const auto& [gtrid, one] : look().transactions) note_left(one);
  if (auto written = audit_ends(audit, acts, not_done); !written.ok()) return std::move(written).error();
  if (auto written = audit.write(hazards_of(house->hazards.all()), "found"); !written.ok()) {
    return std::move(written).error();
  }
  return unproven;
}

void add_unproven(Survey& survey, const std::vector<SurveyBranch>& unproven) {
  for (const auto& one : unproven) {
    const auto shown = std::any_of(survey.branches.begin(), survey.branches.end(), [&](const auto& branch) {
      return branch.gtrid == one.gtrid && branch.branch == one.branch;
    });
    if (!shown) survey.branches.push_back(one);
  }
}

}  // namespace assent::app
