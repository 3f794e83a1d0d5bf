#include "participant/sql_scan.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "participant/sql_words.hpp"

namespace assent::participant {
namespace {

constexpr const char* kWhySession = "a branch holds data statements only, and Assent itself begins and ends it";

Error refusal(std::size_t at, const std::string& what, const std::string& remedy) {
  return {Errc::invalid_argument, what + " at character " + std::to_string(at + 1) + ": " + remedy, false};
}

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && !is_space(c)) || c == '\x7f';
}
bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}

std::string upper(std::string_view word) {
  std::string text(word);
  for (auto& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

/// One pass over the text, token by token, building the cleaned text beside it.
class Scanner {
 public:
  Scanner(std::string_view sql, std::string_view own_schema) : sql_(sql), own_schema_(upper(own_schema)) {}

  Result<ScannedSql> run() {
    if (sql_.size() > kSqlBytesMax) {
      return Error{Errc::invalid_argument,
                   "the SQL text is longer than " + std::to_string(kSqlBytesMax) +
                       " bytes: pass long values as arguments, or split the statement",
                   false};
    }
    if (!valid_utf8(sql_)) {
      return Error{Errc::invalid_argument, "the SQL text is not valid UTF-8: pass bytes as blob arguments", false};
    }
    out_.text.reserve(sql_.size());
    while (at_ < sql_.size() && !error_) step();
    if (error_) return std::move(*error_);
    if (verb_word_.empty()) {
      return Error{Errc::invalid_argument, "the SQL text holds no statement: leave it out", false};
    }
    if (with_ && !verb_found_) {
      return refusal(0, "WITH without a statement after it", "complete the statement");
    }
    while (!out_.text.empty() && out_.text.back() == ' ') out_.text.pop_back();
    std::sort(out_.candidates.begin(), out_.candidates.end());
    out_.candidates.erase(std::unique(out_.candidates.begin(), out_.candidates.end()), out_.candidates.end());
    return std::move(out_);
  }

 private:
  char peek(std::size_t ahead) const { return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0'; }
  void fail(std::size_t at, const std::string& what, const std::string& remedy) {
    if (!error_) error_ = refusal(at, what, remedy);
  }

  void step() {
    const char c = sql_[at_];
    if (is_space(c)) return blank(1);
    if (is_control(c)) {
      return fail(at_, "a control character stands outside quotes", "remove it, or pass the value as an argument");
    }
    if (c == '#') return line_comment();
    if (c == '-' && peek(1) == '-' && (at_ + 2 == sql_.size() || is_space(peek(2)))) return line_comment();
    if (c == '-' && peek(1) == '-' && is_control(peek(2))) {
      return fail(at_ + 2, "a control character stands outside quotes", "remove it");
    }
    if (c == '/' && peek(1) == '*') return block_comment();
    if (finished_) {
      return fail(at_, "a second statement begins", "send each statement as one of its own");
    }
    if (c == ';') {
      finished_ = true;
      ++at_;
      return;
    }
    if (verb_word_.empty() && !is_word(c) && c != '(') {
      return fail(at_, "the text does not begin with a statement's keyword",
                  "begin with SELECT, INSERT, UPDATE or the like");
    }
    if (c == '\'' || c == '"') return string(c);
    if (c == '`') return quoted_name();
    if (is_word(c)) return word();
    if (c == '?') return placeholder();
    if (c == '\\') {
      return fail(at_, "a backslash stands outside quotes", "write NULL instead of \\N, and remove others");
    }
    if (c == '@') return variable();
    symbol(c);
  }

  void blank(std::size_t bytes) {
    at_ += bytes;
    gap_ = true;
  }

  // The cleaned text has exactly one blank where there were blanks or comments.
  void before_token() {
    if (gap_ && !out_.text.empty()) out_.text.push_back(' ');
    gap_ = false;
  }

  void line_comment() {
    const auto end = sql_.find('\n', at_);
    blank((end == std::string_view::npos ? sql_.size() : end + 1) - at_);
  }

  void block_comment() {
    const char kind = peek(2);
    if (kind == '!' || ((kind == 'M' || kind == 'm') && peek(3) == '!')) {
      return fail(at_, "an executable comment begins",
                  "write the statement without /*! */, as one that every server "
                  "understands");
    }
    const auto end = sql_.find("*/", at_ + 2);
    if (end == std::string_view::npos) return fail(at_, "a comment begins that never ends", "close it with */");
    const auto comment = sql_.substr(at_, end + 2 - at_);
    // MariaDB 10.11 ends a comment at the first */, as MySQL does; text that looks nested reads differently elsewhere.
    if (comment.find("/*", 2) != std::string_view::npos) {
      return fail(at_ + comment.find("/*", 2), "a comment begins inside a comment", "remove the inner one");
    }
    if (kind == '+' && !finished_) {
      if (upper(comment).find("SET_VAR") != std::string::npos ||
          upper(comment).find("RESOURCE_GROUP") != std::string::npos) {
        return fail(at_, "an optimizer hint changes the session", "leave SET_VAR and RESOURCE_GROUP out");
      }
      if (comment.find('?') != std::string_view::npos) {
        return fail(at_ + comment.find('?'), "a ? stands inside an optimizer hint", "write the hint without arguments");
      }
      before_token();
      out_.text.append(comment);
      at_ += comment.size();
      gap_ = true;
      return;
    }
    blank(comment.size());
  }

  void string(char quote) {
    const auto begin = at_++;
    for (;;) {
      if (at_ >= sql_.size()) return fail(begin, "a quote opens that never closes", "close it");
      const char c = sql_[at_];
      if (c == '\0') return fail(at_, "a NUL byte stands in the text", "pass the value as an argument");
      if (c == '\\') {
        if (at_ + 1 >= sql_.size()) return fail(begin, "a quote opens that never closes", "close it");
        at_ += 2;
        continue;
      }
      ++at_;
      if (c != quote) continue;
      if (peek(0) != quote) break;
      ++at_;
    }
    before_token();
    emit(begin, Token::string);
  }

  // Backslash means nothing inside backquotes.
  void quoted_name() {
    const auto begin = at_++;
    std::string name;
    for (;;) {
      if (at_ >= sql_.size()) return fail(begin, "a backquote opens that never closes", "close it");
      const char c = sql_[at_++];
      if (c == '\0') return fail(at_ - 1, "a NUL byte stands in the text", "remove it");
      if (c == '`') {
        if (peek(0) != '`') break;
        ++at_;
      }
      name.push_back(c);
    }
    before_token();
    name_seen(begin, name, true);
    emit(begin, Token::name);
  }

  void word() {
    const auto begin = at_;
    while (at_ < sql_.size() && is_word(sql_[at_])) ++at_;
    const auto text = sql_.substr(begin, at_ - begin);
    before_token();
    keyword_seen(begin, upper(text));
    if (!error_) name_seen(begin, std::string(text), false);
    emit(begin, Token::word);
  }

  void placeholder() {
    const char before = gap_ || out_.text.empty() ? ' ' : out_.text.back();
    const char after = peek(1);
    const auto glues = [](char c) {
      return is_word(c) || c == '\'' || c == '"' || c == '`' || c == '@' || c == '.' || c == '?' || c == ':';
    };
    if (glues(before) || glues(after)) {
      return fail(at_, "a ? touches its neighbour", "put a blank on both sides of it");
    }
    if (out_.placeholders.size() >= kPlaceholdersMax) return fail(at_, "there are too many ?", "split the statement");
    before_token();
    out_.placeholders.push_back(static_cast<std::uint32_t>(out_.text.size()));
    const auto begin = at_++;
    emit(begin, Token::other);
  }

  void variable() {
    const bool system = peek(1) == '@';
    if (!system) out_.uses_variables = true;
    before_token();
    const auto begin = at_;
    at_ += system ? 2 : 1;
    emit(begin, Token::at);
  }

  void symbol(char c) {
    if (c == '(') {
      ++depth_;
      call_seen();
    } else if (c == ')') {
      --depth_;
      if (depth_ < 0) return fail(at_, "a parenthesis closes that never opened", "remove it");
    }
    before_token();
    const auto begin = at_++;
    emit(begin, c == '.' ? Token::dot : Token::other);
  }

  enum class Token : std::uint8_t { none, word, name, string, at, dot, other };

  void emit(std::size_t begin, Token token) {
    out_.text.append(sql_.substr(begin, at_ - begin));
    last_ = token;
    if (token != Token::word && token != Token::name && token != Token::dot) last_name_.clear();
  }

  void keyword_seen(std::size_t begin, const std::string& word) {
    if (verb_word_.empty()) return first_word(begin, word);
    if (with_ && !verb_found_ && depth_ == with_depth_ && last_ != Token::dot) {
      if (const auto verb = verb_of(word)) {
        out_.verb = *verb;
        verb_found_ = true;
      }
    }
    if (last_word_ == "INTO" && (word == "OUTFILE" || word == "DUMPFILE")) {
      fail(begin, "INTO " + word + " writes a file, which no rollback takes back", "read the rows instead");
    }
    if (last_word_ == "INSERT" && word == "DELAYED") {
      fail(begin, "INSERT DELAYED runs outside the transaction", "write INSERT");
    }
    last_word_ = word;
  }

  void first_word(std::size_t begin, const std::string& word) {
    verb_word_ = word;
    last_word_ = word;
    if (word == "WITH") {
      with_ = true;
      with_depth_ = depth_;
      return;
    }
    const auto verb = verb_of(word);
    if (!verb) {
      fail(begin, "the statement begins with " + (word.size() > 32 ? word.substr(0, 32) + "..." : word),
           std::string(kWhySession) + "; allowed are SELECT, WITH, INSERT, REPLACE, UPDATE, DELETE, VALUES and TABLE");
      return;
    }
    out_.verb = *verb;
  }

  static std::optional<Verb> verb_of(const std::string& word) {
    if (word == "SELECT" || word == "VALUES" || word == "TABLE") return Verb::read;
    if (word == "INSERT" || word == "REPLACE") return Verb::insert;
    if (word == "UPDATE") return Verb::update;
    if (word == "DELETE") return Verb::remove;
    return std::nullopt;
  }

  // Collects what may be a table's name, and guards Assent's own schema.
  void name_seen(std::size_t begin, const std::string& name, bool quoted) {
    const bool after_variable = last_ == Token::at;
    const auto as_upper = upper(name);
    if (last_ == Token::dot && !last_name_.empty()) {
      if (upper(last_name_) == own_schema_) {
        fail(begin, "the statement names a table of the schema '" + last_name_ + "', which is Assent's own",
             "leave it to Assent");
      }
      if (!is_number(last_name_)) out_.candidates.push_back({last_name_, name});
    } else if (!after_variable && !name.empty() && (quoted || (!is_reserved_word(as_upper) && !is_number(name)))) {
      out_.candidates.push_back({"", name});
    }
    if (as_upper == "LAST_INSERT_ID") out_.uses_last_insert_id = true;
    if (as_upper == "RETURNING") out_.returns_rows = true;
    last_name_ = after_variable ? std::string() : name;
    last_name_at_ = begin;
  }

  // 12, 1e5, 0xff, 0b01: a name may begin with a digit, too.
  static bool is_number(std::string_view word) {
    constexpr auto kNone = std::string_view::npos;
    if (word.starts_with("0x")) return word.find_first_not_of("0123456789abcdefABCDEF", 2) == kNone;
    const auto end = word.find_first_not_of("0123456789");
    if (end == kNone) return true;
    return end > 0 && (word[end] == 'e' || word[end] == 'E') && word.find_first_not_of("0123456789", end + 1) == kNone;
  }

  // Functions can be called by their quoted names as well.
  void call_seen() {
    if (last_ != Token::word && last_ != Token::name) return;
    const auto name = upper(last_name_);
    if (const auto* reason = why_function_is_refused(name)) {
      fail(last_name_at_, "the function " + name + " is called, which " + reason, "leave it out");
    }
  }

  std::string_view sql_;
  std::string own_schema_;
  std::size_t at_ = 0;
  ScannedSql out_;
  std::optional<Error> error_;
  std::string verb_word_;
  std::string last_word_;
  std::string last_name_;
  std::size_t last_name_at_ = 0;
  Token last_ = Token::none;
  bool gap_ = false;
  bool finished_ = false;
  bool with_ = false;
  bool verb_found_ = false;
  int depth_ = 0;
  int with_depth_ = 0;
};

}  // namespace

Result<ScannedSql> scan_sql(std::string_view sql, std::string_view own_schema) {
  return Scanner(sql, own_schema).run();
}

bool valid_utf8(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t k) -> unsigned {
      return k < text.size() ? static_cast<unsigned char>(text[k]) : 0;
    };
    const auto tail = [&](std::size_t k) { return (byte(k) & 0xc0) == 0x80; };
    const unsigned first = byte(i);
    if (first < 0x80) {
      ++i;
    } else if (first >= 0xc2 && first <= 0xdf && tail(i + 1)) {
      i += 2;
    } else if (first >= 0xe0 && first <= 0xef && tail(i + 1) && tail(i + 2)) {
      if (first == 0xe0 && byte(i + 1) < 0xa0) return false;
      if (first == 0xed && byte(i + 1) > 0x9f) return false;
      i += 3;
    } else if (first >= 0xf0 && first <= 0xf4 && tail(i + 1) && tail(i + 2) && tail(i + 3)) {
      if (first == 0xf0 && byte(i + 1) < 0x90) return false;
      if (first == 0xf4 && byte(i + 1) > 0x8f) return false;
      i += 4;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace assent::participant
