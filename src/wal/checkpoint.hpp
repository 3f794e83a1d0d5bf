#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "assent/result.hpp"
#include "wal/disk.hpp"
#include "wal/state.hpp"

namespace assent::wal {

// A checkpoint is the whole state of the log in one file, and the place from which reading goes on. It replaces its
// predecessor by a rename, so there is always exactly one, the old or the new, whole.

/// Bound on the file: far above 100,000 kept keys, and low enough to be read into memory.
inline constexpr std::uint64_t kCheckpointBytesMax = 1ULL << 30;

struct CheckpointHead {
  std::uint64_t log_id = 0;
  std::uint64_t covers_through = 0;  ///< Every record up to this sequence is in the state, and was durable.
  std::uint64_t first_segment = 1;   ///< Reading goes on at its start; segments before it are not needed.
  std::uint64_t first_sequence = 1;  ///< Of the first record that is or will be in that segment.
};

std::string encode_checkpoint(const CheckpointHead& head, const StateBuilder& state);
/// Puts it in place, durably and in one step.
Status put_checkpoint(Disk& disk, const std::string& directory, const CheckpointHead& head, const StateBuilder& state);
/// Restores the state into `into`. Errc::log_newer_format or Errc::log_corrupt; the text has no file name yet.
Result<CheckpointHead> decode_checkpoint(std::string_view bytes, StateBuilder& into);

}  // namespace assent::wal
