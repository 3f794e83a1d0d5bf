#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "wal/log.hpp"

namespace assent::app {

namespace fs = std::filesystem;

struct Ran {
  int code = -1;
  std::string out;
  std::string err;
};

class Programs : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "assent-programs-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    ::unsetenv("ASSENT_ADDRESS");
  }
  void TearDown() override { fs::remove_all(folder_); }

  // Runs "assentctl ..." or "assentd ..." through a shell.
  Ran run(const std::string& line) {
    const int code = run_to(line, path("out"));
    return {code, read(path("out")), read(path("err"))};
  }
  // The same with its standard output going to `out`, as the shell writes it: a path, or `&` and a descriptor.
  int run_to(const std::string& line, const std::string& out) {
    const auto bin = fs::read_symlink("/proc/self/exe").parent_path().string();
    const int status = std::system((bin + "/" + line + " >" + out + " 2>" + path("err") + " </dev/null").c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
    return path(name);
  }
  static std::string read(const std::string& name) {
    std::ifstream file(name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string config(const std::string& log = "log") const {
    return write("config.json", R"({"coordinator": {"id": "shop1"}, "listen": {"port": 0}, "log": {"directory": ")" +
                                    log +
                                    R"("}, "participants": {"stock": {"host": "127.0.0.1", "port": 1, "user": "u"}}})");
  }
  // Nobody listens there: port 1 is reserved, and tests run no such service.
  const std::string nobody_ = "--address 127.0.0.1:1 ";
  fs::path folder_;
};

inline constexpr const char* kOneLine = "[^\n]+\n";

// Writes a log with a decision and its end.
inline void make_log(const std::string& directory) {
  wal::Options options;
  options.directory = directory;
  options.segment_bytes = 64 << 10;
  auto opened = wal::open(options, wal::posix_disk());
  ASSERT_TRUE(opened.ok()) << opened.error().what;
  ports::CommitDecision decision;
  decision.gtrid = "shop1.0000002a.00000000012f.9f86d081884c7d65.2";
  decision.participants = {"orders", "stock"};
  decision.label = "line one\nline two";
  opened->log->append(ports::EpochStarted{"shop1", 42, 0});
  opened->log->append(decision);
  opened->log->append(ports::BranchSettled{decision.gtrid, 1});
  opened->log->append(ports::HazardFound{decision.gtrid, 2, "gone", 0});
  ASSERT_TRUE(opened->log->flush().ok());
}

}  // namespace assent::app
