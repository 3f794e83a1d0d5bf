#pragma once

#include <sys/stat.h>

#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "participant/config.hpp"
#include "support/daemon.hpp"

namespace assent::testing {

/// assentctl with a configuration of one participant, in a folder of its own.
class Ctl {
 public:
  /// `twice`: the same server once more, under its name with `_again` behind it.
  explicit Ctl(const participant::Config& connection, bool twice = false) {
    nlohmann::ordered_json config;
    config["coordinator"]["id"] = connection.coordinator_id;
    config["log"]["directory"] = "log";
    config["participants"][connection.name] = {{"host", connection.host},         {"port", connection.port},
                                               {"user", connection.user},         {"password_file", "password"},
                                               {"database", connection.database}, {"schema", connection.schema}};
    config["participants"][connection.name + "_again"] = config["participants"][connection.name];
    if (!twice) config["participants"].erase(connection.name + "_again");
    std::ofstream(path("password")) << connection.password << '\n';
    ::chmod(path("password").c_str(), 0600);
    std::ofstream(path("assentd.json")) << config;
  }

  struct Ran {
    int code = -1;
    std::string out;  ///< All that it wrote.
  };
  /// Runs these words with --config.
  Ran run(std::vector<std::string> words) {
    words.insert(words.end(), {"--config", path("assentd.json")});
    Program program("assentctl", words, path("output" + std::to_string(++runs_)));
    const int code = program.wait(std::chrono::seconds(60));
    return {code, program.output()};
  }
  std::string path(const std::string& name) const { return folder_.path() + "/" + name; }

 private:
  TempFolder folder_;
  int runs_ = 0;
};

}  // namespace assent::testing
