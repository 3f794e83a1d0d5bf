#include "wire/tape.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace assent::wire {
namespace {

constexpr std::size_t kDeep = 1'000;

/// What a tape holds, as nlohmann's tree would.
nlohmann::json tree_of(const Tape& tape, std::size_t index) {
  const auto& node = tape.at(index);
  switch (node.kind) {
    case Tape::Kind::null: return nullptr;
    case Tape::Kind::boolean: return node.boolean;
    case Tape::Kind::negative: return node.negative;
    case Tape::Kind::natural: return node.natural;
    case Tape::Kind::big_integer: return "big integer";
    case Tape::Kind::real: return node.real;
    case Tape::Kind::string: return std::string(tape.text(node));
    case Tape::Kind::array: {
      auto array = nlohmann::json::array();
      for (std::size_t i = index + 1; i < node.end; i = tape.at(i).end) array.push_back(tree_of(tape, i));
      EXPECT_EQ(array.size(), node.count);
      return array;
    }
    case Tape::Kind::object: {
      auto object = nlohmann::json::object();
      for (std::size_t i = index + 1; i < node.end; i = tape.at(i + 1).end) {
        object[std::string(tape.text(tape.at(i)))] = tree_of(tape, i + 1);
      }
      return object;
    }
  }
  return nullptr;
}

/// nlohmann's tree, with integers outside 64 bits marked as a tape marks them.
struct MarkBigIntegers : nlohmann::detail::json_sax_dom_parser<nlohmann::json> {
  using nlohmann::detail::json_sax_dom_parser<nlohmann::json>::json_sax_dom_parser;
  bool number_float(double value, const std::string& token) {
    std::string mark = "big integer";
    if (token.find_first_of(".eE") == std::string::npos) return string(mark);
    return nlohmann::detail::json_sax_dom_parser<nlohmann::json>::number_float(value, token);
  }
};

void expect_same_as_the_library(Tape& tape, const std::string& json) {
  // Both of these it takes; we do not, and other tests say so.
  if (json.find('\0') != std::string::npos || json.starts_with("\xef\xbb\xbf")) return;
  nlohmann::json tree;
  MarkBigIntegers sax(tree, false);
  const bool valid = nlohmann::json::sax_parse(json, &sax);
  const auto fault = tape.parse(json, kDeep);
  ASSERT_EQ(fault.empty(), valid) << json << '\n' << fault;
  if (valid) {
    const auto ours = tree_of(tape, 0);
    // As text, so that 1 and 1.0, or 0.0 and -0.0, are told apart.
    ASSERT_EQ(ours.dump(), tree.dump()) << json;
  }
}

std::vector<std::string> seeds() {
  return {
      R"({"jsonrpc":"2.0","id":1,"method":"txn.submit","params":{"branches":[{"participant":"a","statements":[{"sql":"UPDATE t SET a = ? WHERE b = 'x'","args":[1,-2,3.25,null,true,false,{"decimal":"12.50"},{"base64":"AAE="}],"expect":{"affected":1}}]}]}})",
      R"([0,-0,-0.0,0.0,1e5,1E+5,1e-5,-1.5e300,5e-324,1e-400,1e308,9223372036854775807,9223372036854775808])",
      R"([18446744073709551615,18446744073709551616,-9223372036854775808,-9223372036854775809,123456789012345678901])",
      R"([1e309,-1e309,1e99999,-0.0e-99999])",
      R"(["\"\\\/\b\f\n\r\t","\u0041\u00e9\u20ac\ud83d\ude00","é€😀","\u0000\u001f\u007f"])",
      R"({"\ud83d\uDE00":"\uD83D\uDE00","é":"\u00E9"})",
      R"(["\udc00","\udfff\ud800","\ud800","\ud800x","\ud800\n","\ud800\u0041","\ud83d\ud83d"])",
      R"(["\u12","\u00g0","\x","\u-001","\u+001","\u 001","\u0x1f"])",
      "[\"\xed\xa0\x80\",\"\xc0\x80\",\"\xf4\x90\x80\x80\",\"\xe0\x80\x80\",\"\xf0\x80\x80\x80\",\"\xff\",\"\xc3\"]",
      " \t\r\n { \"a\" : [ ] , \"b\" : { } , \"\" : [ [ [ ] , { } ] ] } \n",
      R"({"a":1,"a":{"a":2,"a":3}})",
      "true",
      "nul",
      "\"",
      "[1,]",
      "{\"a\":1,}",
      "{\"a\"}",
      "{1:2}",
      "[1 2]",
      "01",
      "-",
      "1.",
      ".5",
      "1e",
      "1e+",
      "--1",
      "+1",
      "",
      "[] []",
      "\v1",
  };
}

TEST(Tape, AgreesWithTheLibraryOnWhatIsJsonAndWhatItSays) {
  Tape tape;
  for (const auto& seed : seeds()) {
    expect_same_as_the_library(tape, seed);
    if (seed.size() < 2) continue;
    // Its elements one by one, so that one that is wrong does not hide the others.
    for (std::size_t from = 1, comma = 0; comma != std::string::npos; from = comma + 1) {
      comma = seed.find(',', from);
      expect_same_as_the_library(tape, seed.substr(from, comma - from));
      expect_same_as_the_library(tape, "[" + seed.substr(from, comma - from) + "]");
    }
  }
}

TEST(Tape, AgreesWithTheLibraryOnDamagedText) {
  Tape tape;
  std::mt19937 random(20260301);
  const std::string pieces = "{}[],:\"\\/0123456789-+.eEtrufalsn ubx\t\n\x01\x7f\x80\xbf\xc2\xe2\xed\xf0\xff";
  const auto all = seeds();
  const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(random()) % bound; };
  for (int round = 0; round < 60'000; ++round) {
    auto json = all[below(all.size())];
    for (std::size_t edits = 1 + below(3); edits > 0 && !json.empty(); --edits) {
      const std::size_t at = below(json.size());
      switch (below(4)) {
        case 0: json[at] = pieces[below(pieces.size())]; break;
        case 1: json.erase(at, 1 + below(4)); break;
        case 2: json.insert(at, 1, pieces[below(pieces.size())]); break;
        case 3: json.insert(at, json.substr(below(json.size()), below(12))); break;
      }
    }
    expect_same_as_the_library(tape, json);
    if (HasFatalFailure()) return;
  }
}

TEST(Tape, DoublesReadBackBitForBit) {
  Tape tape;
  std::mt19937_64 random(7);
  for (int round = 0; round < 20'000; ++round) {
    const auto bits = random();
    double value = 0;
    std::memcpy(&value, &bits, sizeof value);
    if (!std::isfinite(value)) continue;
    char digits[64];
    std::snprintf(digits, sizeof digits, "%.17e", value);
    ASSERT_EQ(tape.parse(digits, 1), "");
    ASSERT_EQ(std::memcmp(&tape.at(0).real, &value, sizeof value), 0) << digits;
  }
}

}  // namespace
}  // namespace assent::wire
