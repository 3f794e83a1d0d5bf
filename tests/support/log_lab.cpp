#include "support/log_lab.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace assent::testing {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

LogLab::Ran LogLab::ctl(const std::vector<std::string>& words, const std::map<std::string, std::string>& environment) {
  const TempFolder folder;
  Program program("assentctl", words, folder.path() + "/output", environment);
  const int code = program.wait(90s);
  return {code, program.output()};
}

LogLab::Ran LogLab::ask(const Daemon& daemon, std::vector<std::string> words) {
  words.insert(words.end(), {"--address", "127.0.0.1:" + std::to_string(daemon.port())});
  return ctl(words);
}

LogLab::Ran LogLab::offline(const Daemon& daemon, std::vector<std::string> words) {
  words.insert(words.end(), {"--config", daemon.config_path()});
  return ctl(words);
}

std::unique_ptr<Daemon> LogLab::another() const {
  auto options = daemon_.options();
  options.environment.clear();
  options.arguments.clear();
  return std::make_unique<Daemon>(std::move(options));
}

void LogLab::copy_log(const Daemon& from, const Daemon& to) {
  fs::remove_all(to.log_folder());
  fs::copy(from.log_folder(), to.log_folder(), fs::copy_options::recursive);
}

Contents contents_of(const std::string& folder) {
  if (!fs::exists(folder)) return std::nullopt;
  std::map<std::string, std::string> contents;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    std::ostringstream bytes;
    if (entry.is_regular_file()) bytes << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    contents[fs::relative(entry.path(), folder)] = std::move(bytes).str();
  }
  return contents;
}

std::vector<std::string> LogLab::owners() {
  std::vector<std::string> rows;
  for (const auto& server : {east(), west()}) {
    std::string all;
    for (const auto& row :
         dba(server).rows("SELECT log_id,epoch,host,instance FROM assent.coordinator WHERE id='" + database_ + "'")) {
      for (const auto& column : row) all += column + " ";
    }
    rows.push_back(std::move(all));
  }
  return rows;
}

bool LogLab::serves(Daemon& daemon) {
  daemon.launch();
  return daemon.wait_ready();
}

void LogLab::expect_refused(Daemon& daemon, int code, const std::vector<std::string>& sentences) {
  const auto log = contents_of(daemon.log_folder());
  const auto rows = owners();
  const auto said_before = daemon.output().size();
  const bool served = serves(daemon);
  EXPECT_FALSE(served) << "it was not refused:\n" << daemon.output().substr(said_before);
  if (served) {
    // What harm it does shows in what the test looks at next.
    daemon.wait_up();
    eventually([&] { return in_doubt() == 0; }, 5s);
    return;
  }
  EXPECT_EQ(daemon.wait(20s), code);
  const auto said = daemon.output().substr(said_before);
  for (const auto& sentence : sentences) EXPECT_THAT(said, ::testing::HasSubstr(sentence));
  const auto left = contents_of(daemon.log_folder());
  EXPECT_EQ(left.has_value(), log.has_value()) << "the refused start has made or removed " << daemon.log_folder();
  EXPECT_TRUE(left == log) << "the refused start has changed " << daemon.log_folder();
  EXPECT_EQ(owners(), rows) << "the refused start has changed who owns a participant";
}

std::vector<std::string> LogLab::stop_the_other() {
  return {"top it", "coordinator.id", host_name()};
}

std::vector<std::string> LogLab::put_back_or_lost() {
  return {"log.directory", "assentd", "--log-lost", host_name()};
}

Transaction LogLab::order(const std::string& key) {
  auto transaction = transfer(1, 2, kAmount);
  transaction.idempotency_key = key;
  return transaction;
}

void LogLab::commit_halfway(const std::string& key) {
  failpoints().arm("packet_unsent/branches:XA COMMIT=hold@2");
  auto transaction = order(key);
  transaction.timeout = 2s;
  auto client = daemon_.client();
  const auto told = submit(client, transaction);
  EXPECT_EQ(told.outcome, Outcome::committed) << daemon_.output();
  EXPECT_FALSE(told.settled);
  EXPECT_EQ(in_doubt(), 1U);
}

void LogLab::expect_known(Daemon& daemon, const std::string& key) {
  auto client = daemon.client();
  const auto status = client.status_of_key(key);
  if (!status.ok()) {
    ADD_FAILURE() << key << ": " << status.error().what;
    return;
  }
  EXPECT_EQ(status->outcome, Outcome::committed);
  const auto again = client.submit(order(key));
  if (!again.ok()) {
    ADD_FAILURE() << key << " sent again: " << again.error().what;
    return;
  }
  EXPECT_EQ(again->gtrid, status->gtrid) << key << " has run again";
}

void LogLab::expect_paid(int orders) {
  EXPECT_TRUE(eventually([&] { return in_doubt() == 0; })) << daemon_.output();
  EXPECT_EQ(balance(east(), 1), kOpening - orders * kAmount);
  EXPECT_EQ(balance(west(), 2), kOpening + orders * kAmount);
}

std::map<std::string, int> LogLab::monitored(const Daemon& daemon) {
  std::map<std::string, int> codes;
  for (const auto* command : {"info", "list", "hazards", "participants"}) codes[command] = ask(daemon, {command}).code;
  codes["doctor"] = offline(daemon, {"doctor"}).code;
  codes["recover"] = ask(daemon, {"recover"}).code;
  return codes;
}

std::string LogLab::host_name() {
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  return name;
}

}  // namespace assent::testing
