#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/coordinator.hpp"
#include "participant/config.hpp"
#include "server/server.hpp"
#include "wal/log.hpp"

namespace assent::app {

inline constexpr std::size_t kConfigBytesMax = 1 << 20;
inline constexpr std::size_t kParticipantsMax = 256;
inline constexpr std::size_t kPasswordBytesMax = 4096;

struct ParticipantSettings {
  participant::Config connection;  ///< Without its password: read_password() gets that.
  std::string password_env;        ///< The name of an environment variable, or empty.
  std::string password_file;       ///< A path, or empty.
  bool witness = false;
};

/// The configuration of a coordinator. Holds no secret: those are read by read_password(), where they are needed.
struct Config {
  server::Options listen;
  wal::Options log;
  std::string log_level;
  std::string audit_file;  ///< What operators did is written there.
  coordinator::Settings coordinator;
  std::vector<ParticipantSettings> participants;  ///< By name.
  std::vector<std::string> adopt;                 ///< Identities of other coordinators.
  std::chrono::milliseconds adopt_after{0};
};

/// A configuration, or all that is wrong with it: one line each, beginning with the path of the key,
/// `participants.stock.sessions_max: 0 is below the minimum, 1`. Texts of the file are never quoted, since a password
/// may have got among them.
struct LoadedConfig {
  Config config;  ///< Only to be used when there are no problems.
  std::vector<std::string> problems;
  bool ok() const { return problems.empty(); }
};

/// Reads JSON with comments. Settings that are not there get their defaults. Pure.
LoadedConfig parse_config(std::string_view text);

/// The same from a file. Relative paths in it are taken from the folder that it stands in.
LoadedConfig load_config(const std::string& path);

/// The participant's password, or empty when none is configured. Errc::invalid_argument says which setting is wrong and
/// how to mend it, and never what was read.
Result<std::string> read_password(const ParticipantSettings& participant);

}  // namespace assent::app
