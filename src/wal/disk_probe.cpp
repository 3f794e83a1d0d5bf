#include "wal/disk_probe.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <system_error>

#include "base/random.hpp"
#include "wal/files.hpp"

namespace assent::wal {
namespace {

using Grade = DoctorFinding::Grade;
using Presence = DiskLook::Presence;
using std::chrono::microseconds;
using std::chrono::steady_clock;

constexpr std::size_t kSyncs = 32;
constexpr std::size_t kSyncBytes = 4096;
/// No further sync is timed after this long.
constexpr std::chrono::seconds kSyncsTimeMax{5};
/// Directories above the log's, that one counted, that are looked for.
constexpr int kParentsMax = 64;

std::string account_of(uid_t uid) {
  std::array<char, 4096> room{};
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(uid, &entry, room.data(), room.size(), &found) == 0 && found != nullptr) return entry.pw_name;
  return "uid " + std::to_string(uid);
}

bool may(const std::string& path, int what) {
  return ::faccessat(AT_FDCWD, path.c_str(), what, AT_EACCESS) == 0;
}

// Sets presence and place.
void find_place(const std::string& directory, DiskLook& look) {
  look.place = directory;
  std::optional<Presence> why;
  for (int up = 0; up < kParentsMax; ++up, look.place = parent_of(look.place)) {
    struct stat seen {};
    const Errno failed = ::stat(look.place.c_str(), &seen) == 0 ? 0 : errno;
    if (failed == 0 && S_ISDIR(seen.st_mode)) {
      look.presence = why ? *why : up == 0 ? Presence::there : up == 1 ? Presence::parent : Presence::nothing;
      look.owner = account_of(seen.st_uid);
      look.others_write = (seen.st_mode & (S_IWGRP | S_IWOTH)) != 0;
      look.writable = may(look.place, R_OK | W_OK | X_OK);
      return;
    }
    if (failed == ENOENT) continue;
    why = failed == 0 || failed == ENOTDIR ? Presence::no_directory : Presence::forbidden;
  }
  look.presence = Presence::forbidden;
}

void look_at_files(Disk& disk, DiskLook& look) {
  std::vector<std::string> names;
  if (disk.list(look.place, names) != 0) return;
  std::sort(names.begin(), names.end());
  for (const auto& name : names) {
    const bool segment = parse_segment_name(name).has_value();
    if (!segment && name != kLockName && name != kCheckpointName) continue;
    const auto path = path_in(look.place, name);
    struct stat seen {};
    if (segment && ::stat(path.c_str(), &seen) == 0) look.taken_bytes += static_cast<std::uint64_t>(seen.st_size);
    if (!look.barred && !may(path, R_OK | W_OK)) look.barred = name;
  }
  look.in_use_by = running_owner(look.place, disk);
}

void look_at_space(DiskLook& look) {
  struct statvfs space {};
  if (::statvfs(look.place.c_str(), &space) != 0) {
    look.space_failed = errno;
    return;
  }
  look.free_bytes = std::uint64_t{space.f_bavail} * space.f_frsize;
  struct statfs kind {};
  look.in_memory = ::statfs(look.place.c_str(), &kind) == 0 &&
                   (kind.f_type == TMPFS_MAGIC || static_cast<long>(kind.f_type) == long{RAMFS_MAGIC});
}

// Writes as the log does: over zeroes that are there already.
Errno time_syncs(File& file, std::vector<microseconds>& syncs) {
  if (const Errno failed = file.write_at(0, std::string(kSyncs * kSyncBytes, '\0'))) return failed;
  if (const Errno failed = file.sync()) return failed;
  const std::string bytes(kSyncBytes, 'x');
  const auto begun = steady_clock::now();
  for (std::size_t i = 0; i < kSyncs && steady_clock::now() - begun < kSyncsTimeMax; ++i) {
    const auto before = steady_clock::now();
    if (const Errno failed = file.write_at(i * kSyncBytes, bytes)) return failed;
    if (const Errno failed = file.sync()) return failed;
    syncs.push_back(std::chrono::duration_cast<microseconds>(steady_clock::now() - before));
  }
  return 0;
}

void look_at_syncs(Disk& disk, DiskLook& look) {
  // A name that nobody can have put a link under.
  const auto path = path_in(look.place, "assent-doctor-" + std::to_string(base::random_64()));
  std::unique_ptr<File> file;
  look.sync_failed = disk.open(path, OpenMode::create, file);
  if (look.sync_failed != 0) return;
  look.sync_failed = time_syncs(*file, look.syncs);
  file.reset();
  disk.remove(path);
}

std::string shown_bytes(std::uint64_t bytes) {
  static constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB"};
  double amount = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; amount >= 1024 && unit + 1 < kUnits.size(); ++unit) amount /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.*f %s", amount < 10 ? 1 : 0, amount, kUnits[unit]);
  return text.data();
}

std::string shown_ms(microseconds time) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.2f ms", static_cast<double>(time.count()) / 1000);
  return text.data();
}

std::string reason(Errno number) {
  return std::generic_category().message(number);
}

