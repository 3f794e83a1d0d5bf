#include "app/config.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <set>
#include <sstream>

#include <nlohmann/json.hpp>

#include "app/files.hpp"
#include "app/settings.hpp"
#include "app/text.hpp"
#include "protocol/xid.hpp"

namespace assent::app {
namespace {

using Json = nlohmann::json;
using Problems = std::vector<std::string>;

constexpr std::string_view kParticipants = "participants";
constexpr std::size_t kNestingMax = 16;
constexpr std::uint64_t kSegmentPageBytes = 4096;

// Watches the parser go by for what a finished JSON value no longer shows, a key given twice, and for nesting.
class KeyWatch {
 public:
  explicit KeyWatch(Problems& problems) : problems_(problems) {}

  bool operator()(int, Json::parse_event_t event, Json& parsed) {
    switch (event) {
      case Json::parse_event_t::object_start:
      case Json::parse_event_t::array_start: open_.emplace_back(); break;
      case Json::parse_event_t::object_end:
      case Json::parse_event_t::array_end: open_.pop_back(); break;
      case Json::parse_event_t::key: {
        auto& here = open_.back();
        here.last = parsed.get<std::string>();
        if (!here.seen.insert(here.last).second) problems_.push_back(path() + ": this key is given twice");
        break;
      }
      case Json::parse_event_t::value: break;
    }
    // What lies deeper is dropped; no setting is that deep, so its key is refused as unknown.
    return open_.size() <= kNestingMax;
  }

 private:
  struct Level {
    std::set<std::string> seen;
    std::string last;
  };
  std::string path() const {
    std::string out;
    for (const auto& level : open_) out += (out.empty() ? "" : ".") + printable(level.last);
    return out;
  }
  Problems& problems_;
  std::vector<Level> open_;
};

const char* kind_of(const Json& value) {
  switch (value.type()) {
    case Json::value_t::object: return "an object";
    case Json::value_t::array: return "a list";
    case Json::value_t::string: return "a text";
    case Json::value_t::boolean: return "true or false";
    case Json::value_t::null: return "null";
    case Json::value_t::number_float: return "not a whole number";
    default: return "a number";
  }
}

std::string bound_text(const Setting& setting) {
  return setting.unit.empty() ? "" : " " + setting.unit;
}

// The rule that the text breaks, or null.
const char* broken_spelling(const Setting& setting, const std::string& text) {
  switch (setting.letters) {
    case Setting::Letters::any: break;
    case Setting::Letters::name:
      if (protocol::valid_name(text, static_cast<std::size_t>(setting.most))) break;
      return "must begin with one of a-z or 0-9, and go on with a-z, 0-9, _ or -";
    case Setting::Letters::schema:
      if (text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos) break;
      return "must consist of a-z, 0-9 and _";
  }
  return nullptr;
}

// A value of the setting's kind and within its bounds, or what is wrong with it. Texts are not quoted in that.
Result<SettingValue> read_value(const Setting& setting, const Json& value) {
  const auto wrong = [](std::string what) { return Error{Errc::invalid_argument, std::move(what)}; };
  switch (setting.kind) {
    case Setting::Kind::whole_number: {
      if (!value.is_number_integer()) return wrong(std::string("a whole number is needed, this is ") + kind_of(value));
      const bool huge =
          value.is_number_unsigned() &&
          value.get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
      const auto number = huge ? std::numeric_limits<std::int64_t>::max() : value.get<std::int64_t>();
      if (number < setting.least) {
        return wrong(value.dump() + " is below the minimum, " + std::to_string(setting.least) + bound_text(setting));
      }
      if (number > setting.most) {
        return wrong(value.dump() + " is above the maximum, " + std::to_string(setting.most) + bound_text(setting));
      }
      return SettingValue(number);
    }
    case Setting::Kind::yes_or_no: {
      if (!value.is_boolean()) return wrong(std::string("true or false is needed, this is ") + kind_of(value));
      return SettingValue(value.get<bool>());
    }
    case Setting::Kind::text_list: {
      if (!value.is_array()) return wrong(std::string("a list of texts is needed, this is ") + kind_of(value));
      if (value.size() > static_cast<std::size_t>(setting.most)) {
        return wrong("has more than " + std::to_string(setting.most) + " items");
      }
      std::vector<std::string> items;
      for (const auto& item : value) {
        if (!item.is_string()) return wrong(std::string("a list of texts is needed, one item is ") + kind_of(item));
        items.push_back(item.get<std::string>());
      }
      return SettingValue(std::move(items));
    }
    case Setting::Kind::text: break;
  }
  if (!value.is_string()) return wrong(std::string("a text is needed, this is ") + kind_of(value));
  auto text = value.get<std::string>();
  if (text.size() < static_cast<std::size_t>(setting.least)) return wrong("must not be empty");
  if (text.size() > static_cast<std::size_t>(setting.most)) {
    return wrong("is longer than " + std::to_string(setting.most) + " bytes");
  }
  if (text.find('\0') != std::string::npos) return wrong("holds a NUL character");
  if (const auto* rule = broken_spelling(setting, text)) return wrong(rule);
  if (!setting.one_of.empty() &&
      std::find(setting.one_of.begin(), setting.one_of.end(), text) == setting.one_of.end()) {
    std::string words;
    for (const auto& word : setting.one_of) words += (words.empty() ? "" : ", ") + word;
    return wrong("must be one of " + words);
  }
  return SettingValue(std::move(text));
}

// Walks a JSON object along the table. `prefix` is the path in the table ("participants.NAME."), `shown` the one in
// the file ("participants.stock.").
class Section {
 public:
  Section(SettingTarget target, Problems& problems) : target_(target), problems_(problems) {}

