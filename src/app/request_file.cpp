#include "app/request_file.hpp"

#include "wire/message.hpp"

namespace assent::app {
namespace {

Error wrong(std::string what) {
  return {Errc::invalid_argument, std::move(what)};
}

// A request has a member "method"; a transaction has none.
bool is_whole_request(const wire::Tape& tape) {
  for (std::size_t key = 1; key < tape.at(0).end; key = tape.at(key + 1).end) {
    if (tape.text(tape.at(key)) == "method") return true;
  }
  return false;
}

}  // namespace

Result<Transaction> parse_request_file(const std::string& text) {
  wire::Tape tape;
  if (const auto fault = tape.parse(text, wire::kNestingMax); !fault.empty()) return wrong("the file " + fault);
  if (tape.at(0).kind != wire::Tape::Kind::object) {
    return wrong("must be a JSON object, such as {\"branches\": [...]}");
  }
  const bool whole = is_whole_request(tape);
  const auto frame = whole ? text : R"({"jsonrpc":"2.0","id":1,"method":"txn.submit","params":)" + text + "}";
  auto parsed = wire::Parser().parse_request(frame);
  if (auto* refusal = std::get_if<wire::Refusal>(&parsed)) {
    // Where the file is the parameters alone, it has no such member.
    auto& what = refusal->error.what;
    if (!whole && what.starts_with("params.")) what.erase(0, std::string_view("params.").size());
    if (!whole && what.starts_with("params ")) what.replace(0, std::string_view("params").size(), "the transaction");
    return wrong(std::move(what));
  }
  auto* transaction = std::get_if<Transaction>(&std::get<wire::Request>(parsed).call);
  if (transaction == nullptr) return wrong("the request must be for txn.submit");
  return std::move(*transaction);
}

}  // namespace assent::app
