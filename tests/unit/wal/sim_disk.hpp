#pragma once

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
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
    torn_sectors,  ///< As before, and sectors are cut in the middle, too.
  };

  SimDisk() = default;

  /// Power fails in the middle of the operation with this number, counted from 1 as operations() does. 0: never.
  void cut_power_at(std::uint64_t operation) { cut_at_ = operation; }
  std::uint64_t operations() const { return operations_; }
  bool is_off() const { return off_; }

  /// What is on the disk when power comes back.
  std::unique_ptr<SimDisk> after_power_cut(Lost lost, std::uint32_t seed) const {
    const std::lock_guard lock(mutex_);
    std::mt19937 random(seed);
    auto disk = std::make_unique<SimDisk>();
    disk->directories_ = directories_;
    std::size_t kept_changes = lost == Lost::everything ? 0 : changes_.size();
    if (lost >= Lost::some_sectors) kept_changes = random() % (changes_.size() + 1);
    auto entries = durable_entries_;
    for (std::size_t i = 0; i < kept_changes; ++i) changes_[i].apply(entries);
    std::map<const Inode*, std::shared_ptr<Inode>> made;
    for (const auto& [path, inode] : entries) {
      auto& copy = made[inode.get()];
      if (!copy) {
        copy = std::make_shared<Inode>();
        copy->now = survive(*inode, lost, random);
        copy->durable = copy->now;
      }
      ++copy->links;
      disk->entries_[path] = copy;
      // A directory itself is never lost here, only its names are.
      disk->directories_.insert(parent_of(path));
    }
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
    disk->directories_ = directories_;
    std::map<const Inode*, std::shared_ptr<Inode>> made;
    const auto copy_of = [&](const std::shared_ptr<Inode>& inode) {
      auto& copy = made[inode.get()];
      if (!copy && inode) {
        copy = std::make_shared<Inode>(*inode);
        copy->locked = false;
        if (sync_failed) copy->unsynced.clear();
      }
      return copy;
    };
    for (const auto& [path, inode] : entries_) disk->entries_[path] = copy_of(inode);
    for (const auto& [path, inode] : durable_entries_) disk->durable_entries_[path] = copy_of(inode);
    for (const auto& change : changes_) disk->changes_.push_back({change.to, copy_of(change.inode), change.from});
    return disk;
  }

  void make_root(const std::string& path) { directories_.insert(path); }
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
      change({path, inode, ""});
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
    change({to, found->second, from});
    return 0;
  }

  Errno remove(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (!begin()) return EIO;
    if (directories_.count(path) > 0) {
      if (!is_empty(path)) return ENOTEMPTY;
      directories_.erase(path);
      return 0;
    }
    if (entries_.count(path) == 0) return ENOENT;
    change({"", nullptr, path});
    return 0;
  }

  Errno make_directory(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (!begin()) return EIO;
    if (directories_.count(parent_of(path)) == 0) return ENOENT;
    return directories_.insert(path).second ? 0 : EEXIST;
  }

  Errno sync_directory(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (!begin()) return EIO;
    const std::string directory = path == "/" ? "" : path;
    if (directories_.count(directory) == 0) return ENOENT;
    std::vector<Change> later;
    for (auto& one : changes_) {
      if (parent_of(one.to.empty() ? one.from : one.to) == directory) {
        one.apply(durable_entries_);
      } else {
        later.push_back(std::move(one));
      }
    }
    changes_ = std::move(later);
    return 0;
  }

  Errno list(const std::string& path, std::vector<std::string>& out) override {
    const std::lock_guard lock(mutex_);
    if (off_) return EIO;
    if (directories_.count(path) == 0) return ENOENT;
    out.clear();
    for (const auto& [name, inode] : entries_) {
      if (parent_of(name) == path) out.push_back(name.substr(path.size() + 1));
    }
    return 0;
  }

 private:
  static constexpr std::uint64_t kSector = 512;

  struct Write {
    std::uint64_t offset;
    std::string bytes;
  };
  struct Inode {
    std::string now;
    std::string durable;
    std::vector<Write> unsynced;
    std::uint64_t links = 0;
    bool locked = false;
  };
  using Entries = std::map<std::string, std::shared_ptr<Inode>>;
  /// A creation, renaming or removal; without an inode, and with two names, the renaming of a directory.
  struct Change {
    std::string to;
    std::shared_ptr<Inode> inode;
    std::string from;
    void apply(Entries& entries) const {
      if (!inode && !to.empty()) {
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
    directories_.insert(to);
    directories_.erase(from);
    change({to, nullptr, from});
    return 0;
  }

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
      if (disk_.off_) return EIO;
      out = offset < inode_->now.size() ? inode_->now.substr(offset, bytes_max) : "";
      return 0;
    }
    Errno sync() override {
      const std::lock_guard lock(disk_.mutex_);
      if (!disk_.begin()) return EIO;
      // Sectors that were written are what is synced; the copy of the whole is only a short way to say so.
      for (const auto& write : inode_->unsynced) put(inode_->durable, write.offset, write.bytes);
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

  static std::string survive(const Inode& inode, Lost lost, std::mt19937& random) {
    if (lost == Lost::everything) return inode.durable;
    if (lost == Lost::nothing) return inode.now;
    std::string file = inode.durable;
    for (const auto& write : inode.unsynced) {
      for (std::uint64_t at = 0; at < write.bytes.size(); at += kSector) {
        std::string_view sector = std::string_view(write.bytes).substr(at, kSector);
        if (random() % 2 == 0) continue;
        if (lost == Lost::torn_sectors && random() % 2 == 0) sector = sector.substr(0, random() % sector.size());
        put(file, write.offset + at, sector);
      }
    }
    return file;
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
    change.apply(entries_);
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
  std::atomic<std::uint64_t> cut_at_{0};
  std::atomic<std::uint64_t> operations_{0};
  std::atomic<bool> off_{false};
  bool cut_now_ = false;
};

}  // namespace assent::wal::test
