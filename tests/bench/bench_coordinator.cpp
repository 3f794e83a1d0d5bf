#include "bench/bench_coordinator.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include <nlohmann/json.hpp>

#include "assent/client.hpp"
#include "support/daemon.hpp"

namespace assent::bench {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::chrono::seconds kStartBound{30};
constexpr std::chrono::seconds kStopBound{20};

Client client_of(const Address& address) {
  auto connected = Client::connect({.host = address.host, .port = address.port});
  if (!connected) throw std::runtime_error(connected.error().what);
  return std::move(connected).value();
}

assent::ServerInfo info_of(const Address& coordinator) {
  auto info = client_of(coordinator).info();
  if (!info) throw std::runtime_error(info.error().what);
  return std::move(*info);
}

Json participant_config(const Place& place, const Coordinator::Options& options, const std::string& password_file) {
  Json made;
  if (options.transport == Transport::unix_socket) {
    made["unix_socket"] = place.server.socket;
  } else {
    made["host"] = place.server.host;
    made["port"] = place.server.port;
  }
  made["user"] = place.server.user;
  made["password_file"] = password_file;
  made["database"] = place.database;
  made["schema"] = options.schema;
  made["proof_rows"] = options.proof_rows;
  if (!options.participant_json.empty()) made.merge_patch(Json::parse(options.participant_json));
  return made;
}

void write_config(const Coordinator::Options& options, const std::vector<Place>& places) {
  Json config;
  config["coordinator"]["id"] = options.id;
  config["listen"]["port"] = 0;
  config["log"]["directory"] = "log";
  const auto names = participant_names(places.size());
  for (std::size_t i = 0; i < places.size(); ++i) {
    const auto secret = options.folder + "/" + names[i] + ".password";
    std::ofstream(secret) << places[i].server.password << "\n";
    ::chmod(secret.c_str(), 0600);
    config["participants"][names[i]] = participant_config(places[i], options, secret);
  }
  if (!options.config_json.empty()) config.merge_patch(Json::parse(options.config_json));
  std::ofstream(options.folder + "/assentd.json") << config.dump(2) << "\n";
}

}  // namespace

std::vector<std::string> participant_names(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 1; i <= count; ++i) names.push_back("p" + std::to_string(i));
  return names;
}

Coordinator::Coordinator(const Options& options, const std::vector<Place>& places) : folder_(options.folder) {
  std::filesystem::create_directories(folder_);
  write_config(options, places);
  launch(options.program);
  try {
    wait_until_ready();
    wait_participants_up(address_, participant_names(places.size()));
  } catch (...) {
    stop();
    throw;
  }
}

// In a process group of its own: what is typed at a terminal is for us to pass on, when its transactions have ended.
void Coordinator::launch(const std::string& program) {
  const auto config = folder_ + "/assentd.json";
  const auto ready = folder_ + "/ready";
  const auto written = folder_ + "/output";
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("no process can be started");
  if (pid_ > 0) return;
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int out = ::open(written.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  ::dup2(::open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(out, STDERR_FILENO);
  ::execl(program.c_str(), program.c_str(), "--config", config.c_str(), "--ready-file", ready.c_str(),
          static_cast<char*>(nullptr));
  ::_exit(127);
}

void Coordinator::wait_until_ready() {
  const bool either = testing::eventually(
      [&] {
        if (std::filesystem::exists(folder_ + "/ready")) return true;
        if (::waitpid(pid_, nullptr, WNOHANG) != pid_) return false;
        pid_ = -1;
        return true;
      },
      kStartBound);
  if (!either || pid_ < 0) throw std::runtime_error("assentd does not serve; it said:\n" + output());
  std::ifstream(folder_ + "/ready") >> address_.host >> address_.port;
}

std::string Coordinator::output() const {
  std::ifstream in(folder_ + "/output");
  return {std::istreambuf_iterator<char>(in), {}};
}

Coordinator::~Coordinator() {
  stop();
}

void Coordinator::stop() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGTERM);
  if (testing::eventually([&] { return ::waitpid(pid_, nullptr, WNOHANG) == pid_; }, kStopBound)) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::map<std::string, std::uint64_t> counters_of(const Address& coordinator) {
  return info_of(coordinator).counters;
}

std::string coordinator_id(const Address& coordinator) {
  return info_of(coordinator).coordinator;
}

void wait_participants_up(const Address& coordinator, const std::vector<std::string>& names) {
  auto client = client_of(coordinator);
  std::string missing;
  const bool up = testing::eventually([&] {
    const auto participants = client.participants();
    if (!participants) throw std::runtime_error(participants.error().what);
    missing.clear();
    for (const auto& name : names) {
      const auto found =
          std::find_if(participants->begin(), participants->end(), [&](const auto& one) { return one.name == name; });
      if (found == participants->end()) throw std::runtime_error("the coordinator has no participant '" + name + "'");
      if (found->state != ParticipantInfo::State::up) missing += " " + name + " (" + found->reason + ")";
    }
    return missing.empty();
  });
  if (!up) throw std::runtime_error("participants of the coordinator do not come up:" + missing);
}

}  // namespace assent::bench
