#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "assent/result.hpp"
#include "ports/participant.hpp"

namespace assent::coordinator {

/// Asks all participants at the same time, for a caller that may block. A participant that takes too long counts as
/// unreachable. It is not asked again while it owes kOwedMax answers, so that nothing piles up at a server that hangs.
/// Thread safe.
class Asker {
 public:
  /// As long as a server's slowest honest answer takes, and more.
  static constexpr std::chrono::milliseconds kAnswerMax{10'000};

  explicit Asker(std::vector<ports::Participant*> participants)
      : participants_(std::move(participants)), owing_(std::make_shared<Owing>()) {}

  const std::vector<ports::Participant*>& participants() const { return participants_; }

  /// `start(participant, done)` asks one. Those in `without` are not asked.
  template <typename T, typename Start>
  std::map<std::string, Result<T>> ask(const std::map<std::string, std::string>& without, Start start) const {
    struct Answers {
      std::mutex mutex;
      std::condition_variable wake;
      std::map<std::string, Result<T>> given;
    };
    const auto answers = std::make_shared<Answers>();
    std::set<std::string> asked;
    std::map<std::string, Result<T>> all;
    for (auto* participant : participants_) {
      const auto& name = participant->name();
      if (without.contains(name)) continue;
      if (!owing_->begin(name)) {
        all.emplace(name, Error{Errc::unavailable, "participant '" + name + "' has not answered yet", true});
        continue;
      }
      asked.insert(name);
      start(*participant, [answers, owing = owing_, name](Result<T> answer) {
        owing->end(name);
        const std::lock_guard lock(answers->mutex);
        answers->given.emplace(name, std::move(answer));
        answers->wake.notify_one();
      });
    }
    std::unique_lock lock(answers->mutex);
    answers->wake.wait_for(lock, kAnswerMax, [&] { return answers->given.size() == asked.size(); });
    for (const auto& name : asked) {
      const auto found = answers->given.find(name);
      if (found != answers->given.end()) {
        all.emplace(name, found->second);
      } else {
        all.emplace(name, Error{Errc::unavailable,
                                "participant '" + name + "' did not answer within " +
                                    std::to_string(kAnswerMax.count()) + " ms",
                                true});
      }
    }
    return all;
  }

 private:
  /// Who still owes an answer.
  struct Owing {
    std::mutex mutex;
    std::map<std::string, std::size_t> count;
    bool begin(const std::string& name) {
      const std::lock_guard lock(mutex);
      if (count[name] >= kOwedMax) return false;
      ++count[name];
      return true;
    }
    void end(const std::string& name) {
      const std::lock_guard lock(mutex);
      --count[name];
    }
  };
  static constexpr std::size_t kOwedMax = 8;

  const std::vector<ports::Participant*> participants_;
  const std::shared_ptr<Owing> owing_;
};

}  // namespace assent::coordinator
