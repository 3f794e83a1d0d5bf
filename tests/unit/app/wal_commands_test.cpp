#include <map>
#include <sstream>

#include <nlohmann/json.hpp>

#include "programs.hpp"
#include "wal/format.hpp"

namespace assent::app {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;

constexpr std::streamoff kFirstBlock = wal::kBlocksOffset;
constexpr std::streamoff kBlock = wal::kSectorBytes;

std::vector<nlohmann::json> lines_of(const std::string& text) {
  std::vector<nlohmann::json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

class WalCommands : public Programs {
 protected:
  // Decisions 1 to 4, one block each behind that of the epoch.
  void make_live_log() {
    wal::Options options;
    options.directory = path("log");
    options.segment_bytes = 64 << 10;
    auto opened = wal::open(options, wal::posix_disk());
    ASSERT_TRUE(opened.ok()) << opened.error().what;
    opened->log->append(ports::EpochStarted{"shop1", 42, 0});
    ASSERT_TRUE(opened->log->flush().ok());
    for (int i = 1; i <= 4; ++i) {
      opened->log->append(live(i));
      ASSERT_TRUE(opened->log->flush().ok());
    }
  }
  static ports::CommitDecision live(int number) {
    ports::CommitDecision decision;
    decision.gtrid = "shop1.0000002a.00000000000" + std::to_string(number) + ".9f86d081884c7d65.2";
    decision.participants = {"orders", "stock"};
    decision.idempotency_key = "key-" + std::to_string(number);
    decision.label = "order \xff " + std::to_string(number);
    return decision;
  }
  void damage(std::streamoff offset) {
    std::fstream file(path("log") + "/00000001.seg", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(offset);
    file.write("damage", 6);
  }
  std::map<std::string, std::string> files(const std::string& directory) {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::directory_iterator(directory)) {
      if (entry.path().filename() != "LOCK") all[entry.path().filename()] = read(entry.path());
    }
    return all;
  }
  std::vector<std::string> copies() {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      if (entry.path().filename().string().starts_with("log.before-repair")) found.push_back(entry.path());
    }
    return found;
  }
  std::string ctl(const std::string& words) { return "assentctl wal " + words + " "; }
};

TEST_F(WalCommands, ALogIsVerifiedAndDumped) {
  make_log(path("log"));
  const auto verified = run("assentctl wal verify " + path("log"));
  EXPECT_EQ(verified.code, 0) << verified.err;
  EXPECT_THAT(verified.out, HasSubstr("log: whole; 1 decided and not ended, "));
  const auto report = nlohmann::json::parse(run("assentctl --json wal verify " + path("log")).out);
  EXPECT_EQ(report.at("tail"), "clean");
  EXPECT_EQ(report.at("live"), 1);

  const auto dumped = run("assentctl wal dump " + path("log"));
  EXPECT_EQ(dumped.code, 0) << dumped.err;
  EXPECT_THAT(dumped.out,
              AllOf(HasSubstr("epoch    shop1  42  instance 0000000000000000\n"),
                    HasSubstr("commit   shop1.0000002a.00000000012f.9f86d081884c7d65.2  orders,stock  label "
                              "line one\\x0aline two\n"),
                    HasSubstr("  branch 1\n"), HasSubstr("  branch 2  lost  gone\n")));
  const auto records = lines_of(run("assentctl wal dump --json " + path("log")).out);
  ASSERT_EQ(records.size(), 4U);
  EXPECT_EQ(records[0].at("sequence"), 1);
  EXPECT_EQ(records[1].at("kind"), "commit_decision");
  EXPECT_EQ(records[1].at("participants"), (nlohmann::json{"orders", "stock"}));
  EXPECT_EQ(records[3].at("kind"), "hazard_found");
  EXPECT_EQ(records[3].at("hazard_kind"), "lost");
}

TEST_F(WalCommands, AMissingLogIs73) {
  for (const std::string command : {"verify", "dump", "repair", "compact"}) {
    EXPECT_EQ(run("assentctl wal " + command + " " + path("nowhere")).code, 73) << command;
  }
  fs::create_directory(path("empty"));
  EXPECT_EQ(run("assentctl wal verify " + path("empty")).code, 73);
}

TEST_F(WalCommands, ADamagedLogIs65) {
  make_log(path("log"));
  for (const auto& entry : fs::directory_iterator(path("log"))) {
    if (entry.path().extension() != ".seg") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(16);
    file.write("damage", 6);
  }
  const auto verified = run("assentctl wal verify " + path("log"));
  EXPECT_EQ(verified.code, 65);
  EXPECT_THAT(verified.out, HasSubstr("DAMAGED"));
  const auto dumped = run("assentctl wal dump --json " + path("log"));
  EXPECT_EQ(dumped.code, 65);
  EXPECT_THAT(dumped.err, MatchesRegex(kOneLine));
  const auto lines = lines_of(dumped.out);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0].at("error").at("code"), "log_corrupt");
  const auto started = run("assentd --config " + config());
  EXPECT_EQ(started.code, 65);
  EXPECT_THAT(started.err, HasSubstr("assentd: cannot start: "));
}

