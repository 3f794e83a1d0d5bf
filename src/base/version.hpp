#pragma once

namespace assent::base {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace assent::base
