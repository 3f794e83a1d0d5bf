#pragma once

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wal/disk.hpp"

namespace assent::wal::test {

/// A disk in memory that knows what was synced. It can lose power at any operation, and then comes back with whatever
/// a real one might: any part of what had not been synced, in units of sectors, names apart from contents.
class SimDisk : public Disk {
 public:
  enum class Lost {
    everything,  ///< Of what was not synced.
    nothing,
    some_sectors,  ///< Each sector by itself, and the names up to some operation.
    torn_sectors,  ///< As before, and a sector that was being written may hold neither what it held nor what it was to.
  };

  SimDisk() = default;

  /// What the device writes as one: what it does not cover of such a sector goes with it when it is torn. The kernel
  /// writes pages of 4 KiB in any case.
  void set_sector_bytes(std::uint64_t bytes) { sector_bytes_ = bytes; }
  /// The sync with this number, counted from 1, fails, and so does each later one of the same file: what it was to make
  /// durable is dropped by the kernel, which goes on to show it. 0: none.
  void fail_sync_at(std::uint64_t sync) { fail_sync_at_ = sync; }
  std::uint64_t syncs() const { return syncs_; }
  /// Reading any of these bytes of the file that has this name now gives EIO.
  void make_unreadable(const std::string& path, std::uint64_t begin, std::uint64_t end) {
    unreadable_.push_back({entries_.at(path), begin, end});
  }
  void make_readable() { unreadable_.clear(); }

  /// Power fails in the middle of the operation with this number, counted from 1 as operations() does. 0: never.
  void cut_power_at(std::uint64_t operation) { cut_at_ = operation; }
  std::uint64_t operations() const { return operations_; }
  bool is_off() const { return off_; }

  /// What is on the disk when power comes back.
  std::unique_ptr<SimDisk> after_power_cut(Lost lost, std::uint32_t seed) const {
    const std::lock_guard lock(mutex_);
    std::mt19937 random(seed);
    auto disk = std::make_unique<SimDisk>();
    disk->sector_bytes_ = sector_bytes_;
    disk->directories_ = durable_directories_;
    std::size_t kept_changes = lost == Lost::everything ? 0 : changes_.size();
    if (lost >= Lost::some_sectors) kept_changes = random() % (changes_.size() + 1);
    auto entries = durable_entries_;
    for (std::size_t i = 0; i < kept_changes; ++i) changes_[i].apply(entries, disk->directories_);
    std::map<const Inode*, std::shared_ptr<Inode>> made;
    for (const auto& [path, inode] : entries) {
      // Whose directory is gone cannot be reached.
      if (!is_reachable(parent_of(path), disk->directories_)) continue;
      auto& copy = made[inode.get()];
      if (!copy) {
        copy = std::make_shared<Inode>();
        copy->now = survive(*inode, lost, random);
        copy->durable = copy->now;
      }
      ++copy->links;
      disk->entries_[path] = copy;
    }
    std::erase_if(disk->directories_, [&](const auto& path) { return !is_reachable(path, disk->directories_); });
    disk->durable_directories_ = disk->directories_;
    disk->durable_entries_ = disk->entries_;
    return disk;
  }

  /// A copy as a killed process leaves it to the next.
  std::unique_ptr<SimDisk> copy() const { return after_power_cut(Lost::nothing, 0); }

