#include "rivals.hpp"

#include <signal.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iomanip>
#include <sstream>
#include <thread>

#include "support/audit.hpp"

namespace assent::testing {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr int kRivals = 3;
/// How long anything at all may take. Far above what is measured; beyond it the run ends.
constexpr auto kPatience = 90s;
/// A pause is shorter or longer than it takes to be adopted, and than an owner may be silent.
constexpr int kPauseMinMs = 100;
constexpr int kPauseMaxMs = 9'000;
/// So many rounds there are at least, and between two of them so many transfers.
constexpr std::uint64_t kTransfersPerRound = 200;
constexpr int kExitBadConfig = 78;
constexpr int kExitUnavailable = 69;

std::vector<Bank::Place> places_of(const Servers& servers) {
  return {{"east", servers.at("mariadb1")}, {"west", servers.at("mysql1")}};
}

std::string time_now() {
  const auto now = std::chrono::system_clock::now();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::ostringstream text;
  text << std::put_time(&utc, "%FT%T.") << std::setw(3) << std::setfill('0') << ms << "Z";
  return text.str();
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

std::string id_of(int number) {
  return "rival" + std::to_string(number + 1);
}

/// Three phases over three acceptors, the third of which only keeps outcomes; and the other two are adopted.
std::string configuration_of(int number) {
  std::string others;
  for (int i = 0; i < kRivals; ++i) {
    if (i != number) others += (others.empty() ? "\"" : ",\"") + id_of(i) + "\"";
  }
  return R"("transactions": {"protocol": "3pc", "acceptors": ["east", "west", "witness"]},)"
         R"("log": {"segment_bytes": 262144, "checkpoint_every_segments": 1},)"
         R"("adopt": {"after_silent_ms": 1500, "coordinators": [)" +
         others + "]}";
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t found = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

}  // namespace

const char* Rivals::name_of(Deed deed) {
  switch (deed) {
    case Deed::nothing: return "nothing";
    case Deed::pause: return "paused";
    case Deed::kill: return "killed";
    case Deed::lose_log: return "killed, its log deleted";
    case Deed::delete_log: return "its log deleted while it ran";
    case Deed::tool: return "paused, and the tool run beside it";
  }
  return "";
}

Rivals::Rivals(RivalsOptions options, Servers& servers, std::function<bool()> interrupted)
    : options_(std::move(options)),
      interrupted_(std::move(interrupted)),
      bank_({.database = "rivals", .places = places_of(servers), .accounts = options_.accounts}),
      record_(options_.record_path),
      random_(options_.seed) {
  const auto& witness = servers.at("mariadb2");
  for (int i = 0; i < kRivals; ++i) {
    auto rival = std::make_unique<Rival>();
    rival->id = id_of(i);
    auto participants = bank_.participants();
    participants.push_back(
        {"witness", witness.host, witness.port, witness.user, witness.password, "", R"("witness": true)"});
    rival->daemon = std::make_unique<Daemon>(Daemon::Options{.coordinator_id = rival->id,
                                                             .participants = std::move(participants),
                                                             .more_json = configuration_of(i),
                                                             .own_group = true});
    rivals_.push_back(std::move(rival));
  }
}

Rivals::~Rivals() = default;

void Rivals::start() {
  for (const auto& rival : rivals_) {
    rival->daemon->start();
    rival->port = rival->daemon->port();
    rival->daemon->wait_up();
  }
}

RivalsReport Rivals::run() {
  const auto started = Clock::now();
  for (std::size_t i = 0; i < rivals_.size(); ++i) {
    auto* rival = rivals_[i].get();
    rival->tellers = std::make_unique<Tellers>(
        bank_, record_, [rival] { return rival->port.load(); },
        Tellers::Options{.clients = options_.clients, .seed = options_.seed + i * 1000, .keys_last = false});
  }
  attempt("the run", [this] {
    for (std::uint64_t done = 0; done < options_.transactions || told() < options_.transactions;) {
      if (interrupted_()) {
        report_.interrupted = true;
        break;
      }
      do_round(draw_round());
      done += kTransfersPerRound;
      await_more(std::max(done, told() + 1));
    }
  });
  finish();
  report_.transfers = record_.counts();
  report_.ever_unknown = record_.ever_unknown();
  report_.seconds = std::chrono::duration<double>(Clock::now() - started).count();
  return report_;
}

/// Always drawn as a whole, so that a seed gives the same deeds again. One of the three is left in peace.
std::vector<Rivals::Plan> Rivals::draw_round() {
  std::vector<Plan> plans(rivals_.size());
  const auto spared = random_() % plans.size();
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const auto any = static_cast<Deed>(random_() % 6);
    const auto length = kPauseMinMs + static_cast<int>(random_() % (kPauseMaxMs - kPauseMinMs));
    if (i != spared) plans[i] = {any, std::chrono::milliseconds(length)};
  }
  return plans;
}

void Rivals::do_round(const std::vector<Plan>& plans) {
  std::vector<std::future<void>> deeds;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    if (plans[i].deed == Deed::nothing) continue;
    deeds.push_back(std::async(std::launch::async, [this, i, plan = plans[i]] { act(i, plan); }));
  }
  for (auto& deed : deeds) deed.get();
}

