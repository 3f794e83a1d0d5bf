#include "participant/control.hpp"

#include <algorithm>
#include <utility>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "participant/connector_session.hpp"
#include "participant/doctor.hpp"
#include "participant/owner.hpp"
#include "participant/schema.hpp"
#include "participant/settler.hpp"
#include "participant/tables.hpp"
#include "protocol/xid.hpp"

namespace assent::participant {
namespace {

using State = ParticipantInfo::State;

/// How often an idle control session is looked at.
constexpr std::chrono::milliseconds kLookEvery{500};
/// How often earlier processes' sessions are looked for that could not be seen to be gone.
constexpr std::chrono::milliseconds kLookForPredecessorsEvery{5'000};
}  // namespace

void Control::post(Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_) {
      start_locked();
      tasks_.push_back(std::move(task));
      task = nullptr;
    }
  }
  if (task) {
    task(nullptr, "participant \"" + config_.name + "\" is stopping");
  } else {
    wake_.notify_one();
  }
}

void Control::enrol(ports::Claimant claimant, std::optional<ports::Judged> judged, std::function<void()> on_up) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    start_locked();
    enrolment_ = Enrolment{std::move(claimant), std::move(judged), std::move(on_up)};
    look_again_ = true;
  }
  wake_.notify_one();
}

void Control::look_again() {
  {
    const std::lock_guard lock(mutex_);
    look_again_ = true;
  }
  wake_.notify_one();
}

bool Control::predecessors_left() const {
  const std::lock_guard lock(mutex_);
  return predecessors_left_;
}

bool Control::predecessors_seen_gone() const {
  const std::lock_guard lock(mutex_);
  return predecessors_seen_gone_;
}

bool Control::is_of_predecessor(const std::string& gtrid) const {
  const auto parts = protocol::parse_gtrid(gtrid);
  const std::lock_guard lock(mutex_);
  return parts && enrolment_ && parts->epoch < enrolment_->claimant.log.epoch;
}

void Control::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Control::start_locked() {
  if (!thread_.joinable()) thread_ = std::thread([this] { loop(); });
}

void Control::loop() {
  const ConnectorThread connector;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!tasks_.empty()) {
      auto task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      run(std::move(task));
      // However much there is to do, signs of life are given.
      if (up_ && base::SteadyClock::now() >= next_renewal_) keep_up();
      lock.lock();
      continue;
    }
    if (enrolment_) {
      lock.unlock();
      keep_up();
      lock.lock();
      if (stopping_ || !tasks_.empty()) continue;
    }
    const auto until =
        std::min(base::SteadyClock::now() + kLookEvery, enrolment_ && !up_ ? next_attempt_ : base::SteadyTime::max());
    wake_.wait_until(lock, until, [this] { return stopping_ || !tasks_.empty() || look_again_; });
  }
  const auto left = std::exchange(tasks_, {});
  lock.unlock();
  for (const auto& task : left) task(nullptr, "participant \"" + config_.name + "\" is stopping");
  session_.reset();
}

void Control::run(Task task) {
  bool enrolled = false;
  {
    const std::lock_guard lock(mutex_);
    enrolled = enrolment_.has_value();
  }
  std::string why;
  bool usable = false;
  if (enrolled) {
    if (up_ && session_->is_dead_when_idle()) keep_up();
    usable = up_;
    why = why_down_;
  } else {
    usable = connect_unenrolled(why);
  }
  task(usable ? session_.get() : nullptr, why);
  if (session_ && session_->lost()) look_again();
}

bool Control::connect_unenrolled(std::string& why) {
  if (session_ && !session_->is_dead_when_idle()) return true;
  // All who ask meanwhile are told the same.
  if (base::SteadyClock::now() < next_attempt_) {
    why = why_down_;
    return false;
  }
  auto opened = open_control_session(config_);
  const auto not_reached = [&](const SqlError& error) {
    session_.reset();
    why = why_down_ = "participant \"" + config_.name + "\" cannot be reached: " + describe(error);
    next_attempt_ = base::SteadyClock::now() + next_pause();
    return false;
  };
  if (const auto* error = std::get_if<SqlError>(&opened)) return not_reached(*error);
  session_ = std::move(std::get<0>(opened));
  auto identity = find_identity(*session_, config_);
  if (const auto* error = std::get_if<SqlError>(&identity)) return not_reached(*error);
  health_.set_identity(std::get<0>(identity));
  pause_ = std::chrono::milliseconds{0};
  health_.set_server(session_->dialect().name, session_->version(), {});
  return true;
}

