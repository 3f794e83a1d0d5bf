#pragma once

#include <array>
#include <cstdint>
#include <fstream>
#include <mutex>
#include <string>
#include <vector>

namespace assent::testing {

/// What a client was told of one transfer.
struct Told {
  enum class Outcome : std::uint8_t {
    unknown,  ///< The answer was lost, or said so.
    never_run,
    rolled_back,
    committed,
  };
  std::uint64_t id = 0;  ///< 0: nothing was told.
  int from = 0;
  int to = 0;
  std::int64_t amount = 0;
  Outcome outcome = Outcome::unknown;
  bool settled = false;
  std::string gtrid;  ///< Empty when no answer named it.
};
constexpr std::array kTold = {"unknown", "never_run", "rolled_back", "committed"};
constexpr const char* to_string(Told::Outcome outcome) {
  return kTold[static_cast<std::size_t>(outcome)];
}

/// What all clients were told, kept where no crash of a coordinator or server reaches it. Thread safe.
class Record {
 public:
  using Counts = std::array<std::uint64_t, kTold.size()>;  ///< By outcome.

  /// With a `path`, each telling is also appended to that file, as a line of JSON. Throws when it cannot be opened.
  explicit Record(const std::string& path = "");

  /// `how`: where the telling came from, for people who read the file. One that is told again must not change its mind:
  /// only what was unknown may turn into something else.
  void tell(Told told, const std::string& how);

  /// Each transfer once, with the last that was told of it, by id.
  std::vector<Told> all() const;
  Counts counts() const;
  /// How many were unknown when they were first told.
  std::uint64_t ever_unknown() const;
  /// Tellings that contradicted an earlier one, in words.
  std::vector<std::string> contradictions() const;

 private:
  mutable std::mutex mutex_;
  std::vector<Told> told_;  ///< By id, which is dense.
  Counts counts_{};
  std::uint64_t ever_unknown_ = 0;
  std::vector<std::string> contradictions_;
  std::ofstream file_;
};

}  // namespace assent::testing
