#include "support/daemon.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

extern char** environ;

namespace assent::testing {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// For the owner's eyes only, and never half there: programs may be reading it.
void replace_file(const std::string& path, const std::string& text) {
  const auto fresh = path + ".new";
  std::ofstream(fresh) << text;
  ::chmod(fresh.c_str(), 0600);
  std::filesystem::rename(fresh, path);
}

}  // namespace

TempFolder::TempFolder() {
  path_ = (std::filesystem::temp_directory_path() / "assent-test-XXXXXX").string();
  if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("no temporary folder can be made");
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Program::Program(std::string name, std::vector<std::string> arguments, std::string output_path,
                 const std::map<std::string, std::string>& environment, bool own_group)
    : output_path_(std::move(output_path)) {
  const std::string path = name.find('/') == std::string::npos ? std::string(ASSENT_BIN_DIR) + "/" + name : name;
  std::vector<char*> argv = {name.data()};
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::vector<std::string> settings;
  for (const auto& [key, value] : environment) settings.push_back(key + "=" + value);
  std::vector<char*> environ_with;
  for (auto& setting : settings) environ_with.push_back(setting.data());
  for (char** entry = environ; *entry != nullptr; ++entry) environ_with.push_back(*entry);
  environ_with.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 1, output_path_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::posix_spawn_file_actions_adddup2(&actions, 1, 2);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  if (own_group) ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  const int failed = ::posix_spawn(&pid_, path.c_str(), &actions, &attributes, argv.data(), environ_with.data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) throw std::runtime_error(path + " cannot be started: build it first");
}

Program::Program(Program&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), output_path_(std::move(other.output_path_)) {}

Program::~Program() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Program::signal(int number) {
  if (pid_ > 0) ::kill(pid_, number);
}

bool Program::has_ended() const {
  siginfo_t ended{};
  return pid_ <= 0 ||
         (::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == pid_);
}

int Program::wait(std::chrono::milliseconds bound) {
  int status = 0;
  if (pid_ <= 0 || !eventually([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; }, bound)) return -1;
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string Program::output() const {
  return read_file(output_path_);
}

Daemon::Daemon(Options options) : options_(std::move(options)) {}

void Daemon::write_config() const {
  nlohmann::ordered_json config = nlohmann::ordered_json::parse("{" + options_.more_json + "}");
  config["coordinator"]["id"] = options_.coordinator_id;
  config["listen"]["port"] = options_.port;
  config["log"]["directory"] = "log";
  for (const auto& participant : options_.participants) {
    auto entry = nlohmann::ordered_json::parse("{" + participant.more_json + "}");
    entry["host"] = participant.host;
    entry["port"] = participant.port;
    entry["user"] = participant.user;
    entry["database"] = participant.database;
    entry["password_file"] = participant.name + ".password";
    replace_file(folder_.path() + "/" + participant.name + ".password", participant.password + "\n");
    config["participants"][participant.name] = std::move(entry);
  }
  replace_file(config_path(), config.dump(2) + "\n");
}

void Daemon::start() {
  launch();
  if (!wait_ready()) throw std::runtime_error("assentd ended before it served\n" + output());
}

void Daemon::launch() {
  write_config();
  std::filesystem::remove(ready_path());
  std::vector<std::string> arguments{"--config", config_path(), "--ready-file", ready_path()};
  arguments.insert(arguments.end(), options_.arguments.begin(), options_.arguments.end());
  program_ = std::make_unique<Program>(options_.program, std::move(arguments), folder_.path() + "/output",
                                       options_.environment, options_.own_group);
}

bool Daemon::wait_ready() {
  bool ready = false;
  const bool either = eventually(
      [&] {
        ready = std::filesystem::exists(ready_path());
        return ready || program_->has_ended();
      },
      std::chrono::seconds(60));
  if (!either) throw std::runtime_error("assentd neither serves nor ends\n" + output());
  if (!ready) return false;
  std::string host;
  std::uint16_t port = 0;
  std::ifstream(ready_path()) >> host >> port;
  port_ = port;
  return true;
}

std::pair<int, std::string> Daemon::run_to_exit() {
  write_config();
  const auto path = folder_.path() + "/output-to-exit";
  std::filesystem::remove(path);
  std::vector<std::string> arguments{"--config", config_path()};
  arguments.insert(arguments.end(), options_.arguments.begin(), options_.arguments.end());
  Program run(options_.program, std::move(arguments), path, options_.environment);
  const int code = run.wait(std::chrono::seconds(60));
  return {code, run.output()};
}

void Daemon::wait_up() {
  auto connected = client();
  const bool up = eventually([&] {
    const auto infos = connected.participants();
    if (!infos.ok()) return false;
    for (const auto& info : *infos) {
      if (info.state != ParticipantInfo::State::up) return false;
    }
    return true;
  });
  if (!up) throw std::runtime_error("not every participant has come up\n" + output());
}

void Daemon::kill_9() {
  program_->signal(SIGKILL);
  if (program_->wait(std::chrono::seconds(10)) != 128 + SIGKILL) {
    throw std::runtime_error("assentd had ended before it was killed\n" + output());
  }
}

int Daemon::terminate(std::chrono::milliseconds bound) {
  program_->signal(SIGTERM);
  return program_->wait(bound);
}

std::string Daemon::output() const {
  return program_ ? program_->output() : "";
}

Client Daemon::client() const {
  Client::Address address;
  address.port = port_;
  auto connected = Client::connect(address);
  if (!connected.ok()) throw std::runtime_error(connected.error().what + "\n" + output());
  return std::move(connected).value();
}

double cpu_seconds(pid_t pid) {
  const auto stat = read_file("/proc/" + std::to_string(pid) + "/stat");
  const auto after_name = stat.rfind(')');
  if (after_name == std::string::npos) return 0;
  std::istringstream fields(stat.substr(after_name + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;  // state .. cmajflt
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace assent::testing
