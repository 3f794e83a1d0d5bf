#pragma once

#include "participant/config.hpp"
#include "participant/session.hpp"

namespace assent::participant {

/// A session for Assent's own work at a participant, over Connector/C++, whose exceptions end there. Connects, within
/// the connect timeout, and sets the session up. The calling thread needs a ConnectorThread, then and as long as it
/// uses the session.
Session::Opened open_control_session(const Config& config);

/// Every thread that uses such sessions holds one of these for as long as it does.
class ConnectorThread {
 public:
  ConnectorThread();
  ~ConnectorThread();
  ConnectorThread(const ConnectorThread&) = delete;
  ConnectorThread& operator=(const ConnectorThread&) = delete;
};

}  // namespace assent::participant
