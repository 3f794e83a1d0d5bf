#pragma once

#include <memory>
#include <string>

#include "assent/result.hpp"
#include "wal/disk.hpp"

namespace assent::wal {

// Who owns a log. Whoever writes to its files, running or repairing, holds the lock meanwhile.

/// Held as long as the file lives. Errc::log_locked, with the owner's name, while another process holds it; Errc::io.
Result<std::unique_ptr<File>> take_lock(Disk& disk, const std::string& directory);

/// Puts this process's name into the lock's file: `pid 4711 on db1`. For people only, and so not synced.
Status sign_lock(const std::string& directory, File& file);

/// The name that stands there.
std::string owner_of(Disk& disk, const std::string& directory);

}  // namespace assent::wal
