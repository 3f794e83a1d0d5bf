#pragma once

#include <cstddef>
#include <cstdint>

#include "log_state.hpp"
#include "protocol/log_fence.hpp"
#include "safeguards.hpp"

namespace assent::explore {

enum class LogStepKind : std::uint8_t {
  silence,  ///< Of a participant's owner.
  lapse,
  lose,  ///< The connection to a participant.
  copy,
  empty,
  start,
  start_lost,
  inspect,
  begin,
  claim,
  renew,
  crash,
  submit,
  prepare,
  prepare_lost,
  give_up,
  decide,
  settle,
  arrive,  ///< An XA COMMIT that was sent.
  tell,
  purge,
};

struct LogStep {
  LogStepKind kind;
  std::uint8_t process = kNobodys;
  std::size_t place = 0;  ///< A participant or a directory.
  std::size_t run = 0;
};

/// What happens in a world of logs. The rules that processes follow are the real ones.
class LogSteps {
 public:
  LogSteps(std::size_t processes, Safeguard without) : processes_(processes), without_(without) {}

  bool is_without(Safeguard safeguard) const { return without_ == safeguard; }
  bool is_locked(const LogWorldState& state, std::size_t directory) const;
  /// The session that it has at the participant still runs what it is sent.
  bool has_session(const LogWorldState& state, std::uint8_t process, std::size_t participant) const;
  /// As it believes: nobody can have read the rows of all that take part where it still holds a claim.
  bool may_act(const LogProcess& process) const;
  /// Whether the process, asked to run the key, runs it.
  static bool may_run(const LogWorldState& state, std::uint8_t process, std::size_t run);

  void take(LogWorldState& state, const LogStep& step) const;

 private:
  void inspect(LogWorldState& state, std::uint8_t i, std::size_t p) const;
  void begin(LogWorldState& state, std::uint8_t i) const;
  void claim(LogWorldState& state, std::uint8_t i, std::size_t p) const;
  void renew(LogWorldState& state, std::uint8_t i, std::size_t p) const;
  void settle(LogWorldState& state, std::uint8_t i, std::size_t p, std::size_t r) const;
  void settle_left_behind(LogWorldState& state, std::uint8_t i, std::size_t p, std::size_t r) const;
  void row_changed(LogWorldState& state, std::uint8_t by, std::size_t p) const;
  protocol::FenceLog fence_log(const LogWorldState& state, std::uint8_t i) const;
  protocol::FenceSight fence_sight(const LogWorldState& state, std::uint8_t i, std::size_t p) const;
  bool lacks_the_last_second(const LogWorldState& state, std::uint8_t i, std::size_t p) const;

  std::size_t processes_;
  Safeguard without_;
};

bool has_branch(const LogRun& run, LogRun::Branch what);
/// In any log.
bool has_hazard(const LogWorldState& state, std::size_t run);

}  // namespace assent::explore