  /// What the next process finds when this one was killed and the machine runs on: all that was written, durable or
  /// not. `sync_failed`: the kernel has given up on writing it, as Linux does after an error, and a sync says OK.
  std::unique_ptr<SimDisk> after_kill(bool sync_failed) const {
    const std::lock_guard lock(mutex_);
    auto disk = std::make_unique<SimDisk>();
    disk->sector_bytes_ = sector_bytes_;
    disk->directories_ = directories_;
    disk->durable_directories_ = durable_directories_;
    std::map<const Inode*, std::shared_ptr<Inode>> made;
    const auto copy_of = [&](const std::shared_ptr<Inode>& inode) {
      auto& copy = made[inode.get()];
      if (!copy && inode) {
        copy = std::make_shared<Inode>(*inode);
        copy->locked = false;
        copy->sync_fails = false;
        if (sync_failed) copy->drop();
      }
      return copy;
    };
    for (const auto& [path, inode] : entries_) disk->entries_[path] = copy_of(inode);
    for (const auto& [path, inode] : durable_entries_) disk->durable_entries_[path] = copy_of(inode);
    for (const auto& change : changes_) {
      disk->changes_.push_back({change.to, copy_of(change.inode), change.from, change.is_directory});
    }
    return disk;
  }

  void make_root(const std::string& path) {
    directories_.insert(path);
    durable_directories_.insert(path);
  }
  std::vector<std::string> paths() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> paths;
    for (const auto& [path, inode] : entries_) paths.push_back(path);
    return paths;
  }
  std::string& bytes(const std::string& path) { return entries_.at(path)->now; }
  bool has(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    return entries_.count(path) > 0;
  }

  Errno open(const std::string& path, OpenMode mode, std::unique_ptr<File>& out) override {
    const std::lock_guard lock(mutex_);
    if (directories_.count(parent_of(path)) == 0) return ENOENT;
    const auto found = entries_.find(path);
    std::shared_ptr<Inode> inode;
    if (mode == OpenMode::create) {
      if (!begin()) return EIO;
      inode = std::make_shared<Inode>();
      change({path, inode, "", false});
    } else {
      if (off_) return EIO;
      if (found == entries_.end()) return ENOENT;
      inode = found->second;
    }
    out = std::make_unique<SimFile>(*this, inode);
    return 0;
  }

  Errno lock(const std::string& path, std::unique_ptr<File>& out) override {
    const bool there = has(path);
    if (const Errno failed = open(path, there ? OpenMode::read_write : OpenMode::create, out)) return failed;
    std::unique_ptr<File> refused;  // closed once the mutex is free
    const std::lock_guard lock(mutex_);
    auto& file = static_cast<SimFile&>(*out);
    if (file.inode().locked) return refused = std::move(out), EWOULDBLOCK;
    file.take_lock();
    return 0;
  }

  bool is_locked(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(path);
    return found != entries_.end() && found->second->locked;
  }

  Errno rename(const std::string& from, const std::string& to) override {
    const std::lock_guard lock(mutex_);
    if (!begin()) return EIO;
    if (directories_.count(from) > 0) return rename_directory(from, to);
    const auto found = entries_.find(from);
    if (found == entries_.end()) return ENOENT;
    change({to, found->second, from, false});
    return 0;
  }

  Errno remove(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (!begin()) return EIO;
    if (directories_.count(path) > 0) {
      if (!is_empty(path)) return ENOTEMPTY;
      change({"", nullptr, path, true});
      return 0;
    }
    if (entries_.count(path) == 0) return ENOENT;
    change({"", nullptr, path, false});
    return 0;
  }

  Errno make_directory(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (!begin()) return EIO;
    if (directories_.count(parent_of(path)) == 0) return ENOENT;
    if (directories_.count(path) > 0) return EEXIST;
    change({path, nullptr, "", true});
    return 0;
  }

  Errno sync_directory(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (!begin()) return EIO;
    const std::string directory = path == "/" ? "" : path;
    if (directories_.count(directory) == 0) return ENOENT;
    std::vector<Change> later;
    for (auto& one : changes_) {
      if (parent_of(one.to.empty() ? one.from : one.to) == directory) {
        one.apply(durable_entries_, durable_directories_);
      } else {
        later.push_back(std::move(one));
      }
    }
    changes_ = std::move(later);
    return 0;
  }

  Errno real_path(const std::string& path, std::string& out) override {
    out = path;
    return 0;
  }