void Rivals::act(std::size_t number, const Plan& plan) {
  auto& rival = *rivals_[number];
  note(rival.id + ": " + name_of(plan.deed));
  {
    const std::lock_guard lock(mutex_);
    ++report_.deeds[name_of(plan.deed)];
  }
  attempt(rival.id + ", " + name_of(plan.deed), [&] {
    switch (plan.deed) {
      case Deed::nothing: return;
      case Deed::pause: return pause(rival, plan.length, false);
      case Deed::tool: return pause(rival, plan.length, true);
      case Deed::kill: kill(rival); return bring_back(rival, false);
      case Deed::lose_log:
        kill(rival);
        fs::remove_all(rival.daemon->log_folder());
        return bring_back(rival, true);
      case Deed::delete_log:
        fs::remove_all(rival.daemon->log_folder());
        // It notices when it writes, at the latest.
        if (const int code = rival.daemon->wait(kPatience); code <= 0) {
          problem(rival.id + ": its log was deleted, and it ended with " + std::to_string(code));
        }
        return bring_back(rival, true);
    }
  });
}

void Rivals::pause(Rival& rival, std::chrono::milliseconds length, bool with_tool) {
  rival.daemon->signal(SIGSTOP);
  std::this_thread::sleep_for(length);
  if (with_tool) attempt("the tool", [&] { use_tool(rival); });
  rival.daemon->signal(SIGCONT);
  // It serves again, or has found that it was displaced.
  const bool answers = eventually(
      [&] {
        if (rival.daemon->has_ended()) return true;
        Client::Address address;
        address.port = rival.port;
        auto client = Client::connect(address);
        return client.ok() && client->info().ok();
      },
      kPatience);
  if (!answers)
    return problem(rival.id + " does not answer after a pause of " + std::to_string(length.count()) + " ms");
  if (!rival.daemon->has_ended()) return;
  const int code = rival.daemon->wait(1s);
  note(rival.id + ": ended after its pause with " + std::to_string(code));
  if (code <= 0 || code > 128) problem(rival.id + ": ended after its pause with " + std::to_string(code));
  bring_back(rival, false);
}

/// By somebody who takes the paused one for gone: on its own host, and on another, where its log is not.
void Rivals::use_tool(Rival& paused) {
  const auto& elsewhere = *rivals_[(&paused == rivals_[0].get()) ? 1 : 0];
  const std::vector<std::vector<std::string>> calls = {
      {"recover", "--config", paused.daemon->config_path(), "--apply", "--timeout-ms", "5000"},
      {"recover", "--config", elsewhere.daemon->config_path(), "--coordinator", paused.id, "--log-lost", "--apply",
       "--timeout-ms", "5000", "--audit-file", elsewhere.daemon->folder() + "/tool.audit"}};
  for (const auto& words : calls) {
    const TempFolder folder;
    Program tool("assentctl", words, folder.path() + "/output");
    const int code = tool.wait(kPatience);
    const auto output = tool.output();
    note(paused.id + ": the tool " + (&words == &calls[0] ? "on its host" : "elsewhere") + " ends with " +
         std::to_string(code) + ": " + first_line(output));
    if (&words == &calls[0] && code != kExitUnavailable) {
      problem("the tool was not refused beside " + paused.id + ", but ended with " + std::to_string(code) + ": " +
              first_line(output));
    }
    if (code < 0 || code > 128) problem("the tool ended with " + std::to_string(code));
  }
}

void Rivals::kill(Rival& rival) {
  rival.daemon->signal(SIGKILL);
  if (const int code = rival.daemon->wait(10s); code != 128 + SIGKILL) {
    problem(rival.id + " had ended by itself with " + std::to_string(code));
  }
}

