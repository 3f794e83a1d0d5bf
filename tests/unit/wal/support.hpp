#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iterator>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ports/decision_log.hpp"
#include "wal/disk.hpp"
#include "wal/files.hpp"
#include "wal/log.hpp"

namespace assent::wal::test {

/// A directory on the real disk that goes with the test.
class TempDir {
 public:
  TempDir() {
    char name[] = "/tmp/assent-wal-XXXXXX";
    EXPECT_NE(::mkdtemp(name), nullptr);
    path_ = name;
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }
  std::string log() const { return path_ + "/log"; }

 private:
  std::string path_;
};

/// The real disk, unless it is given another, with somebody who may step in before each operation.
class FaultDisk : public Disk {
 public:
  explicit FaultDisk(Disk& real = posix_disk()) : real_(real) {}

  enum class Op { open, lock, read, write, sync, info, rename, remove, make_directory, sync_directory, check };
  /// Gives an errno to make the operation fail, or 0. A write that is made to fail is half done.
  using Hook = std::function<Errno(Op, const std::string& path)>;
  /// The same for reading: of the bytes from `begin` to `end`.
  using ReadHook = std::function<Errno(const std::string& path, std::uint64_t begin, std::uint64_t end)>;

  /// Not while the disk is in use.
  void set_hook(Hook hook) { hook_ = std::move(hook); }
  void set_read_hook(ReadHook hook) { read_hook_ = std::move(hook); }

  Errno open(const std::string& path, OpenMode mode, std::unique_ptr<File>& out) override {
    return open_in(real_, path, mode, out);
  }
  Errno lock(const std::string& path, std::unique_ptr<File>& out) override { return lock_in(real_, path, out); }
  bool is_locked(const std::string& path) override { return real_.is_locked(path); }
  Errno rename(const std::string& from, const std::string& to) override { return rename_in(real_, from, to); }
  Errno remove(const std::string& path) override { return remove_in(real_, path); }
  Errno make_directory(const std::string& path) override { return make_directory_in(real_, path); }
  Errno real_path(const std::string& path, std::string& out) override { return real_.real_path(path, out); }
  Errno sync_directory(const std::string& path) override { return sync_directory_in(real_, path); }
  Errno list(const std::string& path, std::vector<std::string>& out) override { return real_.list(path, out); }
  Errno hold(const std::string& directory, std::unique_ptr<HeldDirectory>& out) override {
    std::unique_ptr<HeldDirectory> real;
    if (const Errno failed = real_.hold(directory, real)) return failed;
    out = std::make_unique<FaultHeld>(*this, directory, std::move(real));
    return 0;
  }

 private:
  class FaultFile : public File {
   public:
    FaultFile(FaultDisk& disk, std::string path, std::unique_ptr<File> real)
        : disk_(disk), path_(std::move(path)), real_(std::move(real)) {}
    File& real() { return *real_; }
    Errno write_at(std::uint64_t offset, std::string_view bytes) override {
      const Errno failed = disk_.ask(Op::write, path_);
      if (failed == 0) return real_->write_at(offset, bytes);
      (void)real_->write_at(offset, bytes.substr(0, bytes.size() / 2));
      return failed;
    }
    Errno read_at(std::uint64_t offset, std::size_t bytes_max, std::string& out) override {
      const Errno failed = disk_.read_hook_ ? disk_.read_hook_(path_, offset, offset + bytes_max) : 0;
      return failed != 0 ? failed : real_->read_at(offset, bytes_max, out);
    }
    Errno sync() override {
      const Errno failed = disk_.ask(Op::sync, path_);
      return failed != 0 ? failed : real_->sync();
    }
    Errno set_bytes(std::uint64_t bytes) override { return real_->set_bytes(bytes); }
    Errno info(FileInfo& out) override {
      const Errno failed = disk_.ask(Op::info, path_);
      return failed != 0 ? failed : real_->info(out);
    }

   private:
    FaultDisk& disk_;
    std::string path_;
    std::unique_ptr<File> real_;
  };