void Control::keep_up() {
  bool look = false;
  {
    const std::lock_guard lock(mutex_);
    look = std::exchange(look_again_, false);
  }
  const auto now = base::SteadyClock::now();
  if (up_) {
    if (look && !session_->lost()) session_->run("DO 1");
    if (!session_->is_dead_when_idle() && still_ours()) {
      look_for_predecessors();
      if (!session_->lost()) return;
    }
    if (session_->lost())
      spdlog::warn("participant {}: the control connection was lost, connecting again", config_.name);
    up_ = false;
  } else if (now < next_attempt_) {
    return;
  }
  std::string reason;
  const auto progress = bring_up(reason);
  if (progress == Progress::up) {
    up_ = true;
    pause_ = std::chrono::milliseconds{0};
    health_.set_state(State::up, "");
    spdlog::info("participant {}: up, {} {}", config_.name, session_->dialect().name, session_->version());
    std::function<void()> on_up;
    {
      const std::lock_guard lock(mutex_);
      on_up = enrolment_->on_up;
    }
    if (on_up) on_up();
    return;
  }
  session_.reset();
  why_down_ =
      "participant \"" + config_.name + "\" " + (progress == Progress::refused ? "is refused: " : "is down: ") + reason;
  const auto state = progress == Progress::refused ? State::refused : State::down;
  const auto before = health_.info();
  health_.set_state(state, reason);
  if (before.state != state || before.reason != reason) {
    spdlog::log(claim_refused_ ? spdlog::level::critical : spdlog::level::warn, "{}", why_down_);
  }
  next_attempt_ = base::SteadyClock::now() + next_pause();
}

// Whether the owner row is still this process's.
bool Control::still_ours() {
  const auto now = base::SteadyClock::now();
  if (now < next_renewal_) return true;
  next_renewal_ = now + protocol::kOwnerRenewal;
  const auto owner = claimant();
  const auto asked_at = base::since_boot();
  const auto sequence = owner.durable_sequence();
  const auto renewed = renew_claim(*session_, config_, sequence);
  // Why it cannot be renewed, as with a server that has become read only, enrolling again finds out.
  const auto* renewal = std::get_if<Renewal>(&renewed);
  if (renewal == nullptr) {
    const auto& error = std::get<SqlError>(renewed);
    if (!error.lost) spdlog::warn("participant {}: the claim cannot be renewed: {}", config_.name, describe(error));
    return false;
  }
  if (*renewal == Renewal::held) {
    last_sequence_ = sequence;
    owner.held(asked_at);
    return true;
  }
  spdlog::warn("participant {}: {}", config_.name,
               *renewal == Renewal::gone ? "the owner row is gone" : "the owner row names another process");
  return false;
}

ports::Claimant Control::claimant() const {
  const std::lock_guard lock(mutex_);
  return enrolment_->claimant;
}

// Doubling, and random between half and whole, so that many coordinators do not come back at the same moment.
std::chrono::milliseconds Control::next_pause() {
  pause_ = std::clamp(pause_ * 2, config_.reconnect_pause_min, config_.reconnect_pause_max);
  return std::chrono::milliseconds(
      std::uniform_int_distribution<std::int64_t>(pause_.count() / 2, pause_.count())(random_));
}

Control::Progress Control::bring_up(std::string& reason) {
  const auto down = [&](const SqlError& error) {
    reason = describe(error);
    return Progress::down;
  };
  Enrolment enrolment;
  {
    const std::lock_guard lock(mutex_);
    enrolment = *enrolment_;
  }
  session_.reset();
  auto opened = open_control_session(config_);
  if (const auto* error = std::get_if<SqlError>(&opened)) return down(*error);
  session_ = std::move(std::get<0>(opened));

  auto examined = examine(*session_, config_);
  if (const auto* error = std::get_if<SqlError>(&examined)) return down(*error);
  auto findings = std::get<0>(std::move(examined));
  const auto publish = [&] { health_.set_server(session_->dialect().name, session_->version(), findings); };
  publish();
  reason = refusals(findings);
  if (!reason.empty()) return Progress::refused;

  std::optional<ports::OwnerRow> owner;
  if (const auto ruled = rule_on_owner(enrolment, owner, reason); ruled != Progress::up) return ruled;
  if (const auto made = bring_schema_up(reason); made != Progress::up) return made;
  for (auto& finding : findings) {
    if (finding.probe == "schema")
      finding = {finding.probe, DoctorFinding::Grade::pass, "schema " + config_.schema + " is there", ""};
  }
  auto identity = read_identity(*session_, config_);
  if (const auto* error = std::get_if<SqlError>(&identity)) return down(*error);
  health_.set_identity(identity_hash(std::get<std::string>(identity)));
  findings.push_back(judge_identity(config_, identity_, std::get<std::string>(identity)));
  publish();
  reason = refusals(findings);
  if (!reason.empty()) return Progress::refused;

  const auto sequence = enrolment.claimant.durable_sequence();
  const auto asked_at = base::since_boot();
  auto claimed = claim(*session_, config_, enrolment.claimant.log, sequence, owner, claimed_);
  if (const auto* error = std::get_if<SqlError>(&claimed)) return down(*error);
  if (!std::get<bool>(claimed))
    return reason = "the owner row is just being written by another process", Progress::down;
  claimed_ = true;
  last_sequence_ = sequence;
  enrolment.claimant.held(asked_at);
  next_renewal_ = base::SteadyClock::now() + protocol::kOwnerRenewal;
  if (owner && !protocol::contains(enrolment.claimant.log, *owner)) {
    spdlog::warn("participant {}: took over from another log (host {}, epoch {}), which was said to be lost",
                 config_.name, owner->host, owner->epoch);
  }
  identity_ = std::get<std::string>(identity);
  return send_predecessors_away(reason);
}

