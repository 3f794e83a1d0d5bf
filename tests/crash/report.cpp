#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <nlohmann/json.hpp>

namespace assent::testing {
namespace {

struct Spread {
  std::size_t count = 0;
  std::int64_t p50 = 0;
  std::int64_t p99 = 0;
  std::int64_t max = 0;
};

Spread spread_of(std::vector<std::int64_t> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  // The least value that is not below so much of all.
  const auto at = [&](double part) {
    const auto rank = static_cast<std::size_t>(std::ceil(part * static_cast<double>(values.size())));
    return values[std::max<std::size_t>(rank, 1) - 1];
  };
  return {values.size(), at(0.5), at(0.99), values.back()};
}

Spread all_of(const SoakReport& report) {
  std::vector<std::int64_t> all;
  for (const auto& [victim, values] : report.settle_ms) all.insert(all.end(), values.begin(), values.end());
  return spread_of(std::move(all));
}

template <typename... Values>
std::string formatted(const char* format, Values... values) {
  std::string text(256, '\0');
  const int length = std::snprintf(text.data(), text.size(), format, values...);
  text.resize(static_cast<std::size_t>(std::max(length, 0)));
  return text;
}

std::string row(const char* name, const Spread& spread) {
  return formatted("  %-24s %6zu %8lld %8lld %8lld\n", name, spread.count, static_cast<long long>(spread.p50),
                   static_cast<long long>(spread.p99), static_cast<long long>(spread.max));
}

nlohmann::ordered_json as_json(const Spread& spread) {
  return {{"count", spread.count}, {"p50", spread.p50}, {"p99", spread.p99}, {"max", spread.max}};
}

}  // namespace

std::string report_text(const SoakOptions& options, const RunLabels& labels, const SoakReport& report) {
  int kills = 0;
  for (const auto& [victim, count] : report.kills) kills += count;
  auto text = formatted("%d of %d kills in %.0f s, servers: %s, kill: %s, seed %llu%s\n\n", kills, options.kills,
                        report.seconds, labels.servers.c_str(), labels.kill.c_str(),
                        static_cast<unsigned long long>(options.seed), report.interrupted ? ", interrupted" : "");
  text += "settled, ms                 kills      p50      p99      max\n";
  for (const auto& [victim, values] : report.settle_ms) text += row(to_string(victim), spread_of(values));
  text += row("all", all_of(report));
  if (options.three_phase)
    text += formatted("  in three phases; %d of the coordinators lost their log\n", report.logs_lost);
  text += formatted("  %d kills left transactions in doubt, %llu in all\n\ntransfers\n", report.kills_leaving_doubt,
                    static_cast<unsigned long long>(report.left_in_doubt));
  for (std::size_t i = report.transfers.size(); i-- > 0;) {
    text += formatted("  %-24s %12llu\n", kTold[i], static_cast<unsigned long long>(report.transfers[i]));
  }
  text += formatted("  of the unknown: %llu had committed, %llu had rolled back (%llu answers were lost at first)\n\n",
                    static_cast<unsigned long long>(report.unknown_committed),
                    static_cast<unsigned long long>(report.unknown_rolled_back),
                    static_cast<unsigned long long>(report.ever_unknown));
  for (const auto& problem : report.problems) text += "PROBLEM: " + problem + "\n";
  text += report.problems.empty() ? "all held\n" : "NOT all held; what there is to look at is in " + labels.kept + "\n";
  return text;
}

std::string report_json(const SoakOptions& options, const RunLabels& labels, const SoakReport& report) {
  int kills = 0;
  nlohmann::ordered_json by_kind = nlohmann::ordered_json::object();
  for (const auto& [victim, count] : report.kills) {
    by_kind[to_string(victim)] = count;
    kills += count;
  }
  nlohmann::ordered_json transfers;
  for (std::size_t i = report.transfers.size(); i-- > 0;) transfers[kTold[i]] = report.transfers[i];
  auto settle = as_json(all_of(report));
  settle["bound"] = options.settle_bound.count();
  for (const auto& [victim, values] : report.settle_ms)
    settle["by_kind"][to_string(victim)] = as_json(spread_of(values));
  nlohmann::ordered_json json = {
      {"servers", labels.servers},
      {"kill", labels.kill},
      {"protocol", options.three_phase ? "3pc" : "2pc"},
      {"logs_lost", report.logs_lost},
      {"seed", options.seed},
      {"clients", options.clients},
      {"seconds", report.seconds},
      {"kills", kills},
      {"kills_by_kind", std::move(by_kind)},
      {"in_doubt", {{"kills", report.kills_leaving_doubt}, {"transactions", report.left_in_doubt}}},
      {"transfers", std::move(transfers)},
      {"unknown",
       {{"at_first", report.ever_unknown},
        {"committed", report.unknown_committed},
        {"rolled_back", report.unknown_rolled_back}}},
      {"settle_ms", std::move(settle)},
      {"problems", report.problems},
      {"interrupted", report.interrupted},
      {"kept", labels.kept},
      {"held", report.problems.empty()},
  };
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace assent::testing