TEST_F(WalCommands, EachFindingNamesFileByteAndTheNextCommand) {
  make_live_log();
  damage(kFirstBlock + 2 * kBlock + 70);
  for (const auto* command : {"verify ", "compact "}) {
    const auto ran = run(ctl(command) + path("log"));
    EXPECT_EQ(ran.code, 65);
    EXPECT_THAT(ran.out + ran.err, AllOf(HasSubstr("00000001.seg at byte 12288: "), HasSubstr("restore the directory"),
                                         HasSubstr("`assentctl wal repair " + path("log") + "`"),
                                         HasSubstr("`assentctl wal repair " + path("log") + " --force-lose`")));
  }
  const auto found = nlohmann::json::parse(run(ctl("verify --json") + path("log")).out).at("findings").at(0);
  EXPECT_EQ(found.at("grade"), "damage");
  EXPECT_EQ(found.at("file"), "00000001.seg");
  EXPECT_EQ(found.at("offset"), 12288);
  EXPECT_THAT(std::string(found.at("remedy")), HasSubstr("assentctl wal repair"));
  const auto lines = lines_of(run(ctl("dump --json") + path("log")).out);
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_EQ(lines[1].at("beyond_damage"), false);
  EXPECT_EQ(lines[2].at("beyond_damage"), true);
  EXPECT_EQ(lines[4].at("error").at("code"), "log_corrupt");
}

TEST_F(WalCommands, ALogThatIsWholeNeedsNoRepair) {
  make_live_log();
  const auto before = files(path("log"));
  for (const auto* words : {"repair ", "repair --force-lose ", "repair --dry-run "}) {
    const auto ran = run(ctl(words) + path("log"));
    EXPECT_EQ(ran.code, 0) << ran.err;
    EXPECT_THAT(ran.out, HasSubstr("there is nothing to repair"));
  }
  EXPECT_EQ(files(path("log")), before);
  EXPECT_THAT(copies(), testing::IsEmpty());
}

TEST_F(WalCommands, ATornTailIsRepairedAfterACopy) {
  make_live_log();
  damage(kFirstBlock + 6 * kBlock);
  EXPECT_THAT(run(ctl("verify") + path("log")).out, HasSubstr("so does `assentctl wal repair " + path("log") + "`"));
  const auto before = files(path("log"));
  const auto told = run(ctl("repair --dry-run") + path("log"));
  EXPECT_EQ(told.code, 0);
  EXPECT_EQ(files(path("log")), before);
  const auto ran = run(ctl("repair") + path("log") + "/.");
  EXPECT_EQ(ran.code, 0) << ran.err;
  ASSERT_EQ(copies().size(), 1U);
  EXPECT_THAT(ran.out, AllOf(HasSubstr("is kept in " + copies()[0]), HasSubstr(": repaired\n")));
  EXPECT_EQ(files(copies()[0]), before);
  EXPECT_THAT(run(ctl("verify") + path("log")).out, HasSubstr(": whole; 4 decided and not ended"));
}