  void read(const Json& object, const std::string& prefix, const std::string& shown) {
    for (const auto& [key, value] : object.items()) read_key(key, value, prefix, shown);
  }

  // Gives every setting below `prefix` that was not in the file its default, or complains.
  void fill(const std::string& prefix, const std::string& shown) {
    for (const auto& setting : settings()) {
      const bool here =
          prefix.empty() ? !setting.path.starts_with(kParticipantPrefix) : setting.path.starts_with(prefix);
      if (!here || given_.contains(setting.path)) continue;
      if (setting.by_default) {
        setting.set(target_, *setting.by_default);
      } else {
        problems_.push_back(shown + setting.path.substr(prefix.size()) + ": is required and missing");
      }
    }
  }

 private:
  void read_key(const std::string& key, const Json& value, const std::string& prefix, const std::string& shown) {
    const auto path = prefix + key;
    const auto where = shown + printable(key);
    const auto is_section = [&](const Setting& one) { return one.path.starts_with(path + '.'); };
    if (prefix.empty() && key == kParticipants) return;  // Read by itself.
    if (std::any_of(settings().begin(), settings().end(), is_section)) {
      if (!value.is_object()) return problems_.push_back(where + ": an object is needed, this is " + kind_of(value));
      return read(value, path + '.', where + '.');
    }
    const auto setting =
        std::find_if(settings().begin(), settings().end(), [&](const Setting& one) { return one.path == path; });
    if (setting == settings().end()) return problems_.push_back(where + ": " + unknown(path, key));
    given_.insert(path);
    auto read = read_value(*setting, value);
    if (!read) return problems_.push_back(where + ": " + read.error().what);
    setting->set(target_, *read);
  }

  static std::string unknown(const std::string& path, const std::string& key) {
    if (key == "password") return "passwords do not stand in this file; use password_env or password_file";
    std::string best;
    // Farther than that is another word.
    std::size_t best_distance = std::min<std::size_t>(4, key.size() / 2 + 1);
    const auto folder = path.substr(0, path.size() - key.size());
    for (const auto& setting : settings()) {
      if (!setting.path.starts_with(folder)) continue;
      auto sibling = setting.path.substr(folder.size());
      sibling = sibling.substr(0, sibling.find('.'));
      const auto distance = edit_distance(key, sibling);
      if (distance < best_distance) best = sibling, best_distance = distance;
    }
    return best.empty() ? "unknown key" : "unknown key; is " + best + " meant?";
  }

