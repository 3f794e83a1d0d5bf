#pragma once

#include <cstddef>
#include <string>

#include "assent/result.hpp"

namespace assent::app {

/// The whole of a file, or of standard input when `path` is "-". Errors name the file and say why: it cannot be read
/// (Errc::not_found when there is none), or it is longer than `bytes_max`.
Result<std::string> read_file(const std::string& path, std::size_t bytes_max);

/// Writes aside, syncs and renames, so that a reader sees all of it or nothing.
Status write_file_atomically(const std::string& path, const std::string& text);

/// Appends and syncs; makes the file, for its owner and group alone, where there is none.
Status append_to_file(const std::string& path, const std::string& text);

}  // namespace assent::app
