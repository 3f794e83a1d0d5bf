#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "assent/result.hpp"
#include "wal/disk.hpp"
#include "wal/format.hpp"

namespace assent::wal {

// The names of the files in a log's directory, and how one comes into being: written aside under a temporary name,
// synced, renamed, the directory synced. So whatever bears its final name was whole once, and is damaged if it is not.

inline constexpr std::string_view kLockName = "LOCK";
inline constexpr std::string_view kCheckpointName = "CHECKPOINT";
inline constexpr std::string_view kAsideSuffix = ".tmp";

std::string path_in(const std::string& directory, std::string_view name);
/// The directory that this one stands in.
std::string parent_of(std::string directory);
/// `00000003.seg`
std::string segment_name(std::uint64_t number);
/// Nothing when it is not the name of a segment.
std::optional<std::uint64_t> parse_segment_name(std::string_view name);
bool is_aside_name(std::string_view name);
/// Of a copy that earlier versions made of a torn end: `00000003.seg.torn-...`.
bool is_torn_copy_name(std::string_view name);
/// Whether a file of this name is one of the log's, whatever is in it: all but the lock.
bool is_log_name(std::string_view name);
/// `20260131T235959.123Z`, now.
std::string utc_stamp();
/// A command for the operator: `assentctl wal repair /var/lib/assent/log`, quoted for a shell where need be.
std::string ctl_command(std::string_view command, const std::string& directory);

/// Moves what cannot be used out of the way, under a name that is none of the log's, `CHECKPOINT.unusable-2026...`, and
/// gives that. The directory is not synced.
Errno set_aside(Disk& disk, const std::string& directory, const std::string& name, std::string& out);

/// What failed, at which file, why, and what to do about it: `cannot create /x/00000002.seg: No space left ...`.
Error io_error(std::string_view doing, const std::string& path, Errno number);

/// Whether the same call may succeed once somebody made room.
bool is_lack_of_room(Errno number);

/// Where an operation of several steps failed.
struct StepFailed {
  std::string_view doing = "";
  std::string path;
  Errno number = 0;  ///< 0: it did not fail.
  explicit operator bool() const { return number != 0; }
  Error error() const { return io_error(doing, path, number); }
};

/// Puts a file of exactly these bytes in place, durably; it replaces an older one in one step. A failed attempt takes
/// what it wrote away again.
StepFailed write_aside(Disk& disk, const std::string& directory, const std::string& name, std::string_view bytes);

/// Makes a segment full of zeroes after its header, durably, and opens it. The zeroes are written, not just allocated:
/// later batches then change no metadata, and no lack of room can meet them.
StepFailed make_segment(Disk& disk, const std::string& directory, const SegmentHeader& header,
                        std::unique_ptr<File>& out);

/// A whole file; `bytes_max` bounds what is read into memory (EFBIG).
Errno read_file(Disk& disk, const std::string& path, std::uint64_t bytes_max, std::string& out);

/// Bytes of a file that the device does not give.
struct UnreadableBytes {
  std::string file;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// As read_file(), and steps over what the device does not give (EIO): those bytes, in whole sectors, are told, and
/// read as kUnreadable, which is part of nothing that a log writes.
inline constexpr char kUnreadable = '\xEE';
Errno read_file_around(Disk& disk, const std::string& directory, const std::string& name, std::uint64_t bytes_max,
                       std::string& out, std::vector<UnreadableBytes>& unreadable);

/// Makes the name of this directory durable, and the name of the one it stands in, and so on: whoever made them may
/// have been killed before it could. Says for people what this account may not.
StepFailed sync_path_to(Disk& disk, const std::string& directory, std::vector<std::string>& notes);

}  // namespace assent::wal