  Errno hold(const std::string& path, std::unique_ptr<HeldDirectory>& out) override {
    const std::lock_guard lock(mutex_);
    if (off_) return EIO;
    if (directories_.count(path) == 0) return ENOENT;
    out = std::make_unique<SimHeld>(*this, path);
    return 0;
  }

  Errno list(const std::string& path, std::vector<std::string>& out) override {
    const std::lock_guard lock(mutex_);
    if (off_) return EIO;
    if (directories_.count(path == "/" ? "" : path) == 0) return ENOENT;
    out.clear();
    for (const auto& [name, inode] : entries_) {
      if (parent_of(name) == path) out.push_back(name.substr(path.size() + 1));
    }
    return 0;
  }

 private:
  static constexpr std::uint64_t kPage = 4096;

  struct Write {
    std::uint64_t offset;
    std::string bytes;
  };
  struct Inode {
    std::string now;
    std::string durable;
    std::vector<Write> unsynced;
    /// Pages by their offsets, as they were when the kernel gave up on writing them: it goes on to show them, calls
    /// them clean, and some of their sectors may be on the disk.
    std::map<std::uint64_t, std::string> dropped;
    std::uint64_t links = 0;
    bool locked = false;
    bool sync_fails = false;

    void drop() {
      for (const auto& write : unsynced) {
        for (const auto page : pages_of(write)) dropped[page] = now.substr(page, kPage);
      }
      unsynced.clear();
    }
  };
  struct Unreadable {
    std::shared_ptr<Inode> inode;
    std::uint64_t begin;
    std::uint64_t end;
  };
  static std::vector<std::uint64_t> pages_of(const Write& write) {
    std::vector<std::uint64_t> pages;
    for (auto at = write.offset / kPage * kPage; at < write.offset + write.bytes.size(); at += kPage)
      pages.push_back(at);
    return pages;
  }
  using Entries = std::map<std::string, std::shared_ptr<Inode>>;
  /// A creation, renaming or removal of a file or a directory.
  struct Change {
    std::string to;
    std::shared_ptr<Inode> inode;
    std::string from;
    bool is_directory = false;
    void apply(Entries& entries, std::set<std::string>& directories) const {
      if (is_directory) {
        if (!from.empty()) directories.erase(from);
        if (!to.empty()) directories.insert(to);
        if (from.empty() || to.empty()) return;
        for (auto& [path, moved] : extract(entries, from)) entries[to + path.substr(from.size())] = moved;
        return;
      }
      if (!from.empty()) entries.erase(from);
      if (!to.empty()) entries[to] = inode;
    }
    static Entries extract(Entries& entries, const std::string& directory) {
      Entries out;
      for (auto at = entries.begin(); at != entries.end();) {
        const bool inside = parent_of(at->first) == directory;
        if (inside) out.insert(*at);
        at = inside ? entries.erase(at) : std::next(at);
      }
      return out;
    }
  };

  bool is_empty(const std::string& directory) const {
    return std::none_of(entries_.begin(), entries_.end(),
                        [&](const auto& entry) { return parent_of(entry.first) == directory; });
  }

  Errno rename_directory(const std::string& from, const std::string& to) {
    if (directories_.count(to) > 0 && !is_empty(to)) return ENOTEMPTY;
    change({to, nullptr, from, true});
    return 0;
  }

