#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace assent::testing {

/// Speaks to the socket of a running assentd-failpoints (src/base/failpoints.hpp says what it takes).
class FailpointSocket {
 public:
  explicit FailpointSocket(std::string path) : path_(std::move(path)) {}

  /// Arms what `words` say, on top of what is armed: `decision_durable=hold`. Throws when nobody listens.
  void arm(const std::string& words) const { say(words); }
  /// Lets go of what is held; what is armed stays so.
  void release() const { say("release"); }
  /// Lets go of what is held, too.
  void disarm() const { say("disarm"); }
  /// How often an armed action was taken at a point; 0 when the process is gone.
  std::uint64_t passed(const std::string& point) const;

 private:
  /// Empty when nobody answers.
  std::string ask(const std::string& line) const;
  void say(const std::string& line) const;

  std::string path_;
};

/// The environment of an assentd-failpoints whose socket is `socket`, with `words` armed from the beginning; and
/// whatever safeguard ASSENT_WITHOUT, of the test's own, takes away from every daemon.
std::map<std::string, std::string> failpoint_environment(const std::string& socket, const std::string& words);

}  // namespace assent::testing
