#include "app/audit.hpp"

#include <fcntl.h>
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <nlohmann/json.hpp>

#include "app/files.hpp"
#include "base/clock.hpp"

namespace assent::app {

std::string operator_name() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  const auto* entry = ::getpwuid(::geteuid());
  const std::string account = entry != nullptr ? entry->pw_name : "uid " + std::to_string(::geteuid());
  const char* sudo = std::getenv("SUDO_USER");
  const auto process = "pid " + std::to_string(::getpid());
  const bool other = sudo != nullptr && account != sudo;
  return (other ? std::string(sudo) + " (" + account + ", " : account + " (") + process + ") on " + host.data();
}

namespace {

using Json = nlohmann::ordered_json;

// What a server says need not be UTF-8.
std::string line_of(const Json& fields) {
  return fields.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace

Status Audit::write(const std::vector<AuditedAct>& acts, const std::string& state) const {
  if (acts.empty()) return Ok{};
  std::string lines;
  const auto who = operator_name();
  const auto when = base::utc_text(base::wall_clock_ms());
  for (const auto& act : acts) {
    Json line{{"at", when}, {"who", who}, {"act", act.act}, {"state", state}, {"gtrid", act.gtrid}};
    if (act.branch != 0) line["branch"] = act.branch;
    if (!act.participant.empty()) line["participant"] = act.participant;
    line["why"] = act.why;
    lines += line_of(line);
  }
  return append_to_file(path_, lines);
}

Status Audit::write(const std::vector<ports::OperatorAct>& acts) const {
  if (acts.empty()) return Ok{};
  std::string lines;
  for (const auto& act : acts) {
    Json line{{"at", base::utc_text(act.done_at_ms)}, {"who", act.who}, {"act", act.act}, {"state", "asked"}};
    // Not of the log as a whole.
    if (!act.gtrid.empty()) line["gtrid"] = act.gtrid;
    if (act.branch != 0) line["branch"] = act.branch;
    line["why"] = act.why;
    lines += line_of(line);
  }
  return append_to_file(path_, lines);
}

}  // namespace assent::app
