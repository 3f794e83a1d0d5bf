#include "long_run.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <utility>

namespace assent::testing {
namespace {

namespace po = boost::program_options;

constexpr auto kProgressPeriod = std::chrono::seconds(2);
constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP};

}  // namespace

void check_usage(bool holds, const std::string& what) {
  if (!holds) throw BadUsage{what};
}

po::variables_map parse_options(int argc, char** argv, const po::options_description& options) {
  po::variables_map given;
  try {
    po::store(po::command_line_parser(argc, argv).options(options).positional({}).run(), given);
    po::notify(given);
  } catch (const po::error& error) {
    throw BadUsage{error.what()};
  }
  return given;
}

StopSignals::StopSignals() {
  sigset_t set{};
  sigemptyset(&set);
  for (const int number : kSignals) sigaddset(&set, number);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

int StopSignals::come() {
  sigset_t pending;
  sigpending(&pending);
  for (const int number : kSignals) {
    if (sigismember(&pending, number) == 1) return number;
  }
  return 0;
}

Progress::Progress(std::function<std::string()> line) : line_(std::move(line)), thread_([this] { run(); }) {}

Progress::~Progress() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Progress::run() {
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  const auto started = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, kProgressPeriod, [this] { return stop_; })) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - started);
    std::fprintf(stderr, "%s%4d s: %s%s", terminal ? "\r\033[K" : "", static_cast<int>(seconds.count()),
                 line_().c_str(), terminal ? "" : "\n");
  }
  if (terminal) std::fprintf(stderr, "\r\033[K");
}

std::string make_folder(const std::string& program) {
  auto folder = (std::filesystem::temp_directory_path() / (program + "-XXXXXX")).string();
  if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error("no temporary folder can be made");
  return folder;
}

int run_program(const char* program, const std::function<int()>& run) {
  try {
    return run();
  } catch (const BadUsage& usage) {
    std::fprintf(stderr, "%s: %s; --help tells more\n", program, usage.what.c_str());
    return kExitUsage;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s: %s\n", program, failure.what());
    return kExitNotHeld;
  }
}

}  // namespace assent::testing
