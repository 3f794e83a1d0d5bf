#include "bench/bench_idle.hpp"

#include <sys/resource.h>

#include <cstdio>
#include <stdexcept>
#include <vector>

#include "assent/client.hpp"
#include "bench/bench_process.hpp"
#include "bench/bench_targets.hpp"

namespace assent::bench {
namespace {

constexpr double kMemoryMib = 32;
/// Of files, on top of the connections.
constexpr rlim_t kFurtherFiles = 200;

void allow_files(rlim_t wanted) {
  struct rlimit limit {};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted) {
    throw std::runtime_error(
        "this host allows a process fewer open files than there are to be connections (ulimit -n)");
  }
}

}  // namespace

Idle measure_idle(const Options& options, const Site& site) {
  // Before the coordinator is started, which has the same bound.
  allow_files(options.idle_connections + kFurtherFiles);
  Lab lab(options, site);
  const auto* at = lab.coordinator(options.modes.back());
  Idle idle;
  idle.connections = options.idle_connections;
  idle.without_mib = memory_of(at->pid).rss_mib;
  std::vector<Client> clients;
  for (unsigned i = 0; i < idle.connections; ++i) {
    auto client = Client::connect({.host = at->address.host, .port = at->address.port});
    if (!client) throw std::runtime_error(client.error().what);
    const auto info = client->info();
    if (!info) throw std::runtime_error(info.error().what);
    clients.push_back(std::move(*client));
  }
  idle.with_mib = memory_of(at->pid).rss_mib;
  idle.target = at_most("MiB of assentd with " + std::to_string(idle.connections) + " idle connections", kMemoryMib,
                        idle.with_mib);
  return idle;
}

nlohmann::ordered_json to_json(const Idle& idle) {
  return {{"tool", "assent-bench"},
          {"connections", idle.connections},
          {"rss_mib_without", idle.without_mib},
          {"rss_mib_with", idle.with_mib},
          {"targets",
           {{{"name", idle.target.name},
             {"target", idle.target.target},
             {"measured", idle.target.measured},
             {"at_most", true},
             {"held", idle.target.held}}}}};
}

std::string text_of(const Idle& idle) {
  char text[200];
  std::snprintf(
      text, sizeof text,
      "assentd: %.1f MiB without connections, %.1f MiB with %u idle ones, %.1f KiB each\n%s: at most %g MiB\n",
      idle.without_mib, idle.with_mib, idle.connections, (idle.with_mib - idle.without_mib) * 1024 / idle.connections,
      idle.target.held ? "held" : "MISSED", idle.target.target);
  return text;
}

}  // namespace assent::bench
