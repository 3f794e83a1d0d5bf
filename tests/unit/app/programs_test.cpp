// The programs themselves, as a shell sees them. They stand beside this test in the build directory.

#include "programs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include <nlohmann/json.hpp>

namespace assent::app {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;

TEST_F(Programs, HelpAndVersionAreAnswersNotErrors) {
  for (const auto* line : {"assentctl --help", "assentctl -h", "assentd --help", "assentd --help-config"}) {
    const auto ran = run(line);
    EXPECT_EQ(ran.code, 0) << line;
    EXPECT_THAT(ran.err, "") << line;
    EXPECT_GT(ran.out.size(), 500U) << line;
  }
  EXPECT_THAT(run("assentctl --version").out, MatchesRegex("assentctl [0-9.]+\n"));
  EXPECT_THAT(run("assentd --version").out, MatchesRegex("assentd [0-9.]+\n"));
  for (const auto* command : {"submit", "status", "list", "participants", "participants init", "info", "doctor",
                              "recover", "resolve", "wal verify", "wal dump", "wal repair", "wal compact"}) {
    const auto ran = run(std::string("assentctl ") + command + " --help");
    EXPECT_EQ(ran.code, 0) << command;
    EXPECT_THAT(ran.out, AllOf(StartsWith(std::string("Usage: assentctl ") + command), HasSubstr("Example"),
                               HasSubstr("Exit codes:")));
    EXPECT_THAT(run("assentctl --help").out, HasSubstr(std::string("  ") + command));
  }
}

TEST_F(Programs, WrongUsageIs64AndOneLine) {
  for (const auto* line : {"assentctl",
                           "assentctl frobnicate",
                           "assentctl list extra",
                           "assentctl submit",
                           "assentctl status",
                           "assentctl status a --key b",
                           "assentctl list --jsn",
                           "assentctl --address nowhere list",
                           "assentctl --address 127.0.0.1:0 list",
                           "assentctl wal",
                           "assentctl wal frobnicate x",
                           "assentctl wal verify",
                           "assentctl wal repair",
                           "assentctl wal compact a b",
                           "assentctl wal dump x --force-lose",
                           "assentctl list --address",
                           "assentctl doctor",
                           "assentctl list --key x",
                           "assentctl participants init",
                           "assentctl participants frobnicate",
                           "assentctl participants init --config x --account-host h",
                           "assentctl init",
                           "assentd",
                           "assentd --frob",
                           "assentd --config",
                           "assentd extra"}) {
    const auto ran = run(line);
    EXPECT_EQ(ran.code, 64) << line;
    EXPECT_THAT(ran.err, MatchesRegex(kOneLine)) << line;
    EXPECT_THAT(ran.out, "") << line;
  }
  ::setenv("ASSENT_ADDRESS", "nonsense", 1);
  EXPECT_THAT(run("assentctl list").err, StartsWith("assentctl: ASSENT_ADDRESS: "));
}

TEST_F(Programs, ACoordinatorThatIsNotThereIs69AndOneLine) {
  const auto order =
      write("order.json", R"({"branches": [{"participant": "a", "statements": [{"sql": "UPDATE t SET n = 1"}]}]})");
  for (const auto& command : {std::string("list"), "submit " + order, std::string("status --key k"),
                              std::string("status g"), std::string("participants"), std::string("info")}) {
    const auto ran = run("assentctl " + nobody_ + command);
    EXPECT_EQ(ran.code, 69) << command;
    EXPECT_THAT(ran.err, AllOf(MatchesRegex(kOneLine), HasSubstr("127.0.0.1:1"))) << command;
    EXPECT_THAT(ran.out, "") << command;

    const auto json = run("assentctl --json " + nobody_ + command);
    EXPECT_EQ(json.code, 69) << command;
    EXPECT_EQ(nlohmann::json::parse(json.out).at("error").at("code"), "unavailable") << command;
  }
}

TEST_F(Programs, OptionsStandBeforeOrBehindTheCommand) {
  EXPECT_THAT(run("assentctl list --address=127.0.0.1:1").err, HasSubstr("127.0.0.1:1"));
  EXPECT_THAT(run("assentctl --address 127.0.0.1:1 list --json").out, HasSubstr("\"error\""));
  EXPECT_THAT(run("assentctl --key k status --address 127.0.0.1:1").err, HasSubstr("127.0.0.1:1"));
  ::setenv("ASSENT_ADDRESS", "127.0.0.1:2", 1);
  EXPECT_THAT(run("assentctl list").err, HasSubstr("127.0.0.1:2"));
  EXPECT_THAT(run("assentctl list --address 127.0.0.1:1").err, HasSubstr("127.0.0.1:1"));
}

TEST_F(Programs, ABadInputFileIs65BeforeAnythingIsAsked) {
  const auto wrong = [&](const std::string& text) {
    return run("assentctl " + nobody_ + "submit " + write("x", text));
  };
  EXPECT_EQ(wrong("").code, 65);
  EXPECT_EQ(wrong("{]").code, 65);
  EXPECT_EQ(wrong("{}").code, 65);
  const auto ran = wrong(R"({"branches": [{"participant": "a", "statements": [{"sql": 1}]}]})");
  EXPECT_EQ(ran.code, 65);
  EXPECT_EQ(ran.err, "assentctl: " + path("x") + ": branches[0].statements[0].sql must be a string\n");
  EXPECT_EQ(run("assentctl submit " + path("nowhere")).code, 65);
  EXPECT_THAT(run("assentctl submit -").err, StartsWith("assentctl: standard input: "));
}

TEST_F(Programs, ABadConfigurationIs78WithEachProblemOnItsLine) {
  const auto file = write("bad.json", R"({"coordinator": {"id": "shop1"}, "log": {"directory": "x"}, "frob": 1,
    "participants": {"stock": {"host": "h", "user": "u", "sessions_max": 0, "password": "hunter2"}}})");
  for (const auto* line : {"assentd --check-config --config ", "assentd --config ", "assentctl doctor --config ",
                           "assentctl participants init --print-sql --config "}) {
    const auto ran = run(line + file);
    EXPECT_EQ(ran.code, 78) << line;
    EXPECT_THAT(ran.out, "") << line;
    EXPECT_THAT(ran.err, AllOf(HasSubstr(file + ": frob: unknown key\n"),
                               HasSubstr(file + ": participants.stock.sessions_max: 0 is below the minimum, 1"),
                               HasSubstr(file + ": participants.stock.password: "), Not(HasSubstr("hunter2"))))
        << line;
  }
  EXPECT_EQ(run("assentd --config " + path("nowhere.json")).code, 78);
  ::unsetenv("ASSENT_TEST_UNSET");
  const auto unset = write("unset.json", R"({"coordinator": {"id": "shop1"}, "log": {"directory": "x"},
    "participants": {"stock": {"host": "h", "user": "u", "password_env": "ASSENT_TEST_UNSET"}}})");
  EXPECT_THAT(run("assentd --check-config --config " + unset).err,
              HasSubstr("participants.stock.password_env: the environment variable that it names is not set"));
}

