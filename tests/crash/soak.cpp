#include "soak.hpp"

#include <signal.h>

#include <array>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <future>
#include <iomanip>
#include <sstream>

#include "protocol/xid.hpp"
#include "support/audit.hpp"

namespace assent::testing {
namespace {

using namespace std::chrono_literals;
using Clock = Settling::Clock;

constexpr const char* kCoordinator = "soak";
/// How long anything at all may take. Far above what is measured; beyond it the run ends.
constexpr auto kPatience = 60s;
/// Between the recovery from one kill and the next kill.
constexpr int kPauseMinMs = 50;
constexpr int kPauseMaxMs = 500;

/// Of what a kill has left, that is said in detail.
constexpr int kLoggedMax = 5;

std::vector<Bank::Place> places_of(const Servers& servers) {
  constexpr std::array kNames = {"east", "west"};
  std::vector<Bank::Place> places;
  for (const auto& server : servers.all()) places.push_back({kNames.at(places.size()), server});
  return places;
}

std::function<bool(const std::string&)> of_epochs_up_to(std::uint32_t epoch) {
  return [epoch](const std::string& gtrid) { return protocol::parse_gtrid(gtrid)->epoch <= epoch; };
}

}  // namespace

/// All that is left to chance in one kill. Always drawn as a whole, so that a seed gives the same kills again.
struct Soak::Plan {
  Victim victim = Victim::coordinator;
  std::size_t place = 0;
  bool coordinator_first = false;
  bool lose_log = false;
  std::chrono::milliseconds pause{0};
};

struct Soak::Crash {
  Victim victim;
  std::string what;
  Settling settling;
};

Soak::Soak(SoakOptions options, Servers& servers, std::function<bool()> interrupted)
    : options_(std::move(options)),
      servers_(servers),
      interrupted_(std::move(interrupted)),
      bank_({.database = "soak", .places = places_of(servers), .accounts = options_.accounts}),
      record_(options_.record_path),
      daemon_({.coordinator_id = kCoordinator,
               .participants = bank_.participants(),
               .more_json = options_.three_phase ? R"("transactions": {"protocol": "3pc"})" : "",
               .own_group = true}),
      watch_(bank_.places(), kCoordinator),
      random_(options_.seed) {}

Soak::~Soak() = default;

void Soak::start() {
  // While they answer. The log is beside the data.
  for (const auto& [participant, server] : bank_.places()) {
    const std::filesystem::path data = Sql(server, "", true).text("SELECT @@datadir");
    server_logs_[participant + "." + server.name] = data.parent_path().parent_path() / "error.log";
  }
  launch();
  daemon_.wait_up();
}

Soak::Plan Soak::plan() {
  Plan plan;
  const auto draw = [&](std::uint64_t below) { return random_() % below; };
  const auto any = static_cast<Victim>(draw(3));
  plan.victim = options_.kill == Victim::both ? any : options_.kill;
  plan.place = draw(bank_.places().size());
  plan.coordinator_first = draw(2) == 0;
  plan.lose_log = draw(3) == 0 && options_.three_phase;
  plan.pause = std::chrono::milliseconds(kPauseMinMs + draw(kPauseMaxMs - kPauseMinMs + 1));
  return plan;
}

SoakReport Soak::run() {
  const auto started = Clock::now();
  tellers_ = std::make_unique<Tellers>(
      bank_, record_, [this] { return port_.load(); },
      Tellers::Options{.clients = options_.clients, .seed = options_.seed, .keys_last = !options_.three_phase});
  try {
    attempt([this] { kill_all(); });
  } catch (const Interrupted&) {
    report_.interrupted = true;
  }
  attempt([this] { bring_all_up(); });
  tellers_->stop();
  attempt([this] { await_quiet(); });
  attempt([this] { hold_audit(); });
  if (const int code = serving_ ? daemon_.terminate() : 0; code != 0) {
    report_.problems.push_back("assentd was told to stop and ended with " + std::to_string(code));
  }
  report_.seconds = std::chrono::duration<double>(Clock::now() - started).count();
  report_.transfers = record_.counts();
  report_.ever_unknown = record_.ever_unknown();
  return report_;
}

void Soak::attempt(const std::function<void()>& step) {
  try {
    step();
  } catch (const std::exception& failure) {
    // The coordinator's output that follows is kept elsewhere.
    const std::string what = failure.what();
    report_.problems.push_back(what.substr(0, what.find('\n')));
  }
}

void Soak::kill_all() {
  std::optional<Crash> crash;
  for (int i = 1; i <= options_.kills; ++i) {
    const auto next = plan();
    let_run(next.pause, crash ? &*crash : nullptr);
    crash.emplace(kill(i, next));
    await_settled(*crash);
  }
  let_run(std::chrono::milliseconds(kPauseMaxMs), crash ? &*crash : nullptr);
}

Soak::Crash Soak::kill(int number, const Plan& plan) {
  ++report_.kills[plan.victim];
  auto what = "kill " + std::to_string(number) + " (" + to_string(plan.victim) +
              (plan.victim == Victim::coordinator ? "" : " " + bank_.places()[plan.place].participant) + ")";
  log_event(what);
  switch (plan.victim) {
    case Victim::coordinator: return {plan.victim, std::move(what), kill_coordinator(plan.lose_log)};
    case Victim::server: return {plan.victim, std::move(what), kill_server(plan.place)};
    case Victim::both: break;
  }
  return {plan.victim, std::move(what), kill_both(plan.place, plan.coordinator_first, plan.lose_log)};
}

void Soak::kill_daemon(bool lose_log) {
  serving_ = false;
  daemon_.kill_9();
  if (!lose_log) return;
  ++report_.logs_lost;
  log_event("its log is deleted");
  std::filesystem::remove_all(daemon_.log_folder());
  // The next start is refused unless somebody says so.
  daemon_.options().arguments = {"--log-lost"};
}

/// Gives when it was told to settle what is left. Without its log it first sees for itself that nobody else lives.
Settling::Clock::time_point Soak::relaunch(bool log_lost) {
  const auto begun = Clock::now();
  launch();
  return log_lost ? Clock::now() : begun;
}

Settling Soak::kill_coordinator(bool lose_log) {
  const auto ended = epoch_;
  kill_daemon(lose_log);
  note_doubt(listed_at_all());
  return {watch_, relaunch(lose_log), of_epochs_up_to(ended)};
}

Settling Soak::kill_server(std::size_t place) {
  sigkill(place);
  const auto found = restart(place);
  const auto since = Clock::now();
  note_doubt(found);
  return {watch_, since, [found](const std::string& gtrid) { return found.contains(gtrid); }};
}

Settling Soak::kill_both(std::size_t place, bool coordinator_first, bool lose_log) {
  const auto ended = epoch_;
  sigkill(place);
  kill_daemon(lose_log);
  if (coordinator_first) {
    launch();
    const auto found = restart(place);
    const auto since = Clock::now();
    note_doubt(found);
    return {watch_, since, of_epochs_up_to(ended)};
  }
  restart(place);
  note_doubt(listed_at_all());
  return {watch_, relaunch(lose_log), of_epochs_up_to(ended)};
}

void Soak::note_doubt(const std::set<std::string>& gtrids) {
  report_.left_in_doubt += gtrids.size();
  if (!gtrids.empty()) ++report_.kills_leaving_doubt;
  log_event(std::to_string(gtrids.size()) + " transactions left in doubt");
}

std::set<std::string> Soak::listed_at_all() {
  std::set<std::string> all;
  for (std::size_t i = 0; i < watch_.places(); ++i) {
    if (auto listed = watch_.listed(i)) all.merge(*listed);
  }
  return all;
}

void Soak::log_event(const std::string& what) {
  const auto now = std::chrono::system_clock::now();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::ostringstream line;
  line << std::put_time(&utc, "%FT%T.") << std::setw(3) << std::setfill('0') << ms << "Z " << what;
  report_.events.push_back(line.str());
}

void Soak::let_run(std::chrono::milliseconds pause, Crash* crash) {
  const auto before = committed();
  wait_until([&] { return crash != nullptr && !crash->settling.look() && false; }, pause);
  if (!wait_until([&] { return committed() > before; }, kPatience)) {
    throw std::runtime_error("no transfer was committed for a minute" + (crash ? " after " + crash->what : ""));
  }
  if (crash == nullptr) return;
  await_settled(*crash);
  note_settled(*crash);
}

void Soak::await_settled(Crash& crash) {
  const auto until = Clock::now() + kPatience;
  while (Clock::now() < until) {
    if (wait_until([&] { return crash.settling.look(); }, options_.settle_bound / 4)) return;
    // What is late is told before it is too late.
    log_what_is_left(crash);
  }
  const auto& left = crash.settling.left();
  throw std::runtime_error(
      crash.what + ": not settled after a minute: " +
      (left.empty() ? "a server does not answer"
                    : std::to_string(left.size()) + " transactions are in doubt, the first is " + *left.begin()));
}

void Soak::log_what_is_left(const Crash& crash) {
  log_event(crash.what + ": " + std::to_string(crash.settling.left().size()) + " are still left");
  Client::Address address;
  address.port = port_;
  auto client = Client::connect(address);
  if (!client.ok()) return log_event("  " + client.error().what);
  int shown = 0;
  for (const auto& gtrid : crash.settling.left()) {
    if (++shown > kLoggedMax) return;
    const auto status = client->status_of_gtrid(gtrid);
    if (!status.ok()) {
      log_event("  " + gtrid + ": " + status.error().what);
      continue;
    }
    std::string line = "  " + gtrid + ": " + (status->outcome ? to_string(*status->outcome) : "undecided");
    for (const auto& branch : status->branches) {
      line += "; " + branch.participant + " " + to_string(branch.state) + " " + branch.detail;
    }
    log_event(line);
  }
}

void Soak::note_settled(const Crash& crash) {
  join_restart();
  const auto took = crash.settling.settled_after().value();
  report_.settle_ms[crash.victim].push_back(took.count());
  std::string last;
  for (const auto& gtrid : crash.settling.last_left()) last += ", " + gtrid;
  log_event(crash.what + ": settled after " + std::to_string(took.count()) + " ms" +
            (last.empty() ? "" : "; the last:" + last.substr(1)));
  if (took > options_.settle_bound) {
    report_.problems.push_back(crash.what + ": settled after " + std::to_string(took.count()) + " ms, the bound is " +
                               std::to_string(options_.settle_bound.count()) + " ms");
  }
  ++kills_done_;
}

void Soak::launch() {
  daemon_.launch();
  if (!daemon_.wait_ready()) throw std::runtime_error("assentd ended before it served\n" + daemon_.output());
  daemon_.options().arguments.clear();
  serving_ = true;
  port_ = daemon_.port();
  epoch_ = daemon_.client().info()->epoch;
}

void Soak::sigkill(std::size_t place) {
  const auto& name = bank_.places()[place].server.name;
  down_ = place;
  // By itself first: the script takes its time, and what else is to be killed should not wait for it.
  if (const auto pid = servers_.at(name).pid; pid > 0) ::kill(pid, SIGKILL);
}

std::set<std::string> Soak::restart(std::size_t place) {
  restarting_ = std::async(std::launch::async, [this, name = bank_.places()[place].server.name] {
    servers_.kill(name);
    servers_.restart(name);
  });
  down_.reset();
  std::optional<std::set<std::string>> listed;
  const bool answers = wait_until(
      [&] {
        listed = watch_.listed(place);
        return listed.has_value() || restarting_.wait_for(0s) == std::future_status::ready;
      },
      2 * kPatience);
  if (listed) return std::move(*listed);
  join_restart();
  throw std::runtime_error("the server of " + bank_.places()[place].participant +
                           (answers ? " answers only its own script" : " does not answer"));
}

void Soak::join_restart() {
  if (restarting_.valid()) restarting_.get();
}

void Soak::bring_all_up() {
  attempt([this] { join_restart(); });
  for (std::size_t i = 0; i < bank_.places().size(); ++i) {
    if (watch_.listed(i)) continue;
    const auto& [participant, server] = bank_.places()[i];
    if (down_ != i) report_.problems.push_back("the server of " + participant + " has ended by itself");
    servers_.kill(server.name);
    servers_.restart(server.name);
  }
  // Ctrl-C at a terminal reaches the coordinator as well; another run of it settles what that one leaves.
  if (report_.interrupted && serving_) {
    serving_ = false;
    daemon_.terminate();
  } else if (const int code = serving_ ? daemon_.wait(0ms) : -1; code != -1) {
    serving_ = false;
    report_.problems.push_back("assentd has ended by itself with " + std::to_string(code));
  }
  if (!serving_) launch();
  daemon_.wait_up();
}

void Soak::await_quiet() {
  auto client = daemon_.client();
  const bool quiet = eventually(
      [&] {
        const auto list = client.list();
        return list.ok() && list->empty();
      },
      kPatience);
  if (!quiet) report_.problems.push_back("assentd still has unsettled transactions a minute after the last submit");
  const auto info = client.info();
  if (info.ok() && info->hazards > 0) {
    report_.problems.push_back("assentd reports " + std::to_string(info->hazards) + " hazards");
  }
}

void Soak::hold_audit() {
  auto audited = audit(bank_, record_, kCoordinator);
  report_.unknown_committed = audited.unknown_committed;
  report_.unknown_rolled_back = audited.unknown_rolled_back;
  for (auto& problem : audited.problems) report_.problems.push_back(std::move(problem));
}

bool Soak::wait_until(const std::function<bool()>& done, std::chrono::milliseconds bound) {
  return eventually(
      [&] {
        if (interrupted_()) throw Interrupted{};
        return done();
      },
      bound);
}

std::uint64_t Soak::committed() const {
  return record_.counts()[static_cast<std::size_t>(Told::Outcome::committed)];
}

std::string Soak::progress() const {
  const auto counts = record_.counts();
  std::string line = "kill " + std::to_string(kills_done_) + " of " + std::to_string(options_.kills);
  for (std::size_t i = counts.size(); i-- > 0;) line += ", " + std::to_string(counts[i]) + " " + kTold[i];
  return line;
}

void Soak::keep_evidence(const std::string& folder) {
  namespace fs = std::filesystem;
  // The passwords stay behind.
  for (const auto* name : {"output", "assentd.json", "log"}) {
    const auto from = fs::path(daemon_.folder()) / name;
    if (fs::exists(from)) fs::copy(from, fs::path(folder) / name, fs::copy_options::recursive);
  }
  for (const auto& [name, path] : server_logs_) {
    if (fs::exists(path)) fs::copy(path, fs::path(folder) / (name + ".error.log"));
  }
  std::ofstream problems(fs::path(folder) / "problems");
  for (const auto& problem : report_.problems) problems << problem << "\n";
  std::ofstream kills(fs::path(folder) / "kills");
  for (const auto& event : report_.events) kills << event << "\n";
  if (!problems.flush() || !kills.flush()) throw std::runtime_error(folder + " cannot be written to");
}

}  // namespace assent::testing
