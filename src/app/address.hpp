#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "assent/result.hpp"

namespace assent::app {

inline constexpr const char* kDefaultAddress = "127.0.0.1:7411";

struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};

/// `HOST:PORT`; an IPv6 address stands in brackets, `[::1]:7411`. Errc::invalid_argument says what is wrong.
Result<HostPort> parse_address(std::string_view text);

/// The reverse.
std::string shown_address(const std::string& host, std::uint16_t port);

}  // namespace assent::app