TEST_F(Programs, AGoodConfigurationIsSaidToBe) {
  const auto ran = run("assentd --check-config --config " + config());
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.out, path("config.json") + ": good: coordinator shop1, participants stock\n");
  EXPECT_FALSE(fs::exists(path("log"))) << "checking must change nothing";
}

TEST_F(Programs, DoctorSays69OfADatabaseThatIsNotThere) {
  const auto ran = run("assentctl doctor --config " + config());
  EXPECT_EQ(ran.code, 69);
  EXPECT_THAT(ran.out, HasSubstr("stock: NOT REACHED: "));
  const auto json = run("assentctl doctor --json --config " + config());
  EXPECT_EQ(json.code, 69);
  EXPECT_EQ(nlohmann::json::parse(json.out).at("participants").at(0).at("state"), "down");
  const auto other = run("assentctl doctor --config " + config() + " payments");
  EXPECT_EQ(other.code, 64);
  EXPECT_THAT(other.err, HasSubstr("no participant 'payments'"));
}

TEST_F(Programs, DoctorExaminesThisHostUnlessOneDatabaseIsNamed) {
  const auto host = [&](const Ran& ran) { return nlohmann::json::parse(ran.out).at("host").at("findings"); };
  const auto ran = run("assentctl doctor --json --config " + config());
  for (const auto& finding : host(ran)) EXPECT_NE(finding.at("grade"), "refusal") << finding;
  std::set<std::string> probes;
  for (const auto& finding : host(ran)) probes.insert(finding.at("probe"));
  EXPECT_EQ(probes, (std::set<std::string>{"log_directory", "log_disk", "log_space", "log_sync"}));
  EXPECT_FALSE(fs::exists(path("log"))) << "looking must change nothing";
  const auto shown = run("assentctl doctor --config " + config());
  EXPECT_THAT(shown.out, AllOf(HasSubstr("host  pass "), HasSubstr("\nhost: fit to serve\n")));
  const auto one = run("assentctl doctor --json --config " + config() + " stock");
  EXPECT_FALSE(nlohmann::json::parse(one.out).contains("host"));

  const auto nowhere = run("assentctl doctor --config " + config("nowhere/log"));
  EXPECT_EQ(nowhere.code, 78) << "though its database only is not there";
  EXPECT_THAT(nowhere.out, AllOf(HasSubstr("host  refusal "), HasSubstr("mkdir -p " + path("nowhere")),
                                 HasSubstr("\nhost: NOT FIT TO SERVE\n")));
  EXPECT_EQ(run("assentctl doctor --config " + config("nowhere/log") + " stock").code, 69);
}

