#include "bench/labels.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "bench/numbers.hpp"

namespace assent::bench {
namespace {

void add(std::string& list, const std::string& what) {
  if (!what.empty()) list += (list.empty() ? "" : ", ") + what;
}

std::string count(unsigned n, const char* one, const char* many) {
  return fmt::format("{} {}", shown(n), n == 1 ? one : many);
}

std::string kind_in_words(const std::string& kind) {
  if (kind == "mariadb") return "MariaDB";
  return kind == "mysql" ? "MySQL" : kind;
}

}  // namespace

std::string axis_label(const std::string& axis) {
  if (axis == "touched") return "branches per transaction";
  if (axis == "statements") return "statements per branch";
  return axis;
}

std::string servers_in_words(const Comparison& comparison) {
  std::vector<std::pair<std::string, int>> kinds;
  for (const auto& server : comparison.servers) {
    const auto name = kind_in_words(server.kind) + (server.version.empty() ? "" : " " + server.version);
    const auto known = std::find_if(kinds.begin(), kinds.end(), [&](const auto& kind) { return kind.first == name; });
    if (known == kinds.end()) {
      kinds.emplace_back(name, 1);
    } else {
      ++known->second;
    }
  }
  std::string out;
  for (const auto& [name, times] : kinds) add(out, times > 1 ? fmt::format("{} × {}", times, name) : name);
  return out;
}

std::string machine_in_words(const Machine& machine) {
  auto out = machine.cpu;
  if (machine.cores > 0) add(out, count(machine.cores, "core", "cores"));
  if (machine.memory_mib > 0) add(out, fmt::format("{:.1f} GiB", static_cast<double>(machine.memory_mib) / 1024));
  add(out, machine.kernel);
  const auto filesystem = machine.filesystem.empty() ? "" : fmt::format(" ({})", machine.filesystem);
  if (present(machine.fdatasync_us) && machine.fdatasync_us > 0) {
    add(out, fmt::format("write + fdatasync {} µs{}", shown(machine.fdatasync_us), filesystem));
  }
  return out;
}

std::string options_in_words(const RunOptions& options, const std::string& without) {
  std::string out = "workload " + options.workload;
  const auto unless = [&](const char* axis, const std::string& what) {
    if (without != axis) add(out, what);
  };
  unless("clients", count(options.clients, "client", "clients"));
  if (options.connections > 0) add(out, count(options.connections, "connection", "connections"));
  unless("participants", count(options.participants, "participant", "participants"));
  add(out, "on " + count(options.server_count, "server", "servers") + " over " + options.transport);
  unless("touched", count(options.touched, "branch", "branches") + " per transaction");
  unless("statements", count(options.statements, "statement", "statements") + " per branch");
  add(out, count(options.accounts, "row", "rows") + " per participant");
  add(out,
      fmt::format("{} of {} s per mode, in turn", count(options.pairs, "round", "rounds"), shown(options.seconds)));
  return out;
}

std::string wrong_sums(const Comparison& comparison) {
  if (comparison.sums.right || comparison.sums.checks.empty()) return "";
  std::string out;
  for (const auto& check : comparison.sums.checks) {
    if (!check.right) add(out, check.name + ": " + check.seen);
  }
  return out.empty() ? "not right" : out;
}

}  // namespace assent::bench