  /// The directory by its path: it is never moved here.
  class SimHeld : public HeldDirectory {
   public:
    SimHeld(SimDisk& disk, std::string path) : disk_(disk), path_(std::move(path)) {}
    ~SimHeld() override {
      const std::lock_guard lock(disk_.mutex_);
      if (holds_lock_) disk_.locked_directories_.erase(path_);
    }
    Errno open(const std::string& path, OpenMode mode, std::unique_ptr<File>& out) override {
      return disk_.open(path, mode, out);
    }
    Errno lock(const std::string& path, std::unique_ptr<File>& out) override { return disk_.lock(path, out); }
    bool is_locked(const std::string& path) override { return disk_.is_locked(path); }
    Errno rename(const std::string& from, const std::string& to) override { return disk_.rename(from, to); }
    Errno remove(const std::string& path) override { return disk_.remove(path); }
    Errno make_directory(const std::string& path) override { return disk_.make_directory(path); }
    Errno real_path(const std::string& path, std::string& out) override { return disk_.real_path(path, out); }
    Errno sync_directory(const std::string& path) override { return disk_.sync_directory(path); }
    Errno list(const std::string& path, std::vector<std::string>& out) override { return disk_.list(path, out); }
    Errno hold(const std::string& path, std::unique_ptr<HeldDirectory>& out) override { return disk_.hold(path, out); }
    Errno lock_directory() override {
      const std::lock_guard lock(disk_.mutex_);
      if (!disk_.locked_directories_.insert(path_).second) return EWOULDBLOCK;
      holds_lock_ = true;
      return 0;
    }
    Errno check_path() override { return disk_.off_ ? EIO : 0; }
    Errno check_name(std::string_view name, File& file) override {
      const std::lock_guard lock(disk_.mutex_);
      const auto found = disk_.entries_.find(path_ + "/" + std::string(name));
      if (found == disk_.entries_.end()) return kAnotherDirectory;
      return found->second.get() == &static_cast<SimFile&>(file).inode() ? 0 : kAnotherDirectory;
    }
    Errno identity(FileIdentity& out) override {
      out = {1, std::hash<std::string>()(path_)};
      return 0;
    }

   private:
    SimDisk& disk_;
    std::string path_;
    bool holds_lock_ = false;
  };

  class SimFile : public File {
   public:
    SimFile(SimDisk& disk, std::shared_ptr<Inode> inode) : disk_(disk), inode_(std::move(inode)) {}
    ~SimFile() override {
      const std::lock_guard lock(disk_.mutex_);
      if (holds_lock_) inode_->locked = false;
    }
    Inode& inode() { return *inode_; }
    void take_lock() { holds_lock_ = inode_->locked = true; }

    Errno write_at(std::uint64_t offset, std::string_view bytes) override {
      const std::lock_guard lock(disk_.mutex_);
      const bool whole = disk_.begin();
      if (!whole && !disk_.cut_now_) return EIO;
      disk_.cut_now_ = false;
      inode_->unsynced.push_back({offset, std::string(bytes)});
      put(inode_->now, offset, bytes);
      return whole ? 0 : EIO;
    }
    Errno read_at(std::uint64_t offset, std::size_t bytes_max, std::string& out) override {
      const std::lock_guard lock(disk_.mutex_);
      if (disk_.off_ || disk_.is_unreadable(*inode_, offset, offset + bytes_max)) return EIO;
      out = offset < inode_->now.size() ? inode_->now.substr(offset, bytes_max) : "";
      return 0;
    }
    Errno sync() override {
      const std::lock_guard lock(disk_.mutex_);
      if (!disk_.begin()) return EIO;
      inode_->sync_fails = inode_->sync_fails || ++disk_.syncs_ == disk_.fail_sync_at_;
      if (inode_->sync_fails) {
        inode_->drop();
        return EIO;
      }
      for (const auto& write : inode_->unsynced) {
        for (const auto page : pages_of(write)) {
          put(inode_->durable, page, std::string_view(inode_->now).substr(page, kPage));
          inode_->dropped.erase(page);
        }
      }
      inode_->unsynced.clear();
      return 0;
    }
    Errno set_bytes(std::uint64_t bytes) override {
      const std::lock_guard lock(disk_.mutex_);
      if (!disk_.begin()) return EIO;
      inode_->now.resize(bytes);
      inode_->durable.resize(bytes);
      return 0;
    }
    Errno info(FileInfo& out) override {
      const std::lock_guard lock(disk_.mutex_);
      if (disk_.off_) return EIO;
      out = {inode_->now.size(), inode_->links};
      return 0;
    }

