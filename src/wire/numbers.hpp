#pragma once

#include <array>

#include "assent/result.hpp"

namespace assent::wire {

// Numbers of JSON-RPC errors. The first five are JSON-RPC 2.0's own.

inline constexpr int kParseError = -32700;
inline constexpr int kInvalidRequest = -32600;
inline constexpr int kMethodNotFound = -32601;
inline constexpr int kInvalidParams = -32602;
inline constexpr int kInternalError = -32603;

struct ErrorNumber {
  Errc code;
  int number;
};

/// One number per code that a client can react to. What is not listed is an internal error to a client, by number and
/// by name.
inline constexpr std::array kErrorNumbers{
    ErrorNumber{Errc::invalid_argument, kInvalidParams},
    ErrorNumber{Errc::internal, kInternalError},
    ErrorNumber{Errc::overloaded, -32000},
    ErrorNumber{Errc::unavailable, -32001},
    ErrorNumber{Errc::shutting_down, -32002},
    ErrorNumber{Errc::not_found, -32003},
    ErrorNumber{Errc::conflict, -32004},
    ErrorNumber{Errc::timed_out, -32005},
    ErrorNumber{Errc::refused, -32006},
    ErrorNumber{Errc::log_full, -32007},
    ErrorNumber{Errc::log_indeterminate, -32008},
};

}  // namespace assent::wire
