#include "bench/bench_transaction.hpp"

#include <charconv>

#include "base/check.hpp"

namespace assent::bench {

Shape::Shape(std::string_view sql, bool expect_one)
    : json_before_("{\"sql\":\"" + std::string(sql) + "\",\"args\":["),
      json_after_(expect_one ? "],\"expect\":{\"affected\":1}}" : "]}"),
      expect_one_(expect_one) {
  // What would have to be escaped in JSON is not used.
  ASSENT_CHECK(sql.find_first_of("\"\\\n") == std::string_view::npos);
  for (std::size_t from = 0;;) {
    const auto mark = sql.find('?', from);
    pieces_.emplace_back(sql.substr(from, mark - from));
    if (mark == std::string_view::npos) break;
    from = mark + 1;
  }
  ASSENT_CHECK(args() <= kArgsMax);
}

void append_integer(std::string& to, std::int64_t value) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  to.append(digits.data(), end);
}

void Shape::append_sql(std::string& to, const Args& args) const {
  to.append(pieces_[0]);
  for (std::size_t i = 1; i < pieces_.size(); ++i) {
    append_integer(to, args[i - 1]);
    to.append(pieces_[i]);
  }
}

void Shape::append_json(std::string& to, const Args& args) const {
  to.append(json_before_);
  for (std::size_t i = 1; i < pieces_.size(); ++i) {
    if (i > 1) to.push_back(',');
    append_integer(to, args[i - 1]);
  }
  to.append(json_after_);
}

}  // namespace assent::bench
