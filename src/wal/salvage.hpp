#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "assent/result.hpp"
#include "ports/decision_log.hpp"
#include "wal/checkpoint.hpp"
#include "wal/disk.hpp"
#include "wal/files.hpp"
#include "wal/reader.hpp"
#include "wal/state.hpp"

namespace assent::wal {

// What a damaged log still tells, and what it cannot tell any more. Changes nothing.
//
// Every block is valid only in its own log, segment and place, so one that is whole is what the log has said, wherever
// it stands. Each kind of record is a fact that no lost record in front of it takes back:
//
//   commit decision         Irrevocable, and it may have been told to a client: kept, as live. Dropping it is the one
//                           thing that could undo a commit. If its end is among what is lost, its branches are settled
//                           once more: their proof rows show that they committed. Where those rows were purged after
//                           the end, they show as hazards that are none.
//   intention (3PC)         Kept: the acceptors are asked.
//   settled, hazard         Applied to a decision that is known. Where none is, it was lost, and the mark proves that
//                           it was one to commit. It cannot be kept, as its participants are not known: it is named.
//   ended, rolled back      Applied: every branch was settled by then.
//   epoch started           The highest counts.
//
// What is lost can have been decisions, so the log may not presume abort for anything that it can have decided. It
// therefore goes on as a log that begins now: its first epoch is above every one that it can have seen. A branch in
// two phases of an earlier epoch, without a decision that was kept, is then left alone and alarmed, never rolled back
// (protocol/ruling.hpp, Era::before_log); proof rows of earlier epochs are not purged.

/// An epoch that is lost has to be passed as well: farther than any coordinator is started between two checkpoints.
/// Were it too little, the participants, who have seen the higher epoch, would have the start refused.
inline constexpr std::uint32_t kEpochsPassed = 1U << 20;

/// Records that are not there any more, though later ones are, or though the log says that they were durable.
struct MissingRecords {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::string file;          ///< Where what is there before them ends.
  std::uint64_t offset = 0;  ///< The same.
};

/// Segments that others call for and that are not there, from `first` to `last`.
struct MissingSegments {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

struct KeptDecision {
  ports::LiveDecision live;
  std::string file;          ///< Where it stands; CHECKPOINT for one that is older than the segments.
  std::uint64_t offset = 0;  ///< Of its batch; 0 in the checkpoint.
  bool behind_damage = false;
};

struct Salvage {
  StateBuilder state{kAllKeys};  ///< To go on with; its epochs are set as told above.
  std::uint64_t next_sequence = 1;
  std::uint64_t segment_bytes = 0;  ///< As the log's segments have.
  std::uint64_t newest_segment = 0;

  bool checkpoint_lost = false;
  /// With the checkpoint lost: the segments do not go back to the beginning, so what only it held is lost as well.
  bool older_lost = false;
  std::uint64_t first_sequence = 1;  ///< The first record that the segments know of then; 0 where they know of none.
  std::uint64_t first_segment = 0;   ///< The oldest that is left then; 0 where none is.
  std::vector<UnreadableBytes> unreadable;  ///< Whatever is not whole, or not given by the device.
  std::vector<MissingSegments> missing_segments;
  std::vector<MissingRecords> missing;
  /// Behind the last record that was read there are bytes, or a segment, that nobody can read: whether and how many
  /// records were lost there, cannot be known.
  bool end_unknown = false;
  std::vector<KeptDecision> kept;             ///< In the order of their gtrids.
  std::set<std::string> decided_and_unknown;  ///< Gtrids: a mark proves the decision to commit, which is lost.
};

/// Reads what can be read of a log that scan() calls damaged. Errors: io, and log_corrupt when there is nothing to go
/// by (no header that can be read), or when a batch is whole and holds what this program does not know: then another
/// program wrote it, and nothing is rotten.
Result<Salvage> salvage(Disk& disk, const std::string& directory);

}  // namespace assent::wal
