#include "base/failpoints.hpp"

#ifdef ASSENT_FAILPOINTS

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace assent::base {
namespace {

struct Name {
  std::string_view text;
  bool fails;
};
constexpr Name kNames[] = {
#define ASSENT_FAILPOINT_NAME(name, fails) {#name, fails},
    ASSENT_FAILPOINT_TABLE(ASSENT_FAILPOINT_NAME)
#undef ASSENT_FAILPOINT_NAME
};
constexpr std::size_t kCount = std::size(kNames);

enum class Action { crash, error, delay, hold };

struct Arm {
  std::string text;  ///< Of the detail; empty: any.
  Action action = Action::crash;
  std::chrono::milliseconds delay{0};
  std::uint64_t only = 0;  ///< The Nth time; 0: each.
  std::uint64_t seen = 0;
};

[[noreturn]] void refuse(const std::string& what) {
  std::fprintf(stderr, "failpoints: %s\n", what.c_str());
  std::abort();
}

class Failpoints {
 public:
  static Failpoints& get() {
    // Never destroyed: threads may pass by until the very end.
    static auto* const instance = new Failpoints;
    return *instance;
  }

  bool any_armed() const {
    return std::any_of(armed_.begin(), armed_.end(),
                       [](const auto& one) { return one.load(std::memory_order_relaxed); });
  }
  bool any_waits() const { return waits_.load(std::memory_order_relaxed); }

  bool pass(Failpoint point, std::string_view detail) {
    const auto index = static_cast<std::size_t>(point);
    if (!armed_[index].load(std::memory_order_relaxed)) return false;
    std::unique_lock lock(mutex_);
    bool fails = false;
    for (auto& arm : arms_[index]) {
      if (!arm.text.empty() && detail.find(arm.text) == std::string_view::npos) continue;
      ++arm.seen;
      if (arm.only != 0 && arm.seen != arm.only) continue;
      ++taken_[index];
      // Read whole before the lock goes: `arm` may.
      const auto action = arm.action;
      const auto delay = arm.delay;
      say(index, arm.text, action);
      switch (action) {
        case Action::crash:
          ::kill(::getpid(), SIGKILL);
          for (;;) ::pause();
        case Action::error: fails = true; break;
        case Action::delay:
          lock.unlock();
          std::this_thread::sleep_for(delay);
          return fails;
        case Action::hold: {
          const auto generation = generation_;
          changed_.wait(lock, [&] { return generation_ != generation; });
          return fails;
        }
      }
    }
    return fails;
  }

 private:
  Failpoints() {
    if (const char* words = std::getenv("ASSENT_FAILPOINTS")) arm_all(words);
    if (const char* path = std::getenv("ASSENT_FAILPOINT_SOCKET")) std::thread([this, path] { listen(path); }).detach();
  }

  static void say(std::size_t index, const std::string& text, Action action) {
    constexpr const char* kWords[] = {"crash", "error", "delay", "hold"};
    const std::string line = "failpoint " + std::string(kNames[index].text) + (text.empty() ? "" : "/" + text) + ": " +
                             kWords[static_cast<int>(action)] + "\n";
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
  }

  static std::size_t index_of(std::string_view name) {
    for (std::size_t i = 0; i < kCount; ++i) {
      if (kNames[i].text == name) return i;
    }
    refuse("there is none called '" + std::string(name) + "'");
  }

  static std::uint64_t number(std::string_view digits) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc{} || end != digits.data() + digits.size()) refuse("not a number: " + std::string(digits));
    return value;
  }

  void arm_all(std::string_view words) {
    while (!words.empty()) {
      const auto end = std::min(words.find(';'), words.size());
      if (end > 0) arm(words.substr(0, end));
      words.remove_prefix(std::min(end + 1, words.size()));
    }
  }

  void arm(std::string_view word) {
    const auto equals = word.rfind('=');
    if (equals == std::string_view::npos) refuse("no action in '" + std::string(word) + "'");
    auto place = word.substr(0, equals);
    auto what = word.substr(equals + 1);
    Arm arm;
    if (const auto slash = place.find('/'); slash != std::string_view::npos) {
      arm.text = place.substr(slash + 1);
      place = place.substr(0, slash);
    }
    if (const auto at = what.find('@'); at != std::string_view::npos) {
      arm.only = number(what.substr(at + 1));
      what = what.substr(0, at);
    }
    const auto index = index_of(place);
    if (what == "crash") {
      arm.action = Action::crash;
    } else if (what == "error") {
      if (!kNames[index].fails) refuse(std::string(place) + " cannot fail");
      arm.action = Action::error;
    } else if (what == "hold") {
      arm.action = Action::hold;
    } else if (what.starts_with("delay:")) {
      arm.action = Action::delay;
      arm.delay = std::chrono::milliseconds(number(what.substr(6)));
    } else {
      refuse("no such action: " + std::string(what));
    }
    const std::lock_guard lock(mutex_);
    if (arm.action == Action::hold || arm.action == Action::delay) waits_ = true;
    arms_[index].push_back(std::move(arm));
    armed_[index] = true;
  }

  void disarm() {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < kCount; ++i) {
      if (kNames[i].text.starts_with("without_")) continue;
      arms_[i].clear();
      armed_[i] = false;
    }
    waits_ = false;
    let_go();
  }

  void release() {
    const std::lock_guard lock(mutex_);
    let_go();
  }

  void let_go() {
    ++generation_;
    changed_.notify_all();
  }

  std::string obey(std::string_view line) {
    if (line == "disarm") return disarm(), "ok\n";
    if (line == "release") return release(), "ok\n";
    if (line.starts_with("passed ")) {
      const auto index = index_of(line.substr(7));
      const std::lock_guard lock(mutex_);
      return std::to_string(taken_[index]) + "\n";
    }
    arm_all(line);
    return "ok\n";
  }

  // One connection at a time, one line each.
  void listen(const std::string& path) {
    const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path)) refuse("too long for a socket: " + path);
    path.copy(address.sun_path, path.size());
    ::unlink(path.c_str());
    if (listener < 0 || ::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
        ::listen(listener, 8) != 0) {
      refuse("cannot listen on " + path);
    }
    for (;;) {
      const int one = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (one < 0) continue;
      std::string line;
      char byte = 0;
      while (::recv(one, &byte, 1, 0) == 1 && byte != '\n') line.push_back(byte);
      const auto answer = obey(line);
      ::send(one, answer.data(), answer.size(), MSG_NOSIGNAL);
      ::close(one);
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t generation_ = 0;  ///< Of lettings go.
  std::array<std::vector<Arm>, kCount> arms_;
  std::array<std::atomic<bool>, kCount> armed_{};
  std::atomic<bool> waits_{false};
  std::array<std::uint64_t, kCount> taken_{};
};

}  // namespace

bool passes_failpoint(Failpoint point, std::string_view detail) {
  return Failpoints::get().pass(point, detail);
}

bool any_failpoint_armed() {
  return Failpoints::get().any_armed();
}

bool any_failpoint_waits() {
  return Failpoints::get().any_waits();
}

}  // namespace assent::base

#endif
