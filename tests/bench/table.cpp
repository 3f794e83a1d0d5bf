#include "bench/table.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "app/text.hpp"
#include "bench/labels.hpp"
#include "bench/numbers.hpp"

namespace assent::bench {
namespace {

using Row = std::vector<std::string>;

constexpr const char* kNotMeasured = "-";

std::string whole(double value) {
  return present(value) ? shown(value) : kNotMeasured;
}

std::string fixed(double value, int decimals) {
  return present(value) ? fmt::format("{:.{}f}", value, decimals) : kNotMeasured;
}

// For what cannot be 0 when it was measured.
std::string fixed_unless_zero(double value, int decimals) {
  return value == 0 ? kNotMeasured : fixed(value, decimals);
}

std::string bracketed(const std::string& min, const std::string& max) {
  return min == kNotMeasured || max == kNotMeasured ? "" : fmt::format("[{}..{}]", min, max);
}

void add_spreads(Row& row, const ModeResult& mode) {
  row.push_back(whole(mode.tx_per_s.median));
  row.push_back(bracketed(whole(mode.tx_per_s.min), whole(mode.tx_per_s.max)));
  const auto& ratio = mode.ratio_to_raw;
  row.push_back(fixed_unless_zero(ratio.median, 2));
  row.push_back(ratio.median == 0 ? "" : bracketed(fixed(ratio.min, 2), fixed(ratio.max, 2)));
}

// Cells of the columns from `first` on are numbers: moved to the right of their column, except brackets.
std::string columns(std::vector<Row> rows, std::size_t first) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (auto& row : rows) {
    for (std::size_t i = first; i < row.size(); ++i) {
      if (row[i].find('[') == std::string::npos) row[i].insert(0, widths[i] - row[i].size(), ' ');
    }
  }
  return app::aligned(rows);
}

std::string what_was_run(const Comparison& comparison, const std::string& axis) {
  return app::aligned({{"what", options_in_words(comparison.options, axis)},
                       {"servers", servers_in_words(comparison)},
                       {"machine", machine_in_words(comparison.machine)},
                       {"tool", comparison.tool + " " + comparison.version}});
}

std::string speed_table(const Comparison& comparison) {
  std::vector<Row> rows{
      {"mode", "tx/s", "[min..max]", "ratio", "[min..max]", "p50 ms", "p95 ms", "p99 ms", "p99.9 ms", "max ms"}};
  for (const auto& mode : comparison.modes) {
    auto& row = rows.emplace_back(Row{mode.mode});
    add_spreads(row, mode);
    const auto& latency = mode.latency;
    for (const double ms : {latency.p50_ms, latency.p95_ms, latency.p99_ms, latency.p999_ms, latency.max_ms}) {
      row.push_back(fixed_unless_zero(ms, 2));
    }
  }
  auto out = columns(std::move(rows), 1);
  if (!comparison.raw_mode.empty()) {
    out += fmt::format("ratio: to {}, within each round\n", app::printable(comparison.raw_mode));
  }
  return out;
}

// Of the unusual outcomes, those that there were, in words.
std::string unusual_outcomes(const Comparison& comparison) {
  std::string out;
  for (const auto& mode : comparison.modes) {
    std::vector<std::string> counts;
    if (mode.refused > 0) counts.push_back(fmt::format("{} refused", mode.refused));
    if (mode.unknown > 0) counts.push_back(fmt::format("{} of unknown outcome", mode.unknown));
    if (mode.torn > 0) counts.push_back(fmt::format("{} half committed", mode.torn));
    if (!counts.empty()) out += fmt::format("{}: {}\n", app::printable(mode.mode), fmt::join(counts, ", "));
  }
  return out;
}

std::string cost_table(const Comparison& comparison) {
  std::vector<Row> rows{{"cost", "coordinator us/tx", "client us/tx", "servers us/tx", "log syncs/tx",
                         "server syncs/tx", "RSS MiB", "peak MiB", "committed", "rolled back"}};
  for (const auto& mode : comparison.modes) {
    rows.push_back({mode.mode, fixed(mode.coordinator_cpu_us_per_tx, 1), fixed(mode.client_cpu_us_per_tx, 1),
                    fixed(mode.server_cpu_us_per_tx, 1), fixed(mode.log_syncs_per_tx, 3),
                    fixed(mode.server_syncs_per_tx, 2), fixed_unless_zero(mode.coordinator_rss_mib, 1),
                    fixed_unless_zero(mode.coordinator_rss_peak_mib, 1), std::to_string(mode.committed),
                    std::to_string(mode.rolled_back)});
  }
  auto out = columns(std::move(rows), 1) + unusual_outcomes(comparison);
  out += "us/tx: CPU microseconds per committed transaction\n";
  if (!comparison.server_syncs_from.empty()) {
    out += fmt::format("server syncs: {}\n", app::printable(comparison.server_syncs_from));
  }
  return out;
}

std::string open_loop_table(const OpenLoopResult& open_loop) {
  std::vector<Row> rows{{"mode", "tx/s", "p50 ms", "p99 ms", "p99.9 ms", "p99 ratio", "rate"}};
  for (const auto& mode : open_loop.modes) {
    rows.push_back({mode.mode, whole(mode.tx_per_s), fixed_unless_zero(mode.p50_ms, 2),
                    fixed_unless_zero(mode.p99_ms, 2), fixed_unless_zero(mode.p999_ms, 2),
                    fixed_unless_zero(mode.p99_ratio_to_raw, 2), mode.rate_held ? "held" : "NOT HELD"});
  }
  return fmt::format("open loop at {} tx/s ({} % of the best bare client)\n", whole(open_loop.rate_tx_per_s),
                     whole(open_loop.percent)) +
         columns(std::move(rows), 1);
}

Row target_row(const Target& target) {
  return {target.held ? "held" : "MISSED", target.name, whole(target.measured), target.at_most ? "at most" : "at least",
          whole(target.target)};
}

std::string target_table(const std::vector<Target>& targets) {
  std::vector<Row> rows{{"target", "", "measured", "wanted", ""}};
  for (const auto& target : targets) rows.push_back(target_row(target));
  return columns(std::move(rows), 2);
}

std::string sums_line(const Comparison& comparison) {
  if (const auto wrong = wrong_sums(comparison); !wrong.empty()) {
    return "SUMS WRONG: " + app::printable(wrong) + "\n";
  }
  return comparison.sums.checks.empty() ? "sums: not checked\n" : "sums: right\n";
}

Row sweep_row(const std::string& at, const ModeResult& mode) {
  Row row{at, mode.mode};
  add_spreads(row, mode);
  for (const double ms : {mode.latency.p50_ms, mode.latency.p99_ms}) row.push_back(fixed_unless_zero(ms, 2));
  for (const double us : {mode.coordinator_cpu_us_per_tx, mode.client_cpu_us_per_tx, mode.server_cpu_us_per_tx}) {
    row.push_back(fixed(us, 1));
  }
  row.push_back(fixed(mode.log_syncs_per_tx, 3));
  row.push_back(fixed_unless_zero(mode.coordinator_rss_mib, 1));
  return row;
}

}  // namespace

