#include "participant/control.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "participant/connector_session.hpp"
#include "participant/doctor.hpp"
#include "participant/remedies.hpp"
#include "participant/schema.hpp"
#include "participant/settler.hpp"
#include "protocol/xid.hpp"

namespace assent::participant {
namespace {

using State = ParticipantInfo::State;

/// How often an idle control session is looked at.
constexpr std::chrono::milliseconds kLookEvery{500};
/// How often the owner row is read while up.
constexpr std::chrono::milliseconds kClaimLookEvery{1'000};
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

void Control::enrol(std::uint64_t log_id, std::uint32_t epoch, std::function<void()> on_up) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    start_locked();
    enrolment_ = Enrolment{log_id, epoch, std::move(on_up)};
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

bool Control::is_of_predecessor(const std::string& gtrid) const {
  const auto parts = protocol::parse_gtrid(gtrid);
  const std::lock_guard lock(mutex_);
  return parts && enrolment_ && parts->epoch < enrolment_->epoch;
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
      // However much there is to do, the claim is looked at.
      if (up_ && base::SteadyClock::now() >= next_claim_look_) keep_up();
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
    if (!session_->is_dead_when_idle() && still_ours() && !session_->lost()) return;
    if (!session_->lost()) {
      health_.set_state(State::down, "its claim was taken over by another process");
      spdlog::critical("participant {}: the claim of coordinator \"{}\" on it was taken over by another process",
                       config_.name, config_.coordinator_id);
    } else {
      spdlog::warn("participant {}: the control connection was lost, connecting again", config_.name);
    }
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
  if (before.state != state || before.reason != reason) spdlog::warn("{}", why_down_);
  next_attempt_ = base::SteadyClock::now() + next_pause();
}

// A process that was copied, or that runs on a restored log, takes the claim with a later epoch; from then on this one
// must not decide anything here. Its connections are ended by the other, and may not be registered again.
bool Control::still_ours() {
  const auto now = base::SteadyClock::now();
  if (now < next_claim_look_) return true;
  next_claim_look_ = now + kClaimLookEvery;
  auto ours = renew_claim(*session_, config_);
  // An error says nothing of the claim; a lost connection is found by itself.
  const auto* held = std::get_if<bool>(&ours);
  return held == nullptr || *held;
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

  if (const auto error = ensure_schema(*session_, config_)) {
    if (error->lost) return down(*error);
    reason = "schema " + config_.schema + " cannot be used: " + describe(*error) +
             "; let a DBA run: " + schema_grants(session_->dialect(), config_, session_->account());
    return Progress::refused;
  }
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

  auto listed = list_xids(*session_);
  if (const auto* error = std::get_if<SqlError>(&listed)) return down(*error);
  const auto in_doubt = std::count_if(std::get<0>(listed).begin(), std::get<0>(listed).end(),
                                      [&](const auto& xid) { return needs_log(xid, config_.coordinator_id); });
  auto claimed =
      claim(*session_, config_, enrolment.log_id, enrolment.epoch, static_cast<std::size_t>(in_doubt), claimed_);
  if (claimed.kind != Claim::Kind::ours) {
    reason = claimed.reason;
    return claimed.kind == Claim::Kind::refused ? Progress::refused : Progress::down;
  }
  claimed_ = true;
  if (!claimed.notice.empty()) spdlog::warn("participant {}: {}", config_.name, claimed.notice);
  if (auto renewed = renew_claim(*session_, config_); std::holds_alternative<SqlError>(renewed)) {
    return down(std::get<SqlError>(renewed));
  }
  identity_ = std::get<std::string>(identity);
  return send_predecessors_away(reason);
}

// The claim shows that they are dead or have lost the right to settle anything. Their connections can outlive them for
// seconds, with a branch each: as long as one does, MariaDB says OK to others and commits nothing.
Control::Progress Control::send_predecessors_away(std::string& reason) {
  if (auto why = end_predecessors(*session_, config_)) return reason = std::move(*why), Progress::down;
  if (const auto error = forget_predecessors(*session_, config_)) return reason = describe(*error), Progress::down;
  const std::lock_guard lock(mutex_);
  predecessors_left_ = true;
  return Progress::up;
}

}  // namespace assent::participant
