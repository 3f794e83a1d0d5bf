#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench/bench_coordinator.hpp"
#include "bench/bench_options.hpp"
#include "bench/bench_round.hpp"
#include "bench/bench_servers.hpp"
#include "bench/bench_testbed.hpp"
#include "support/daemon.hpp"

namespace assent::bench {

/// The servers of a run, given or our own, and a folder. Throws std::runtime_error when they cannot be had.
class Site {
 public:
  /// `clients` and `participants`: the most that will be run.
  Site(const Options& options, unsigned clients, unsigned participants);

  const std::vector<Server>& servers() const { return servers_; }
  const std::string& folder() const { return folder_; }
  /// As it was before anything was started here.
  const Machine& machine() const { return machine_; }

 private:
  std::unique_ptr<testing::TempFolder> temporary_;
  std::string folder_;
  Machine machine_;
  std::unique_ptr<OwnServers> own_;
  std::vector<Server> servers_;
};

/// Databases, workload and coordinators for one set of RunOptions, on a site's servers.
class Lab {
 public:
  Lab(const Options& options, const Site& site);

  Testbed& testbed() { return testbed_; }
  Workload& workload() { return *workload_; }
  /// The coordinator for a mode, started when it is asked for first; null for the others.
  const CoordinatorPlace* coordinator(const std::string& mode);

 private:
  const Options& options_;
  const std::string folder_;
  Testbed testbed_;
  std::unique_ptr<Workload> workload_;
  std::vector<std::unique_ptr<Coordinator>> own_;
  std::map<std::string, CoordinatorPlace> coordinators_;
};

}  // namespace assent::bench