TEST_F(Programs, InitSays69OfADatabaseThatIsNotThere) {
  const auto ran = run("assentctl participants init --config " + config());
  EXPECT_EQ(ran.code, 69);
  EXPECT_THAT(ran.out, StartsWith("stock: NOT REACHED: "));
  const auto json = run("assentctl participants init --json --config " + config() + " stock");
  EXPECT_EQ(json.code, 69);
  EXPECT_EQ(nlohmann::json::parse(json.out).at("participants").at(0).at("state"), "down");
  const auto other = run("assentctl participants init --config " + config() + " payments");
  EXPECT_EQ(other.code, 64);
  EXPECT_THAT(other.err, HasSubstr("no participant 'payments'"));
}

TEST_F(Programs, InitPrintsItsSqlWithoutConnecting) {
  const auto ran = run("assentctl participants init --print-sql --config " + config());
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.err, "");
  EXPECT_THAT(ran.out, AllOf(HasSubstr("-- Participant stock, at 127.0.0.1:1\n"),
                             HasSubstr("\nCREATE DATABASE IF NOT EXISTS assent;\n"), HasSubstr("TO 'u'@'%';\n")));
  const auto json = run("assentctl participants init --json --print-sql --account-host '10.%' --config " + config());
  EXPECT_EQ(json.code, 0);
  EXPECT_THAT(std::string(nlohmann::json::parse(json.out).at("participants").at(0).at("sql")),
              AllOf(StartsWith("CREATE DATABASE"), HasSubstr("TO 'u'@'10.%';\n")));
  EXPECT_EQ(run("assentctl participants init --print-sql --account-host 'a@b' --config " + config()).code, 64);
}

TEST_F(Programs, AReaderThatGoesAwayDoesNotChangeTheExitCode) {
  make_log(path("log"));
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  EXPECT_EQ(run_to("assentctl wal dump " + path("log"), "&" + std::to_string(ends[1])), 0);
  EXPECT_EQ(read(path("err")), "");
  close(ends[1]);
}

