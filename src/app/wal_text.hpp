#pragma once

#include <string>

#include "wal/log.hpp"
#include "wal/offline.hpp"

namespace assent::app {

// What the log's commands print: as text for people, every value from the log made printable, and as JSON. Each ends
// with a newline.

std::string text_of(const wal::DumpedRecord& dumped);
std::string json_of(const wal::DumpedRecord& dumped);

std::string text_of(const std::string& directory, const wal::Report& report);
std::string json_of(const std::string& directory, const wal::Report& report);

std::string text_of(const wal::RepairOptions& options, const wal::RepairReport& report);
std::string json_of(const wal::RepairOptions& options, const wal::RepairReport& report);

std::string text_of(const std::string& directory, const wal::CompactReport& report);
std::string json_of(const std::string& directory, const wal::CompactReport& report);

}  // namespace assent::app
