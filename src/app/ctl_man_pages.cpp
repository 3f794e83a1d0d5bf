#include <filesystem>

#include "app/ctl.hpp"
#include "app/exit_codes.hpp"
#include "app/files.hpp"
#include "app/json_text.hpp"
#include "app/man_pages.hpp"
#include "app/output.hpp"
#include "app/text.hpp"

namespace assent::app {

struct WrittenPages {
  std::vector<std::string> written;  ///< Paths.
};

template <typename Io, wire::Is<WrittenPages> S>
void fields(Io& io, S& s) {
  io.required("written", s.written);
}

namespace {

Status write_page(const std::filesystem::path& path, const ManPage& page) {
  std::error_code failed;
  std::filesystem::create_directories(path.parent_path(), failed);
  if (failed) {
    return Error{Errc::io, printable(path.parent_path().string()) + ": cannot be made: " + failed.message()};
  }
  return write_file_atomically(path.string(), roff_of(page));
}

int ctl_man_pages(const CtlCall& call) {
  WrittenPages all;
  for (const auto& page : man_pages()) {
    const auto path = std::filesystem::path(call.operands[0]) / path_of(page);
    if (auto written = write_page(path, page); !written.ok()) {
      return ctl_failed(call, written.error(), kExitCannotCreate);
    }
    all.written.push_back(path.string());
  }
  if (call.json) return print(json_of(all) + '\n', kExitGood);
  return print(printable(call.operands[0]) + ": " + std::to_string(all.written.size()) + " man pages\n", kExitGood);
}

}  // namespace

std::span<const CtlCommand> page_commands() noexcept {
  // Not listed: the build runs it, and who operates a coordinator finds the pages installed. It is a command as the
  // others all the same, with help and a page of its own, for whoever packages Assent some other way.
  static constexpr CtlCommand kCommands[] = {
      {"man-pages", "DIR", 1, 1, "write the man pages",
       R"help(Writes all man pages of Assent into DIR, which is made if it is not there, as man -M takes them: DIR/man1/assentctl.1
and so on. They are made of the texts that --help prints.

Exit codes: 0 written; 64 wrong usage; 73 a folder or file cannot be made.

Examples:
  assentctl man-pages /usr/local/share/man
  assentctl man-pages man && man -M man assentctl-recover
)help",
       nullptr, ctl_man_pages, false},
  };
  return kCommands;
}

}  // namespace assent::app
