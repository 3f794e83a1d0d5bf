#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>

namespace assent::protocol {

// Whether a coordinator may act on its log. Presumed abort takes a decision that is not in the log for a rollback, so a
// log that is new, copied, restored or another's would roll committed transactions back.
//
// Each start of a coordinator has a random instance. The log holds the instance of each start that wrote it; the owner
// row at each participant holds the instance that was last there and, renewed every second, how far its log was durable
// then. So it can be checked whether a log contains what the last owner wrote: whether that instance's own records in
// it go that far. Epochs and ids of logs do not show that, since copies have the same ones.
//
// A row is taken over only from a dead owner, by a statement that is conditional on the row still being what was judged
// here. An owner is dead if its log lay in the directory that this process has locked now, or if it gave no sign of
// life for kOwnerSilence.

/// How often an owner gives a sign of life.
inline constexpr std::chrono::milliseconds kOwnerRenewal{1'000};
/// An owner that gave no sign of life for so long is taken for dead. It counts on the claim no longer than that itself.
inline constexpr std::chrono::milliseconds kOwnerSilence{5'000};
/// Where the server's clock says that it was silent for so long, this start sees for itself for so long: a clock that
/// is set forward makes everybody silent.
inline constexpr std::chrono::milliseconds kOwnerWatch{2 * kOwnerRenewal};
static_assert(kOwnerWatch < kOwnerSilence);

inline constexpr std::uint32_t kEveryEpoch = std::numeric_limits<std::uint32_t>::max();

/// One start that wrote a log.
struct FenceStart {
  std::uint32_t epoch = 0;
  /// The last record that this start wrote there: the one before the next start's first, or the log's last.
  std::uint64_t last_sequence = 0;
};

/// What this coordinator's log comes to.
struct FenceLog {
  std::uint64_t log_id = 0;
  std::uint32_t epoch = 0;  ///< The last one started in it; 0 in a new log.
  /// Each start that wrote it, by its instance. The process's own, once it has begun. How far each of them wrote
  /// counts: a copy that others have written on, even if only their starts, is as long as the log that it lacks the end
  /// of.
  std::map<std::uint64_t, FenceStart> starts{};
  /// The last epoch that was started by a version that wrote no instance; 0: none.
  std::uint32_t last_unsigned_epoch = 0;
  std::uint64_t place = 0;  ///< Where its locked directory lies, for this boot of this host; 0: not known.
  /// The process's own instance, once it may have claimed a row.
  std::uint64_t own_instance = 0;
  /// Owners of epochs below this one are given up: an operator has said that their log is lost. kEveryEpoch while that
  /// is being said, at a start with --log-lost; afterwards the epoch that this start was given, which the log keeps.
  std::uint32_t given_up_below = 0;
  std::string directory{};  ///< For messages; empty: not known.
};

/// An owner row.
struct FenceOwner {
  std::uint64_t log_id = 0;
  std::uint32_t epoch = 0;
  std::uint64_t instance = 0;
  std::uint64_t place = 0;                                         ///< 0: not known.
  std::optional<std::uint64_t> sequence = std::nullopt;            ///< Nothing: written by a version that kept none.
  std::optional<std::chrono::milliseconds> silent = std::nullopt;  ///< By the server's clock, which may be wrong.
  std::string host{};
};

/// What one participant shows.
struct FenceSight {
  std::optional<FenceOwner> owner{};
  /// Branches of this coordinator in XA RECOVER there whose outcome only its log can tell.
  std::size_t in_doubt = 0;
  /// While this process looked at it, its row was renewed or taken by another one.
  bool renewed = false;
  /// By this process's own clock, from the first look to the last, the row being the same.
  std::chrono::milliseconds watched{0};
};

/// Sees for itself whether an owner lives, by looking at its row again and again. One per participant.
class FenceWatch {
 public:
  /// What is to be ruled on after a look at `now`, by a clock that never jumps. `renewal` differs whenever the row was
  /// renewed or taken over since the look before.
  FenceSight saw(std::optional<FenceOwner> owner, const std::string& renewal, std::size_t in_doubt,
                 std::chrono::milliseconds now);

 private:
  std::optional<std::string> renewal_;
  std::chrono::milliseconds since_{0};
  bool renewed_ = false;
};

/// In the order of what counts where participants differ.
enum class FenceRuling : std::uint8_t {
  start,           ///< Nobody is there, or the owner is dead and the log contains what it wrote, or is given up.
  refuse_foreign,  ///< The owner is dead, and the log does not contain what it wrote. An operator's word overrules it.
  watch,           ///< It may live: look again.
  refuse_alive,    ///< It lives. Nothing overrules it.
};

/// Whether the log contains what the owner has written into its own.
bool contains(const FenceLog& log, const FenceOwner& owner) noexcept;

/// What a participant's row says to this log. Pure. Never `watch` once it was watched for kOwnerSilence.
FenceRuling rule(const FenceLog& log, const FenceSight& sight) noexcept;

/// Whether a process may act on the decision of a transaction and report it: only if it has renewed its claim within
/// kOwnerSilence at one or more of the participants that take part, counted from when the renewal was sent. A process
/// that rolls the transaction back must have claimed all of these participants and read their rows, and it cannot have
/// claimed that one yet. A participant that cannot be reached counts as not renewed, so a process that is cut off from
/// all of them waits and reports nothing.
bool may_act(std::span<const std::chrono::milliseconds> since_renewal) noexcept;

/// How long it must be watched, in all, before it can be ruled on.
std::chrono::milliseconds watch_for(const FenceOwner& owner) noexcept;

/// What was seen that refuses this log: the message for refuse_foreign without what to do.
std::string what_is_foreign(const FenceLog& log, const FenceSight& sight, const std::string& coordinator,
                            const std::string& participant);

/// The message for a refusal or a wait: what was seen, at which participant, and what to do.
std::string sentence(FenceRuling ruling, const FenceLog& log, const FenceSight& sight, const std::string& coordinator,
                     const std::string& participant);

}  // namespace assent::protocol