// By the rule, before anything is changed here.
Control::Progress Control::rule_on_owner(const Enrolment& enrolment, std::optional<ports::OwnerRow>& owner,
                                         std::string& reason) {
  using protocol::FenceRuling;
  auto read = read_owner(*session_, config_);
  if (const auto* error = std::get_if<SqlError>(&read)) return reason = describe(*error), Progress::down;
  owner = std::move(std::get<0>(read));
  const auto renewal = owner ? std::optional(owner->renewal) : std::nullopt;
  const auto& log = enrolment.claimant.log;
  const auto sight = watch_.saw(owner, owner ? owner->renewal + '|' + owner->old_pulse : "", 0, base::since_boot());
  claim_refused_ = false;
  if (!claimed_ && enrolment.judged && enrolment.judged->renewal == renewal) return Progress::up;
  const auto ruling = protocol::rule(log, sight);
  if (claimed_ && ruling != FenceRuling::start && !protocol::contains(log, *owner)) {
    reason = "its owner row, which was this process's, names another process on host '" + owner->host + "' (epoch " +
             std::to_string(owner->epoch) + ")";
    claim_refused_ = true;
    enrolment.claimant.displaced("participant '" + config_.name + "': " + reason +
                                 ": it has displaced this one, which may settle nothing any more");
    return Progress::refused;
  }
  if (claimed_ && owner && is_older_state(*owner)) {
    reason =
        "it is in an older state than this process has left it in (restored from a copy, or failed over to a "
        "replica that lacked the end?): what was committed there since is gone. Compare the databases. A branch that "
        "XA "
        "RECOVER lists there may have committed at the others, and is rolled back once its transaction is taken for "
        "ended: commit such branches by hand. Then restart assentd";
    claim_refused_ = true;
    enrolment.claimant.refused("participant '" + config_.name + "': " + reason);
    return Progress::refused;
  }
  reason = protocol::sentence(ruling, log, sight, config_.coordinator_id, config_.name);
  if (ruling == FenceRuling::start) return Progress::up;
  if (ruling == FenceRuling::watch) return Progress::down;
  claim_refused_ = true;
  enrolment.claimant.refused(reason);
  return Progress::refused;
}

// Whether the owner row has gone back behind what this process has written into it: another instance of the same log
// was here before this one. A server with weak durability loses such a row in a crash, and that was accepted.
bool Control::is_older_state(const ports::OwnerRow& owner) const {
  const auto accepted = [&](const char* probe) {
    return std::find(config_.accept.begin(), config_.accept.end(), probe) != config_.accept.end();
  };
  if (accepted("innodb_flush_log_at_trx_commit") || accepted("sync_binlog")) return false;
  return owner.instance != base::process_instance() || owner.sequence.value_or(0) < last_sequence_;
}

Control::Progress Control::bring_schema_up(std::string& reason) {
  auto made = participant::bring_schema_up(*session_, config_);
  if (const auto* fault = std::get_if<SchemaFault>(&made)) {
    if (fault->error.lost) return reason = describe(fault->error), Progress::down;
    reason = "schema " + config_.schema + " cannot be used: " + describe(fault->error) +
             (fault->remedy.empty() ? "" : "; " + fault->remedy);
    return Progress::refused;
  }
  for (const auto& what : std::get<0>(made)) spdlog::info("participant {}: made {}", config_.name, what);
  return Progress::up;
}

// The claim shows that they are dead or have lost the right to settle anything. Their connections can outlive them for
// seconds, with a branch each: as long as one does, MariaDB says OK to others and commits nothing.
Control::Progress Control::send_predecessors_away(std::string& reason) {
  bool seen_gone = false;
  if (auto why = end_predecessors(*session_, config_, &seen_gone)) return reason = std::move(*why), Progress::down;
  next_look_for_predecessors_ = base::SteadyClock::now() + kLookForPredecessorsEvery;
  // Those that were not seen to be gone stay on record: they are looked for again.
  if (seen_gone) {
    if (const auto error = forget_predecessors(*session_, config_)) return reason = describe(*error), Progress::down;
  }
  const std::lock_guard lock(mutex_);
  predecessors_left_ = true;
  predecessors_seen_gone_ = seen_gone;
  return Progress::up;
}

// Those that the engine could not be asked for at the enrolment. Until they are seen to be gone no acceptor row is
// deleted.
void Control::look_for_predecessors() {
  const auto now = base::SteadyClock::now();
  if (predecessors_seen_gone() || now < next_look_for_predecessors_) return;
  next_look_for_predecessors_ = now + kLookForPredecessorsEvery;
  const auto staying = staying_predecessors(*session_, config_);
  const auto* all = std::get_if<std::vector<Predecessor>>(&staying);
  if (all == nullptr || !all->empty() || forget_predecessors(*session_, config_)) return;
  const std::lock_guard lock(mutex_);
  predecessors_seen_gone_ = true;
}

}  // namespace assent::participant
