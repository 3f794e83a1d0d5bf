// The log's disk: sectors that cannot be read, files that are missing or are none, power that fails in the middle of a
// physical sector, a clock that was wrong, an end that was not clean. What kind of servers there are is all the same.

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <thread>

#include "support/log_lab.hpp"
#include "support/proxy.hpp"

namespace assent::testing {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::int64_t kPhysicalSectorBytes = 4096;
constexpr int kMark = 2;  ///< A kind of block.

class FaultsLogDiskTest : public LogLab {
 protected:
  /// Small segments that stay, so that there are several.
  FaultsLogDiskTest() { set_log(R"("segment_bytes": 65536, "checkpoint_every_segments": 1000)"); }

  void set_log(const std::string& keys, const std::string& limits = R"("sweep_period_ms": 100)") {
    daemon_.options().more_json = "\"limits\": {" + limits + "}, \"log\": {" + keys + "}";
  }
  void run_orders(int first, int last) {
    auto client = daemon_.client();
    for (int i = first; i <= last; ++i) {
      EXPECT_EQ(submit(client, order("order " + std::to_string(i))).outcome, Outcome::committed);
    }
  }
  /// A coordinator that has made so many orders, and is gone.
  void leave_log_of(int orders) {
    start();
    run_orders(1, orders);
    expect_paid(orders);
    daemon_.kill_9();
  }
  Ran wal(const std::string& command, std::vector<std::string> more = {},
          const std::map<std::string, std::string>& environment = {}) const {
    more.insert(more.begin(), {"wal", command, daemon_.log_folder()});
    return ctl(more, environment);
  }
  std::vector<std::string> segments() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(daemon_.log_folder())) {
      if (entry.path().extension() == ".seg") names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  std::string in_log(const std::string& name) const { return daemon_.log_folder() + "/" + name; }
};
INSTANTIATE_TEST_SUITE_P(Pairs, FaultsLogDiskTest, ::testing::Values("mariadb_mysql"),
                         [](const auto& which) { return which.param; });

// --- a clock that was wrong -----------------------------------------------------------------------------------------

TEST_P(FaultsLogDiskTest, KeysAreForgottenInTheOrderOfTheLogWhateverTheClockSaid) {
  set_log(R"("segment_bytes": 65536, "checkpoint_every_segments": 1)",
          R"("sweep_period_ms": 100, "idempotency_keys_max": 8)");
  const std::map<std::string, std::string> fast{{"LD_PRELOAD", ASSENT_FAKETIME_LIBRARY},
                                                {"FAKETIME", "+1h"},
                                                {"FAKETIME_DONT_FAKE_MONOTONIC", "1"},
                                                {"DONT_FAKE_MONOTONIC", "1"},
                                                {"ASAN_OPTIONS", "verify_asan_link_order=0"}};
  daemon_.options().environment = fast;
  daemon_.start();
  daemon_.wait_up();
  run_orders(1, 4);
  daemon_.kill_9();
  daemon_.options().environment.clear();
  for (int run = 0; run < 2; ++run) {
    daemon_.start();
    daemon_.wait_up();
    run_orders(5 + 2 * run, 6 + 2 * run);
    daemon_.kill_9();
  }
  // Eight are kept, so the next two take the places of the two that came first.
  daemon_.start();
  daemon_.wait_up();
  run_orders(9, 10);
  for (int i = 3; i <= 10; ++i) expect_known(daemon_, "order " + std::to_string(i));
  expect_paid(10);
}

// --- what cannot be read --------------------------------------------------------------------------------------------

TEST_P(FaultsLogDiskTest, AnUnreadableSectorOfASegmentIsNamedSteppedOverAndTold) {
  leave_log_of(6);
  const auto segment = segments().front();
  const std::map<std::string, std::string> bad{{"LD_PRELOAD", ASSENT_DISK_SHIM},
                                               {"DISK_SHIM_UNREADABLE", segment + ":8192:12288"}};
  const auto names_it = AllOf(HasSubstr(segment), HasSubstr("8192"), HasSubstr("the device gives an error"));
  const auto verified = wal("verify", {}, bad);
  EXPECT_EQ(verified.code, kBadInput);
  EXPECT_THAT(verified.output, names_it);
  const auto dumped = wal("dump", {}, bad);
  EXPECT_EQ(dumped.code, kBadInput);
  EXPECT_THAT(dumped.output, HasSubstr("order 6")) << "what stands behind it can be read";
  const auto tried = wal("repair", {}, bad);
  EXPECT_EQ(tried.code, kBadInput);
  EXPECT_THAT(tried.output, names_it);
  daemon_.options().environment = bad;
  daemon_.options().program = "assentd";
  expect_refused(daemon_, kBadInput, {segment, "8192", "assentctl wal"});
  const auto repaired = wal("repair", {"--force-lose"}, bad);
  EXPECT_EQ(repaired.code, kGood) << repaired.output;
  EXPECT_THAT(repaired.output, Not(HasSubstr("no record is known to be lost")));
  daemon_.options().environment.clear();
  daemon_.start();
  daemon_.wait_up();
  expect_known(daemon_, "order 6");
  expect_paid(6);
}

TEST_P(FaultsLogDiskTest, AnUnreadableCheckpointIsNamedAndTheSegmentsAreReadWithoutIt) {
  leave_log_of(6);
  const std::map<std::string, std::string> bad{{"LD_PRELOAD", ASSENT_DISK_SHIM},
                                               {"DISK_SHIM_UNREADABLE", "CHECKPOINT:0:4096"}};
  for (const auto* command : {"verify", "dump", "repair"}) {
    const auto said = wal(command, {}, bad);
    EXPECT_EQ(said.code, kBadInput) << command;
    EXPECT_THAT(said.output, AllOf(HasSubstr("CHECKPOINT"), HasSubstr("the device gives an error"))) << command;
  }
  daemon_.options().environment = bad;
  daemon_.options().program = "assentd";
  expect_refused(daemon_, kBadInput, {"CHECKPOINT", "assentctl wal"});
  const auto repaired = wal("repair", {"--force-lose"}, bad);
  EXPECT_EQ(repaired.code, kGood) << repaired.output;
  EXPECT_THAT(repaired.output, AllOf(HasSubstr("set aside"), HasSubstr("/log/CHECKPOINT.unusable-"),
                                     HasSubstr("the segments go back to the first record\n"),
                                     HasSubstr("no record is lost"), Not(HasSubstr("--log-lost."))));
  daemon_.options().environment.clear();
  daemon_.start();
  daemon_.wait_up();
  for (int i = 1; i <= 6; ++i) expect_known(daemon_, "order " + std::to_string(i));
  expect_paid(6);
}

TEST_P(FaultsLogDiskTest, WhateverElseIsInTheCheckpointsPlaceIsSetAsideAndTheSegmentsAreReadWithoutIt) {
  leave_log_of(3);
  const auto checkpoint = in_log("CHECKPOINT");
  const auto flip = [&] {
    std::fstream file(checkpoint, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file.put('\xAA');
  };
  const auto replace = [&](bool fifo) {
    fs::remove(checkpoint);
    ASSERT_EQ(fifo ? ::mkfifo(checkpoint.c_str(), 0600) : ::mkdir(checkpoint.c_str(), 0700), 0);
    if (!fifo) std::ofstream(checkpoint + "/notes") << "somebody's";
  };
  const std::map<std::string, std::function<void()>> kinds{
      {"a flipped byte", flip},
      {"cut off", [&] { fs::resize_file(checkpoint, 50); }},
      {"empty", [&] { fs::resize_file(checkpoint, 0); }},
      {"a pipe", [&] { replace(true); }},
      {"a directory", [&] { replace(false); }},
      {"gone", [&] { fs::remove(checkpoint); }},
  };
  const auto kept = daemon_.folder() + "/kept";
  fs::copy(daemon_.log_folder(), kept, fs::copy_options::recursive);
  for (const auto& [what, put] : kinds) {
    SCOPED_TRACE(what);
    fs::remove_all(daemon_.log_folder());
    fs::copy(kept, daemon_.log_folder(), fs::copy_options::recursive);
    put();
    EXPECT_EQ(wal("repair").code, kBadInput);
    const auto repaired = wal("repair", {"--force-lose"});
    EXPECT_EQ(repaired.code, kGood) << repaired.output;
    EXPECT_THAT(repaired.output, AllOf(HasSubstr("no record is lost"), Not(HasSubstr("LOST"))));
    if (what != "gone") {
      EXPECT_THAT(repaired.output, HasSubstr("/log/CHECKPOINT.unusable-"));
    }
    EXPECT_EQ(wal("verify").code, kGood);
    EXPECT_THAT(wal("verify").output, HasSubstr("3 keys kept"));
  }
  // As the last of them was left; each start makes those that were left before it older ones.
  daemon_.start();
  daemon_.wait_up();
  for (int i = 1; i <= 3; ++i) expect_known(daemon_, "order " + std::to_string(i));
  expect_paid(3);
}

TEST_P(FaultsLogDiskTest, WhatOnlyALostCheckpointHeldIsToldAsLostAndTheStartIsRefusedUntilAnOperatorSaysSo) {
  set_log(R"("segment_bytes": 65536, "checkpoint_every_segments": 1)");
  start();
  int made = 0;
  for (; segments().front() == "00000001.seg" && made < 1000; ++made) run_orders(made + 1, made + 1);
  run_orders(made + 1, made + 2);
  made += 2;
  // The claims at the participants are renewed meanwhile, and so tell of what this process has written.
  std::this_thread::sleep_for(2s);
  expect_paid(made);
  daemon_.kill_9();
  std::ofstream(in_log("CHECKPOINT"), std::ios::trunc) << "";
  const auto repaired = wal("repair", {"--force-lose"});
  EXPECT_EQ(repaired.code, kGood) << repaired.output;
  EXPECT_THAT(repaired.output,
              AllOf(HasSubstr("LOST: what the checkpoint alone held, all that was logged before record"),
                    HasSubstr("each idempotency key, each hazard"), HasSubstr("CHECKPOINT.unusable-"),
                    HasSubstr("exit code 78"), HasSubstr("--log-lost.\n"), Not(HasSubstr("no record is lost"))));
  EXPECT_EQ(wal("verify").code, kGood);
  // Who wrote what is left stood in the checkpoint: nothing proves that this is what the last owner had written.
  expect_refused(daemon_, kBadConfig, put_back_or_lost());
  daemon_.options().arguments = {"--log-lost"};
  daemon_.start();
  daemon_.wait_up();
  expect_known(daemon_, "order " + std::to_string(made));
  expect_paid(made);
}

// --- what is rewritten ----------------------------------------------------------------------------------------------

TEST_P(FaultsLogDiskTest, NoPhysicalSectorThatHoldsWhatWasDurableIsEverWrittenAgain) {
  const auto recorded = daemon_.folder() + "/recorded";
  for (int run = 0; run < 3; ++run) {
    daemon_.options().environment = {
        {"LD_PRELOAD", ASSENT_DISK_SHIM}, {"DISK_SHIM_RECORD", recorded}, {"DISK_SHIM_PATH", ".seg"}};
    daemon_.start();
    daemon_.wait_up();
    Tellers tellers(bank_, record_, [this] { return daemon_.port(); }, {});
    const auto committed = [&] { return record_.counts()[static_cast<std::size_t>(Told::Outcome::committed)]; };
    const auto enough = committed() + 100;
    EXPECT_TRUE(eventually([&] { return committed() >= enough; })) << daemon_.output();
    daemon_.kill_9();
  }
  daemon_.options().environment.clear();
  daemon_.start();
  daemon_.wait_up();
  expect_audited();

  std::map<std::string, std::set<std::int64_t>> durable;
  std::map<std::string, std::set<std::int64_t>> written;
  std::size_t syncs = 0;
  std::size_t rewritten = 0;
  std::ifstream lines(recorded);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string what;
    std::string path;
    words >> what >> path;
    if (what == "rename") {
      // All that the file has from the beginning is zero, but for its header.
      words >> path;
      durable[path] = {0};
      written[path].clear();
    } else if (what == "sync") {
      durable[path].merge(written[path]);
      written[path].clear();
      ++syncs;
    } else if (path.ends_with(".seg")) {
      std::int64_t offset = 0;
      std::int64_t bytes = 0;
      int kind = 0;
      words >> offset >> bytes >> kind;
      for (auto sector = offset / kPhysicalSectorBytes; sector * kPhysicalSectorBytes < offset + bytes; ++sector) {
        if (durable[path].contains(sector) && ++rewritten <= 3) {
          ADD_FAILURE() << line << ": sector " << sector << " of 4096 bytes was durable";
        }
        // A mark says something of the block in front of it, and holds nothing itself.
        if (kind != kMark) written[path].insert(sector);
      }
    }
  }
  EXPECT_GT(syncs, 30U) << "nothing was recorded";
  EXPECT_EQ(rewritten, 0U);
}

// --- what is missing, or no file ------------------------------------------------------------------------------------

TEST_P(FaultsLogDiskTest, ALogWhoseLastSegmentIsGoneIsNotCalledWhole) {
  start();
  auto client = daemon_.client();
  for (int account = 3; segments().size() < 4 && account < 1000; ++account) {
    EXPECT_EQ(submit(client, transfer(account, account, 1)).outcome, Outcome::committed);
  }
  daemon_.kill_9();
  const auto all = segments();
  ASSERT_GE(all.size(), 4U);
  // The last is a reserve, and has nothing in it; then both.
  for (const auto& gone : {std::vector{all[all.size() - 2]}, std::vector{all[all.size() - 2], all.back()}}) {
    const auto kept = daemon_.folder() + "/kept" + std::to_string(gone.size());
    fs::copy(daemon_.log_folder(), kept, fs::copy_options::recursive);
    for (const auto& name : gone) fs::remove(in_log(name));
    const auto verified = wal("verify");
    EXPECT_EQ(verified.code, kBadInput) << verified.output;
    EXPECT_THAT(verified.output, HasSubstr(gone.front()));
    const auto repaired = wal("repair", {"--force-lose"});
    EXPECT_EQ(repaired.code, kGood) << repaired.output;
    EXPECT_THAT(repaired.output, Not(HasSubstr("no record is known to be lost")));
    EXPECT_THAT(repaired.output, AnyOf(HasSubstr("lost"), HasSubstr("missing")));
    fs::remove_all(daemon_.log_folder());
    fs::rename(kept, daemon_.log_folder());
  }
  EXPECT_EQ(wal("verify").code, kGood);
}

TEST_P(FaultsLogDiskTest, WhatIsNoFileInItsDirectoryNeitherHangsItNorIsReadAsOne) {
  leave_log_of(3);
  const auto next = "0000000" + std::to_string(std::stoi(segments().back()) + 1) + ".seg";
  struct Odd {
    std::string name;
    bool fifo = true;  ///< Otherwise a directory.
  };
  for (const auto& [name, fifo] : std::vector<Odd>{
           {next}, {next, false}, {"CHECKPOINT.tmp"}, {"CHECKPOINT"}, {"LOCK"}, {"notes"}, {segments().front()}}) {
    SCOPED_TRACE(name + (fifo ? ", a pipe" : ", a directory"));
    const auto kept = daemon_.folder() + "/kept";
    fs::copy(daemon_.log_folder(), kept, fs::copy_options::recursive);
    fs::remove_all(in_log(name));
    ASSERT_EQ(fifo ? ::mkfifo(in_log(name).c_str(), 0600) : ::mkdir(in_log(name).c_str(), 0700), 0);
    for (const auto* command : {"verify", "dump", "repair"}) {
      const TempFolder folder;
      Program program("assentctl", {"wal", command, daemon_.log_folder()}, folder.path() + "/output");
      const int code = program.wait(20s);
      EXPECT_NE(code, -1) << command << " hangs";
      if (code > 0) {
        EXPECT_THAT(program.output(), HasSubstr(name)) << command;
      }
    }
    daemon_.options().environment.clear();
    daemon_.launch();
    const bool either = eventually([&] { return daemon_.has_ended() || fs::exists(daemon_.folder() + "/ready"); }, 20s);
    EXPECT_TRUE(either) << "the start hangs";
    if (either && daemon_.has_ended()) {
      EXPECT_THAT(daemon_.output(), HasSubstr(name));
      EXPECT_GT(daemon_.wait(1s), kGood);
      fs::remove_all(daemon_.log_folder());
      fs::rename(kept, daemon_.log_folder());
    } else {
      // It served, so that the log as it was before is an older one by now, and would be refused.
      daemon_.kill_9();
      fs::remove_all(in_log(name));
      fs::remove_all(kept);
    }
  }
}

TEST_P(FaultsLogDiskTest, MonitoringThatVerifiesTheLogKeepsNobodyFromStarting) {
  leave_log_of(3);
  const auto paused = daemon_.folder() + "/paused";
  const TempFolder folder;
  Program verify("assentctl", {"wal", "verify", daemon_.log_folder()}, folder.path() + "/output",
                 {{"LD_PRELOAD", ASSENT_DISK_SHIM}, {"DISK_SHIM_PAUSED", paused}});
  EXPECT_TRUE(eventually([&] { return verify.has_ended() || fs::exists(paused); }));
  // It starts while the other looks, which takes a moment.
  const auto recorded = daemon_.folder() + "/recorded";
  daemon_.options().environment = {
      {"LD_PRELOAD", ASSENT_DISK_SHIM}, {"DISK_SHIM_RECORD", recorded}, {"DISK_SHIM_PATH", "LOCK"}};
  daemon_.launch();
  EXPECT_TRUE(eventually(
      [&] { return fs::exists(recorded) || daemon_.has_ended() || fs::exists(daemon_.folder() + "/ready"); }));
  fs::remove(paused);
  EXPECT_TRUE(daemon_.wait_ready()) << daemon_.output();
  EXPECT_EQ(verify.wait(20s), kGood) << verify.output();
}

// --- an end that is not clean ---------------------------------------------------------------------------------------

TEST_P(FaultsLogDiskTest, ALogThatFailsWhileItIsClosedIsToldByTheExitCode) {
  set_log(R"("lazy_flush_ms": 60000)");
  const auto failing = daemon_.folder() + "/failing";
  daemon_.options().environment = {
      {"LD_PRELOAD", ASSENT_DISK_SHIM}, {"DISK_SHIM_FAILING", failing}, {"DISK_SHIM_PATH", ".seg"}};
  daemon_.start();
  daemon_.wait_up();
  run_orders(1, 1);
  expect_paid(1);
  // From now on only what ends a transaction waits to be written.
  std::ofstream(failing) << "now";
  const int code = daemon_.terminate();
  EXPECT_EQ(code, kInternal) << daemon_.output();
  EXPECT_THAT(daemon_.output(), HasSubstr("critical"));
  fs::remove(failing);
  daemon_.options().environment.clear();
  daemon_.start();
  daemon_.wait_up();
  expect_known(daemon_, "order 1");
  expect_paid(1);
}

TEST_P(FaultsLogDiskTest, WhatTheToolCouldNotWriteDownItDoesNotAuditAsDone) {
  set_log(R"("lazy_flush_ms": 60000)");
  start();
  commit_halfway("order 1");
  daemon_.kill_9();
  // From the commit on, nothing reaches the disk any more.
  const auto failing = daemon_.folder() + "/failing";
  Proxy to_east(east());
  Proxy to_west(west());
  for (auto* proxy : {&to_east, &to_west}) {
    proxy->act_before("XA COMMIT", [&] { std::ofstream(failing) << "now"; });
  }
  const auto direct = daemon_.options().participants;
  daemon_.options().participants[0].port = to_east.port();
  daemon_.options().participants[1].port = to_west.port();
  daemon_.write_config();
  const TempFolder folder;
  Program tool("assentctl", {"recover", "--apply", "--config", daemon_.config_path()}, folder.path() + "/output",
               {{"LD_PRELOAD", ASSENT_DISK_SHIM}, {"DISK_SHIM_FAILING", failing}, {"DISK_SHIM_PATH", ".seg"}});
  EXPECT_EQ(tool.wait(60s), kInternal) << tool.output();
  std::ostringstream audit;
  audit << std::ifstream(daemon_.log_folder() + ".audit").rdbuf();
  EXPECT_THAT(audit.str(), AllOf(HasSubstr("\"begun\""), Not(HasSubstr("\"done\""))));
  EXPECT_TRUE(fs::exists(failing)) << "the tool did not commit anything";
  daemon_.options().participants = direct;
  start();
  expect_known(daemon_, "order 1");
  expect_paid(1);
}

}  // namespace
}  // namespace assent::testing
