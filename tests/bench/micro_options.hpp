#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace assent::bench {

/// What the command line says beside Google Benchmark's own flags. Set once, before anything is measured.
struct MicroOptions {
  std::string directory;  ///< Where files are made: the file system that is measured. Must exist.
  std::chrono::milliseconds window{200};
  std::uint32_t pairs = 7;
  std::uint64_t ended = 1'000'000;  ///< Ended transactions in the logs that are recovered.
};

MicroOptions& micro_options();

}  // namespace assent::bench