  class FaultHeld : public HeldDirectory {
   public:
    FaultHeld(FaultDisk& disk, std::string path, std::unique_ptr<HeldDirectory> real)
        : disk_(disk), path_(std::move(path)), real_(std::move(real)) {}
    Errno open(const std::string& path, OpenMode mode, std::unique_ptr<File>& out) override {
      return disk_.open_in(*real_, path, mode, out);
    }
    Errno lock(const std::string& path, std::unique_ptr<File>& out) override {
      return disk_.lock_in(*real_, path, out);
    }
    bool is_locked(const std::string& path) override { return real_->is_locked(path); }
    Errno rename(const std::string& from, const std::string& to) override { return disk_.rename_in(*real_, from, to); }
    Errno remove(const std::string& path) override { return disk_.remove_in(*real_, path); }
    Errno make_directory(const std::string& path) override { return disk_.make_directory_in(*real_, path); }
    Errno real_path(const std::string& path, std::string& out) override { return real_->real_path(path, out); }
    Errno sync_directory(const std::string& path) override { return disk_.sync_directory_in(*real_, path); }
    Errno list(const std::string& path, std::vector<std::string>& out) override { return real_->list(path, out); }
    Errno hold(const std::string& directory, std::unique_ptr<HeldDirectory>& out) override {
      return disk_.hold(directory, out);
    }
    Errno lock_directory() override {
      const Errno failed = disk_.ask(Op::lock, path_);
      return failed != 0 ? failed : real_->lock_directory();
    }
    Errno check_path() override {
      const Errno failed = disk_.ask(Op::check, path_);
      return failed != 0 ? failed : real_->check_path();
    }
    Errno check_name(std::string_view name, File& file) override {
      return real_->check_name(name, static_cast<FaultFile&>(file).real());
    }
    Errno identity(FileIdentity& out) override { return real_->identity(out); }

   private:
    FaultDisk& disk_;
    std::string path_;
    std::unique_ptr<HeldDirectory> real_;
  };

  Errno open_in(Disk& real, const std::string& path, OpenMode mode, std::unique_ptr<File>& out) {
    if (const Errno failed = ask(Op::open, path)) return failed;
    return wrap(path, real.open(path, mode, out), out);
  }
  Errno lock_in(Disk& real, const std::string& path, std::unique_ptr<File>& out) {
    if (const Errno failed = ask(Op::lock, path)) return failed;
    return wrap(path, real.lock(path, out), out);
  }
  Errno rename_in(Disk& real, const std::string& from, const std::string& to) {
    const Errno failed = ask(Op::rename, to);
    return failed != 0 ? failed : real.rename(from, to);
  }
  Errno remove_in(Disk& real, const std::string& path) {
    const Errno failed = ask(Op::remove, path);
    return failed != 0 ? failed : real.remove(path);
  }
  Errno make_directory_in(Disk& real, const std::string& path) {
    const Errno failed = ask(Op::make_directory, path);
    return failed != 0 ? failed : real.make_directory(path);
  }
  Errno sync_directory_in(Disk& real, const std::string& path) {
    const Errno failed = ask(Op::sync_directory, path);
    return failed != 0 ? failed : real.sync_directory(path);
  }
  Errno ask(Op op, const std::string& path) { return hook_ ? hook_(op, path) : 0; }
  Errno wrap(const std::string& path, Errno failed, std::unique_ptr<File>& out) {
    if (failed == 0) out = std::make_unique<FaultFile>(*this, path, std::move(out));
    return failed;
  }

  Disk& real_;
  Hook hook_;
  ReadHook read_hook_;
};

/// The files in a directory on the real disk, pipes left out.
inline std::map<std::string, std::string> contents(const std::string& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    files[entry.path().filename()] = {std::istreambuf_iterator<char>(in), {}};
  }
  return files;
}

inline bool is_segment(const std::string& path) {
  return path.ends_with(".seg");
}

inline Options small_options(const std::string& directory) {
  Options options;
  options.directory = directory;
  options.segment_bytes = kSegmentBytesMin;
  options.checkpoint_every_segments = 1;
  options.lazy_flush_ms = 5;
  options.room_retry_ms = 5;
  options.new_log_id = 0x1122334455667788;
  return options;
}

inline Opened open_or_fail(const Options& options, Disk& disk = posix_disk()) {
  auto opened = open(options, disk);
  // Ends the test, and the others go on.
  if (!opened) throw std::runtime_error(opened.error().what);
  return *std::move(opened);
}

inline std::string gtrid(std::uint64_t number) {
  return "shop1.0000002a." + std::to_string(number);
}

inline ports::CommitDecision decision(std::uint64_t number, std::size_t label_bytes = 5) {
  ports::CommitDecision decision;
  decision.gtrid = gtrid(number);
  decision.participants = {"orders", "stock"};
  decision.idempotency_key = "key-" + std::to_string(number);
  decision.request_fingerprint = number * 31;
  decision.label = std::string(label_bytes, 'x');
  decision.decided_at_ms = 1'700'000'000'000 + static_cast<std::int64_t>(number);
  return decision;
}

/// Appends and waits for the answer.
inline Status force(ports::DecisionLog& log, ports::LogRecord record) {
  std::promise<Status> promise;
  auto answer = promise.get_future();
  log.append_forced(std::move(record), [&promise](Status status) { promise.set_value(std::move(status)); });
  return answer.get();
}

/// For what another thread brings about by itself. False after ten seconds.
inline bool eventually(const std::function<bool()>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace assent::wal::test