TEST_F(Programs, AnAnswerThatCannotBeWrittenIs70) {
  make_log(path("log"));
  EXPECT_EQ(run_to("assentctl wal dump " + path("log"), "/dev/full"), 70);
  EXPECT_EQ(read(path("err")), "standard output: cannot be written: No space left on device\n");
}

// Listens like a coordinator, takes one request and never answers.
class SilentCoordinator {
 public:
  SilentCoordinator() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address_;
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address_), size), 0);
    EXPECT_EQ(listen(listener_, 1), 0);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address_), &size), 0);
  }
  ~SilentCoordinator() {
    close_connection();
    close(listener_);
  }
  SilentCoordinator(const SilentCoordinator&) = delete;
  SilentCoordinator& operator=(const SilentCoordinator&) = delete;

  std::string address() const { return "127.0.0.1:" + std::to_string(ntohs(address_.sin_port)); }
  // Returns once a whole request is there.
  std::string take_request() {
    connection_ = accept(listener_, nullptr, nullptr);
    std::string request;
    char byte = 0;
    while (read(connection_, &byte, 1) == 1 && byte != '\n') request += byte;
    return request;
  }
  void close_connection() {
    if (connection_ >= 0) close(connection_);
    connection_ = -1;
  }

 private:
  int listener_;
  int connection_ = -1;
  sockaddr_in address_{};
};

