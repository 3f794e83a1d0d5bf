#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "assent/result.hpp"
#include "assent/status.hpp"
#include "assent/survey.hpp"
#include "assent/transaction.hpp"
#include "wire/limits.hpp"
#include "wire/tape.hpp"

namespace assent::wire {

// JSON-RPC 2.0 messages, one per line, in both directions. PROTOCOL.md beside this file is their specification.
// Pure functions; everything that is appended is a whole frame with its newline.

/// A request's id as JSON text (`7`, `"a"`), to be echoed; `null` when there was none that could be echoed.
struct Id {
  std::string json = "null";
  bool operator==(const Id&) const = default;
};

struct StatusQuery {
  std::string gtrid;  ///< Exactly one of the two is not empty.
  std::string idempotency_key;
  bool operator==(const StatusQuery&) const = default;
};
struct ListQuery {
  std::uint32_t max = kListDefault;
  bool operator==(const ListQuery&) const = default;
};
struct ParticipantsQuery {};
struct InfoQuery {};

struct HazardsQuery {};
/// What is in doubt is to be settled now.
struct RecoverQuery {};

struct HazardList {
  std::vector<Hazard> hazards;
};
struct Acknowledged {};
struct Recovering {
  std::uint64_t branches = 0;  ///< To be settled.
};
struct TransactionList {
  std::vector<TransactionStatus> transactions;
};
struct ParticipantList {
  std::vector<ParticipantInfo> participants;
};

/// In the order of kMethodNames.
using Call = std::variant<Transaction, StatusQuery, ListQuery, ParticipantsQuery, InfoQuery, HazardsQuery,
                          Acknowledgement, SurveyQuery, RecoverQuery>;

struct Request {
  Id id;
  Call call;
};

/// A JSON-RPC error: nothing was run.
struct Refusal {
  Id id;
  int number = 0;
  Error error;
  std::string path;  ///< Of the field that was wrong; may be empty.
};

/// The Refusal that an error of ours becomes on the wire.
Refusal refusal_of(Id id, Error error);

/// The refusal of a line longer than `frame_bytes_max`; costs the connection.
Refusal oversized_frame(std::size_t frame_bytes_max);
/// The refusal of what came after the last newline before the peer closed. It may be the beginning of something
/// longer, so it is never run.
Refusal unterminated_frame();

/// Why a connection that begins with `first` is no client of this protocol: its first byte that is no white space must
/// be the `{` of a request. Nothing while no such byte has come, and of a client. A web page can make a browser send
/// any bytes to any address, but not without the words of HTTP before them.
std::optional<Refusal> wrong_beginning(std::string_view first);

/// Reads frames; keeps its memory between them. One per thread.
class Parser {
 public:
  std::variant<Request, Refusal> parse_request(std::string_view frame);

  /// An answer whose result is what the method gives, one of those for which there is an append_answer().
  template <typename T>
  struct Answer {
    Id id;
    Result<T> result;
    /// False when the frame is no such answer; `result` then says why. Nothing can be concluded from it.
    bool understood = true;
  };
  /// An error in the frame comes back as the coordinator's own.
  template <typename T>
  Answer<T> parse_answer(std::string_view frame);

 private:
  Tape tape_;
};

// Answers.
void append_answer(std::string& out, const Id& id, const TransactionResult& result);
void append_answer(std::string& out, const Id& id, const TransactionStatus& status);
void append_answer(std::string& out, const Id& id, const TransactionList& list);
void append_answer(std::string& out, const Id& id, const ParticipantList& list);
void append_answer(std::string& out, const Id& id, const ServerInfo& info);
void append_answer(std::string& out, const Id& id, const HazardList& list);
void append_answer(std::string& out, const Id& id, const Acknowledged& done);
void append_answer(std::string& out, const Id& id, const Survey& survey);
void append_answer(std::string& out, const Id& id, const Recovering& recovering);
void append_answer(std::string& out, const Refusal& refusal);

// Requests. Errc::invalid_argument, with `out` as it was, for what JSON cannot hold: text that is not UTF-8, a double
// that is no number.
Status append_request(std::string& out, std::int64_t id, const Transaction& transaction);
Status append_request(std::string& out, std::int64_t id, const StatusQuery& query);
Status append_request(std::string& out, std::int64_t id, const ListQuery& query);
Status append_request(std::string& out, std::int64_t id, const ParticipantsQuery& query);
Status append_request(std::string& out, std::int64_t id, const InfoQuery& query);
Status append_request(std::string& out, std::int64_t id, const HazardsQuery& query);
Status append_request(std::string& out, std::int64_t id, const Acknowledgement& acknowledgement);
Status append_request(std::string& out, std::int64_t id, const SurveyQuery& query);
Status append_request(std::string& out, std::int64_t id, const RecoverQuery& query);

}  // namespace assent::wire
