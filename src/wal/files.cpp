#include "wal/files.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <functional>
#include <set>
#include <system_error>

#include "base/clock.hpp"
#include "base/failpoints.hpp"

namespace assent::wal {
namespace {

constexpr std::string_view kSegmentSuffix = ".seg";
constexpr std::string_view kTornInfix = ".seg.torn-";
constexpr std::size_t kSegmentDigitsMin = 8;
constexpr std::uint64_t kZeroesAtOnceBytes = 256ULL << 10;
constexpr std::uint64_t kReadAroundBytes = 256ULL << 10;

std::string_view remedy_for(Errno number) {
  switch (number) {
    case EACCES:
    case EPERM: return "; give the coordinator's account read and write access to the directory and its files";
    case EROFS: return "; the file system is read-only: mount it writable, and see in the kernel's log why it is not";
    case ENOSPC:
    case EDQUOT: return "; make room on this file system";
    case ENOENT: return "; was the log's directory moved or deleted?";
    case ENOTDIR: return "; the log needs a directory there, not a file";
    case EMFILE:
    case ENFILE: return "; raise the limit on open files";
    case kNoRegularFile: return "; move it away: the log has only regular files";
    case EIO: return "; the device fails: look into the kernel's log before starting again";
    default: return "";
  }
}

/// Writes through `fill` under a temporary name, then renames. The temporary file goes when any step fails.
StepFailed put_in_place(Disk& disk, const std::string& directory, const std::string& name,
                        const std::function<Errno(File&)>& fill, std::unique_ptr<File>& out) {
  const std::string final_path = path_in(directory, name);
  const std::string aside_path = final_path + std::string(kAsideSuffix);
  std::unique_ptr<File> file;
  Errno opened = disk.open(aside_path, OpenMode::create, file);
  // Whatever bears the name of a file that is being made is of no meaning.
  if (opened == kNoRegularFile && disk.remove(aside_path) == 0) opened = disk.open(aside_path, OpenMode::create, file);
  if (opened != 0) return {"create", aside_path, opened};
  const auto give_up = [&](std::string_view doing, Errno failed) {
    file.reset();
    disk.remove(aside_path);
    return StepFailed{doing, aside_path, failed};
  };
  if (ASSENT_FAILS_AT(file_without_room, name)) return give_up("write", ENOSPC);
  const auto step = [](bool fails, const auto& run) -> Errno { return fails ? EIO : run(); };
  if (const Errno failed = step(ASSENT_FAILS_AT(file_unwritten, name), [&] { return fill(*file); })) {
    return give_up("write", failed);
  }
  if (const Errno failed = step(ASSENT_FAILS_AT(file_unsynced, name), [&] { return file->sync(); })) {
    return give_up("sync", failed);
  }
  if (const Errno failed =
          step(ASSENT_FAILS_AT(file_unnamed, name), [&] { return disk.rename(aside_path, final_path); })) {
    return give_up("rename", failed);
  }
  if (const Errno failed =
          step(ASSENT_FAILS_AT(file_name_unsynced, name), [&] { return disk.sync_directory(directory); })) {
    return {"sync", directory, failed};
  }
  ASSENT_FAILPOINT(file_in_place, name);
  out = std::move(file);
  return {};
}

}  // namespace

std::string path_in(const std::string& directory, std::string_view name) {
  std::string path = directory;
  path += '/';
  path += name;
  return path;
}

std::string parent_of(std::string directory) {
  while (directory.size() > 1 && directory.back() == '/') directory.pop_back();
  const auto slash = directory.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : directory.substr(0, slash);
}

std::string segment_name(std::uint64_t number) {
  std::string digits = std::to_string(number);
  if (digits.size() < kSegmentDigitsMin) digits.insert(0, kSegmentDigitsMin - digits.size(), '0');
  return digits + std::string(kSegmentSuffix);
}

std::optional<std::uint64_t> parse_segment_name(std::string_view name) {
  if (!name.ends_with(kSegmentSuffix)) return std::nullopt;
  const auto digits = name.substr(0, name.size() - kSegmentSuffix.size());
  std::uint64_t number = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (parsed.ec != std::errc{} || number == 0 || segment_name(number) != name) return std::nullopt;
  return number;
}

bool is_aside_name(std::string_view name) {
  if (!name.ends_with(kAsideSuffix)) return false;
  name.remove_suffix(kAsideSuffix.size());
  return name == kCheckpointName || parse_segment_name(name) || name.find(kTornInfix) != std::string_view::npos;
}

bool is_torn_copy_name(std::string_view name) {
  return name.find(kTornInfix) != std::string_view::npos && !name.ends_with(kAsideSuffix);
}

bool is_log_name(std::string_view name) {
  return name == kCheckpointName || parse_segment_name(name) || is_aside_name(name) ||
         name.find(kTornInfix) != std::string_view::npos;
}

std::string utc_stamp() {
  const std::int64_t now_ms = base::wall_clock_ms();
  const auto seconds = static_cast<std::time_t>(now_ms / 1000);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[32];
  const std::size_t size = std::strftime(text, sizeof text, "%Y%m%dT%H%M%S", &utc);
  const std::string millis = std::to_string(1000 + now_ms % 1000);
  return std::string(text, size) + "." + millis.substr(1) + "Z";
}

std::string ctl_command(std::string_view command, const std::string& directory) {
  std::string out = "assentctl ";
  out += command;
  out += ' ';
  const bool plain = directory.find_first_not_of(
                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./+") == std::string::npos;
  if (plain && !directory.empty()) return out + directory;
  out += '\'';
  for (const char c : directory) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + '\'';
}

Errno set_aside(Disk& disk, const std::string& directory, const std::string& name, std::string& out) {
  out = name + ".unusable-" + utc_stamp();
  return disk.rename(path_in(directory, name), path_in(directory, out));
}

Error io_error(std::string_view doing, const std::string& path, Errno number) {
  std::string what = "cannot ";
  what += doing;
  what += ' ' + path + ": ";
  what += number == kNoRegularFile ? "it is no regular file" : std::generic_category().message(number);
  what += remedy_for(number);
  return {Errc::io, std::move(what)};
}

bool is_lack_of_room(Errno number) {
  switch (number) {
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EINTR: return true;
    default: return false;
  }
}

StepFailed write_aside(Disk& disk, const std::string& directory, const std::string& name, std::string_view bytes) {
  std::unique_ptr<File> file;
  return put_in_place(
      disk, directory, name, [&](File& aside) { return aside.write_at(0, bytes); }, file);
}

StepFailed make_segment(Disk& disk, const std::string& directory, const SegmentHeader& header,
                        std::unique_ptr<File>& out) {
  const auto fill = [&](File& aside) -> Errno {
    if (const Errno failed = aside.write_at(0, encode_segment_header(header))) return failed;
    const std::string zeroes(kZeroesAtOnceBytes, '\0');
    for (std::uint64_t offset = kSegmentHeaderBytes; offset < header.bytes;) {
      const auto count = std::min(kZeroesAtOnceBytes, header.bytes - offset);
      if (const Errno failed = aside.write_at(offset, std::string_view(zeroes).substr(0, count))) return failed;
      offset += count;
    }
    return 0;
  };
  return put_in_place(disk, directory, segment_name(header.number), fill, out);
}

Errno read_file(Disk& disk, const std::string& path, std::uint64_t bytes_max, std::string& out) {
  std::unique_ptr<File> file;
  if (const Errno failed = disk.open(path, OpenMode::read, file)) return failed;
  FileInfo info;
  if (const Errno failed = file->info(info)) return failed;
  if (info.bytes > bytes_max) return EFBIG;
  return file->read_at(0, static_cast<std::size_t>(info.bytes), out);
}

Errno read_file_around(Disk& disk, const std::string& directory, const std::string& name, std::uint64_t bytes_max,
                       std::string& out, std::vector<UnreadableBytes>& unreadable) {
  std::unique_ptr<File> file;
  if (const Errno failed = disk.open(path_in(directory, name), OpenMode::read, file)) return failed;
  FileInfo info;
  if (const Errno failed = file->info(info)) return failed;
  if (info.bytes > bytes_max) return EFBIG;
  const Errno whole = file->read_at(0, static_cast<std::size_t>(info.bytes), out);
  if (whole != EIO) return whole;
  out.clear();
  std::string part;
  const auto read = [&](std::uint64_t at, std::uint64_t count) {
    const Errno failed = file->read_at(at, static_cast<std::size_t>(count), part);
    return failed != 0 ? failed : part.size() == count ? 0 : EIO;
  };
  std::uint64_t sectors_until = 0;  // A device may take long over each try, so none covers the same bad sector again.
  for (std::uint64_t at = 0; at < info.bytes;) {
    const auto at_once = at < sectors_until ? kSectorBytes : kReadAroundBytes;
    const auto count = std::min(at_once, info.bytes - at);
    const Errno failed = read(at, count);
    if (failed == EIO && at_once > kSectorBytes) {
      sectors_until = at + count;
      continue;
    }
    if (failed == EIO) {
      part.assign(static_cast<std::size_t>(count), kUnreadable);
      const bool goes_on = !unreadable.empty() && unreadable.back().file == name && unreadable.back().end == at;
      if (!goes_on) unreadable.push_back({name, at, at});
      unreadable.back().end = at + count;
    } else if (failed != 0) {
      return failed;
    }
    out += part;
    at += count;
  }
  return 0;
}

StepFailed sync_path_to(Disk& disk, const std::string& directory, std::vector<std::string>& notes) {
  std::set<std::string> above;
  const auto climb = [&](std::string path) {
    for (auto parent = parent_of(path); parent != path && parent != "."; parent = parent_of(path)) {
      above.insert(parent);
      path = std::move(parent);
    }
  };
  std::string real;
  if (const Errno failed = disk.real_path(directory, real)) return {"find", directory, failed};
  climb(real);
  // A link on the way has a name as well.
  if (directory.starts_with('/')) climb(directory);
  for (const auto& path : above) {
    const Errno failed = disk.sync_directory(path);
    // Where nothing can be written, nothing waits to be made durable; nor in what keeps no names on a disk.
    if (failed == 0 || failed == EROFS || failed == EINVAL) continue;
    if (failed != EACCES && failed != EPERM) return {"sync", path, failed};
    notes.push_back("this account may not read " + path + ", and so cannot make sure that the way from there to " +
                    directory + " outlasts a power cut; `sync` as root does so, once");
  }
  return {};
}

}  // namespace assent::wal
