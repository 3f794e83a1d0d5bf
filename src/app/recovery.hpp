#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "app/audit.hpp"
#include "app/config.hpp"
#include "app/databases.hpp"
#include "coordinator/surveyor.hpp"

namespace assent::app {

// What the recovery tool does to a coordinator that does not run. With its log: what assentd itself would do at its
// next start, by the same code, until nothing is left to do. Without: what the databases alone tell.

struct RecoveryBounds {
  std::chrono::milliseconds patience{60'000};  ///< For what cannot be settled at once.
  std::function<bool()> interrupted;           ///< Ctrl-C: what was begun is safe to leave, and to begin again.
  std::function<void(std::size_t settled, std::size_t total)> progress;  ///< About once a second.
};

/// Looks at the databases of a coordinator whose log is lost. What is at a participant where it has given a sign of
/// life just now is left out: that process finishes it.
class LostLog {
 public:
  /// `log` is one that it began after the loss, if it did, and knows what is younger than itself.
  LostLog(const Databases& databases, std::optional<ports::LogState> log)
      : surveyor_(databases.all()), log_(std::move(log)) {}

  coordinator::Seen look() const;
  /// The same, without what is at a participant where the coordinator has given a sign of life just now: whoever that
  /// is finishes it.
  coordinator::Seen look_to_settle();
  const coordinator::Surveyor& surveyor() const { return surveyor_; }
  /// How long ago, where something was left out the last time.
  std::optional<std::chrono::milliseconds> sign_of_life() const { return sign_of_life_; }

  /// A coordinator that lives gives a sign of it every second.
  static constexpr std::chrono::milliseconds kSilentAtLeast{3'000};

 private:
  const coordinator::Surveyor surveyor_;
  const std::optional<ports::LogState> log_;
  std::optional<std::chrono::milliseconds> sign_of_life_;
};

/// What was said instead of acting beside a coordinator that lives.
Error it_lives(const std::string& coordinator_id, std::chrono::milliseconds sign_of_life);

/// The log of `config` for a LostLog: nothing where there is none, or it has not seen an epoch. An error where there is
/// one that cannot be read: then it may know, and is to be repaired first.
Result<std::optional<ports::LogState>> log_after_the_loss(const Config& config);

/// The log of a stopped coordinator, read. Errc::log_locked when it runs; else as wal::read_state().
Result<ports::LogState> read_log_of_stopped(const Config& config);

/// Whether the log is the one that its participants' last owner wrote, and that one does not live: else no verdict may
/// be drawn from it. Errors as wal::look() and
/// coordinator::plan_start().
Status fits_owner(const Config& config, const Databases& databases);

/// Settles what has a ruling, on the log of `config`, whose passwords are read. Gives the participants at which it
/// could not be done, and why. Errors as Engine::start(), and what kept the audit from being written: then nothing was
/// begun.
Result<std::map<std::string, std::string>> recover_with_log(const Config& config, const Databases& databases,
                                                            const coordinator::Seen& seen, const Audit& audit,
                                                            const RecoveryBounds& bounds);

/// The same for `coordinator_id` without the log. Gives the branches that were settled and are not proven to be. `look`
/// is asked again and again; what it did not rule on as without a log is left alone.
Result<std::vector<SurveyBranch>> recover_without_log(const Config& config, const std::string& coordinator_id,
                                                      const std::function<coordinator::Seen()>& look,
                                                      const Audit& audit, const RecoveryBounds& bounds);

/// Shows them too, unless the survey has a verdict of its own on them.
void add_unproven(Survey& survey, const std::vector<SurveyBranch>& unproven);

/// Branches that are prepared and have a ruling, one that was made without the log or with it.
std::size_t count_to_settle(const coordinator::Seen& seen, bool without_log);

}  // namespace assent::app