  SettingTarget target_;
  Problems& problems_;
  std::set<std::string> given_;
};

bool is_variable_name(const std::string& text) {
  const auto letter = [](char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return !text.empty() && letter(text.front()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

void check_participant(const ParticipantSettings& participant, const Json& given, Problems& problems) {
  const auto& connection = participant.connection;
  const auto complain = [&](const char* key, const std::string& what) {
    problems.push_back("participants." + connection.name + "." + key + ": " + what);
  };
  if (connection.host.empty() && connection.unix_socket.empty()) {
    complain("host", "is required and missing (or give unix_socket)");
  }
  if (!connection.host.empty() && !connection.unix_socket.empty()) {
    complain("unix_socket", "give this or host, not both");
  }
  if (given.contains("port") && !connection.unix_socket.empty()) complain("port", "means nothing with unix_socket");
  if (!participant.password_env.empty() && !participant.password_file.empty()) {
    complain("password_file", "give this or password_env, not both");
  }
  if (!participant.password_env.empty() && !is_variable_name(participant.password_env)) {
    complain("password_env", "must be the name of an environment variable, not the password itself");
  }
  if (connection.reconnect_pause_min > connection.reconnect_pause_max) {
    complain("reconnect_pause_min_ms", std::to_string(connection.reconnect_pause_min.count()) +
                                           " is above reconnect_pause_max_ms, " +
                                           std::to_string(connection.reconnect_pause_max.count()));
  }
}

void read_participants(const Json& root, Config& config, Problems& problems) {
  const auto found = root.find(kParticipants);
  if (found == root.end()) return problems.push_back("participants: is required and missing");
  if (!found->is_object()) {
    return problems.push_back(std::string("participants: an object of NAME: {...} is needed, this is ") +
                              kind_of(*found));
  }
  if (found->empty()) problems.push_back("participants: at least one is needed");
  if (found->size() > kParticipantsMax) {
    return problems.push_back("participants: " + std::to_string(found->size()) + " are above the maximum, " +
                              std::to_string(kParticipantsMax));
  }
  for (const auto& [name, value] : found->items()) {
    const auto at = "participants." + printable(name);
    if (!protocol::valid_name(name, protocol::kParticipantNameBytesMax)) {
      problems.push_back(at +
                         ": a name must begin with one of a-z or 0-9, go on with a-z, 0-9, _ or -, and have at most " +
                         std::to_string(protocol::kParticipantNameBytesMax) + " bytes");
      continue;
    }
    if (!value.is_object()) {
      problems.push_back(at + ": an object is needed, this is " + kind_of(value));
      continue;
    }
    auto& participant = config.participants.emplace_back();
    participant.connection.name = name;
    participant.connection.coordinator_id = config.coordinator.coordinator_id;
    Section section({config, &participant}, problems);
    const std::string prefix(kParticipantPrefix);
    section.read(value, prefix, at + '.');
    section.fill(prefix, at + '.');
    check_participant(participant, value, problems);
  }
}

// Every text once, and each is fit.
template <typename IsFit>
void check_names(const std::string& path, const std::vector<std::string>& names, const char* unfit, IsFit is_fit,
                 Problems& problems) {
  std::set<std::string> seen;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto at = path + "[" + std::to_string(i) + "]: ";
    if (!is_fit(names[i])) {
      problems.push_back(at + unfit);
    } else if (!seen.insert(names[i]).second) {
      problems.push_back(at + "is there twice");
    }
  }
}

void check_three_phase(Config& config, Problems& problems) {
  auto& coordinator = config.coordinator;
  const auto is_participant = [&](const std::string& name) {
    return std::any_of(config.participants.begin(), config.participants.end(),
                       [&](const auto& one) { return one.connection.name == name; });
  };
  check_names("transactions.acceptors", coordinator.acceptors, "is not one of the participants", is_participant,
              problems);
  const auto is_other = [&](const std::string& id) {
    return id != coordinator.coordinator_id && protocol::valid_name(id, protocol::kCoordinatorIdBytesMax);
  };
  check_names("adopt.coordinators", config.adopt, "is not the identity of another coordinator", is_other, problems);
  for (const auto& participant : config.participants) {
    if (!participant.witness) continue;
    const auto& name = participant.connection.name;
    coordinator.witnesses.insert(name);
    const auto& acceptors = coordinator.acceptors;
    if (std::find(acceptors.begin(), acceptors.end(), name) != acceptors.end()) continue;
    problems.push_back("participants." + name + ".witness: it keeps nothing unless transactions.acceptors names it");
  }
  if (!config.participants.empty() && coordinator.witnesses.size() == config.participants.size()) {
    problems.emplace_back("participants: all of them are witnesses; at least one that runs branches is needed");
  }
}

// "line 3, column 14" of byte `at` (counted from 1) in `text`.
std::string position(std::string_view text, std::size_t at) {
  const auto before = text.substr(0, std::min(at == 0 ? 0 : at - 1, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const auto start = before.rfind('\n');
  const auto column = before.size() - (start == std::string_view::npos ? 0 : start + 1) + 1;
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

}  // namespace

LoadedConfig parse_config(std::string_view text) {
  LoadedConfig loaded;
  auto& problems = loaded.problems;
  if (text.size() > kConfigBytesMax) {
    problems.push_back("the configuration is longer than " + std::to_string(kConfigBytesMax) + " bytes");
    return loaded;
  }
  Json root;
  try {
    root = Json::parse(text, KeyWatch(problems), true, true);
  } catch (const Json::parse_error& error) {
    // Its own text quotes the file, where a password may stand.
    problems.push_back(position(text, error.byte) +
                       ": this is not JSON (comments are allowed, a comma before a closing " + "bracket is not)");
    return loaded;
  }
  if (!root.is_object()) {
    problems.push_back(std::string("the configuration must be one JSON object, this is ") + kind_of(root));
    return loaded;
  }
  Section general({loaded.config, nullptr}, problems);
  general.read(root, "", "");
  general.fill("", "");
  read_participants(root, loaded.config, problems);
  check_three_phase(loaded.config, problems);
  const auto& limits = loaded.config.coordinator;
  if (limits.default_timeout > limits.timeout_max) {
    problems.push_back("limits.default_timeout_ms: " + std::to_string(limits.default_timeout.count()) +
                       " is above limits.timeout_max_ms, " + std::to_string(limits.timeout_max.count()));
  }
  loaded.config.log.kept_keys_max = limits.idempotency_keys_max;
  if (loaded.config.log.segment_bytes % kSegmentPageBytes != 0) {
    problems.push_back("log.segment_bytes: " + std::to_string(loaded.config.log.segment_bytes) +
                       " is not a multiple of " + std::to_string(kSegmentPageBytes));
  }
  const auto& listen = loaded.config.listen;
  if (listen.unread_answer_bytes_max < listen.answer_bytes_max) {
    problems.push_back("listen.unread_answer_bytes_max: " + std::to_string(listen.unread_answer_bytes_max) +
                       " is below listen.answer_bytes_max, " + std::to_string(listen.answer_bytes_max));
  }
  return loaded;
}

LoadedConfig load_config(const std::string& path) {
  auto text = read_file(path, kConfigBytesMax);
  // The path stands before each problem.
  if (!text) {
    auto problem = text.error().what;
    if (const auto named = printable(path) + ": "; problem.starts_with(named)) problem.erase(0, named.size());
    return {{}, {std::move(problem)}};
  }
  auto loaded = parse_config(*text);
  const auto folder = std::filesystem::path(path).parent_path();
  const auto beside = [&](std::string& one) {
    if (!one.empty()) one = (folder / one).lexically_normal().string();
  };
  beside(loaded.config.log.directory);
  beside(loaded.config.audit_file);
  beside(loaded.config.listen.control_socket);
  auto log = loaded.config.log.directory;
  while (log.size() > 1 && log.back() == '/') log.pop_back();
  if (auto& audit = loaded.config.audit_file; audit.empty()) audit = log + ".audit";
  auto& control = loaded.config.listen.control_socket;
  if (control.empty()) control = log + ".control";
  // Clients are told it, wherever they run.
  control = std::filesystem::absolute(control).lexically_normal().string();
  for (auto& participant : loaded.config.participants) {
    beside(participant.password_file);
    beside(participant.connection.unix_socket);
    beside(participant.connection.tls_ca);
  }
  return loaded;
}

Result<std::string> read_password(const ParticipantSettings& participant) {
  const auto at = "participants." + participant.connection.name + ".";
  const auto wrong = [&](const char* key, const std::string& what) {
    return Error{Errc::invalid_argument, at + key + ": " + what};
  };
  if (!participant.password_env.empty()) {
    const auto* value = std::getenv(participant.password_env.c_str());
    if (value == nullptr) return wrong("password_env", "the environment variable that it names is not set");
    return std::string(value);
  }
  if (participant.password_file.empty()) return std::string();

  const auto& path = participant.password_file;
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!error && std::filesystem::is_regular_file(status) &&
      (status.permissions() & std::filesystem::perms::others_all) != std::filesystem::perms::none) {
    return wrong("password_file", printable(path) + " is open to everybody; run: chmod o-rwx " + printable(path));
  }
  auto text = read_file(path, kPasswordBytesMax);
  if (!text) return wrong("password_file", text.error().what);
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
  if (text->empty()) return wrong("password_file", printable(path) + " is empty");
  return text;
}

}  // namespace assent::app
