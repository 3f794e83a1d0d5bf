#include "app/engine.hpp"

#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "app/audit.hpp"
#include "app/exit_codes.hpp"
#include "base/clock.hpp"
#include "base/failpoints.hpp"
#include "base/log.hpp"
#include "participant/participant.hpp"

namespace assent::app {
namespace {

// Where decisions are written and called back: on the loop, which sends what follows from them.
ports::Executor log_on(base::EventLoop& loop) {
  return [&loop](std::function<void()> task) {
#ifdef ASSENT_FAILPOINTS
    // One that holds must not hold the loop.
    if (base::any_failpoint_waits()) return task();
#endif
    boost::asio::post(loop.context(), std::move(task));
  };
}

// An operator's word is written down before anything is done by it.
Status tell_of_lost_log(const coordinator::Settings& settings, const coordinator::StartPlan& plan, bool log_lost) {
  if (log_lost && !plan.log_lost) {
    spdlog::warn(
        "--log-lost: no participant that could be reached was left by a log that this one lacks, so nothing is given "
        "up. Do not start with it again");
  }
  if (!plan.log_lost) return Ok{};
  spdlog::critical(
      "--log-lost: this log goes on without the one before it, in epoch {}. Nothing that was prepared before is rolled "
      "back for want of a decision; assentctl recover shows what is in doubt. Idempotency keys that were promised with "
      "the lost log are forgotten: a request that is sent again under one of them runs again. ({})",
      plan.epoch, plan.gives_up);
  return settings.audit({ports::OperatorAct{"log_lost", "", 0, operator_name(), plan.gives_up, base::wall_clock_ms()}});
}

}  // namespace

int exit_code_of_start(const Error& error) {
  switch (error.code) {
    case Errc::invalid_argument:
    case Errc::conflict:
    case Errc::refused: return kExitBadConfig;
    case Errc::log_corrupt:
    case Errc::log_newer_format: return kExitBadInput;
    case Errc::log_locked:
    case Errc::unavailable:
    case Errc::overloaded:
    case Errc::timed_out:
    case Errc::shutting_down: return kExitUnavailable;
    case Errc::not_found:
    case Errc::log_full:
    case Errc::io: return kExitCannotCreate;
    case Errc::log_indeterminate:
    case Errc::protocol:
    case Errc::internal: return kExitInternal;
  }
  return kExitInternal;
}

std::vector<std::string> read_passwords(Config& config) {
  std::vector<std::string> problems;
  for (auto& participant : config.participants) {
    auto password = read_password(participant);
    if (password) {
      participant.connection.password = std::move(*password);
    } else {
      problems.push_back(password.error().what);
    }
  }
  return problems;
}

Status Engine::look(const Config& config) {
  auto looked = wal::look(config.log, wal::posix_disk());
  if (!looked) return std::move(looked).error();
  candidate = std::move(*looked);
  return Ok{};
}

Status Engine::start(const Config& config, bool log_lost) {
  std::vector<ports::Participant*> all;
  for (const auto& participant : config.participants) {
    participants.push_back(participant::make_participant(participant.connection, loop));
    all.push_back(participants.back().get());
  }
  const coordinator::StartQuestion question{config.coordinator.coordinator_id, candidate->place(), log_lost,
                                            config.log.directory};
  auto plan = coordinator::plan_start(question, candidate->state(), all);
  if (!plan) return std::move(plan).error();
  auto settings = config.coordinator;
  settings.audit = [audit = Audit(config.audit_file)](const std::vector<ports::OperatorAct>& acts) {
    return audit.write(acts);
  };
  if (auto told = tell_of_lost_log(settings, *plan, log_lost); !told) return told;
  // From here on something is left behind.
  auto opened = wal::begin(*std::exchange(candidate, std::nullopt), log_on(loop));
  if (!opened) return std::move(opened).error();
  plan->place = opened->place;
  for (const auto& note : opened->notes) spdlog::warn("log {}: {}", config.log.directory, note);
  spdlog::info("log {}: {}, transactions to finish: {}", config.log.directory,
               opened->created ? "created" : wal::to_string(opened->tail), opened->state.live.size());
  log = std::move(opened->log);
  coordinator =
      std::make_unique<coordinator::Coordinator>(std::move(settings), std::move(opened->state), *log, std::move(all));
  return coordinator->start(*plan);
}

std::size_t Engine::stop_coordinator() {
  return coordinator ? coordinator->stop() : 0;
}

bool Engine::close_log() {
  if (!log) return true;
  const auto closed = log->close();
  // Closing can be what ends it.
  const bool poisoned = log->condition() == ports::LogCondition::poisoned;
  if (!closed && !poisoned) spdlog::warn("log: {}", closed.error().what);
  return !poisoned;
}

}  // namespace assent::app
