#pragma once

#include <string>

namespace assent::bench {

/// A directory of its own under MicroOptions::directory, gone with the object. A file system that takes none ends the
/// program: nothing can be measured then.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Prints `doing` with errno's text and ends the program.
[[noreturn]] void give_up(const std::string& doing);

}  // namespace assent::bench
