#include "support/tellers.hpp"

namespace assent::testing {
namespace {

using namespace std::chrono_literals;

/// Before the next attempt, when the coordinator or a participant is not there.
constexpr auto kRetryPause = 25ms;
/// How long an unknown outcome is asked for once all is to stop.
constexpr auto kLastAnswerBound = 10s;

Told::Outcome told_by(Outcome outcome) {
  switch (outcome) {
    case Outcome::committed: return Told::Outcome::committed;
    case Outcome::rolled_back: return Told::Outcome::rolled_back;
    case Outcome::unknown: break;
  }
  return Told::Outcome::unknown;
}

int one_of(std::mt19937_64& random, int most) {
  return 1 + static_cast<int>(random() % static_cast<std::uint64_t>(most));
}

}  // namespace

Tellers::Tellers(Bank& bank, Record& record, std::function<std::uint16_t()> port, Options options)
    : bank_(bank), record_(record), port_(std::move(port)), options_(options) {
  for (int i = 0; i < options_.clients; ++i) threads_.emplace_back([this, i] { run(i); });
}

void Tellers::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (auto& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

bool Tellers::stopping(std::chrono::milliseconds pause) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, pause, [this] { return stop_; });
}

void Tellers::run(int number) {
  std::mt19937_64 random(options_.seed * 1000 + static_cast<std::uint64_t>(number));
  while (!stopping()) {
    auto line = connect();
    if (!line) {
      stopping(kRetryPause);
      continue;
    }
    while (!stopping() && transfer(*line, random)) {
    }
  }
}

std::optional<Tellers::Line> Tellers::connect() const {
  Client::Address address;
  address.port = port_();
  auto client = Client::connect(address);
  if (!client.ok()) return std::nullopt;
  const auto info = client->info();
  if (!info.ok()) return std::nullopt;
  return Line{std::move(client).value(), info->epoch};
}

bool Tellers::transfer(Line& line, std::mt19937_64& random) {
  Told told;
  told.id = bank_.next_id();
  told.from = one_of(random, bank_.accounts());
  told.to = one_of(random, bank_.accounts());
  told.amount = one_of(random, static_cast<int>(options_.amount_max)) * (random() % 2 == 0 ? 1 : -1);
  const auto result = line.client.submit(bank_.transfer(told.id, told.from, told.to, told.amount));
  if (result.ok()) {
    told.outcome = told_by(result->outcome);
    told.settled = result->settled;
    told.gtrid = result->gtrid;
    record_.tell(told, result->cause ? result->cause->message : "submit");
    if (told.outcome == Told::Outcome::unknown) ask_again(told, line.epoch);
    return true;
  }
  const auto& error = result.error();
  const bool lost = error.code == Errc::io || error.code == Errc::timed_out;
  told.outcome = lost ? Told::Outcome::unknown : Told::Outcome::never_run;
  record_.tell(told, std::string(to_string(error.code)) + ": " + error.what);
  if (lost) {
    ask_again(told, line.epoch);
    return false;
  }
  // It may be the coordinator that is not there, or a participant: the next connection tells.
  stopping(kRetryPause);
  return error.code != Errc::unavailable;
}

void Tellers::ask_again(Told told, std::uint32_t submitted_in) {
  if (told.gtrid.empty() && bank_.key_of(told.id).empty()) return;
  std::optional<std::chrono::steady_clock::time_point> until;
  while (!ask_once(told, submitted_in)) {
    if (!stopping(kRetryPause)) continue;
    const auto now = std::chrono::steady_clock::now();
    if (!until) until = now + kLastAnswerBound;
    if (now > *until) return;
  }
}

bool Tellers::ask_once(Told& told, std::uint32_t submitted_in) {
  auto line = connect();
  // A coordinator that is not there when all is to stop will not come back.
  if (!line) return stopping();
  const auto key = bank_.key_of(told.id);
  const auto status = key.empty() ? line->client.status_of_gtrid(told.gtrid) : line->client.status_of_key(key);
  if (status.ok()) {
    if (!status->outcome || *status->outcome == Outcome::unknown) return false;
    told.outcome = told_by(*status->outcome);
    told.settled = status->settled;
    told.gtrid = status->gtrid;
    record_.tell(told, "status");
    return true;
  }
  if (status.error().code != Errc::not_found) return false;
  // A later run of the coordinator knows the keys of all that was committed. By gtrid it need not know it any more.
  if (key.empty() || line->epoch <= submitted_in || !options_.keys_last) return true;
  told.outcome = Told::Outcome::rolled_back;
  told.settled = false;
  record_.tell(told, "status: its key is not known in a later epoch");
  return true;
}

}  // namespace assent::testing
