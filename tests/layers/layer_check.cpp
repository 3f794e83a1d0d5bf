// Checks the #includes of a source tree against a table of its floors (floors.txt says what a table holds).
//
//   layer_check ROOT TABLE
//
// Prints one line per fault and exits 1 when there is any, 2 when the table or the tree cannot be read.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

struct Table {
  std::map<std::string, int> floor_of;                     // By folder: "src/wal".
  std::map<std::string, std::set<std::string>> libraries;  // Folders that may use it, by header prefix: "cppconn/".
  std::set<std::string> standard_only;
  std::map<std::string, std::set<std::string>> without;
};

std::optional<Table> read_table(const fs::path& path) {
  std::ifstream file(path);
  if (!file) {
    std::cerr << path.string() << ": cannot be read\n";
    return std::nullopt;
  }
  Table table;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    std::istringstream words(line);
    std::string kind, first, word;
    if (!(words >> kind) || kind.front() == '#') continue;
    bool read = false;
    if (int floor = 0; kind == "floor" && words >> floor >> word) {
      read = table.floor_of.emplace(word, floor).second;
    } else if ((kind == "library" || kind == "without") && words >> first) {
      auto& set = kind == "library" ? table.libraries[first] : table.without[first];
      while (words >> word) read = set.insert(word).second;
    } else if (kind == "standard") {
      while (words >> word) read = table.standard_only.insert(word).second;
    }
    if (!read) {
      std::cerr << path.string() << ':' << number << ": not a row of the table, or there twice: " << line << '\n';
      return std::nullopt;
    }
  }
  return table;
}

// The folder that a header's name points into, whether the table knows it or not; nothing for other people's headers.
std::optional<std::string> folder_of_header(const Table& table, const std::string& header, bool quoted) {
  const auto folder = fs::path(header).parent_path().generic_string();
  const auto ours = (folder == "assent" || folder.starts_with("assent/") ? "include/" : "src/") + folder;
  if (quoted || table.floor_of.contains(ours)) return ours;
  return std::nullopt;
}

bool is_standard(const std::string& header) {
  return header.find_first_of("./") == std::string::npos;
}

// What is wrong with this include, or an empty text.
std::string fault_of(const Table& table, const std::string& folder, const std::string& header, bool quoted) {
  if (const auto target = folder_of_header(table, header, quoted)) {
    const auto here = table.floor_of.at(folder);
    const auto there = table.floor_of.find(*target);
    if (there == table.floor_of.end()) return "includes a folder that is on no floor (" + header + ")";
    if (*target == folder) return "";
    if (there->second > here) {
      return "floor " + std::to_string(here) + " includes floor " + std::to_string(there->second) + " (" + header + ")";
    }
    if (there->second == here) {
      return folder + " includes its neighbour on floor " + std::to_string(here) + " (" + header + ")";
    }
    return "";
  }
  for (const auto& [prefix, folders] : table.libraries) {
    if (header.starts_with(prefix) && !folders.contains(folder)) {
      return folder + " may not use " + prefix + "* (" + header + ")";
    }
  }
  if (table.standard_only.contains(folder) && !is_standard(header)) {
    return folder + " may use the standard library only (" + header + ")";
  }
  if (const auto row = table.without.find(folder); row != table.without.end() && row->second.contains(header)) {
    return folder + " does without <" + header + ">";
  }
  return "";
}

int check_file(const Table& table, const fs::path& root, const fs::path& path) {
  static const std::regex kInclude(R"re(^\s*#\s*include\b\s*(.*))re");
  static const std::regex kName(R"re(^(<([^>]+)>|"([^"]+)").*)re");
  const auto shown = path.lexically_relative(root).generic_string();
  const auto folder = path.parent_path().lexically_relative(root).generic_string();
  if (!table.floor_of.contains(folder)) {
    std::cout << shown << ": " << folder << " is on no floor\n";
    return 1;
  }
  std::ifstream file(path);
  std::string line;
  int faults = 0;
  for (int number = 1; std::getline(file, line); ++number) {
    std::smatch include, name;
    if (!std::regex_match(line, include, kInclude)) continue;
    const std::string operand = include[1];
    std::string fault = "an include that names no header cannot be checked";
    if (std::regex_match(operand, name, kName)) {
      const bool quoted = name[3].matched;
      fault = fault_of(table, folder, quoted ? name[3] : name[2], quoted);
    }
    if (fault.empty()) continue;
    std::cout << shown << ':' << number << ": " << fault << '\n';
    ++faults;
  }
  return faults;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: layer_check ROOT TABLE\n";
    return 2;
  }
  const fs::path root = argv[1];
  const auto table = read_table(argv[2]);
  if (!table) return 2;

  static const std::set<std::string> kSources{".cpp", ".hpp", ".cc", ".hh", ".h", ".c", ".cxx", ".ipp", ".inl"};
  std::vector<fs::path> sources;
  for (const auto* top : {"include", "src"}) {
    std::error_code error;
    for (fs::recursive_directory_iterator it(root / top, error), end; it != end; it.increment(error)) {
      if (it->is_regular_file() && kSources.contains(it->path().extension())) sources.push_back(it->path());
    }
    if (error) {
      std::cerr << (root / top).string() << ": " << error.message() << '\n';
      return 2;
    }
  }
  std::sort(sources.begin(), sources.end());
  int faults = 0;
  for (const auto& path : sources) faults += check_file(*table, root, path);
  if (sources.empty()) std::cerr << root.string() << ": no sources found\n";
  return sources.empty() ? 2 : faults > 0 ? 1 : 0;
}
