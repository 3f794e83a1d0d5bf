#include "bench/bench_process.hpp"

#include <fcntl.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "bench/bench_statistics.hpp"
#include "support/daemon.hpp"

namespace assent::bench {
namespace {

constexpr double kKibPerMib = 1024;
constexpr int kSyncs = 100;
constexpr std::size_t kPageBytes = 4096;

/// What stands behind "key:" in a file of /proc, blanks left out in front; empty when it is not there.
std::string proc_value(const std::string& path, const std::string& key) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(key)) continue;
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    const auto value = line.find_first_not_of(" \t", colon + 1);
    return value == std::string::npos ? "" : line.substr(value);
  }
  return "";
}

double number_of(const std::string& text) {
  double value = 0;
  std::istringstream(text) >> value;
  return value;
}

/// Type of the file system of the mount with the longest path in front of `folder`.
std::string filesystem_of(const std::string& folder) {
  std::ifstream mounts("/proc/self/mounts");
  std::string best;
  std::string type;
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string device;
    std::string where;
    std::string kind;
    words >> device >> where >> kind;
    const bool inside = where == "/" || folder == where || folder.starts_with(where + "/");
    if (!inside || where.size() < best.size()) continue;
    best = where;
    type = kind;
  }
  return type;
}

double sync_us(const std::string& folder) {
  std::string path = folder + "/assent-bench-sync-XXXXXX";
  const int file = ::mkstemp(path.data());
  if (file < 0) return 0;
  ::unlink(path.c_str());
  const std::array<char, kPageBytes> page{};
  std::vector<double> took;
  for (int i = 0; i < kSyncs; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    // In place, as a log that was allocated before is written.
    if (::pwrite(file, page.data(), page.size(), 0) < 0 || ::fdatasync(file) != 0) break;
    took.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
  }
  ::close(file);
  return median(std::move(took));
}

}  // namespace

double cpu_us(pid_t pid) {
  return pid <= 0 ? 0 : testing::cpu_seconds(pid) * 1e6;
}

double own_cpu_us() {
  struct timespec used {};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) * 1e6 + static_cast<double>(used.tv_nsec) / 1e3;
}

Memory memory_of(pid_t pid) {
  if (pid <= 0) return {};
  const auto status = "/proc/" + std::to_string(pid) + "/status";
  return {number_of(proc_value(status, "VmRSS")) / kKibPerMib, number_of(proc_value(status, "VmHWM")) / kKibPerMib};
}

Machine look_at_machine(const std::string& folder) {
  Machine machine;
  machine.cpu = proc_value("/proc/cpuinfo", "model name");
  machine.cores = std::thread::hardware_concurrency();
  machine.memory_mib = static_cast<std::uint64_t>(number_of(proc_value("/proc/meminfo", "MemTotal")) / kKibPerMib);
  struct utsname system {};
  if (::uname(&system) == 0) machine.kernel = std::string(system.sysname) + " " + system.release;
  machine.filesystem = filesystem_of(folder);
  machine.fdatasync_us = sync_us(folder);
  return machine;
}

}  // namespace assent::bench