void Rivals::bring_back(Rival& rival, bool log_lost) {
  if (log_lost) return start_after_loss(rival);
  rival.daemon->start();
  rival.port = rival.daemon->port();
}

void Rivals::start_after_loss(Rival& rival) {
  auto& daemon = *rival.daemon;
  const auto said_before = daemon.output().size();
  daemon.launch();
  if (daemon.wait_ready()) {
    problem(rival.id + " was not refused without its log");
  } else {
    const int code = daemon.wait(10s);
    const auto said = daemon.output().substr(said_before);
    note(rival.id + ": without its log it is refused with " + std::to_string(code));
    if (code != kExitBadConfig || said.find("--log-lost") == std::string::npos) {
      problem(rival.id + " was refused without its log with " + std::to_string(code) + ", and not told of --log-lost");
    }
    daemon.options().arguments = {"--log-lost"};
    daemon.start();
    daemon.options().arguments = {};
  }
  rival.port = daemon.port();
}

void Rivals::await_more(std::uint64_t transfers) {
  if (!eventually([&] { return told() >= transfers; }, kPatience)) {
    throw std::runtime_error("clients are told nothing any more");
  }
}

void Rivals::attempt(const std::string& what, const std::function<void()>& step) {
  try {
    step();
  } catch (const std::exception& failure) {
    // The coordinator's output that follows is kept elsewhere.
    problem(what + ": " + first_line(failure.what()));
  }
}

void Rivals::finish() {
  for (const auto& rival : rivals_) {
    attempt(rival->id, [&] {
      if (rival->daemon->has_ended()) {
        problem(rival->id + " has ended by itself with " + std::to_string(rival->daemon->wait(1s)));
        bring_back(*rival, false);
      }
      rival->daemon->wait_up();
    });
  }
  for (const auto& rival : rivals_) rival->tellers->stop();
  for (const auto& rival : rivals_) {
    attempt(rival->id, [&] {
      auto client = rival->daemon->client();
      const bool quiet = eventually(
          [&] {
            const auto list = client.list();
            return list.ok() && list->empty();
          },
          kPatience);
      if (!quiet) problem(rival->id + " still has unsettled transactions");
      if (const auto info = client.info(); info.ok() && info->hazards > 0) {
        problem(rival->id + " reports " + std::to_string(info->hazards) + " hazards");
      }
    });
  }
  for (const auto& rival : rivals_) {
    attempt("the audit", [&] {
      auto audited = audit(bank_, record_, rival->id, kPatience);
      report_.unknown_committed = audited.unknown_committed;
      report_.unknown_rolled_back = audited.unknown_rolled_back;
      for (const auto& found : audited.problems) problem(rival->id + ": " + found);
    });
  }
  for (const auto& rival : rivals_) {
    report_.adoptions += count(rival->daemon->output(), "its transactions in three phases are finished here");
    if (const int code = rival->daemon->terminate(); code != 0) {
      problem(rival->id + " was told to stop and ended with " + std::to_string(code));
    }
  }
}

void Rivals::note(const std::string& event) {
  const std::lock_guard lock(mutex_);
  report_.events.push_back(time_now() + " " + event);
}

void Rivals::problem(const std::string& what) {
  note("PROBLEM " + what);
  const std::lock_guard lock(mutex_);
  report_.problems.push_back(what);
}

std::uint64_t Rivals::told() const {
  std::uint64_t all = 0;
  for (const auto count : record_.counts()) all += count;
  return all;
}

std::string Rivals::progress() const {
  const auto counts = record_.counts();
  std::string line = std::to_string(told()) + " of " + std::to_string(options_.transactions) + " transfers";
  for (std::size_t i = counts.size(); i-- > 0;) line += ", " + std::to_string(counts[i]) + " " + kTold[i];
  const std::lock_guard lock(mutex_);
  return line + "; " + std::to_string(report_.problems.size()) + " problems";
}

void Rivals::keep_evidence(const std::string& folder) {
  // The passwords stay behind.
  for (const auto& rival : rivals_) {
    for (const auto* name : {"output", "assentd.json", "log", "tool.audit"}) {
      const auto from = fs::path(rival->daemon->folder()) / name;
      if (fs::exists(from)) fs::copy(from, fs::path(folder) / (rival->id + "." + name), fs::copy_options::recursive);
    }
  }
  std::ofstream events(fs::path(folder) / "events");
  for (const auto& event : report_.events) events << event << "\n";
  if (!events.flush()) throw std::runtime_error(folder + " cannot be written to");
}

}  // namespace assent::testing
