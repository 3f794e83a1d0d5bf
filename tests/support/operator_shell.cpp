#include "support/operator_shell.hpp"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>

namespace assent::testing {
namespace {

using namespace std::chrono_literals;

constexpr auto kCommandsBoundS = 60;

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Never half there.
void write_file(const std::string& path, const std::string& text) {
  std::ofstream(path + ".new", std::ios::binary) << text;
  std::filesystem::rename(path + ".new", path);
}

}  // namespace

OperatorShell::OperatorShell() {
  write_file(path("ask"),
             "cd '" + folder_.path() +
                 "' && name=$1 && shift && echo \"$*\" >\"$name.new\" && mv \"$name.new\" \"$name.asked\"\n"
                 "until [ -e \"$name.done\" ]; do sleep 0.05; done\n"
                 "cat \"$name.done\"; code=$(cat \"$name.code\"); rm \"$name.done\"\n"
                 "exit $code\n");
  set("PATH", std::string(ASSENT_BIN_DIR) + ":" + std::getenv("PATH"));
}

void OperatorShell::set_act(const std::string& name, std::function<Act(const std::string& words)> act) {
  set(name, "bash " + path("ask") + " " + name);
  acts_[name] = std::move(act);
}

std::string OperatorShell::client_options(const Server& server) const {
  const auto file = path(server.name + ".cnf");
  write_file(file, "[client]\nprotocol=tcp\nhost=" + server.host + "\nport=" + std::to_string(server.port) +
                       "\nuser=" + server.admin_user + "\npassword=" + server.admin_password + "\n");
  ::chmod(file.c_str(), 0600);
  return "--defaults-file=" + file;
}

std::string OperatorShell::run(const std::string& commands) {
  std::string script;
  for (const auto& [name, value] : variables_) script += "export " + name + "='" + value + "'\n";
  write_file(path("commands"), script + commands);
  const auto line = "timeout --kill-after=5 " + std::to_string(kCommandsBoundS) + " bash " + path("commands") + " >" +
                    path("output") + " 2>&1 </dev/null";
  const auto running = std::async(std::launch::async, [&line] { return std::system(line.c_str()); });
  while (running.wait_for(10ms) != std::future_status::ready) serve_acts();
  return read_file(path("output"));
}

void OperatorShell::serve_acts() {
  for (const auto& [name, act] : acts_) {
    const auto asked = path(name + ".asked");
    if (!std::filesystem::exists(asked)) continue;
    auto words = read_file(asked);
    words.pop_back();
    std::filesystem::remove(asked);
    const auto [code, output] = act(words);
    write_file(path(name + ".code"), std::to_string(code));
    write_file(path(name + ".done"), output);
  }
}

}  // namespace assent::testing