std::string table_of(const Comparison& comparison) {
  auto out = what_was_run(comparison, "") + "\n" + speed_table(comparison) + "\n" + cost_table(comparison) + "\n";
  if (comparison.open_loop.rate_tx_per_s > 0) out += open_loop_table(comparison.open_loop) + "\n";
  out += sums_line(comparison);
  if (!comparison.targets.empty()) out += "\n" + target_table(comparison.targets);
  return out;
}

std::string table_of(const Sweep& sweep) {
  if (sweep.points.empty()) return "Nothing was measured.\n";
  std::vector<Row> rows{{sweep.axis, "mode", "tx/s", "[min..max]", "ratio", "[min..max]", "p50 ms", "p99 ms",
                         "coordinator us/tx", "client us/tx", "servers us/tx", "log syncs/tx", "RSS MiB"}};
  std::string findings;
  for (const auto& point : sweep.points) {
    auto at = whole(axis_value(sweep, point));
    const auto here = fmt::format("{} {}: ", app::printable(sweep.axis), at);
    if (!wrong_sums(point).empty()) findings += here + sums_line(point);
    for (const auto& target : point.targets) {
      if (!target.held) findings += here + app::aligned({target_row(target)});
    }
    for (const auto& mode : point.modes) {
      rows.push_back(sweep_row(at, mode));
      at.clear();  // A point is named once.
    }
    rows.emplace_back();
  }
  rows.pop_back();
  auto out = what_was_run(sweep.points.front(), sweep.axis) + "\n" + columns(std::move(rows), 2) +
             "us/tx: CPU microseconds per committed transaction\n";
  if (!findings.empty()) out += "\n" + findings;
  if (!sweep.targets.empty()) out += "\n" + target_table(sweep.targets);
  return out;
}

}  // namespace assent::bench
