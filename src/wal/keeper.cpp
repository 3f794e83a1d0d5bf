#include "wal/keeper.hpp"

#include <pthread.h>

#include <cerrno>
#include <chrono>
#include <iterator>
#include <utility>

#include "base/failpoints.hpp"
#include "base/log.hpp"

namespace assent::wal {
namespace {

/// Waking the keeper for each batch would cost more than the work; so many records wait for it, or until it has
/// something else to do.
constexpr std::size_t kAbsorbAtRecords = 4096;

}  // namespace

Keeper::Keeper(Disk& disk, Setup setup, StateBuilder state, std::optional<SegmentFile> reserve)
    : disk_(disk),
      setup_(std::move(setup)),
      incoming_through_(setup_.durable_through),
      current_segment_(setup_.current_segment),
      current_first_sequence_(setup_.current_first_sequence),
      reserve_(std::move(reserve)),
      newest_segment_(reserve_ ? reserve_->number : current_segment_),
      last_(setup_.checkpoint),
      state_(std::move(state)),
      oldest_on_disk_(setup_.checkpoint.first_segment) {
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "wal-keeper");
    run();
  });
}

Keeper::~Keeper() {
  {
    const Lock lock(mutex_);
    stop_ = true;
  }
  to_keeper_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Keeper::take_over(std::vector<ports::LogRecord>& records, std::uint64_t through) {
  bool wake = false;
  {
    const Lock lock(mutex_);
    const std::size_t before = incoming_.size();
    std::move(records.begin(), records.end(), std::back_inserter(incoming_));
    incoming_through_ = through;
    wake = before < kAbsorbAtRecords && incoming_.size() >= kAbsorbAtRecords;
  }
  records.clear();
  if (wake) to_keeper_.notify_one();
}

std::optional<SegmentFile> Keeper::next_segment() {
  std::optional<SegmentFile> next;
  {
    Lock lock(mutex_);
    to_writer_.wait(lock, [this] { return reserve_ || no_room_ || fatal_; });
    if (!fatal_) next = std::exchange(reserve_, std::nullopt);
  }
  if (next) to_keeper_.notify_one();
  return next;
}

void Keeper::moved_to(std::uint64_t segment, std::uint64_t first_sequence) {
  {
    const Lock lock(mutex_);
    current_segment_ = segment;
    current_first_sequence_ = first_sequence;
  }
  to_keeper_.notify_one();
}

bool Keeper::has_room() const {
  const Lock lock(mutex_);
  return !no_room_;
}

std::uint64_t Keeper::checkpoints() const {
  const Lock lock(mutex_);
  return checkpoints_;
}

void Keeper::halt() {
  {
    const Lock lock(mutex_);
    fatal_ = true;
  }
  to_keeper_.notify_one();
  to_writer_.notify_all();
}

Status Keeper::finish() {
  {
    const Lock lock(mutex_);
    finishing_ = true;
  }
  to_keeper_.notify_one();
  if (thread_.joinable()) thread_.join();
  const Lock lock(mutex_);
  return last_attempt_;
}

void Keeper::run() {
  Lock lock(mutex_);
  while (!stop_ && !fatal_) {
    if (finishing_) {
      if (incoming_through_ > last_.covers_through) write_checkpoint(lock);
      return;
    }
    if (wants_reserve()) {
      make_reserve(lock);
    } else if (wants_checkpoint()) {
      write_checkpoint(lock);
    } else if (incoming_.size() >= kAbsorbAtRecords) {
      absorb(lock);
    } else {
      wait(lock);
    }
  }
}

bool Keeper::wants_reserve() const {
  return !reserve_ && base::SteadyClock::now() >= reserve_retry_at_;
}

bool Keeper::wants_checkpoint() const {
  return current_segment_ >= last_.first_segment + setup_.checkpoint_every_segments &&
         base::SteadyClock::now() >= checkpoint_retry_at_;
}

void Keeper::wait(Lock& lock) {
  if (no_room_) {
    to_keeper_.wait_until(lock, reserve_retry_at_);
  } else if (!last_attempt_) {
    to_keeper_.wait_until(lock, checkpoint_retry_at_);
  } else {
    to_keeper_.wait(lock);
  }
}

void Keeper::make_reserve(Lock& lock) {
  SegmentFile next{newest_segment_ + 1, setup_.segment_bytes, nullptr};
  lock.unlock();
  if (auto ours = setup_.check_ownership(); !ours) {
    lock.lock();
    return fail_for_good(lock, std::move(ours).error());
  }
  const auto failed =
      make_segment(disk_, setup_.directory, {setup_.checkpoint.log_id, next.number, next.bytes}, next.file);
  lock.lock();
  if (!failed) {
    if (no_room_) spdlog::info("decision log: there is room again, new transactions are accepted");
    no_room_ = false;
    newest_segment_ = next.number;
    reserve_ = std::move(next);
    to_writer_.notify_all();
    return;
  }
  if (!is_lack_of_room(failed.number)) return fail_for_good(lock, failed.error());
  if (!no_room_) {
    spdlog::error("decision log: {}; running transactions finish, new ones are refused until there is room",
                  failed.error().what);
  }
  no_room_ = true;
  reserve_retry_at_ = base::SteadyClock::now() + std::chrono::milliseconds(setup_.room_retry_ms);
  to_writer_.notify_all();
}

void Keeper::absorb(Lock& lock) {
  std::swap(incoming_, absorbing_);
  lock.unlock();
  for (const auto& record : absorbing_) state_.apply(record);
  absorbing_.clear();
  lock.lock();
}

void Keeper::write_checkpoint(Lock& lock) {
  // Taken together, these agree: whatever is not in the state yet has its place in the current segment or after it.
  const CheckpointHead head{last_.log_id, incoming_through_, current_segment_, current_first_sequence_};
  absorb(lock);
  lock.unlock();
  if (auto ours = setup_.check_ownership(); !ours) {
    lock.lock();
    return fail_for_good(lock, std::move(ours).error());
  }
  const std::string bytes = encode_checkpoint(head, state_);
  StepFailed failed;
  if (bytes.size() > kCheckpointBytesMax) {
    failed = {"write a checkpoint of more than 1 GiB as", path_in(setup_.directory, kCheckpointName), ENOSPC};
  } else {
    failed = write_aside(disk_, setup_.directory, std::string(kCheckpointName), bytes);
  }
  if (!failed) remove_segments_before(head.first_segment);
  lock.lock();
  last_attempt_ = failed ? Status(failed.error()) : Status(Ok{});
  if (!failed) {
    last_ = head;
    ++checkpoints_;
    return;
  }
  if (!is_lack_of_room(failed.number)) return fail_for_good(lock, failed.error());
  spdlog::warn("decision log: {}; older segments are kept until a checkpoint succeeds", failed.error().what);
  checkpoint_retry_at_ = base::SteadyClock::now() + std::chrono::milliseconds(setup_.room_retry_ms);
}

/// What cannot be removed now is found again, and removed, when the log is next opened.
void Keeper::remove_segments_before(std::uint64_t number) {
  for (; oldest_on_disk_ < number; ++oldest_on_disk_) {
    const std::string path = path_in(setup_.directory, segment_name(oldest_on_disk_));
    ASSENT_FAILPOINT(file_unremoved, path);
    if (const Errno failed = disk_.remove(path)) {
      spdlog::warn("decision log: {}", io_error("remove", path, failed).what);
    }
    ASSENT_FAILPOINT(file_removed, path);
  }
}

void Keeper::fail_for_good(Lock& lock, Error error) {
  last_attempt_ = error;
  lock.unlock();
  setup_.on_fatal(std::move(error));
  lock.lock();
  fatal_ = true;
  to_writer_.notify_all();
}

}  // namespace assent::wal
