#pragma once

#include <string>

#include "assent/result.hpp"
#include "wal/disk.hpp"

namespace assent::wal {

/// Copies every regular file of the log but its lock into a new directory beside it,
/// `LOG.before-repair-20260131T235959.123Z`, durably, and gives its path. It is made as `LOG.before-repair.tmp` and
/// renamed once it is whole; what a killed attempt left under that name is overwritten. The owner lock is held.
/// Errc::io when any of it fails, for lack of room or whatever else; the log is as it was then, and what was copied is
/// taken away again.
Result<std::string> copy_beside(Disk& disk, const std::string& directory);

}  // namespace assent::wal
