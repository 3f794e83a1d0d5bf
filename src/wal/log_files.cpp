#include "wal/log_files.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "wal/checkpoint.hpp"

namespace assent::wal {
namespace {

template <typename T>
Status as_status(const Result<T>& result) {
  return result ? Status(Ok{}) : Status(result.error());
}

Error unlistable(const std::string& directory, Errno number) {
  Error error = io_error("read the log's directory", directory, number);
  if (number == ENOENT) error.code = Errc::not_found;
  if (number == ENOTDIR) error.code = Errc::invalid_argument;
  return error;
}

Error newer(const std::string& directory, const std::string& name, const Error& error) {
  return {Errc::log_newer_format, path_in(directory, name) + " was left unchanged: " + error.what +
                                      "; start the program that wrote it, or a newer one"};
}

}  // namespace

Status LogFiles::list() {
  std::vector<std::string> names;
  if (const Errno failed = disk_.list(directory_, names)) return unlistable(directory_, failed);
  for (auto& name : names) {
    if (name == kCheckpointName) has_checkpoint_ = true;
    if (const auto number = parse_segment_name(name)) numbers_.push_back(*number);
    if (is_torn_copy_name(name)) scan_.torn_copies.push_back(name);
    if (is_aside_name(name)) scan_.leftovers.push_back(std::move(name));
  }
  std::sort(scan_.torn_copies.begin(), scan_.torn_copies.end());
  std::sort(numbers_.begin(), numbers_.end());
  return Ok{};
}

void LogFiles::damage(std::string file, std::uint64_t offset, std::string what) {
  damage(std::move(file), offset, std::move(what),
         "what it said there may have been a decision to commit: restore the directory from a copy that is as new, or "
         "see with `" +
             ctl_command("wal repair", directory_) + "` what is left and what is lost, and give that up with `" +
             ctl_command("wal repair", directory_) + " --force-lose`");
}

void LogFiles::damage(std::string file, std::uint64_t offset, std::string what, std::string remedy) {
  scan_.tail = Tail::corrupt;
  scan_.findings.push_back({Finding::Grade::damage, std::move(file), offset, std::move(what), std::move(remedy)});
}

void LogFiles::note(std::string file, std::uint64_t offset, std::string what) {
  scan_.findings.push_back({Finding::Grade::note, std::move(file), offset, std::move(what), "nothing is lost by it"});
}

Status LogFiles::read_checkpoint() {
  scan_.presence = Scan::Presence::present;
  const std::string name(kCheckpointName);
  std::string bytes;
  std::vector<UnreadableBytes> unreadable;
  const Errno failed = read_file_around(disk_, directory_, name, kCheckpointBytesMax, bytes, unreadable);
  if (failed == kNoRegularFile) return not_regular(name), Ok{};
  if (failed == EFBIG) return damage(name, 0, "it is larger than any checkpoint"), Ok{};
  if (failed != 0) return io_error("read", path_in(directory_, name), failed);
  if (cannot_be_read(unreadable)) return Ok{};
  auto head = decode_checkpoint(bytes, scan_.state);
  if (!head && head.error().code == Errc::log_newer_format) return newer(directory_, name, head.error());
  if (!head) return damage(name, 0, head.error().what), Ok{};
  scan_.checkpoint = *head;
  scan_.files.push_back({name, bytes.size(), bytes.size(), 0, 0, 0});
  scan_.next_sequence = head->first_sequence;
  scan_.durable_through = head->covers_through;
  return Ok{};
}

void LogFiles::not_regular(const std::string& name) {
  damage(name, 0, "it is no regular file",
         "the log's file of this name is elsewhere or lost: move this away and put the file back, or see with `" +
             ctl_command("wal repair", directory_) + "` what is left");
}

/// Whether there is such a place.
bool LogFiles::cannot_be_read(const std::vector<UnreadableBytes>& unreadable) {
  for (const auto& one : unreadable) {
    damage(one.file, one.begin,
           "the device gives an error for bytes " + std::to_string(one.begin) + " to " + std::to_string(one.end));
  }
  return !unreadable.empty();
}

/// Reads and checks a segment whole. Damage becomes a finding.
Status LogFiles::read_segment(std::uint64_t number, SegmentBytes& out) {
  const std::string name = segment_name(number);
  out.usable = false;
  std::vector<UnreadableBytes> unreadable;
  const Errno failed = read_file_around(disk_, directory_, name, kSegmentBytesMax, out.bytes, unreadable);
  if (failed == kNoRegularFile) return not_regular(name), Ok{};
  if (failed == EFBIG) return damage(name, 0, "it is larger than any segment"), Ok{};
  if (failed != 0) return io_error("read", path_in(directory_, name), failed);
  const bool unread = cannot_be_read(unreadable);
  auto header = decode_segment_header(out.bytes);
  if (!header && header.error().code == Errc::log_newer_format) return newer(directory_, name, header.error());
  if (!header) {
    if (!unread) damage(name, 0, header.error().what);
    return Ok{};
  }
  out.version = header->version;
  if (header->number != number) {
    damage(name, 0, "it is segment " + std::to_string(header->number) + " under another name");
  } else if (has_checkpoint_ && header->log_id != scan_.checkpoint.log_id) {
    damage(name, 0, "it belongs to another log than the checkpoint");
  } else if (header->bytes != out.bytes.size()) {
    damage(name, out.bytes.size(),
           "it has " + std::to_string(out.bytes.size()) + " bytes and was made with " + std::to_string(header->bytes));
  } else {
    out.usable = true;
  }
  return Ok{};
}

void LogFiles::leave_segments_before(std::uint64_t number) {
  const auto first = std::lower_bound(numbers_.begin(), numbers_.end(), number);
  for (auto left = numbers_.begin(); left != first; ++left) scan_.leftovers.push_back(segment_name(*left));
  numbers_.erase(numbers_.begin(), first);
}

Status check_versions(Disk& disk, const std::string& directory) {
  std::vector<std::string> names;
  if (const Errno failed = disk.list(directory, names)) return unlistable(directory, failed);
  for (const auto& name : names) {
    const bool is_segment = parse_segment_name(name).has_value();
    if (!is_segment && name != kCheckpointName) continue;
    std::unique_ptr<File> file;
    std::string bytes;
    if (disk.open(path_in(directory, name), OpenMode::read, file) != 0) continue;
    if (file->read_at(0, kSegmentHeaderBytes, bytes) != 0) continue;
    StateBuilder ignored(0);
    const Status judged =
        is_segment ? as_status(decode_segment_header(bytes)) : as_status(decode_checkpoint(bytes, ignored));
    if (!judged && judged.error().code == Errc::log_newer_format) return newer(directory, name, judged.error());
  }
  return Ok{};
}

}  // namespace assent::wal
