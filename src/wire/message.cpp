#include "wire/message.hpp"

#include <array>
#include <utility>

#include "wire/fields.hpp"
#include "wire/numbers.hpp"
#include "wire/reader.hpp"
#include "wire/text.hpp"
#include "wire/writer.hpp"

namespace assent::wire {
namespace {

constexpr std::array<std::string_view, std::variant_size_v<Call>> kMethodNames{
    "txn.submit",  "txn.status",         "txn.list",        "participant.list", "server.info",
    "hazard.list", "hazard.acknowledge", "recovery.survey", "recovery.apply"};

/// Methods that nothing can be said to without params.
template <typename Query>
inline constexpr bool kNeedsParams =
    std::is_same_v<Query, Transaction> || std::is_same_v<Query, StatusQuery> || std::is_same_v<Query, Acknowledgement>;

template <typename Query, std::size_t I = 0>
constexpr std::string_view method_name() {
  if constexpr (std::is_same_v<std::variant_alternative_t<I, Call>, Query>) {
    return kMethodNames[I];
  } else {
    return method_name<Query, I + 1>();
  }
}

Refusal refuse(int number, Errc code, std::string what, Id id = {}) {
  return {std::move(id), number, Error{code, std::move(what), false}, {}};
}

/// The members of a request or an answer, before their meaning is known.
struct Envelope {
  std::optional<std::size_t> version, id, method, params, result, error;
  std::string fault;
};

Envelope open_envelope(const Tape& tape) {
  Envelope envelope;
  if (tape.at(0).kind == Tape::Kind::array) {
    envelope.fault = "is a batch, which is not supported; send one object per line, and as many lines as you like";
    return envelope;
  }
  if (tape.at(0).kind != Tape::Kind::object) {
    envelope.fault = "is not a JSON object";
    return envelope;
  }
  const std::pair<std::string_view, std::optional<std::size_t> Envelope::*> places[] = {
      {"jsonrpc", &Envelope::version}, {"id", &Envelope::id},         {"method", &Envelope::method},
      {"params", &Envelope::params},   {"result", &Envelope::result}, {"error", &Envelope::error}};
  for (std::size_t key = 1; key < tape.at(0).end; key = tape.at(key + 1).end) {
    const auto name = tape.text(tape.at(key));
    bool known = false;
    for (const auto& [place, member] : places) {
      if (name != place) continue;
      known = true;
      if (envelope.*member) envelope.fault = "has \"" + std::string(name) + "\" twice";
      envelope.*member = key + 1;
    }
    if (!known && envelope.fault.empty()) {
      envelope.fault = "has a member other than \"jsonrpc\", \"id\", \"method\" and \"params\"";
    }
  }
  return envelope;
}

/// Nothing when it cannot be echoed.
std::optional<Id> read_id(const Tape& tape, std::size_t index) {
  const auto& node = tape.at(index);
  if (node.kind == Tape::Kind::natural) return Id{std::to_string(node.natural)};
  if (node.kind == Tape::Kind::negative) return Id{std::to_string(node.negative)};
  if (node.kind != Tape::Kind::string || node.count > kIdBytesMax) return std::nullopt;
  Id id{{}};
  append_json_string(id.json, tape.text(node));
  return id;
}

bool is_text(const Tape& tape, std::optional<std::size_t> index, std::string_view text) {
  return index && tape.at(*index).kind == Tape::Kind::string && tape.text(tape.at(*index)) == text;
}

template <std::size_t I = 0>
std::variant<Request, Refusal> read_call(const Tape& tape, Id id, std::size_t method,
                                         std::optional<std::size_t> params) {
  if constexpr (I == std::variant_size_v<Call>) {
    return refuse(kMethodNotFound, Errc::protocol, "there is no such method; PROTOCOL.md lists them", std::move(id));
  } else {
    if (method != I) return read_call<I + 1>(tape, std::move(id), method, params);
    Request request{std::move(id), Call(std::in_place_index<I>)};
    Reader reader(tape, "params", Reader::Unknown::refused);
    if (params) {
      reader.read(*params, std::get<I>(request.call));
    } else if (kNeedsParams<std::variant_alternative_t<I, Call>>) {
      reader.fail("is missing");
    }
    if (!reader.failed()) return request;
    auto refusal =
        refuse(kInvalidParams, Errc::invalid_argument, reader.path() + ' ' + reader.what(), std::move(request.id));
    refusal.path = reader.path();
    return refusal;
  }
}

void open_answer(std::string& out, const Id& id) {
  out += R"({"jsonrpc":"2.0","id":)";
  out += id.json;
}

template <typename T>
void append_result(std::string& out, const Id& id, const T& result) {
  open_answer(out, id);
  out += R"(,"result":)";
  Writer(out).write(result);
  out += "}\n";
}

template <typename T>
Status append_call(std::string& out, std::int64_t id, const T& call) {
  const std::size_t before = out.size();
  out += R"({"jsonrpc":"2.0","id":)";
  out += std::to_string(id);
  out += R"(,"method":")";
  out += method_name<T>();
  out += R"(","params":)";
  Writer writer(out);
  writer.write(call);
  out += "}\n";
  if (*writer.damage() == '\0') return Ok{};
  out.resize(before);
  return Error{Errc::invalid_argument, std::string("the request ") + writer.damage() + "; nothing was sent", false};
}

