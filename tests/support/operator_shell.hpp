#pragma once

#include <functional>
#include <map>
#include <string>

#include "support/daemon.hpp"
#include "support/servers.hpp"

namespace assent::testing {

/// A shell in which a test types what an operator would: bash with this build's programs, a site's variables, and a
/// site's own commands, which the test carries out itself.
class OperatorShell {
 public:
  struct Act {
    int code = 0;
    std::string output;
  };

  OperatorShell();

  /// `$name` is this value from now on; exported, so that programs see it as well.
  void set(const std::string& name, const std::string& value) { variables_[name] = value; }
  /// `$name` is a command that has this done, with the words behind it, in the thread that runs the commands, and ends
  /// as it did.
  void set_act(const std::string& name, std::function<Act(const std::string& words)> act);
  /// Options with which `mysql` connects to a server as its administrator.
  std::string client_options(const Server& server) const;

  /// Runs the commands, for a minute at most. Gives all that they printed, on either stream.
  std::string run(const std::string& commands);

 private:
  std::string path(const std::string& name) const { return folder_.path() + "/" + name; }
  void serve_acts();

  TempFolder folder_;
  std::map<std::string, std::string> variables_;
  std::map<std::string, std::function<Act(const std::string&)>> acts_;
};

}  // namespace assent::testing
