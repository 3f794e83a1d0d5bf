#include "app/request_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assent::app {
namespace {

using testing::HasSubstr;

constexpr const char* kParams = R"({
  "idempotency_key": "k1",
  "branches": [{"participant": "stock", "statements": [{"sql": "UPDATE t SET n = 1"}]}]
})";

TEST(RequestFile, HoldsTheParametersOrTheWholeRequest) {
  const auto params = parse_request_file(kParams);
  ASSERT_TRUE(params.ok()) << params.error().what;
  EXPECT_EQ(params->idempotency_key, "k1");
  EXPECT_EQ(params->branches.at(0).participant, "stock");
  std::string request = R"({"jsonrpc": "2.0", "id": 7, "method": "txn.submit", "params": )";
  request += kParams;
  request += "}\n";
  const auto whole = parse_request_file(request);
  ASSERT_TRUE(whole.ok()) << whole.error().what;
  EXPECT_EQ(whole->branches.at(0).statements.at(0).sql, "UPDATE t SET n = 1");
}

TEST(RequestFile, WhatIsWrongIsNamedWithItsPath) {
  const auto error = [](const std::string& text) {
    const auto parsed = parse_request_file(text);
    if (parsed.ok()) return std::string("it was taken");
    return parsed.error().what;
  };
  EXPECT_THAT(error(R"({"branches": [{"participant": "stock", "statements": [{"sql": 1}]}]})"),
              HasSubstr("branches[0].statements[0].sql must be a string"));
  EXPECT_THAT(error(R"({"branches": [{"participant": "stock", "statements": [{"sql": 1}]}]})"),
              ::testing::Not(HasSubstr("params")))
      << "the file has no such member";
  EXPECT_THAT(error(R"({"jsonrpc": "2.0", "id": 1, "method": "txn.submit", "params": {"branches": []}})"),
              HasSubstr("params.branches"));
  EXPECT_THAT(error("{}"), HasSubstr("branches"));
  EXPECT_THAT(error("[]"), HasSubstr("must be a JSON object"));
  EXPECT_THAT(error(""), HasSubstr("the file"));
  EXPECT_THAT(error("{\"branches\": "), HasSubstr("the file"));
  EXPECT_THAT(error(R"({"jsonrpc": "2.0", "id": 1, "method": "txn.list"})"), HasSubstr("must be for txn.submit"));
  // Nothing may come out of the parameters into the request around them.
  EXPECT_THAT(error(R"({"branches": []}, "method": "txn.list")"), HasSubstr("the file"));
}

}  // namespace
}  // namespace assent::app