/// The object behind "error" in an answer.
struct WireError {
  struct Data {
    std::string code;
    bool retryable = false;
    std::string path;
  };
  std::int64_t number = 0;
  std::string message;
  Data data;
};

template <typename Io, Is<WireError::Data> S>
void fields(Io& io, S& s) {
  io.required("code", s.code);
  io.required("retryable", s.retryable);
  io.optional("path", s.path);
}

template <typename Io, Is<WireError> S>
void fields(Io& io, S& s) {
  io.required("code", s.number);
  io.required("message", s.message);
  io.required("data", s.data);
}

Error error_of(WireError wire) {
  Error error{Errc::protocol, std::move(wire.message), wire.data.retryable};
  for (const auto& [code, number] : kErrorNumbers) {
    if (wire.data.code == to_string(code)) error.code = code;
  }
  return error;
}

Error not_an_answer(const std::string& what) {
  return {Errc::protocol, "what answers there is not assentd: its answer " + what, false};
}

}  // namespace

Refusal refusal_of(Id id, Error error) {
  for (const auto& [code, number] : kErrorNumbers) {
    if (code == error.code) return {std::move(id), number, std::move(error), {}};
  }
  error.code = Errc::internal;
  return {std::move(id), kInternalError, std::move(error), {}};
}

Refusal oversized_frame(std::size_t frame_bytes_max) {
  return refuse(kInvalidRequest, Errc::protocol,
                "the line is longer than " + std::to_string(frame_bytes_max) +
                    " bytes, the bound on a request; nothing of it was run, and the connection is closed");
}

Refusal unterminated_frame() {
  return refuse(kParseError, Errc::protocol,
                "the connection was closed in the middle of a line; nothing of it was run: end each request with a "
                "newline");
}

std::optional<Refusal> wrong_beginning(std::string_view first) {
  const auto at = first.find_first_not_of(" \t\r\n");
  if (at == std::string_view::npos || first[at] == '{') return std::nullopt;
  constexpr char kTlsHandshake = 0x16;
  std::string looks = "what came first is no JSON object";
  if (first[at] == kTlsHandshake) {
    looks = "what came looks like TLS, which is not spoken on this port";
  } else if (first[at] >= 'A' && first[at] <= 'Z') {
    looks = "what came looks like HTTP, which is not spoken on this port";
  }
  return refuse(kParseError, Errc::protocol,
                looks +
                    ": each request is a JSON object on a line of its own; nothing was run, and the connection is "
                    "closed");
}

std::variant<Request, Refusal> Parser::parse_request(std::string_view frame) {
  if (const auto fault = tape_.parse(frame, kNestingMax); !fault.empty()) {
    return refuse(kParseError, Errc::protocol, "the request " + fault);
  }
  auto envelope = open_envelope(tape_);
  Id id;
  if (envelope.id) {
    auto read = read_id(tape_, *envelope.id);
    if (read) {
      id = *std::move(read);
    } else if (envelope.fault.empty()) {
      envelope.fault = "has an \"id\" that is neither an integer of 64 bits nor a string of at most " +
                       std::to_string(kIdBytesMax) + " bytes";
    }
  } else if (envelope.fault.empty()) {
    envelope.fault = "has no \"id\"; without one its outcome could not be told, so it was not run";
  }
  if (envelope.fault.empty()) {
    if (!is_text(tape_, envelope.version, "2.0")) {
      envelope.fault = "lacks \"jsonrpc\":\"2.0\"";
    } else if (envelope.result || envelope.error) {
      envelope.fault = "is an answer, not a request";
    } else if (!envelope.method || tape_.at(*envelope.method).kind != Tape::Kind::string) {
      envelope.fault = "lacks a \"method\" that is a string";
    }
  }
  if (!envelope.fault.empty()) {
    return refuse(kInvalidRequest, Errc::protocol, "the request " + envelope.fault, std::move(id));
  }
  std::size_t method = 0;
  while (method < kMethodNames.size() && !is_text(tape_, envelope.method, kMethodNames[method])) ++method;
  return read_call(tape_, std::move(id), method, envelope.params);
}

