// Any bytes are a request or a refusal, and every refusal can be answered: no crash, no hang, no exception.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "wire/message.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static assent::wire::Parser parser;
  const std::string_view frame(reinterpret_cast<const char*>(data), size);
  auto parsed = parser.parse_request(frame);
  if (const auto* refusal = std::get_if<assent::wire::Refusal>(&parsed)) {
    std::string answer;
    assent::wire::append_answer(answer, *refusal);
  }
  (void)parser.parse_answer<assent::TransactionResult>(frame).result.ok();
  return 0;
}
