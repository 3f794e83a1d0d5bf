#include "wal/backup.hpp"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include "wal/files.hpp"
#include "wal/format.hpp"

namespace assent::wal {
namespace {

constexpr std::size_t kCopyAtOnceBytes = 1U << 20;

std::string without_slashes_behind(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

class Copy {
 public:
  Copy(Disk& disk, const std::string& directory)
      : disk_(disk), from_(without_slashes_behind(directory)), aside_(from_ + ".before-repair.tmp") {}

  Result<std::string> run() {
    std::string to = from_ + ".before-repair-" + utc_stamp();
    const StepFailed failed = make(to);
    if (!failed) return to;
    take_away();
    Error error = failed.error();
    error.what = "no copy of the decision log could be made beside it, so nothing was changed: " + error.what;
    return error;
  }

 private:
  /// `to` gets a number when there is a copy of that name.
  StepFailed make(std::string& to) {
    if (const Errno failed = disk_.list(from_, names_)) return {"read", from_, failed};
    names_.erase(std::remove_if(names_.begin(), names_.end(), [](const auto& name) { return !is_log_name(name); }),
                 names_.end());
    const Errno made = disk_.make_directory(aside_);
    if (made != 0 && made != EEXIST) return {"create", aside_, made};
    if (made == EEXIST) {
      if (const auto failed = empty_aside()) return failed;
    }
    if (const Errno failed = disk_.give_to_owner_of(from_, aside_)) return {"give away", aside_, failed};
    for (const auto& name : names_) {
      if (const auto failed = copy(name)) return failed;
    }
    if (const Errno unsynced = disk_.sync_directory(aside_)) return {"sync", aside_, unsynced};
    const std::string stamped = to;
    Errno failed = disk_.rename(aside_, to);
    for (int number = 2; failed == ENOTEMPTY || failed == EEXIST; ++number) {
      to = stamped + '-' + std::to_string(number);
      failed = disk_.rename(aside_, to);
    }
    if (failed != 0) return {"rename", aside_, failed};
    const std::string parent = parent_of(from_);
    failed = disk_.sync_directory(parent);
    return failed == 0 ? StepFailed{} : StepFailed{"sync", parent, failed};
  }

  StepFailed copy(const std::string& name) {
    const std::string from_path = path_in(from_, name);
    const std::string to_path = path_in(aside_, name);
    std::unique_ptr<File> from, to;
    const Errno unopened = disk_.open(from_path, OpenMode::read, from);
    // Nothing of the log is in it.
    if (unopened == kNoRegularFile) return {};
    if (unopened != 0) return {"open", from_path, unopened};
    if (const Errno failed = disk_.open(to_path, OpenMode::create, to)) return {"create", to_path, failed};
    FileInfo info;
    if (const Errno failed = from->info(info)) return {"look at", from_path, failed};
    std::string bytes;
    std::uint64_t sectors_until = 0;  // What the device does not give lies before this.
    for (std::uint64_t at = 0; at < info.bytes; at += bytes.size()) {
      const auto at_once = at < sectors_until ? kSectorBytes : kCopyAtOnceBytes;
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(at_once, info.bytes - at));
      Errno failed = from->read_at(at, count, bytes);
      if (failed == EIO && at_once > kSectorBytes) {
        sectors_until = at + count;
        bytes.clear();
        continue;
      }
      // Stepped over, as in reading: the copy says there what no log ever says, and so is damaged where the log is.
      if (failed == EIO) bytes.assign(count, kUnreadable), failed = 0;
      if (failed != 0) return {"read", from_path, failed};
      if (bytes.empty()) break;
      if (const Errno unwritten = to->write_at(at, bytes)) return {"write", to_path, unwritten};
    }
    if (const Errno failed = to->sync()) return {"sync", to_path, failed};
    const Errno failed = disk_.give_to_owner_of(from_path, to_path);
    return failed == 0 ? StepFailed{} : StepFailed{"give away", to_path, failed};
  }

  StepFailed empty_aside() {
    std::vector<std::string> left;
    if (const Errno failed = disk_.list(aside_, left)) return {"read", aside_, failed};
    for (const auto& name : left) {
      const std::string path = path_in(aside_, name);
      if (const Errno failed = disk_.remove(path)) return {"remove", path, failed};
    }
    return {};
  }

  /// The room it took is wanted for the next attempt.
  void take_away() {
    if (!empty_aside()) disk_.remove(aside_);
  }

  Disk& disk_;
  const std::string from_;
  const std::string aside_;
  std::vector<std::string> names_;
};

}  // namespace

Result<std::string> copy_beside(Disk& disk, const std::string& directory) {
  return Copy(disk, directory).run();
}

}  // namespace assent::wal
