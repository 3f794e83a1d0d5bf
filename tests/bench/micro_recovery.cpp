#include "micro_recovery.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/clock.hpp"
#include "micro_log.hpp"
#include "wal/files.hpp"
#include "wal/log.hpp"

namespace assent::bench {
namespace {

constexpr std::uint64_t kTransactionsPerSync = 64;
constexpr double kMiB = 1 << 20;
constexpr std::uint32_t kNoCheckpoint = std::numeric_limits<std::uint32_t>::max();

[[noreturn]] void give_up(const Error& error) {
  std::fprintf(stderr, "micro_bench: %s\n", error.what.c_str());
  std::exit(2);
}

/// Writes one transaction after the other through the log's own writer.
class Builder {
 public:
  Builder(std::string directory, const LogContents& contents)
      : directory_(std::move(directory)), contents_(contents), total_(contents.ended + contents.live) {}

  void open(std::uint32_t checkpoint_every_segments) {
    log_.reset();
    wal::Options options;
    options.directory = directory_;
    options.checkpoint_every_segments = checkpoint_every_segments;
    auto opened = wal::open(options, wal::posix_disk());
    if (!opened) give_up(opened.error());
    log_ = std::move(opened->log);
  }

  void write(std::uint64_t transactions) {
    for (std::uint64_t i = 0; i < transactions && written_ < total_; ++i) {
      auto decision = decision_like(++written_);
      if (contents_.keys) decision.idempotency_key = "9a0c-0305e82c3301-" + std::to_string(1'000'000'000 + written_);
      const std::string gtrid = decision.gtrid;
      log_->append(std::move(decision));
      if (!stays_live()) log_->append(ports::TransactionEnded{gtrid});
      if (written_ % kTransactionsPerSync == 0) flush();
    }
    flush();
  }
  std::uint64_t left() const { return total_ - written_; }
  /// What it has cost on the disk.
  std::uint64_t bytes_written() const { return log_->stats().bytes_written; }

  void close() {
    if (auto closed = log_->close(); !closed) give_up(closed.error());
    log_.reset();
  }

 private:
  /// The numbers at which the live ones' share steps up by one.
  bool stays_live() const { return written_ * contents_.live / total_ != (written_ - 1) * contents_.live / total_; }
  void flush() {
    if (auto flushed = log_->flush(); !flushed) give_up(flushed.error());
  }

  const std::string directory_;
  const LogContents contents_;
  const std::uint64_t total_;
  std::uint64_t written_ = 0;
  std::unique_ptr<wal::WriterLog> log_;
};

/// When a checkpoint falls due the writer stands at the start of the segment `checkpoint_every_segments` behind the
/// checkpoint's; it goes on to the end of that, and of the reserve, and then waits for the keeper.
std::uint64_t worst_unchecked_bytes() {
  const wal::Options options;
  return (options.checkpoint_every_segments + 2) * options.segment_bytes;
}

/// The last of the transactions without a checkpoint, as many as the worst crash leaves; those before, as they come.
void build_worst_crash(Builder& builder, const std::string& directory, const LogContents& contents) {
  // What a transaction takes on the disk, from some of them.
  LogContents sample = contents;
  sample.ended = 64 * kTransactionsPerSync;
  sample.live = 0;
  Builder sampler(directory + "-sample", sample);
  sampler.open(kNoCheckpoint);
  sampler.write(sample.ended);
  const double bytes_each = static_cast<double>(sampler.bytes_written()) / static_cast<double>(sample.ended);
  // A segment's header and its last batch that did not fit; and its start is not at a segment's start.
  const auto unchecked = static_cast<std::uint64_t>(static_cast<double>(worst_unchecked_bytes()) / bytes_each * 0.995);
  builder.open(wal::Options{}.checkpoint_every_segments);
  builder.write(builder.left() > unchecked ? builder.left() - unchecked : 0);
  builder.close();
  builder.open(kNoCheckpoint);
  builder.write(builder.left());
}

std::uint64_t bytes_in(const std::string& directory) {
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) bytes += entry.file_size();
  return bytes;
}

/// The same log under another name, so that each opening finds it as the one before did: hard links are enough, since
/// opening writes into a file only what it holds already, and all else that it does is to names.
std::string make_twin(const std::string& directory) {
  const std::string twin = directory + "-twin";
  std::filesystem::create_directory(twin);
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const auto name = entry.path().filename();
    if (name != wal::kLockName) std::filesystem::create_hard_link(entry.path(), std::filesystem::path(twin) / name);
  }
  return twin;
}

/// Written pages only: the files were synced.
void drop_from_cache(const std::string& directory) {
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const int fd = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    ::fsync(fd);
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ::close(fd);
  }
}

/// getrusage would also count what this process was before exec.
double peak_resident_mib() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.rfind("VmHWM:", 0) == 0) return std::strtod(line.c_str() + 6, nullptr) * 1024 / kMiB;
  }
  return 0;
}

}  // namespace

void build_log(const std::string& directory, const LogContents& contents) {
  Builder builder(directory, contents);
  switch (contents.history) {
    case History::as_it_comes:
      builder.open(wal::Options{}.checkpoint_every_segments);
      builder.write(builder.left());
      return;
    case History::worst_crash: return build_worst_crash(builder, directory, contents);
    case History::no_checkpoint:
      builder.open(kNoCheckpoint);
      builder.write(builder.left());
      return;
  }
}

Opening open_in_child(const std::string& directory, bool cold) {
  if (cold) drop_from_cache(directory);
  const std::string twin = make_twin(directory);
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string command = "'" + self + "' --open-log '" + twin + "'";
  std::FILE* output = ::popen(command.c_str(), "r");
  if (output == nullptr) bench::give_up("cannot run " + command);
  std::string text;
  char part[512];
  while (const auto got = std::fread(part, 1, sizeof part, output)) text.append(part, got);
  const int status = ::pclose(output);
  std::filesystem::remove_all(twin);
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (status != 0 || json.is_discarded()) bench::give_up("the process that opens the log failed: " + command);
  Opening opening;
  opening.seconds = json.at("seconds");
  opening.cpu_seconds = json.at("cpu_seconds");
  opening.peak_mib = json.at("peak_mib");
  opening.peak_with_checkpoint_mib = json.at("peak_with_checkpoint_mib");
  opening.program_mib = json.at("program_mib");
  opening.live = json.at("live");
  opening.kept_keys = json.at("kept_keys");
  opening.log_mib = json.at("log_mib");
  return opening;
}

int open_and_print(const std::string& directory) {
  wal::Options options;
  options.directory = directory;
  options.allow_create = false;
  const auto log_mib = bytes_in(directory) >> 20;
  const double before_mib = peak_resident_mib();
  const double cpu_before = cpu_seconds();
  const auto start = base::SteadyClock::now();
  auto opened = wal::open(options, wal::posix_disk());
  const std::chrono::duration<double> took = base::SteadyClock::now() - start;
  if (!opened) give_up(opened.error());
  const double cpu = cpu_seconds() - cpu_before;
  const double peak_mib = peak_resident_mib();
  if (auto closed = opened->log->close(); !closed) give_up(closed.error());
  const nlohmann::json json = {{"seconds", took.count()},
                               {"cpu_seconds", cpu},
                               {"peak_mib", peak_mib},
                               {"peak_with_checkpoint_mib", peak_resident_mib()},
                               {"program_mib", before_mib},
                               {"live", opened->state.live.size()},
                               {"kept_keys", opened->state.kept_keys.size()},
                               {"log_mib", log_mib}};
  std::printf("%s\n", json.dump().c_str());
  return 0;
}

}  // namespace assent::bench
