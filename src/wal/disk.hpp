#pragma once

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace assent::wal {

// Every touch of the log on a file goes through here, so that the same code runs over a real disk, over one that fails
// on purpose, and over a simulated one that loses what was not synced.

/// 0, or the errno of what failed.
using Errno = int;

/// What is told of something of a log's name that is no regular file: a pipe, a directory, a device.
inline constexpr Errno kNoRegularFile = EMEDIUMTYPE;
/// A held directory whose path leads to another one by now.
inline constexpr Errno kAnotherDirectory = ESTALE;

struct FileInfo {
  std::uint64_t bytes = 0;
  std::uint64_t links = 0;  ///< Directory entries that lead to it; 0 once it was deleted.
};

/// One open file; closed with the object. Calls on one object must not overlap.
class File {
 public:
  virtual ~File() = default;

  /// Writes all of `bytes` at `offset`, or fails, having written any part of it.
  virtual Errno write_at(std::uint64_t offset, std::string_view bytes) = 0;
  /// Reads up to `bytes_max` from `offset` into `out`; fewer only at the end of the file.
  virtual Errno read_at(std::uint64_t offset, std::size_t bytes_max, std::string& out) = 0;
  /// Makes what was written durable, with as much of its metadata as reading it back takes. After a failure what is
  /// durable is unknown for ever: the kernel may have dropped the pages, so a second try proves nothing.
  virtual Errno sync() = 0;
  virtual Errno set_bytes(std::uint64_t bytes) = 0;
  virtual Errno info(FileInfo& out) = 0;
};

/// Which file or directory it is, whatever its names. Not kept over reboots.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t number = 0;
  bool operator==(const FileIdentity&) const = default;
};

enum class OpenMode : std::uint8_t {
  read,
  read_write,  ///< Must exist.
  create,      ///< Emptied when it exists.
};

class HeldDirectory;

/// The file operations the log uses. Thread safe. Paths are whole ones.
class Disk {
 public:
  virtual ~Disk() = default;

  /// kNoRegularFile when it is something else; never waits for a pipe's other end.
  virtual Errno open(const std::string& path, OpenMode mode, std::unique_ptr<File>& out) = 0;
  /// Opens (creating it if need be) and takes an exclusive lock that ends with the object or the process.
  /// EWOULDBLOCK when another holds it.
  virtual Errno lock(const std::string& path, std::unique_ptr<File>& out) = 0;
  /// Whether somebody holds the lock on this file now. False when that cannot be told. Takes no lock that could keep an
  /// owner from taking it.
  virtual bool is_locked(const std::string& path) = 0;
  /// Of a file or a whole directory. A file replaces `to` when it exists, in one step.
  virtual Errno rename(const std::string& from, const std::string& to) = 0;
  /// As root: what bears the second name belongs to whom the first belongs to. Nothing for others to do.
  virtual Errno give_to_owner_of(const std::string& /*of*/, const std::string& /*to*/) { return 0; }
  /// Of a file or an empty directory.
  virtual Errno remove(const std::string& path) = 0;
  virtual Errno make_directory(const std::string& path) = 0;
  /// Where a path leads, through all links.
  virtual Errno real_path(const std::string& path, std::string& out) = 0;
  /// Holds a directory: everything in it is reached through what it is now, wherever its path leads later. ENOTDIR.
  virtual Errno hold(const std::string& directory, std::unique_ptr<HeldDirectory>& out) = 0;
  /// Makes the creation, renaming and removal of entries durable.
  virtual Errno sync_directory(const std::string& path) = 0;
  /// Names of all entries, in no order. ENOTDIR when it is not a directory.
  virtual Errno list(const std::string& path, std::vector<std::string>& out) = 0;
};

/// A directory that is held open. As a disk it takes the same paths: those in the directory, by the path with which it
/// was held, are reached through it, all others as before. Files that root makes in it are given to whom the log's
/// files belong.
class HeldDirectory : public Disk {
 public:
  /// Takes an exclusive lock on the directory itself, which ends with the object or the process, and which no deleting
  /// and renaming in it takes away. EWOULDBLOCK when another holds it, ENOTSUP where directories can't be locked.
  virtual Errno lock_directory() = 0;
  /// 0 while its path leads to it; kAnotherDirectory, or what looking failed with.
  virtual Errno check_path() = 0;
  /// 0 while this name in it leads to this file, which was opened through it; kAnotherDirectory otherwise.
  virtual Errno check_name(std::string_view name, File& file) = 0;
  virtual Errno identity(FileIdentity& out) = 0;
};

/// The machine's own.
Disk& posix_disk();

}  // namespace assent::wal
