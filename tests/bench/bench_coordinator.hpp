#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "bench/bench_assent_driver.hpp"
#include "bench/bench_testbed.hpp"

namespace assent::bench {

/// "p1" and so on: what a coordinator of this tool calls its participants.
std::vector<std::string> participant_names(std::size_t count);

/// A coordinator of this run's own, in a folder of its own. Stopped with its owner, and with this process.
class Coordinator {
 public:
  struct Options {
    std::string program;  ///< Path of assentd.
    std::string folder;   ///< New; holds the configuration and the log.
    std::string id;
    std::string schema;  ///< Of its own tables at the participants.
    bool proof_rows = true;
    Transport transport = Transport::tcp;
    std::string config_json;       ///< More members for the top level, merged over ours; may be empty.
    std::string participant_json;  ///< The same for each participant.
  };
  /// Starts it, and waits until all its participants are up. Throws std::runtime_error when that does not come.
  Coordinator(const Options& options, const std::vector<Place>& places);
  ~Coordinator();
  Coordinator(const Coordinator&) = delete;
  Coordinator& operator=(const Coordinator&) = delete;

  const Address& address() const { return address_; }
  pid_t pid() const { return pid_; }

 private:
  void launch(const std::string& program);
  void wait_until_ready();
  std::string output() const;
  void stop();

  const std::string folder_;
  Address address_;
  pid_t pid_ = -1;
};

/// The counters of server.info. Throws std::runtime_error when the coordinator does not answer.
std::map<std::string, std::uint64_t> counters_of(const Address& coordinator);
std::string coordinator_id(const Address& coordinator);
/// Throws also when the coordinator does not know one of `names`.
void wait_participants_up(const Address& coordinator, const std::vector<std::string>& names);

}  // namespace assent::bench