DoctorFinding judge_directory(const DiskLook& look, const std::string& directory) {
  const auto finding = [](Grade grade, std::string seen, std::string remedy = "") {
    return DoctorFinding{"log_directory", grade, std::move(seen), std::move(remedy)};
  };
  const auto hand_over = "chown -R " + look.account + " " + look.place +
                         ", if that is assentd's account; otherwise run the doctor as that";
  switch (look.presence) {
    case Presence::no_directory:
      return finding(Grade::refusal, directory + " is not a directory, or lies in a file",
                     "name a directory in log.directory, or move the file away");
    case Presence::forbidden:
      return finding(Grade::refusal, "account " + look.account + " may not look for " + directory,
                     "give assentd's account access to the directories above it");
    case Presence::nothing:
      return finding(Grade::refusal, directory + " is to be made in a directory that is not there",
                     "mkdir -p " + parent_of(directory) + ", as assentd's account");
    case Presence::parent:
      if (look.writable) return finding(Grade::pass, directory + " will be made by the first start");
      return finding(
          Grade::refusal,
          directory + " cannot be made by account " + look.account + ": " + look.place + " belongs to " + look.owner,
          "install -d -m 700 -o " + look.account + " " + directory +
              ", if that is assentd's account; otherwise run the doctor as that");
    case Presence::there: break;
  }
  if (!look.writable) {
    return finding(Grade::refusal,
                   "account " + look.account + " may not write in " + directory + ", which belongs to " + look.owner,
                   hand_over);
  }
  if (look.barred) {
    return finding(Grade::refusal, "account " + look.account + " may not write " + path_in(directory, *look.barred),
                   hand_over);
  }
  const auto used = look.in_use_by ? ", in use by " + *look.in_use_by : "";
  if (look.owner != look.account) {
    return finding(Grade::warning,
                   directory + used + " belongs to " + look.owner + ", and the doctor runs as " + look.account,
                   "run the doctor as assentd's account, for what that may do to be seen");
  }
  if (look.others_write) {
    return finding(Grade::warning, directory + used + " can be written in by other accounts", "chmod 700 " + directory);
  }
  return finding(Grade::pass, directory + used + " belongs to " + look.owner + ", which may write in it");
}

DoctorFinding judge_space(const DiskLook& look, const Options& options) {
  DoctorFinding finding{"log_space", Grade::pass, "", ""};
  if (look.space_failed != 0) {
    finding.grade = Grade::warning;
    finding.seen = "the room in " + look.place + " cannot be told: " + reason(look.space_failed);
    finding.remedy = "see to it that " + shown_bytes(log_bytes(options)) + " are free there";
    return finding;
  }
  const auto whole = log_bytes(options);
  const auto to_come = std::max(whole - std::min(whole, look.taken_bytes), options.segment_bytes);
  finding.seen = shown_bytes(look.free_bytes) + " free in " + look.place + "; the log takes up to " +
                 shown_bytes(whole) + (look.taken_bytes > 0 ? ", and has " + shown_bytes(look.taken_bytes) : "");
  if (look.free_bytes < to_come) {
    finding.grade = Grade::refusal;
  } else if (look.free_bytes < kLogsOfRoomMin * whole) {
    finding.grade = Grade::warning;
  }
  if (finding.grade != Grade::pass) {
    finding.remedy = "make room there, to " + shown_bytes(kLogsOfRoomMin * whole) +
                     ", or lower log.segment_bytes: on a full disk no transaction is taken";
  }
  return finding;
}

DoctorFinding judge_syncs(const DiskLook& look) {
  DoctorFinding finding{"log_sync", Grade::pass, "", ""};
  if (look.sync_failed != 0) {
    finding.grade = Grade::refusal;
    finding.seen = "what is written in " + look.place + " cannot be synced: " + reason(look.sync_failed);
    finding.remedy = "mend that, or put log.directory on another disk";
    return finding;
  }
  if (look.syncs.empty()) {
    finding.grade = Grade::warning;
    finding.seen = "not measured: " + look.place + " cannot be written in";
    finding.remedy = "see log_directory";
    return finding;
  }
  auto sorted = look.syncs;
  std::sort(sorted.begin(), sorted.end());
  const auto median = sorted[sorted.size() / 2];
  finding.seen = "a write and sync takes " + shown_ms(median) + " (median), " + shown_ms(sorted.back()) +
                 " (worst of " + std::to_string(sorted.size()) + ")";
  if (median > kMedianSyncMax || sorted.back() > kWorstSyncMax) {
    finding.grade = Grade::warning;
    finding.remedy = "put log.directory on a faster disk: every commit waits for one of these";
  }
  return finding;
}

}  // namespace

std::uint64_t log_bytes(const Options& options) {
  return (std::uint64_t{options.checkpoint_every_segments} + 3) * options.segment_bytes;
}

DiskLook look_at_disk(const Options& options, Disk& disk) {
  DiskLook look;
  look.account = account_of(::geteuid());
  find_place(options.directory, look);
  if (look.presence == Presence::there) look_at_files(disk, look);
  look_at_space(look);
  if (look.writable) look_at_syncs(disk, look);
  return look;
}

std::vector<DoctorFinding> judge_disk(const DiskLook& look, const Options& options) {
  std::vector<DoctorFinding> findings{judge_directory(look, options.directory)};
  findings.push_back({"log_disk", Grade::pass, "keeps its files through a restart of the machine", ""});
  if (look.in_memory) {
    findings.back() = {"log_disk", Grade::warning, look.place + " is in memory: a restart of the machine loses the log",
                       "put log.directory on a disk"};
  }
  findings.push_back(judge_space(look, options));
  findings.push_back(judge_syncs(look));
  return findings;
}

}  // namespace assent::wal
