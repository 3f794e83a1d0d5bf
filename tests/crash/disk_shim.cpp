// Preloaded into a program under test: stands between it and the disk.
//
//   DISK_SHIM_RECORD=FILE     appends a line there for each write, sync and rename of files whose path contains the
//                             text of DISK_SHIM_PATH: `write PATH OFFSET BYTES KIND` (of a block, as the log's format
//                             has it), `sync PATH`, `rename FROM TO`, and `locked out PATH` when it gets no lock
//   DISK_SHIM_UNREADABLE=TEXT:FROM:TO
//                             what a file whose path contains TEXT has from byte FROM to before TO gives EIO, until
//                             this process has written there, which makes a device take another sector for it
//   DISK_SHIM_FAILING=FILE    while FILE is there, syncs of files whose path contains the text of DISK_SHIM_PATH fail
//   DISK_SHIM_PAUSED=FILE     once it holds a lock, it makes FILE and waits until that has gone again

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

namespace {

template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

std::string text_of(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string path_of(int fd) {
  char path[4096];
  const auto size = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path, sizeof path);
  return size < 0 ? "" : std::string(path, static_cast<std::size_t>(size));
}

bool is_watched(const std::string& path) {
  static const auto text = text_of("DISK_SHIM_PATH");
  return !text.empty() && path.find(text) != std::string::npos;
}

void record(const std::string& line) {
  static const auto file = text_of("DISK_SHIM_RECORD");
  if (file.empty()) return;
  static const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  static const auto real = next<ssize_t (*)(int, const void*, std::size_t)>("write");
  const auto whole = line + "\n";
  if (real(fd, whole.data(), whole.size()) < 0) std::abort();
}

/// Sectors that this process has written, by file.
class Written {
 public:
  void add(int fd, std::int64_t offset, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    const auto end = offset + static_cast<std::int64_t>(bytes);
    for (auto at = offset / kBytes; at * kBytes < end; ++at) sectors_.insert(sector(fd, at));
  }
  bool has(int fd, std::int64_t offset) {
    const std::lock_guard lock(mutex_);
    return sectors_.contains(sector(fd, offset / kBytes));
  }

 private:
  static constexpr std::int64_t kBytes = 4096;
  using Sector = std::tuple<dev_t, ino_t, std::int64_t>;
  static Sector sector(int fd, std::int64_t number) {
    struct stat seen {};
    ::fstat(fd, &seen);
    return {seen.st_dev, seen.st_ino, number};
  }
  std::mutex mutex_;
  std::set<Sector> sectors_;
};

Written& written_here() {
  static Written written;
  return written;
}

void record_write(int fd, std::int64_t offset, std::string_view bytes) {
  static const bool has_bad = !text_of("DISK_SHIM_UNREADABLE").empty();
  if (has_bad) written_here().add(fd, offset, bytes.size());
  const auto path = path_of(fd);
  if (!is_watched(path)) return;
  const int kind = bytes.size() > 12 && (bytes.substr(8, 4) == "BLK3" || bytes.substr(8, 4) == "ABLK") ? bytes[12] : 0;
  record("write " + path + " " + std::to_string(offset) + " " + std::to_string(bytes.size()) + " " +
         std::to_string(kind));
}

int synced(int fd, const char* name) {
  const auto path = path_of(fd);
  if (!is_watched(path)) return next<int (*)(int)>(name)(fd);
  static const auto failing = text_of("DISK_SHIM_FAILING");
  if (!failing.empty() && ::access(failing.c_str(), F_OK) == 0) {
    errno = EIO;
    return -1;
  }
  const int result = next<int (*)(int)>(name)(fd);
  if (result == 0) record("sync " + path);
  return result;
}

/// How much of a read comes before what cannot be read: all, some, or -1: it begins there.
ssize_t readable(int fd, std::int64_t offset, std::size_t bytes) {
  static const auto bad = text_of("DISK_SHIM_UNREADABLE");
  if (bad.empty()) return static_cast<ssize_t>(bytes);
  static const auto last = bad.rfind(':');
  static const auto first = bad.rfind(':', last - 1);
  static const std::int64_t from = std::stoll(bad.substr(first + 1));
  static const std::int64_t to = std::stoll(bad.substr(last + 1));
  const auto end = offset + static_cast<std::int64_t>(bytes);
  if (end <= from || offset >= to || path_of(fd).find(bad.substr(0, first)) == std::string::npos) {
    return static_cast<ssize_t>(bytes);
  }
  if (written_here().has(fd, std::max(offset, from))) return static_cast<ssize_t>(bytes);
  if (offset < from) return static_cast<ssize_t>(from - offset);
  errno = EIO;
  return -1;
}

}  // namespace

extern "C" {

ssize_t pwrite(int fd, const void* bytes, std::size_t count, off_t offset) {
  const auto written = next<ssize_t (*)(int, const void*, std::size_t, off_t)>("pwrite")(fd, bytes, count, offset);
  if (written > 0) record_write(fd, offset, {static_cast<const char*>(bytes), static_cast<std::size_t>(written)});
  return written;
}
ssize_t pwrite64(int fd, const void* bytes, std::size_t count, off64_t offset) {
  return pwrite(fd, bytes, count, offset);
}

ssize_t pread(int fd, void* bytes, std::size_t count, off_t offset) {
  const auto most = readable(fd, offset, count);
  if (most < 0) return -1;
  return next<ssize_t (*)(int, void*, std::size_t, off_t)>("pread")(fd, bytes, static_cast<std::size_t>(most), offset);
}
ssize_t pread64(int fd, void* bytes, std::size_t count, off64_t offset) {
  return pread(fd, bytes, count, offset);
}

int fsync(int fd) {
  return synced(fd, "fsync");
}
int fdatasync(int fd) {
  return synced(fd, "fdatasync");
}

int rename(const char* from, const char* to) {
  const int result = next<int (*)(const char*, const char*)>("rename")(from, to);
  if (result == 0 && is_watched(to)) record(std::string("rename ") + from + " " + to);
  return result;
}
int renameat(int from_fd, const char* from, int to_fd, const char* to) {
  const int result = next<int (*)(int, const char*, int, const char*)>("renameat")(from_fd, from, to_fd, to);
  const auto absolute = [](int fd, const char* name) {
    return fd == AT_FDCWD || name[0] == '/' ? std::string(name) : path_of(fd) + "/" + name;
  };
  if (result == 0 && is_watched(absolute(to_fd, to))) {
    record("rename " + absolute(from_fd, from) + " " + absolute(to_fd, to));
  }
  return result;
}

int flock(int fd, int operation) {
  const int result = next<int (*)(int, int)>("flock")(fd, operation);
  static const auto paused = text_of("DISK_SHIM_PAUSED");
  if (result != 0) {
    const int why = errno;
    if (const auto path = path_of(fd); is_watched(path)) record("locked out " + path);
    errno = why;
  }
  if (result != 0 || (operation & LOCK_UN) != 0 || paused.empty()) return result;
  const int made = ::open(paused.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (made < 0) std::abort();
  ::close(made);
  constexpr timespec kPause{0, 5'000'000};
  while (::access(paused.c_str(), F_OK) == 0) ::nanosleep(&kPause, nullptr);
  return result;
}

}  // extern "C"
