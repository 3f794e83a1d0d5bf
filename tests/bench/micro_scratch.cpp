#include "micro_scratch.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "micro_options.hpp"

namespace assent::bench {

MicroOptions& micro_options() {
  static MicroOptions options;
  return options;
}

void give_up(const std::string& doing) {
  const std::string why = std::generic_category().message(errno);
  std::fprintf(stderr, "micro_bench: %s: %s\n", doing.c_str(), why.c_str());
  std::exit(2);
}

Scratch::Scratch() : path_(micro_options().directory + "/assent-micro-XXXXXX") {
  if (::mkdtemp(path_.data()) == nullptr) give_up("cannot make a directory in " + micro_options().directory);
}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace assent::bench
