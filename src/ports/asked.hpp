#pragma once

#include <future>
#include <memory>
#include <utility>

namespace assent::ports {

/// What `start` asks for with the Done that it is given, for whoever may wait: `asked<Status>([&](auto done) { ... })`.
template <typename T, typename Start>
std::future<T> asked(Start start) {
  auto answer = std::make_shared<std::promise<T>>();
  auto future = answer->get_future();
  start([answer](T value) { answer->set_value(std::move(value)); });
  return future;
}

}  // namespace assent::ports
