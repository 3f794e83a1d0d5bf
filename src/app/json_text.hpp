#pragma once

#include <string>

#include "assent/result.hpp"
#include "wire/fields.hpp"
#include "wire/writer.hpp"

namespace assent::app {

/// JSON as the coordinator itself puts it on the wire, without a newline.
template <typename T>
std::string json_of(const T& value) {
  std::string out;
  wire::Writer(out).write(value);
  return out;
}

/// {"error":{"code":...,"message":...,"retryable":...}}
inline std::string json_of_error(const Error& error) {
  std::string out = R"({"error":{"code":")";
  out += to_string(error.code);
  out += R"(","message":)";
  wire::append_json_string(out, error.what);
  out += R"(,"retryable":)";
  out += error.retryable ? "true" : "false";
  return out + "}}";
}

}  // namespace assent::app
