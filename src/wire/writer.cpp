#include "wire/writer.hpp"

#include <cmath>

#include "wire/base64.hpp"
#include "wire/fields.hpp"

namespace assent::wire {

void Writer::write_text(std::string_view text) {
  if (!append_json_string(out_, text)) damage_ = "holds text that is not valid UTF-8";
}

void Writer::write_value(const Value& value) {
  struct Visitor {
    Writer& writer;
    void operator()(Null) { writer.out_ += "null"; }
    void operator()(bool v) { writer.write(v); }
    void operator()(std::int64_t v) { writer.write_integer(v); }
    void operator()(std::uint64_t v) { writer.write_integer(v); }
    void operator()(double v) {
      if (std::isfinite(v)) return append_json_double(writer.out_, v);
      writer.damage_ = "holds a double that is not a number";
      writer.out_ += "null";
    }
    void operator()(const std::string& v) {
      const std::size_t before = writer.out_.size();
      if (append_json_string(writer.out_, v)) return;
      writer.out_.resize(before);
      writer.damage_ = "holds text that is not valid UTF-8";
      (*this)(Blob{v});
    }
    void operator()(const Decimal& v) {
      writer.out_ += "{\"decimal\":";
      writer.write_text(v.digits);
      writer.out_ += '}';
    }
    void operator()(const Blob& v) {
      writer.out_ += "{\"base64\":\"";
      append_base64(writer.out_, v.bytes);
      writer.out_ += "\"}";
    }
  };
  std::visit(Visitor{*this}, value);
}

void Writer::write_expect(const AffectedRange& range) {
  out_ += "{\"affected\":";
  if (range.min == range.max) {
    write_integer(range.min);
  } else {
    out_ += '{';
    required("min", range.min);
    if (range.max != UINT64_MAX) required("max", range.max);
    out_ += '}';
  }
  out_ += '}';
}

}  // namespace assent::wire