TEST_F(WalCommands, DamageIsToldWithWhatIsLeftAndRepairedOnlyByForce) {
  make_live_log();
  damage(kFirstBlock + 2 * kBlock + 70);
  const auto before = files(path("log"));
  const auto told = run(ctl("repair") + path("log"));
  EXPECT_EQ(told.code, 65);
  EXPECT_THAT(told.out, AllOf(HasSubstr("unreadable: 00000001.seg, bytes 12288 to 16384\n"),
                              HasSubstr("LOST: record 3 is lost, behind byte 12288 of 00000001.seg\n"),
                              HasSubstr("kept: 3 decisions to commit"), HasSubstr(live(1).gtrid),
                              Not(HasSubstr(live(2).gtrid)), HasSubstr(live(3).gtrid),
                              HasSubstr("key-4  order \\xff 4  behind the damage"), HasSubstr("nothing was changed")));
  const auto json = nlohmann::json::parse(run(ctl("repair --json") + path("log")).out);
  EXPECT_EQ(json.at("repaired"), false);
  EXPECT_EQ(json.at("lost").at(0).at("first"), 3);
  EXPECT_EQ(json.at("kept").size(), 3U);
  EXPECT_EQ(json.at("kept").at(2).at("behind_damage"), true);
  EXPECT_EQ(run(ctl("repair --force-lose --dry-run") + path("log")).code, 0);
  EXPECT_EQ(files(path("log")), before);
  EXPECT_THAT(copies(), testing::IsEmpty());

  const auto forced = run(ctl("repair --force-lose") + path("log"));
  EXPECT_EQ(forced.code, 0) << forced.err;
  ASSERT_EQ(copies().size(), 1U);
  EXPECT_EQ(files(copies()[0]), before);
  EXPECT_THAT(forced.out, AllOf(HasSubstr("is kept in " + copies()[0]), HasSubstr(": repaired\n"),
                                HasSubstr("assentctl recover --config FILE --coordinator shop1 --log-lost")));
  const auto state = wal::read_state(path("log"), wal::posix_disk());
  ASSERT_TRUE(state.ok()) << state.error().what;
  EXPECT_EQ(state->live.size(), 3U);
  for (const int kept : {1, 3, 4}) EXPECT_EQ(state->live.at(live(kept).gtrid).decision, live(kept));
  EXPECT_EQ(run(ctl("verify") + path("log")).code, 0);
  EXPECT_EQ(nlohmann::json::parse(run(ctl("repair --json") + path("log")).out).at("tail"), "clean");
}

