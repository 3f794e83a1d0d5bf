#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/config.hpp"
#include "base/event_loop.hpp"
#include "ports/participant.hpp"

namespace assent::app {

/// The databases of a configuration under the name of one coordinator, for a tool that looks at them, or settles
/// something in them, and does not serve. Nothing is connected before it is asked.
class Databases {
 public:
  Databases() = default;
  ~Databases() { close(); }
  Databases(const Databases&) = delete;
  Databases& operator=(const Databases&) = delete;

  /// Errc::invalid_argument when a password cannot be had.
  Status open(const Config& config, const std::string& coordinator_id);
  void close();

  const std::vector<ports::Participant*>& all() const { return all_; }

 private:
  base::EventLoop loop_;
  std::vector<std::unique_ptr<ports::Participant>> owned_;
  std::vector<ports::Participant*> all_;
};

}  // namespace assent::app
