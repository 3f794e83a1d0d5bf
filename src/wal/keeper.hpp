#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "assent/result.hpp"
#include "base/clock.hpp"
#include "ports/decision_log.hpp"
#include "wal/checkpoint.hpp"
#include "wal/disk.hpp"
#include "wal/files.hpp"
#include "wal/repair.hpp"
#include "wal/state.hpp"

namespace assent::wal {

/// The log's second thread: has the next segment ready before the writer needs it, and writes checkpoints and removes
/// the segments they cover, so that no decision waits for either.
///
/// It keeps a state of its own, built from the records that the writer hands over once they are durable, and so takes
/// a checkpoint without stopping anybody. What it has not yet taken over is bounded by the segments: the writer cannot
/// go past the next one without it.
///
/// Thread safe, but reserve and records belong to whoever writes, one thread at a time.
class Keeper {
 public:
  struct Setup {
    std::string directory;
    std::uint64_t segment_bytes = 0;
    std::uint32_t checkpoint_every_segments = 1;
    std::uint32_t room_retry_ms = 1'000;
    CheckpointHead checkpoint;                 ///< The one that is on the disk.
    std::uint64_t current_segment = 1;         ///< Where the writer is.
    std::uint64_t current_first_sequence = 1;  ///< Of the first record in it.
    std::uint64_t durable_through = 0;
    /// Whether the directory is still the log's own. Asked before each change in it.
    std::function<Status()> check_ownership;
    /// Called once, on the keeper's thread, when going on would be unsafe.
    std::function<void(Error)> on_fatal;
  };

  Keeper(Disk& disk, Setup setup, StateBuilder state, std::optional<SegmentFile> reserve);
  /// Stops where it is; what is on the disk is whole.
  ~Keeper();
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  /// Records up to `through` are durable now. They come in the order of the log.
  void take_over(std::vector<ports::LogRecord>& records, std::uint64_t through);

  /// The next segment, for the writer to go on in. Waits while it is being made; nothing when there is no room for it,
  /// or the log is finished.
  std::optional<SegmentFile> next_segment();
  /// The writer has left the segment before it for good, and the first record here will be `first_sequence`.
  void moved_to(std::uint64_t segment, std::uint64_t first_sequence);

  /// False from a failed attempt to make the next segment for lack of room until one succeeds.
  bool has_room() const;
  std::uint64_t checkpoints() const;

  /// The log is finished: nothing more is begun.
  void halt();

  /// Writes a checkpoint of all that was handed over, and stops. Nothing may be handed over afterwards.
  Status finish();

 private:
  using Lock = std::unique_lock<std::mutex>;

  void run();
  bool wants_reserve() const;
  bool wants_checkpoint() const;
  void wait(Lock& lock);
  void make_reserve(Lock& lock);
  void write_checkpoint(Lock& lock);
  void absorb(Lock& lock);
  void remove_segments_before(std::uint64_t number);
  void fail_for_good(Lock& lock, Error error);

  Disk& disk_;
  const Setup setup_;

  mutable std::mutex mutex_;
  std::condition_variable to_keeper_;
  std::condition_variable to_writer_;
  std::vector<ports::LogRecord> incoming_;
  std::uint64_t incoming_through_;
  std::uint64_t current_segment_;
  std::uint64_t current_first_sequence_;
  std::optional<SegmentFile> reserve_;
  std::uint64_t newest_segment_;  ///< That was made, the reserve included.
  bool no_room_ = false;
  base::SteadyTime reserve_retry_at_{};
  base::SteadyTime checkpoint_retry_at_{};
  bool fatal_ = false;
  bool stop_ = false;
  bool finishing_ = false;
  std::uint64_t checkpoints_ = 0;
  CheckpointHead last_;
  Status last_attempt_ = Ok{};

  StateBuilder state_;                       ///< Only touched by the keeper's thread.
  std::vector<ports::LogRecord> absorbing_;  ///< The same.
  std::uint64_t oldest_on_disk_;             ///< The same.
  std::thread thread_;
};

}  // namespace assent::wal