class Submitted {
 public:
  Submitted(const std::string& address, const std::string& file, const std::string& err) {
    const auto program = (fs::read_symlink("/proc/self/exe").parent_path() / "assentctl").string();
    pid_ = fork();
    if (pid_ == 0) {
      if (std::freopen(err.c_str(), "w", stderr) == nullptr) _exit(1);
      execl(program.c_str(), "assentctl", "--address", address.c_str(), "submit", file.c_str(), nullptr);
      _exit(127);
    }
  }
  void signal(int number) const { kill(pid_, number); }
  int wait() const {
    int status = 0;
    waitpid(pid_, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = -1;
};

constexpr const char* kOrder =
    R"({"branches": [{"participant": "stock", "statements": [{"sql": "UPDATE t SET n = 1"}]}]})";

TEST_F(Programs, AnInterruptedSubmitIs2AndSaysHowToAsk) {
  for (const int number : {SIGINT, SIGTERM}) {
    SilentCoordinator coordinator;
    const Submitted submitted(coordinator.address(), write("order.json", kOrder), path("err"));
    const auto request = nlohmann::json::parse(coordinator.take_request());
    const std::string key = request.at("params").at("idempotency_key");
    EXPECT_THAT(key, MatchesRegex("ctl-[0-9a-f]{32}"));
    submitted.signal(number);
    EXPECT_EQ(submitted.wait(), 2);
    EXPECT_EQ(read(path("err")), "assentctl: interrupted, the outcome is not known; ask with: assentctl --address " +
                                     coordinator.address() + " status --key '" + key + "'\n");
  }
}

TEST_F(Programs, AConnectionThatBreaksDuringSubmitIs2AndSaysHowToAsk) {
  SilentCoordinator coordinator;
  const Submitted submitted(coordinator.address(), write("order.json", kOrder), path("err"));
  const auto request = nlohmann::json::parse(coordinator.take_request());
  coordinator.close_connection();
  EXPECT_EQ(submitted.wait(), 2);
  EXPECT_THAT(read(path("err")),
              AllOf(MatchesRegex(kOneLine), StartsWith("assentctl: the outcome is not known: "),
                    HasSubstr("status --key '" + std::string(request.at("params").at("idempotency_key")) + "'\n")));
}

// A daemon of its own, told to stop at the end of the test at the latest.
class Daemon {
 public:
  Daemon(const std::string& config, const std::string& ready, const std::string& err) : ready_(ready) {
    const auto program = (fs::read_symlink("/proc/self/exe").parent_path() / "assentd").string();
    pid_ = fork();
    if (pid_ == 0) {
      if (std::freopen(err.c_str(), "w", stderr) == nullptr) _exit(1);
      execl(program.c_str(), "assentd", "--config", config.c_str(), "--ready-file", ready.c_str(), nullptr);
      _exit(127);
    }
  }
  ~Daemon() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Waits until it serves, and gives HOST:PORT; empty when it ended instead.
  std::string address() const {
    for (;;) {
      if (std::ifstream file(ready_); file) {
        std::string host, port;
        if (file >> host >> port) return host + ":" + port;
      }
      siginfo_t ended{};
      if (waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOWAIT | WNOHANG) == 0 && ended.si_pid != 0)
        return "";
      usleep(1000);
    }
  }
  void signal(int number) const { kill(pid_, number); }
  // Waits for its end; gives its exit code.
  int wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  std::string ready_;
  pid_t pid_ = -1;
};

TEST_F(Programs, TheDaemonServesSaysWhereAndStopsInOrder) {
  Daemon daemon(config(), path("ready"), path("daemon.err"));
  const auto address = daemon.address();
  ASSERT_NE(address, "") << read(path("daemon.err"));
  EXPECT_THAT(read(path("daemon.err")), HasSubstr("ready: listening on " + address + "\n"));

  const auto at = "assentctl --address " + address + " ";
  EXPECT_EQ(run(at + "list").code, 69) << "what is in doubt at its one database is not known";
  EXPECT_EQ(nlohmann::json::parse(run(at + "list --json").out).at("transactions").size(), 0U);
  const auto participants = run(at + "participants");
  EXPECT_EQ(participants.code, 69) << "its one database is not there";
  EXPECT_THAT(participants.out, HasSubstr("stock  "));
  EXPECT_EQ(nlohmann::json::parse(run(at + "info --json").out).at("coordinator"), "shop1");

  const auto order =
      write("order.json", R"({"branches": [{"participant": "stock", "statements": [{"sql": "UPDATE t SET n = 1"}]}]})");
  EXPECT_EQ(run(at + "submit " + order).code, 69) << "nothing can be run there, and nothing was";
  EXPECT_EQ(
      run(at + "submit " +
          write("x", R"({"branches": [{"participant": "nobody", "statements": [{"sql": "UPDATE t SET n = 1"}]}]})"))
          .code,
      65);
  EXPECT_EQ(run(at + "status --key never-used").code, 2);

  Daemon second(config(), path("ready2"), path("second.err"));
  EXPECT_EQ(second.address(), "");
  EXPECT_EQ(second.wait(), 69) << "the log is taken: " << read(path("second.err"));
  EXPECT_THAT(run("assentctl doctor --config " + config()).out, HasSubstr("in use by pid "));

  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(), 0) << read(path("daemon.err"));
  EXPECT_FALSE(fs::exists(path("ready")));
  EXPECT_EQ(run("assentctl wal verify " + path("log")).code, 0);
}

TEST_F(Programs, AnAddressThatIsTakenIs69) {
  Daemon daemon(config(), path("ready"), path("daemon.err"));
  const auto address = daemon.address();
  ASSERT_NE(address, "");
  const auto port = address.substr(address.rfind(':') + 1);
  const auto other = write("other.json", R"({"coordinator": {"id": "shop1"}, "listen": {"port": )" + port +
                                             R"(}, "log": {"directory": "log2"},
      "participants": {"stock": {"host": "127.0.0.1", "port": 1, "user": "u"}}})");
  const auto ran = run("assentd --config " + other);
  EXPECT_EQ(ran.code, 69);
  EXPECT_THAT(ran.err, HasSubstr("assentd: cannot start: "));
  daemon.signal(SIGINT);
  EXPECT_EQ(daemon.wait(), 0);
}

}  // namespace
}  // namespace assent::app
