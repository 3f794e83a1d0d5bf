#include "bench/bench_results.hpp"

namespace assent::bench {
namespace {

using Json = nlohmann::ordered_json;

/// Names each member once, for both directions.
class ToJson {
 public:
  explicit ToJson(Json& into) : into_(into) {}
  template <typename T>
  void operator()(const char* name, const T& value);

 private:
  Json& into_;
};

class FromJson {
 public:
  explicit FromJson(const Json& from) : from_(from) {}
  template <typename T>
  void operator()(const char* name, T& value);

 private:
  const Json& from_;
};

template <typename As, typename T>
void spread_fields(As& as, const std::string& name, const std::string& short_name, T& spread) {
  as(name.c_str(), spread.median);
  as((short_name + "_min").c_str(), spread.min);
  as((short_name + "_max").c_str(), spread.max);
}

// `T` is the struct, const when it is written.
template <typename T, typename Plain>
concept Is = std::same_as<std::remove_const_t<T>, Plain>;

template <typename As, Is<Latency> T>
void fields(As& as, T& latency) {
  as("p50_ms", latency.p50_ms);
  as("p95_ms", latency.p95_ms);
  as("p99_ms", latency.p99_ms);
  as("p999_ms", latency.p999_ms);
  as("max_ms", latency.max_ms);
}

template <typename As, typename T>
void cost_fields(As& as, T& result) {
  as("coordinator_cpu_us_per_tx", result.coordinator_cpu_us_per_tx);
  as("client_cpu_us_per_tx", result.client_cpu_us_per_tx);
  as("server_cpu_us_per_tx", result.server_cpu_us_per_tx);
  as("log_syncs_per_tx", result.log_syncs_per_tx);
  as("server_syncs_per_tx", result.server_syncs_per_tx);
  as("coordinator_rss_mib", result.coordinator_rss_mib);
}

template <typename As, typename T>
void not_committed_fields(As& as, T& result) {
  as("rolled_back", result.rolled_back);
  as("refused", result.refused);
  as("unknown", result.unknown);
  as("torn", result.torn);
}

template <typename As, Is<RoundResult> T>
void fields(As& as, T& round) {
  as("tx_per_s", round.tx_per_s);
  as("ratio_to_raw", round.ratio_to_raw);
  fields(as, round.latency);
  cost_fields(as, round);
  as("committed", round.committed);
  not_committed_fields(as, round);
}

template <typename As, Is<ModeResult> T>
void fields(As& as, T& mode) {
  as("mode", mode.mode);
  spread_fields(as, "tx_per_s", "tx_per_s", mode.tx_per_s);
  spread_fields(as, "ratio_to_raw", "ratio", mode.ratio_to_raw);
  fields(as, mode.latency);
  cost_fields(as, mode);
  as("coordinator_rss_peak_mib", mode.coordinator_rss_peak_mib);
  as("committed", mode.committed);
  not_committed_fields(as, mode);
  as("rounds", mode.rounds);
}

template <typename As, Is<OpenLoopMode> T>
void fields(As& as, T& mode) {
  as("mode", mode.mode);
  as("tx_per_s", mode.tx_per_s);
  as("rate_held", mode.rate_held);
  as("p50_ms", mode.p50_ms);
  as("p99_ms", mode.p99_ms);
  as("p999_ms", mode.p999_ms);
  as("p99_ratio_to_raw", mode.p99_ratio_to_raw);
}

template <typename As, Is<OpenLoopResult> T>
void fields(As& as, T& open) {
  as("rate_tx_per_s", open.rate_tx_per_s);
  as("percent", open.percent);
  as("modes", open.modes);
}

template <typename As, Is<Target> T>
void fields(As& as, T& target) {
  as("name", target.name);
  as("target", target.target);
  as("measured", target.measured);
  as("at_most", target.at_most);
  as("held", target.held);
}

template <typename As, Is<Machine> T>
void fields(As& as, T& machine) {
  as("cpu", machine.cpu);
  as("cores", machine.cores);
  as("memory_mib", machine.memory_mib);
  as("kernel", machine.kernel);
  as("fdatasync_us", machine.fdatasync_us);
  as("filesystem", machine.filesystem);
}

template <typename As, Is<ServerInfo> T>
void fields(As& as, T& server) {
  as("name", server.name);
  as("kind", server.kind);
  as("version", server.version);
}

template <typename As, Is<RunOptions> T>
void fields(As& as, T& options) {
  as("servers", options.servers);
  as("workload", options.workload);
  as("clients", options.clients);
  as("connections", options.connections);
  as("participants", options.participants);
  as("server_count", options.server_count);
  as("touched", options.touched);
  as("statements", options.statements);
  as("accounts", options.accounts);
  as("pairs", options.pairs);
  as("seconds", options.seconds);
  as("warmup_seconds", options.warmup_seconds);
  as("open_loop_percent", options.open_loop_percent);
  as("transport", options.transport);
}

template <typename As, Is<SumCheck> T>
void fields(As& as, T& check) {
  as("name", check.name);
  as("right", check.right);
  as("seen", check.seen);
}

template <typename As, Is<Sums> T>
void fields(As& as, T& sums) {
  as("right", sums.right);
  as("checks", sums.checks);
}

template <typename As, Is<Comparison> T>
void fields(As& as, T& comparison) {
  as("tool", comparison.tool);
  as("version", comparison.version);
  as("machine", comparison.machine);
  as("servers", comparison.servers);
  as("server_syncs_from", comparison.server_syncs_from);
  as("raw_mode", comparison.raw_mode);
  as("options", comparison.options);
  as("modes", comparison.modes);
  as("open_loop", comparison.open_loop);
  as("sums", comparison.sums);
  as("targets", comparison.targets);
}

template <typename As, Is<Sweep> T>
void fields(As& as, T& sweep) {
  as("axis", sweep.axis);
  as("points", sweep.points);
  as("targets", sweep.targets);
}

template <typename T>
concept HasFields = requires(ToJson& as, const T& value) {
  fields(as, value);
};

template <typename T>
Json json_of(const T& value) {
  Json made = Json::object();
  ToJson as(made);
  fields(as, value);
  return made;
}

template <typename T>
void read(const Json& from, T& value) {
  // Throws as a wrong type of any other member does.
  if (!from.is_object()) throw std::invalid_argument("is not an object");
  FromJson as(from);
  fields(as, value);
}

template <typename T>
void ToJson::operator()(const char* name, const T& value) {
  if constexpr (HasFields<T>) {
    into_[name] = json_of(value);
  } else if constexpr (requires { typename T::value_type; } && !std::same_as<T, std::string>) {
    auto& list = into_[name] = Json::array();
    for (const auto& element : value) list.push_back(json_of(element));
  } else {
    into_[name] = value;
  }
}

template <typename T>
void FromJson::operator()(const char* name, T& value) {
  const auto found = from_.find(name);
  if (found == from_.end()) return;
  try {
    if constexpr (HasFields<T>) {
      read(*found, value);
    } else if constexpr (requires { typename T::value_type; } && !std::same_as<T, std::string>) {
      if (!found->is_array()) throw std::invalid_argument("is not an array");
      value.clear();
      for (const auto& element : *found) read(element, value.emplace_back());
    } else {
      value = found->template get<T>();
    }
  } catch (const std::exception& wrong) {
    throw std::invalid_argument(std::string(name) + ": " + wrong.what());
  }
}

template <typename T>
Result<T> from_json_as(const Json& json) {
  T made;
  try {
    read(json, made);
  } catch (const std::exception& wrong) {
    return Error{Errc::invalid_argument, std::string("not a result of assent-bench: ") + wrong.what(), false};
  }
  return made;
}

}  // namespace

const ModeResult* Comparison::mode(const std::string& name) const {
  for (const auto& one : modes) {
    if (one.mode == name) return &one;
  }
  return nullptr;
}

double axis_value(const Sweep& sweep, const Comparison& point) {
  if (sweep.axis == "participants") return point.options.participants;
  if (sweep.axis == "touched") return point.options.touched;
  if (sweep.axis == "statements") return point.options.statements;
  return point.options.clients;
}

Json to_json(const Comparison& comparison) {
  return json_of(comparison);
}
Json to_json(const Sweep& sweep) {
  return json_of(sweep);
}
Result<Comparison> comparison_from_json(const Json& json) {
  return from_json_as<Comparison>(json);
}
Result<Sweep> sweep_from_json(const Json& json) {
  return from_json_as<Sweep>(json);
}

}  // namespace assent::bench