TEST_F(WalCommands, ARepairNeverCallsALossWhole) {
  {
    wal::Options options;
    options.directory = path("log");
    options.segment_bytes = 64 << 10;
    options.checkpoint_every_segments = 100;
    auto opened = wal::open(options, wal::posix_disk());
    ASSERT_TRUE(opened.ok()) << opened.error().what;
    for (int i = 1; i <= 6; ++i) {
      auto decision = live(i);
      decision.label.assign(20'000, 'x');
      opened->log->append(decision);
      ASSERT_TRUE(opened->log->flush().ok());
    }
  }
  // The last segment that was used.
  fs::remove(path("log") + "/00000003.seg");
  const auto told = run(ctl("repair") + path("log"));
  EXPECT_EQ(told.code, 65);
  EXPECT_THAT(told.out,
              AllOf(HasSubstr("LOST: segment 00000003.seg, which is not there"),
                    HasSubstr("LOST, PERHAPS: records behind record 4"), Not(HasSubstr("no record is lost"))));
  const auto json = nlohmann::json::parse(run(ctl("repair --json") + path("log")).out);
  EXPECT_EQ(json.at("end_unknown"), true);
  EXPECT_EQ(json.at("missing_segments").at(0).at("first"), 3);
}

TEST_F(WalCommands, ASegmentOfHostileBytesIsLookedThroughInBoundedWork) {
  {
    wal::Options options;
    options.directory = path("log");
    options.segment_bytes = 16 << 20;
    auto opened = wal::open(options, wal::posix_disk());
    ASSERT_TRUE(opened.ok()) << opened.error().what;
    opened->log->append(live(1));
    ASSERT_TRUE(opened->log->flush().ok());
  }
  // At every place the header of a large block, whose checksum does not match: the work was quadratic.
  auto bytes = read(path("log") + "/00000001.seg");
  std::string block(wal::kBlockHeaderBytes, '\0');
  block.resize(wal::kBatchBytesMax - wal::kSectorBytes, 'x');
  const auto log_id = wal::read_state(path("log"), wal::posix_disk())->log_id;
  wal::finish_block({wal::BlockKind::batch, log_id, 1, 2, 1, 1, 0}, 0, block);
  for (std::size_t at = 2 * wal::kSectorBytes; at < bytes.size(); at += wal::kSectorBytes) {
    bytes.replace(at, wal::kBlockHeaderBytes, block.substr(0, wal::kBlockHeaderBytes));
  }
  write("log/00000001.seg", bytes);
  const auto verified = run(ctl("verify") + path("log"));
  EXPECT_EQ(verified.code, 65);
  EXPECT_THAT(verified.out, HasSubstr("more places look like blocks than a log of this size can have"));
  const auto told = run(ctl("repair") + path("log"));
  EXPECT_EQ(told.code, 65);
  EXPECT_THAT(told.out, HasSubstr("LOST, PERHAPS"));
}

TEST_F(WalCommands, WithoutACopyNothingIsRepaired) {
  make_live_log();
  damage(kFirstBlock + 2 * kBlock + 70);
  const auto before = files(path("log"));
  write("log.before-repair.tmp", "in the way");
  const auto ran = run(ctl("repair --force-lose") + path("log"));
  EXPECT_EQ(ran.code, 73);
  EXPECT_THAT(ran.err, AllOf(MatchesRegex(kOneLine), HasSubstr("no copy")));
  EXPECT_EQ(files(path("log")), before);
}

TEST_F(WalCommands, CompactingDropsOldSegmentsAndCanBeRunAgain) {
  make_live_log();
  {
    wal::Options options;
    options.directory = path("log");
    options.segment_bytes = 64 << 10;
    options.checkpoint_every_segments = 100;
    auto opened = wal::open(options, wal::posix_disk());
    ASSERT_TRUE(opened.ok()) << opened.error().what;
    for (int i = 0; i < 200; ++i) {
      ports::CommitDecision decision = live(1);
      decision.gtrid += std::to_string(i);
      decision.label.assign(1'000, 'x');
      opened->log->append(decision);
      opened->log->append(ports::TransactionEnded{decision.gtrid});
      ASSERT_TRUE(opened->log->flush().ok());
    }
  }
  const auto before = wal::read_state(path("log"), wal::posix_disk());
  const auto first = nlohmann::json::parse(run(ctl("compact --json") + path("log")).out);
  EXPECT_EQ(first.at("changed"), true);
  EXPECT_LT(first.at("bytes_after"), first.at("bytes_before"));
  EXPECT_FALSE(fs::exists(path("log") + "/00000001.seg"));
  EXPECT_EQ(*wal::read_state(path("log"), wal::posix_disk()), *before);
  const auto again = run(ctl("compact") + path("log"));
  EXPECT_EQ(again.code, 0);
  EXPECT_THAT(again.out, HasSubstr("there is nothing to gain"));
}

TEST_F(WalCommands, ALogThatIsOwnedIsLeftToItsOwner) {
  make_live_log();
  wal::Options options;
  options.directory = path("log");
  const auto owner = wal::open(options, wal::posix_disk());
  ASSERT_TRUE(owner.ok());
  for (const auto* words : {"repair --force-lose ", "compact "}) {
    const auto ran = run(ctl(words) + path("log"));
    EXPECT_EQ(ran.code, 69);
    EXPECT_THAT(ran.err, AllOf(MatchesRegex(kOneLine), HasSubstr("pid " + std::to_string(::getpid()))));
  }
}

TEST_F(WalCommands, ANewerFormatIsLeftUnchanged) {
  make_live_log();
  std::fstream file(path("log") + "/CHECKPOINT", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(8);
  // And what such a program writes there: its checksum is not that of an older version's checkpoint.
  file.write(std::string{static_cast<char>(wal::kFormatVersion + 1), 0, 0, 0, 1}.data(), 5);
  file.close();
  const auto before = files(path("log"));
  for (const auto* words : {"repair --force-lose ", "compact "}) {
    const auto ran = run(ctl(words) + path("log"));
    EXPECT_EQ(ran.code, 65);
    EXPECT_THAT(ran.err, HasSubstr("start the program that wrote it"));
  }
  EXPECT_EQ(files(path("log")), before);
}

TEST_F(WalCommands, TheDoctorReadsTheLogToItsEnd) {
  make_live_log();
  const auto good = run("assentctl doctor --config " + config(path("log")));
  EXPECT_EQ(good.code, 69) << "for its database, which is not there";
  EXPECT_THAT(good.out, HasSubstr("can be read to its end"));
  damage(kFirstBlock + 2 * kBlock + 70);
  const auto ran = run("assentctl doctor --config " + config(path("log")));
  EXPECT_EQ(ran.code, 78);
  EXPECT_THAT(ran.out,
              AllOf(HasSubstr("assentctl wal verify " + path("log")), HasSubstr("\nhost: NOT FIT TO SERVE\n")));
}

}  // namespace
}  // namespace assent::app
