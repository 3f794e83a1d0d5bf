#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/bench_raw_driver.hpp"
#include "bench/bench_results.hpp"
#include "bench/bench_servers.hpp"
#include "bench/bench_sql.hpp"
#include "bench/bench_workload.hpp"

namespace assent::bench {

/// Databases of this run alone on the servers, one per participant, which go with it; and what the servers tell of
/// themselves. Its functions throw std::runtime_error when a server does not do its part.
class Testbed {
 public:
  /// Participants are spread over the servers in turn. `tag` tells this run's databases and transactions from others'.
  Testbed(std::vector<Server> servers, Transport transport, unsigned participants, std::string tag);
  ~Testbed();
  Testbed(const Testbed&) = delete;
  Testbed& operator=(const Testbed&) = delete;

  /// By participant.
  const std::vector<Place>& places() const { return places_; }
  std::vector<std::string> databases() const;
  const std::vector<Server>& servers() const { return servers_; }
  std::vector<ServerInfo> infos() const;
  Transport transport() const { return transport_; }
  const std::string& tag() const { return tag_; }
  /// For the tables of coordinators of this run, on every server; goes with the databases.
  std::string coordinator_schema() const { return tag_ + "_own"; }

  /// Makes the databases anew, with what the workload needs.
  void fill(const Workload& workload);
  /// Waits until what a measurement left behind is cleared away (proof and acceptor rows, old row versions, changed
  /// pages), so that each begins alike. What a server does not let this account do, or does not finish in time, is left
  /// out; so is all the rest once `stopped` says so.
  void settle(const std::function<bool()>& stopped);

  /// The workload's sums, and that no branch of this run is left anywhere. Waits a while for the latter.
  Sums check(const Workload& workload);
  /// Branches whose gtrid begins like this are this run's, too.
  void also_check(const std::string& prefix) { prefixes_.push_back(prefix); }
  void run_at(unsigned participant, const std::string& statement);

  /// Syncs of all servers so far, as they count them.
  std::uint64_t syncs();
  std::string syncs_from() const;
  /// Of all servers so far, in microseconds; of those that run elsewhere it is not known, and 0.
  double cpu_us() const;

 private:
  std::vector<std::string> left_branches();
  void roll_back_left();

  std::vector<Server> servers_;
  const Transport transport_;
  const std::string tag_;
  std::vector<std::string> prefixes_;      ///< Of the gtrids of this run.
  std::vector<std::unique_ptr<Sql>> sql_;  ///< By server.
  std::vector<Place> places_;
};

}  // namespace assent::bench
