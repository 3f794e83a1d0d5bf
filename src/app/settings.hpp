#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "app/config.hpp"

namespace assent::app {

/// A text, a whole number, yes or no, or a list of texts.
using SettingValue = std::variant<std::string, std::int64_t, bool, std::vector<std::string>>;

/// Where a setting's value goes: `participant` is null above `participants`.
struct SettingTarget {
  Config& config;
  ParticipantSettings* participant = nullptr;
};

/// One row of the table of settings. Parsing, `assentd --check-config`, `--help-config`, the man page and
/// config/README.md all come from it.
struct Setting {
  enum class Kind : std::uint8_t { text, whole_number, yes_or_no, text_list };  // In the order of SettingValue.

  enum class Letters : std::uint8_t {
    any,
    name,    ///< [a-z0-9] first, then [a-z0-9_-].
    schema,  ///< [a-z0-9_].
  };

  std::string path;  ///< "listen.port"; those of each participant begin with kParticipantPrefix.
  Kind kind = Kind::text;
  std::string unit;                        ///< Of a number.
  std::optional<SettingValue> by_default;  ///< Nothing: it must be given.
  std::int64_t least = 0;                  ///< Of a number; of a text or list, the fewest bytes or items.
  std::int64_t most = 0;
  std::vector<std::string> one_of;  ///< The only texts allowed; empty: any.
  Letters letters = Letters::any;   ///< Of a text.
  std::string sentence;
  std::function<void(SettingTarget, const SettingValue&)> set;  ///< The value is of `kind` and within the bounds.
};

inline constexpr std::string_view kParticipantPrefix = "participants.NAME.";

const std::vector<Setting>& settings();

/// `30000 by default; 1000 to 86400000 ms`.
std::string shown_bounds(const Setting& setting);

/// The table for people at a terminal.
std::string settings_help();
/// The table as it stands in config/README.md.
std::string settings_markdown();

}  // namespace assent::app
