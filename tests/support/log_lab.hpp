#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/crash.hpp"

namespace assent::testing {

/// What a folder holds, file by file; nothing when it is not there. A link is where it leads.
using Contents = std::optional<std::map<std::string, std::string>>;
Contents contents_of(const std::string& folder);

/// A coordinator, others that come with its identity, and what monitoring asks of any of them.
class LogLab : public CrashTest {
 protected:
  static constexpr std::int64_t kAmount = 7;

  // What the programs exit with.
  static constexpr int kGood = 0;
  static constexpr int kNotSettled = 2;
  static constexpr int kBadInput = 65;
  static constexpr int kUnavailable = 69;
  static constexpr int kInternal = 70;
  static constexpr int kBadConfig = 78;

  struct Ran {
    int code = -1;
    std::string output;
  };
  static Ran ctl(const std::vector<std::string>& words, const std::map<std::string, std::string>& environment = {});
  /// Asks a running coordinator.
  static Ran ask(const Daemon& daemon, std::vector<std::string> words);
  /// Asks about a coordinator by its configuration.
  static Ran offline(const Daemon& daemon, std::vector<std::string> words);

  /// One more with the same identity over the same databases, in a folder of its own; without a log, and without
  /// failpoints armed.
  std::unique_ptr<Daemon> another() const;
  /// `to` gets a copy of the log of `from` as it is now, whether that runs or not.
  static void copy_log(const Daemon& from, const Daemon& to);

  /// Who owns the test's coordinator at each participant: its log, epoch, host and instance.
  std::vector<std::string> owners();

  /// Starts it. True when it serves, which it then goes on doing.
  static bool serves(Daemon& daemon);
  /// Starts it: it must end with this code, having said all of this, and leave nothing behind: not in its folder, and
  /// not at the participants.
  void expect_refused(Daemon& daemon, int code, const std::vector<std::string>& sentences);
  /// What a refusal says of an owner that lives.
  static std::vector<std::string> stop_the_other();
  /// What a refusal says of an owner that is gone with its log.
  static std::vector<std::string> put_back_or_lost();

  /// A transfer of kAmount from account 1 to account 2.
  static Transaction order(const std::string& key);
  /// Runs such a transfer: told as committed while one of its commits is still on its way, and stays so until the
  /// failpoints are disarmed.
  void commit_halfway(const std::string& key);
  /// What the daemon says of the key, and says again when the order is sent again.
  void expect_known(Daemon& daemon, const std::string& key);
  /// All is settled at both, and `orders` of these transfers have been made.
  void expect_paid(int orders);

  /// Exit codes of what monitoring asks, each by its name.
  static std::map<std::string, int> monitored(const Daemon& daemon);
  static std::string host_name();
};

}  // namespace assent::testing
