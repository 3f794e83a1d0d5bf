#include "app/address.hpp"

#include <charconv>

namespace assent::app {

Result<HostPort> parse_address(std::string_view text) {
  const auto wrong = [&] {
    return Error{Errc::invalid_argument,
                 "the address must be HOST:PORT, as in 127.0.0.1:7411 or [::1]:7411, not '" + std::string(text) + "'"};
  };
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  auto host = text.substr(0, colon);
  const auto digits = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return wrong();
  }
  std::uint16_t port = 0;
  const auto* end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, port);
  if (host.empty() || read.ec != std::errc() || read.ptr != end || port == 0) return wrong();
  return HostPort{std::string(host), port};
}

std::string shown_address(const std::string& host, std::uint16_t port) {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

}  // namespace assent::app
