#pragma once

#include <string>

#include "bench/bench_results.hpp"

/// Results in words, for tables and plots alike.
namespace assent::bench {

/// "clients", "participants", "branches per transaction", "statements per branch"; others as they are.
std::string axis_label(const std::string& axis);

/// "2 × MariaDB 10.11.6, MySQL 9.7.0"
std::string servers_in_words(const Comparison& comparison);

/// "AMD EPYC 7763, 2 cores, 7.8 GiB, Linux 6.1.0, write + fdatasync 850 µs (ext4)"; what is not known is left out.
std::string machine_in_words(const Machine& machine);

/// "workload transfer, 64 clients, ..."; `without` names the axis that is told elsewhere.
std::string options_in_words(const RunOptions& options, const std::string& without);

/// What is wrong with a comparison's sums, or empty. Sums that were not checked are not wrong.
std::string wrong_sums(const Comparison& comparison);

}  // namespace assent::bench