template <typename T>
Parser::Answer<T> Parser::parse_answer(std::string_view frame) {
  if (const auto fault = tape_.parse(frame, kNestingMax); !fault.empty()) return {{}, not_an_answer(fault), false};
  const auto envelope = open_envelope(tape_);
  if (tape_.at(0).kind != Tape::Kind::object || !is_text(tape_, envelope.version, "2.0") || !envelope.id ||
      envelope.result.has_value() == envelope.error.has_value()) {
    return {{}, not_an_answer("is not a JSON-RPC 2.0 answer"), false};
  }
  const auto id = read_id(tape_, *envelope.id).value_or(Id{});
  if (envelope.error) {
    WireError error;
    Reader reader(tape_, "error", Reader::Unknown::ignored);
    reader.read(*envelope.error, error);
    if (reader.failed()) return {id, not_an_answer("is wrong: " + reader.path() + ' ' + reader.what()), false};
    return {id, error_of(std::move(error))};
  }
  T result;
  Reader reader(tape_, "result", Reader::Unknown::ignored);
  reader.read(*envelope.result, result);
  if (reader.failed()) return {id, not_an_answer("is wrong: " + reader.path() + ' ' + reader.what()), false};
  return {id, std::move(result)};
}

template Parser::Answer<TransactionResult> Parser::parse_answer(std::string_view);
template Parser::Answer<TransactionStatus> Parser::parse_answer(std::string_view);
template Parser::Answer<TransactionList> Parser::parse_answer(std::string_view);
template Parser::Answer<ParticipantList> Parser::parse_answer(std::string_view);
template Parser::Answer<ServerInfo> Parser::parse_answer(std::string_view);
template Parser::Answer<HazardList> Parser::parse_answer(std::string_view);
template Parser::Answer<Acknowledged> Parser::parse_answer(std::string_view);
template Parser::Answer<Survey> Parser::parse_answer(std::string_view);
template Parser::Answer<Recovering> Parser::parse_answer(std::string_view);

void append_answer(std::string& out, const Id& id, const TransactionResult& result) {
  append_result(out, id, result);
}
void append_answer(std::string& out, const Id& id, const TransactionStatus& status) {
  append_result(out, id, status);
}
void append_answer(std::string& out, const Id& id, const TransactionList& list) {
  append_result(out, id, list);
}
void append_answer(std::string& out, const Id& id, const ParticipantList& list) {
  append_result(out, id, list);
}
void append_answer(std::string& out, const Id& id, const ServerInfo& info) {
  append_result(out, id, info);
}

void append_answer(std::string& out, const Id& id, const HazardList& list) {
  append_result(out, id, list);
}
void append_answer(std::string& out, const Id& id, const Acknowledged& done) {
  append_result(out, id, done);
}
void append_answer(std::string& out, const Id& id, const Survey& survey) {
  append_result(out, id, survey);
}
void append_answer(std::string& out, const Id& id, const Recovering& recovering) {
  append_result(out, id, recovering);
}

void append_answer(std::string& out, const Refusal& refusal) {
  open_answer(out, refusal.id);
  out += R"(,"error":)";
  Writer(out).write(WireError{
      refusal.number, refusal.error.what, {to_string(refusal.error.code), refusal.error.retryable, refusal.path}});
  out += "}\n";
}

Status append_request(std::string& out, std::int64_t id, const Transaction& call) {
  return append_call(out, id, call);
}
Status append_request(std::string& out, std::int64_t id, const StatusQuery& call) {
  return append_call(out, id, call);
}
Status append_request(std::string& out, std::int64_t id, const ListQuery& call) {
  return append_call(out, id, call);
}
Status append_request(std::string& out, std::int64_t id, const ParticipantsQuery& call) {
  return append_call(out, id, call);
}
Status append_request(std::string& out, std::int64_t id, const InfoQuery& call) {
  return append_call(out, id, call);
}
Status append_request(std::string& out, std::int64_t id, const HazardsQuery& call) {
  return append_call(out, id, call);
}
Status append_request(std::string& out, std::int64_t id, const Acknowledgement& call) {
  return append_call(out, id, call);
}
Status append_request(std::string& out, std::int64_t id, const SurveyQuery& call) {
  return append_call(out, id, call);
}
Status append_request(std::string& out, std::int64_t id, const RecoverQuery& call) {
  return append_call(out, id, call);
}

}  // namespace assent::wire