   private:
    SimDisk& disk_;
    std::shared_ptr<Inode> inode_;
    bool holds_lock_ = false;
  };

  static std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

  static void put(std::string& file, std::uint64_t offset, std::string_view bytes) {
    if (file.size() < offset + bytes.size()) file.resize(offset + bytes.size());
    std::copy(bytes.begin(), bytes.end(), file.begin() + static_cast<std::ptrdiff_t>(offset));
  }

  std::string survive(const Inode& inode, Lost lost, std::mt19937& random) const {
    if (lost == Lost::nothing) return inode.now;
    std::string file = inode.durable;
    if (lost == Lost::everything) return file;
    for (const auto& [page, bytes] : inode.dropped) survive_page(file, page, bytes, lost, random);
    for (const auto& write : inode.unsynced) {
      for (const auto page : pages_of(write)) {
        // The kernel writes whole pages, with what the file has in them by then.
        std::string bytes = page < file.size() ? file.substr(page, kPage) : "";
        const auto from = std::max(page, write.offset);
        const auto to = std::min<std::uint64_t>(page + kPage, write.offset + write.bytes.size());
        put(bytes, from - page, std::string_view(write.bytes).substr(from - write.offset, to - from));
        survive_page(file, page, bytes, lost, random);
      }
    }
    return file;
  }

  /// Of each sector that is written either the old comes back, or the new, or nothing of either.
  void survive_page(std::string& file, std::uint64_t page, const std::string& bytes, Lost lost,
                    std::mt19937& random) const {
    for (std::uint64_t at = 0; at < bytes.size(); at += sector_bytes_) {
      if (random() % 2 == 0) continue;
      std::string sector = bytes.substr(at, sector_bytes_);
      if (lost == Lost::torn_sectors && random() % 3 == 0) {
        for (auto& byte : sector) byte = static_cast<char>(random());
      }
      put(file, page + at, sector);
    }
  }

  static bool is_reachable(std::string path, const std::set<std::string>& directories) {
    for (; !path.empty(); path = parent_of(path)) {
      if (directories.count(path) == 0) return false;
    }
    return directories.count("") > 0;
  }

  bool is_unreadable(const Inode& inode, std::uint64_t begin, std::uint64_t end) const {
    return std::any_of(unreadable_.begin(), unreadable_.end(), [&](const auto& one) {
      return one.inode.get() == &inode && one.begin < end && begin < one.end;
    });
  }

  /// Counts an operation that changes something. False when power is off, or fails just now.
  bool begin() {
    if (off_) return false;
    ++operations_;
    if (cut_at_ == 0 || operations_ != cut_at_) return true;
    off_ = cut_now_ = true;
    return false;
  }

  void change(Change change) {
    change.apply(entries_, directories_);
    changes_.push_back(std::move(change));
    std::map<Inode*, std::uint64_t> links;
    for (const auto& [path, inode] : entries_) ++links[inode.get()];
    for (const auto& [path, inode] : durable_entries_) inode->links = 0;
    for (const auto& [inode, count] : links) inode->links = count;
  }

  mutable std::mutex mutex_;
  Entries entries_;
  Entries durable_entries_;
  std::vector<Change> changes_;
  std::set<std::string> directories_;
  std::set<std::string> durable_directories_;
  std::set<std::string> locked_directories_;
  std::vector<Unreadable> unreadable_;
  std::uint64_t sector_bytes_ = 512;
  std::uint64_t fail_sync_at_ = 0;
  std::uint64_t syncs_ = 0;
  std::atomic<std::uint64_t> cut_at_{0};
  std::atomic<std::uint64_t> operations_{0};
  std::atomic<bool> off_{false};
  bool cut_now_ = false;
};

}  // namespace assent::wal::test
