#include "assent/client.hpp"

#include <utility>

#include "client/connection.hpp"
#include "wire/message.hpp"

namespace assent {
namespace {

/// A transaction without a timeout of its own gets the coordinator's default, which is not known here. This is what
/// assentd comes with; with a longer one configured, give each transaction its timeout.
constexpr std::chrono::milliseconds kAssumedDefaultTimeout{5'000};

constexpr std::chrono::milliseconds kPartingPatience{100};

}  // namespace

class Client::Impl {
 public:
  explicit Impl(Address address) : address_(std::move(address)), connection_(address_) {}

  Status open() { return connection_.open(); }

  template <typename T, typename Call>
  Result<T> ask(const Call& call, std::chrono::milliseconds patience) {
    const std::int64_t id = ++last_id_;
    line_.clear();
    if (auto written = wire::append_request(line_, id, call); !written.ok()) return std::move(written).error();
    // A connection that the coordinator closed while it was idle is found here, where nothing has been sent yet.
    if (!connection_.is_open() || connection_.stale()) {
      if (auto opened = connection_.open(); !opened.ok()) return std::move(opened).error();
    }
    const auto deadline = base::SteadyClock::now() + patience;
    auto sent = connection_.send(line_, deadline);
    // A coordinator that closes on us may have said why.
    auto line = connection_.receive(sent.ok() ? deadline : base::SteadyClock::now() + kPartingPatience);
    if (!line.ok()) return sent.ok() ? std::move(line).error() : std::move(sent).error();

    auto answer = parser_.parse_answer<T>(*line);
    if (answer.understood && answer.id.json == std::to_string(id)) return std::move(answer.result);
    connection_.close();
    // An error without an id is about the connection or about a line that was not understood, and ours is the only one.
    if (answer.understood && answer.id == wire::Id{} && !answer.result.ok()) return std::move(answer.result);
    if (!sent.ok()) return std::move(sent).error();
    if (answer.understood) return Error{Errc::io, "the coordinator answered another request than the one sent", false};
    return Error{Errc::io, answer.result.error().what, false};
  }

  template <typename T, typename Call>
  Result<T> ask(const Call& call) {
    return ask<T>(call, address_.answer_grace);
  }

  std::chrono::milliseconds patience_for(const Transaction& transaction) const {
    const auto own = transaction.timeout.count() > 0 ? transaction.timeout : kAssumedDefaultTimeout;
    return own + address_.answer_grace;
  }

 private:
  Address address_;
  client::Connection connection_;
  wire::Parser parser_;
  std::string line_;
  std::int64_t last_id_ = 0;
};

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Result<Client> Client::connect(Address address) {
  auto impl = std::make_unique<Impl>(std::move(address));
  if (auto opened = impl->open(); !opened.ok()) return std::move(opened).error();
  return Client(std::move(impl));
}

Result<TransactionResult> Client::submit(const Transaction& transaction) {
  return impl_->ask<TransactionResult>(transaction, impl_->patience_for(transaction));
}

Result<TransactionStatus> Client::status_of_gtrid(const std::string& gtrid) {
  return impl_->ask<TransactionStatus>(wire::StatusQuery{.gtrid = gtrid, .idempotency_key = {}});
}

Result<TransactionStatus> Client::status_of_key(const std::string& idempotency_key) {
  return impl_->ask<TransactionStatus>(wire::StatusQuery{.gtrid = {}, .idempotency_key = idempotency_key});
}

Result<std::vector<TransactionStatus>> Client::list() {
  auto list = impl_->ask<wire::TransactionList>(wire::ListQuery{wire::kListMax});
  if (!list.ok()) return std::move(list).error();
  return std::move(list->transactions);
}

Result<std::vector<ParticipantInfo>> Client::participants() {
  auto list = impl_->ask<wire::ParticipantList>(wire::ParticipantsQuery{});
  if (!list.ok()) return std::move(list).error();
  return std::move(list->participants);
}

Result<ServerInfo> Client::info() {
  return impl_->ask<ServerInfo>(wire::InfoQuery{});
}

Result<std::vector<Hazard>> Client::hazards() {
  auto list = impl_->ask<wire::HazardList>(wire::HazardsQuery{});
  if (!list.ok()) return std::move(list).error();
  return std::move(list->hazards);
}

Status Client::acknowledge(const Acknowledgement& acknowledgement) {
  auto done = impl_->ask<wire::Acknowledged>(acknowledgement);
  if (!done.ok()) return std::move(done).error();
  return Ok{};
}

Result<Survey> Client::survey(const SurveyQuery& query) {
  return impl_->ask<Survey>(query);
}

Result<std::uint64_t> Client::recover_now() {
  auto recovering = impl_->ask<wire::Recovering>(wire::RecoverQuery{});
  if (!recovering.ok()) return std::move(recovering).error();
  return recovering->branches;
}

}  // namespace assent
