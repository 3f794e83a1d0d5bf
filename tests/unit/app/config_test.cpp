#include "app/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "app/settings.hpp"

namespace assent::app {
namespace {

using Json = nlohmann::json;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

std::filesystem::path config_folder() {
  return ASSENT_SOURCE_DIR "/config";
}

Json least_config() {
  return Json::parse(R"({
    "coordinator": {"id": "shop1"},
    "log": {"directory": "/var/lib/assent"},
    "participants": {"stock": {"host": "db1", "user": "assent", "database": "stock"}}
  })");
}

// The place in the file of a setting of the table.
Json::json_pointer pointer_of(std::string path) {
  if (path.starts_with(kParticipantPrefix)) path = "participants.stock." + path.substr(kParticipantPrefix.size());
  std::string pointer = "/" + path;
  for (auto& letter : pointer) {
    if (letter == '.') letter = '/';
  }
  return Json::json_pointer(pointer);
}

std::string path_in_file(std::string path) {
  if (path.starts_with(kParticipantPrefix)) path = "participants.stock." + path.substr(kParticipantPrefix.size());
  return path;
}

std::vector<std::string> problems_with(const std::string& path, const Json& value) {
  auto config = least_config();
  config[pointer_of(path)] = value;
  return parse_config(config.dump()).problems;
}

class TempFile {
 public:
  explicit TempFile(const std::string& text, mode_t mode = 0600) {
    std::string path = (std::filesystem::temp_directory_path() / "assent-test-XXXXXX").string();
    const int fd = mkstemp(path.data());
    EXPECT_GE(fd, 0);
    EXPECT_EQ(fchmod(fd, mode), 0);
    close(fd);
    path_ = path;
    std::ofstream(path_) << text;
  }
  ~TempFile() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST(Config, TheLeastOneGetsEveryDefault) {
  const auto loaded = parse_config(least_config().dump());
  ASSERT_THAT(loaded.problems, ElementsAre());
  const auto& config = loaded.config;
  EXPECT_EQ(config.coordinator.coordinator_id, "shop1");
  EXPECT_EQ(config.listen.host, "127.0.0.1");
  EXPECT_EQ(config.listen.port, 7411);
  EXPECT_EQ(config.log_level, "info");
  EXPECT_EQ(config.coordinator.live_transactions_max, coordinator::Settings{}.live_transactions_max);
  EXPECT_EQ(config.coordinator.default_timeout, coordinator::Settings{}.default_timeout);
  ASSERT_EQ(config.participants.size(), 1U);
  EXPECT_EQ(config.participants[0].connection.name, "stock");
  EXPECT_EQ(config.participants[0].connection.port, 3306);
  EXPECT_TRUE(config.participants[0].connection.proof_rows);
  EXPECT_EQ(config.participants[0].connection.connect_timeout, std::chrono::milliseconds(3000));
}

TEST(Config, CommentsAreAllowed) {
  EXPECT_TRUE(parse_config("// first\n" + least_config().dump() + "/* last */").ok());
}

TEST(Config, EveryBoundOfTheTableHolds) {
  for (const auto& setting : settings()) {
    SCOPED_TRACE(setting.path);
    const auto path = path_in_file(setting.path);
    if (setting.kind == Setting::Kind::whole_number) {
      EXPECT_THAT(problems_with(setting.path, setting.least - 1),
                  Contains(HasSubstr(path + ": " + std::to_string(setting.least - 1) + " is below the minimum, ")));
      EXPECT_THAT(problems_with(setting.path, setting.most + 1),
                  Contains(HasSubstr(path + ": " + std::to_string(setting.most + 1) + " is above the maximum, ")));
      EXPECT_THAT(problems_with(setting.path, UINT64_MAX), Contains(HasSubstr(path + ": ")));
      EXPECT_THAT(problems_with(setting.path, 1.5), Contains(HasSubstr(path + ": a whole number is needed")));
      // At the bound itself nothing is said of this key; another may no longer agree with it.
      EXPECT_THAT(problems_with(setting.path, setting.most),
                  testing::Not(Contains(HasSubstr(" is above the maximum, "))));
      EXPECT_THAT(problems_with(setting.path, setting.least), testing::Not(Contains(HasSubstr(" is below the "))));
    } else if (setting.kind == Setting::Kind::text) {
      const std::string too_long(static_cast<std::size_t>(setting.most) + 1, 'x');
      EXPECT_THAT(problems_with(setting.path, too_long), Contains(HasSubstr(path + ": is longer than ")));
      if (setting.least > 0) {
        EXPECT_THAT(problems_with(setting.path, ""), Contains(path + ": must not be empty"));
      }
      EXPECT_THAT(problems_with(setting.path, std::string("a\0b", 3)), Contains(path + ": holds a NUL character"));
    }
  }
}

TEST(Config, EveryKindRefusesTheOthers) {
  const Json values[] = {nullptr, true, 7, 1.5, "text", Json::array({1}), Json::object()};
  for (const auto& setting : settings()) {
    for (const auto& value : values) {
      const bool fits = (setting.kind == Setting::Kind::text && value.is_string()) ||
                        (setting.kind == Setting::Kind::whole_number && value.is_number_integer()) ||
                        (setting.kind == Setting::Kind::yes_or_no && value.is_boolean());
      if (fits) continue;
      EXPECT_THAT(problems_with(setting.path, value),
                  Contains(testing::AllOf(testing::StartsWith(path_in_file(setting.path) + ": "), HasSubstr("needed"))))
          << value;
    }
  }
}

TEST(Config, EveryRequiredKeyIsMissed) {
  for (const auto& setting : settings()) {
    if (setting.by_default) continue;
    auto config = least_config();
    const auto pointer = pointer_of(setting.path);
    config[pointer.parent_pointer()].erase(pointer.back());
    EXPECT_THAT(parse_config(config.dump()).problems,
                Contains(path_in_file(setting.path) + ": is required and missing"));
  }
  EXPECT_THAT(parse_config("{}").problems,
              ElementsAre("coordinator.id: is required and missing", "log.directory: is required and missing",
                          "participants: is required and missing"));
}

TEST(Config, EveryDefaultIsWithinItsOwnBounds) {
  for (const auto& setting : settings()) {
    if (!setting.by_default) continue;
    EXPECT_EQ(setting.by_default->index(), static_cast<std::size_t>(setting.kind)) << setting.path;
    if (setting.kind == Setting::Kind::whole_number) {
      EXPECT_GE(std::get<std::int64_t>(*setting.by_default), setting.least) << setting.path;
      EXPECT_LE(std::get<std::int64_t>(*setting.by_default), setting.most) << setting.path;
    }
  }
}

TEST(Config, UnknownKeysAreRefusedWithTheirPathAndTheLikelyOne) {
  EXPECT_THAT(problems_with("listen.prot", 1), ElementsAre("listen.prot: unknown key; is port meant?"));
  EXPECT_THAT(problems_with("particpants", 1), ElementsAre("particpants: unknown key; is participants meant?"));
  EXPECT_THAT(problems_with("participants.stock.colour", 1), ElementsAre("participants.stock.colour: unknown key"));
  EXPECT_THAT(problems_with("listen", 1), ElementsAre("listen: an object is needed, this is a number"));
}

TEST(Config, AKeyGivenTwiceIsRefused) {
  auto text = least_config().dump();
  text.insert(1, R"("listen": {"port": 1, "port": 2},)");
  EXPECT_THAT(parse_config(text).problems, ElementsAre("listen.port: this key is given twice"));
}

TEST(Config, AllProblemsAreToldAtOnce) {
  auto config = least_config();
  config["listen"]["port"] = 70'000;
  config["participants"]["stock"]["sessions_max"] = 0;
  config["participants"]["stock"].erase("user");
  config["surprise"] = 1;
  EXPECT_THAT(parse_config(config.dump()).problems,
              ElementsAre("listen.port: 70000 is above the maximum, 65535", "surprise: unknown key",
                          "participants.stock.sessions_max: 0 is below the minimum, 1 sessions",
                          "participants.stock.user: is required and missing"));
}

TEST(Config, ValuesThatContradictEachOtherAreRefused) {
  EXPECT_THAT(problems_with("limits.default_timeout_ms", 400'000),
              ElementsAre("limits.default_timeout_ms: 400000 is above limits.timeout_max_ms, 300000"));
  EXPECT_THAT(problems_with("participants.stock.unix_socket", "/run/db.sock"),
              ElementsAre("participants.stock.unix_socket: give this or host, not both"));
  EXPECT_THAT(problems_with("participants.stock.host", ""),
              ElementsAre("participants.stock.host: is required and missing (or give unix_socket)"));
  EXPECT_THAT(problems_with("log.segment_bytes", 65'537),
              ElementsAre("log.segment_bytes: 65537 is not a multiple of 4096"));
  EXPECT_THAT(problems_with("listen.unread_answer_bytes_max", 2'000),
              ElementsAre("listen.unread_answer_bytes_max: 2000 is below listen.answer_bytes_max, 16777216"));
  EXPECT_THAT(problems_with("participants.stock.reconnect_pause_max_ms", 99),
              ElementsAre("participants.stock.reconnect_pause_min_ms: 100 is above reconnect_pause_max_ms, 99"));
  auto config = least_config();
  config["participants"]["stock"]["password_env"] = "A";
  config["participants"]["stock"]["password_file"] = "b";
  EXPECT_THAT(parse_config(config.dump()).problems,
              ElementsAre("participants.stock.password_file: give this or password_env, not both"));
}

TEST(Config, NamesFollowTheirRule) {
  EXPECT_THAT(problems_with("participants.stock.schema", "a`b"),
              ElementsAre("participants.stock.schema: must consist of a-z, 0-9 and _"));
  EXPECT_THAT(problems_with("coordinator.id", "Shop"), ElementsAre(HasSubstr("coordinator.id: must begin with")));
  auto config = least_config();
  config["participants"]["Big Stock"] = config["participants"]["stock"];
  EXPECT_THAT(parse_config(config.dump()).problems, ElementsAre(HasSubstr("participants.Big Stock: a name must")));
  config = least_config();
  config["participants"] = Json::object();
  EXPECT_THAT(parse_config(config.dump()).problems, ElementsAre("participants: at least one is needed"));
}

TEST(Config, AcceptorsAreParticipantsAndAWitnessIsOneOfThem) {
  auto config = least_config();
  config["participants"]["witness"] = config["participants"]["stock"];
  config["participants"]["witness"]["witness"] = true;
  config["transactions"] = {{"protocol", "3pc"}, {"acceptors", {"stock", "witness"}}};
  const auto loaded = parse_config(config.dump());
  ASSERT_THAT(loaded.problems, ElementsAre());
  EXPECT_EQ(loaded.config.coordinator.default_protocol, Protocol::three_phase);
  EXPECT_EQ(loaded.config.coordinator.acceptors, (std::vector<std::string>{"stock", "witness"}));
  EXPECT_EQ(loaded.config.coordinator.witnesses, (std::set<std::string>{"witness"}));

  config["transactions"]["acceptors"] = {"stock", "stock", "nobody"};
  EXPECT_THAT(parse_config(config.dump()).problems,
              ElementsAre("transactions.acceptors[1]: is there twice",
                          "transactions.acceptors[2]: is not one of the participants",
                          "participants.witness.witness: it keeps nothing unless transactions.acceptors names it"));
  EXPECT_THAT(problems_with("transactions.protocol", "4pc"),
              ElementsAre("transactions.protocol: must be one of 2pc, 3pc"));
  config = least_config();
  config["participants"]["stock"]["witness"] = true;
  config["transactions"] = {{"acceptors", {"stock"}}};
  EXPECT_THAT(parse_config(config.dump()).problems, ElementsAre(HasSubstr("participants: all of them are witnesses")));
}

TEST(Config, OnlyOtherCoordinatorsAreAdopted) {
  auto config = least_config();
  config["adopt"] = {{"coordinators", {"shop2"}}, {"after_silent_ms", 5000}};
  const auto loaded = parse_config(config.dump());
  ASSERT_THAT(loaded.problems, ElementsAre());
  EXPECT_EQ(loaded.config.adopt, (std::vector<std::string>{"shop2"}));
  EXPECT_EQ(loaded.config.adopt_after, std::chrono::seconds(5));
  config["adopt"]["coordinators"] = {config["coordinator"]["id"], "Shop"};
  EXPECT_THAT(parse_config(config.dump()).problems,
              ElementsAre("adopt.coordinators[0]: is not the identity of another coordinator",
                          "adopt.coordinators[1]: is not the identity of another coordinator"));
}

TEST(Config, WhatIsNotJsonIsRefusedWithItsPlaceAndNotQuoted) {
  EXPECT_THAT(parse_config("{\n  \"password\": hunter2\n}").problems,
              ElementsAre(testing::AllOf(HasSubstr("line 2, column "), testing::Not(HasSubstr("hunter")))));
  EXPECT_THAT(parse_config("[]").problems, ElementsAre(HasSubstr("must be one JSON object, this is a list")));
  EXPECT_THAT(parse_config("").problems, ElementsAre(HasSubstr("line 1, column 1: this is not JSON")));
  EXPECT_THAT(parse_config(std::string(kConfigBytesMax + 1, ' ')).problems, ElementsAre(HasSubstr("longer than")));
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "[";
  EXPECT_FALSE(parse_config(deep).ok());
}

TEST(Config, NoTextOfTheFileIsEverQuoted) {
  const std::string secret = "hunter2-Secret!";
  for (const auto& setting : settings()) {
    for (const Json& value : {Json(secret), Json::array({secret, 1}), Json{{"x", secret}}}) {
      for (const auto& problem : problems_with(setting.path, value)) {
        EXPECT_THAT(problem, testing::Not(HasSubstr("hunter2"))) << setting.path;
      }
    }
  }
  EXPECT_THAT(problems_with("participants.stock.password", secret),
              ElementsAre("participants.stock.password: passwords do not stand in this file; use password_env or "
                          "password_file"));
  EXPECT_THAT(problems_with("participants.stock.password_env", secret),
              ElementsAre("participants.stock.password_env: must be the name of an environment variable, not the "
                          "password itself"));
}

TEST(Config, APasswordComesFromItsEnvironmentVariable) {
  ParticipantSettings stock;
  stock.connection.name = "stock";
  ASSERT_TRUE(read_password(stock).ok());
  EXPECT_EQ(*read_password(stock), "");
  stock.password_env = "ASSENT_TEST_PASSWORD";
  ::unsetenv("ASSENT_TEST_PASSWORD");
  ASSERT_FALSE(read_password(stock).ok());
  EXPECT_EQ(read_password(stock).error().what,
            "participants.stock.password_env: the environment variable that it names is not set");
  ::setenv("ASSENT_TEST_PASSWORD", "p w", 1);
  EXPECT_EQ(read_password(stock).value(), "p w");
}

TEST(Config, APasswordFileOpenToEverybodyIsRefused) {
  ParticipantSettings stock;
  stock.connection.name = "stock";
  const TempFile good("pass word\n"), open("hunter2\n", 0644), empty("\n");
  stock.password_file = good.path();
  EXPECT_EQ(read_password(stock).value(), "pass word");
  stock.password_file = open.path();
  ASSERT_FALSE(read_password(stock).ok());
  EXPECT_EQ(read_password(stock).error().what, "participants.stock.password_file: " + open.path() +
                                                   " is open to everybody; run: chmod o-rwx " + open.path());
  stock.password_file = empty.path();
  EXPECT_THAT(read_password(stock).error().what, HasSubstr(" is empty"));
  stock.password_file = good.path() + ".none";
  EXPECT_THAT(read_password(stock).error().what, HasSubstr(".none: cannot be read: No such file"));
}

TEST(Config, PathsAreTakenFromTheFolderOfTheFile) {
  auto config = least_config();
  config["log"]["directory"] = "log";
  config["participants"]["stock"]["password_file"] = "../secret";
  const TempFile file(config.dump());
  const auto loaded = load_config(file.path());
  ASSERT_THAT(loaded.problems, ElementsAre());
  const auto folder = std::filesystem::path(file.path()).parent_path();
  EXPECT_EQ(loaded.config.log.directory, (folder / "log").string());
  EXPECT_EQ(loaded.config.participants[0].password_file, (folder / "../secret").lexically_normal().string());
  EXPECT_THAT(load_config("/nowhere/x.json").problems, ElementsAre("cannot be read: No such file or directory"));
}

TEST(Config, TheSampleIsGood) {
  const auto loaded = load_config(config_folder() / "assentd.json");
  EXPECT_THAT(loaded.problems, ElementsAre());
  EXPECT_EQ(loaded.config.participants.size(), 3U);
}

TEST(Config, ItsDocumentIsTheTable) {
  std::ifstream file(config_folder() / "README.md");
  std::ostringstream document;
  document << file.rdbuf();
  const auto table = settings_markdown();
  EXPECT_TRUE(document.str().find(table) != std::string::npos) << "config/README.md must hold this table, as it is:\n"
                                                               << table;
}

TEST(Config, HelpNamesEverySetting) {
  const auto help = settings_help();
  for (const auto& setting : settings()) EXPECT_THAT(help, HasSubstr(setting.path + "\n"));
}

}  // namespace
}  // namespace assent::app
