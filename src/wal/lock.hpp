#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "assent/result.hpp"
#include "wal/disk.hpp"

namespace assent::wal {

// Who owns a log. Whoever writes to its files, running or repairing, holds its directory and two locks meanwhile: one
// on the directory itself, which outlasts whatever is deleted or renamed in it, and one on its file LOCK, which earlier
// versions know, and which others can look at without getting in the way.

/// Errc::not_found, invalid_argument when it is a file, io.
Result<std::unique_ptr<HeldDirectory>> hold_directory(Disk& disk, const std::string& directory);

/// A log's directory with its locks, which end with it.
struct Owned {
  std::unique_ptr<HeldDirectory> directory;
  std::unique_ptr<File> lock;     ///< LOCK; none while the directory has no such file, and none was to be made.
  bool directory_locked = false;  ///< False where the file system locks no directories.
  bool is_sure() const { return directory_locked || lock; }
};

/// Takes the locks that can be had. `make`: LOCK is made where it is missing. Errc::log_locked, with the owner's name,
/// while another process holds one of them; Errc::io.
Status take_ownership(Owned& owned, const std::string& directory, bool make);

/// Whether all of it is still as it was taken: the path leads to the directory, and LOCK there is the one that is held.
/// Cheap: before each write.
Status check_ownership(const Owned& owned, const std::string& directory);

/// Where the log lies: a token of this boot of this host, and the directory, that no other directory has at the same
/// time. Whoever wrote from the same place before has ended, since its lock is ours. 0: not known.
std::uint64_t place_of(const Owned& owned);

/// Puts this process's name into the lock's file: `pid 4711 on db1`. For people only, and so not synced.
Status sign_lock(const std::string& directory, File& file);

/// The name that stands there.
std::string owner_of(Disk& disk, const std::string& directory);

}  // namespace assent::wal
