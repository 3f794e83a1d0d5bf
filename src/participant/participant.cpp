#include "participant/participant.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

#include "base/check.hpp"
#include "participant/acceptor.hpp"
#include "participant/control.hpp"
#include "participant/health.hpp"
#include "participant/lock_waits.hpp"
#include "participant/owner.hpp"
#include "participant/pool.hpp"
#include "participant/pre_commits.hpp"
#include "participant/purge.hpp"
#include "participant/schema.hpp"
#include "participant/sql_cache.hpp"
#include "participant/transaction_rows.hpp"

namespace assent::participant {
namespace {

Error unavailable(std::string what) {
  return {Errc::unavailable, std::move(what), true};
}

Error unavailable(const Config& config, const SqlError& error) {
  return unavailable("participant \"" + config.name + "\": " + describe(error));
}

class SqlParticipant final : public ports::Participant {
 public:
  SqlParticipant(Config config, base::EventLoop& loop)
      : config_(std::move(config)),
        health_(config_),
        cache_(config_.schema),
        control_(config_, health_),
        pool_(config_, health_, cache_, control_, loop),
        pre_commits_(config_, health_, control_, loop) {
    ASSENT_CHECK(protocol::valid_name(config_.name, protocol::kParticipantNameBytesMax));
    ASSENT_CHECK(protocol::valid_name(config_.coordinator_id, protocol::kCoordinatorIdBytesMax));
    ASSENT_CHECK(!config_.schema.empty() &&
                 config_.schema.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos);
    ASSENT_CHECK(config_.sessions_max > 0);
  }
  ~SqlParticipant() override { stop(); }

  const std::string& name() const override { return config_.name; }
  const std::string& coordinator_id() const override { return config_.coordinator_id; }

  ParticipantInfo info() const override {
    auto info = health_.info();
    info.sessions = pool_.connected();
    info.in_flight = pool_.in_flight();
    return info;
  }

  std::optional<protocol::ServerIdentity> identity() const override { return health_.identity(); }

  Status available() const override {
    if (health_.serving()) return Ok{};
    return unavailable(why_not(config_, health_));
  }

  Status check(const Branch& branch) const override {
    auto scanned = cache_.scan(branch);
    if (!scanned) return std::move(scanned).error();
    return Ok{};
  }

  void inspect(ports::Done<Result<ports::Inspection>> done) override {
    control_.post([this, done = std::move(done)](Session* session, const std::string& why) {
      if (!session) return done(unavailable(why));
      auto owner = read_owner(*session, config_);
      if (const auto* error = std::get_if<SqlError>(&owner)) return done(unavailable(config_, *error));
      auto listed = list_xids(*session);
      if (const auto* error = std::get_if<SqlError>(&listed)) return done(unavailable(config_, *error));
      auto closed_below = read_closed_below(*session, config_);
      if (const auto* error = std::get_if<SqlError>(&closed_below)) return done(unavailable(config_, *error));
      ports::Inspection seen;
      seen.owner = std::move(std::get<0>(owner));
      seen.closed_below = std::move(std::get<std::string>(closed_below));
      for (auto& xid : std::get<0>(listed)) {
        if (needs_log(xid, config_.coordinator_id)) seen.in_doubt.push_back(std::move(xid));
      }
      if (auto failed = forget_planted(*session, config_, seen.in_doubt)) return done(unavailable(config_, *failed));
      done(std::move(seen));
    });
  }

  void enrol(ports::Claimant claimant, std::optional<ports::Judged> judged, std::function<void()> on_up) override {
    pool_.start();
    control_.enrol(std::move(claimant), std::move(judged), std::move(on_up));
  }

  void prepare(ports::BranchWork work, ports::Done<ports::Vote> done) override {
    pool_.run(std::move(work), Ending::prepare, std::move(done));
  }
  void commit_one_phase(ports::BranchWork work, ports::Done<ports::Vote> done) override {
    pool_.run(std::move(work), Ending::commit_one_phase, std::move(done));
  }
  void settle(ports::SettleOrder order, ports::Done<ports::SettleReport> done) override {
    pool_.settle(std::move(order), std::move(done));
  }

  void scan(ports::Done<Result<std::vector<ports::ListedXid>>> done) override {
    control_.post([this, done = std::move(done)](Session* session, const std::string& why) {
      if (!session) return done(unavailable(why));
      auto listed = list_xids(*session);
      if (const auto* error = std::get_if<SqlError>(&listed)) return done(unavailable(config_, *error));
      done(std::get<0>(std::move(listed)));
    });
  }

  void purge_proofs(PurgedRange range, ports::Done<Result<std::uint64_t>> done) override {
    control_.post([this, range = std::move(range), done = std::move(done)](Session* session, const std::string& why) {
      if (!session) return done(unavailable(why));
      auto purged = purge_range(*session, config_, range);
      if (const auto* error = std::get_if<SqlError>(&purged)) return done(unavailable(config_, *error));
      done(std::get<std::uint64_t>(purged));
    });
  }

  void ask(ports::AcceptorQuestion question, ports::Done<Result<ports::AcceptorAnswer>> done) override {
    if (question.ballot == protocol::kCoordinatorsBallot) return pre_commits_.ask(std::move(question), std::move(done));
    control_.post(
        [this, question = std::move(question), done = std::move(done)](Session* session, const std::string& why) {
          if (!session) return done(unavailable(why));
          if (const auto now = health_.identity(); !protocol::is_same_server(question.server, now)) {
            return done(unavailable(met_another(config_, health_, question.server, now)));
          }
          auto answer = ask_acceptor(*session, config_, question);
          if (const auto* error = std::get_if<SqlError>(&answer)) return done(unavailable(config_, *error));
          done(std::get<ports::AcceptorAnswer>(answer));
        });
  }

  void find_rows(std::vector<std::string> gtrids,
                 ports::Done<Result<std::map<std::string, ports::TransactionRows>>> done) override {
    control_.post([this, gtrids = std::move(gtrids), done = std::move(done)](Session* session, const std::string& why) {
      if (!session) return done(unavailable(why));
      auto found = participant::find_rows(*session, config_, gtrids);
      if (const auto* error = std::get_if<SqlError>(&found)) return done(unavailable(config_, *error));
      for (auto& [gtrid, rows] : std::get<0>(found)) rows.server = health_.identity();
      done(std::move(std::get<0>(found)));
    });
  }

  void list_rows(std::string from, std::string to, std::size_t most,
                 ports::Done<Result<std::vector<std::string>>> done) override {
    control_.post([this, from = std::move(from), to = std::move(to), most, done = std::move(done)](
                      Session* session, const std::string& why) {
      if (!session) return done(unavailable(why));
      auto listed = participant::list_rows(*session, config_, from, to, most);
      if (const auto* error = std::get_if<SqlError>(&listed)) return done(unavailable(config_, *error));
      done(std::move(std::get<0>(listed)));
    });
  }

  void find_waits(std::vector<protocol::Xid> branches, ports::Done<Result<ports::LockWaits>> done) override {
    control_.post(
        [this, branches = std::move(branches), done = std::move(done)](Session* session, const std::string& why) {
          if (!session) return done(unavailable(why));
          auto found = participant::find_waits(*session, config_, branches);
          if (const auto* error = std::get_if<SqlError>(&found)) return done(unavailable(config_, *error));
          done(std::move(std::get<0>(found)));
        });
  }

  void choose(std::string gtrid, ports::HeuristicChoice choice,
              ports::Done<Result<ports::HeuristicChoice>> done) override {
    control_.post([this, gtrid = std::move(gtrid), choice = std::move(choice), done = std::move(done)](
                      Session* session, const std::string& why) {
      if (!session) return done(unavailable(why));
      auto chosen = participant::choose(*session, config_, gtrid, choice);
      if (const auto* error = std::get_if<SqlError>(&chosen)) return done(unavailable(config_, *error));
      done(std::move(std::get<0>(chosen)));
    });
  }

  void list_choices(ports::Done<Result<std::map<std::string, ports::HeuristicChoice>>> done) override {
    control_.post([this, done = std::move(done)](Session* session, const std::string& why) {
      if (!session) return done(unavailable(why));
      auto listed = participant::list_choices(*session, config_);
      if (const auto* error = std::get_if<SqlError>(&listed)) return done(unavailable(config_, *error));
      done(std::move(std::get<0>(listed)));
    });
  }

  void end_predecessors(ports::Done<Status> done) override {
    control_.post([this, done = std::move(done)](Session* session, const std::string& why) {
      if (!session) return done(unavailable(why));
      if (auto staying = participant::end_predecessors(*session, config_)) return done(unavailable(*staying));
      done(Ok{});
    });
  }

  void close_acceptor(std::string from, std::string to, ports::Done<Result<std::uint64_t>> done) override {
    control_.post([this, from = std::move(from), to = std::move(to), done = std::move(done)](Session* session,
                                                                                             const std::string& why) {
      if (!session) return done(unavailable(why));
      if (!control_.predecessors_seen_gone()) {
        return done(unavailable("participant \"" + config_.name +
                                "\": the sessions of earlier processes were not seen to be gone (which takes the "
                                "privilege PROCESS), and so no acceptor row is deleted"));
      }
      auto closed = participant::close_acceptor(*session, config_, from, to);
      if (const auto* error = std::get_if<SqlError>(&closed)) return done(unavailable(config_, *error));
      done(std::get<std::uint64_t>(closed));
    });
  }

  // Branches first: what they still report may be handed to the control thread, which answers all it was given.
  void stop() override {
    if (stopped_.exchange(true)) return;
    pool_.stop();
    pre_commits_.stop();
    control_.stop();
  }

 private:
  const Config config_;
  Health health_;
  SqlCache cache_;
  Control control_;
  Pool pool_;
  PreCommits pre_commits_;
  std::atomic<bool> stopped_{false};
};

}  // namespace

std::unique_ptr<ports::Participant> make_participant(Config config, base::EventLoop& loop) {
  return std::make_unique<SqlParticipant>(std::move(config), loop);
}

}  // namespace assent::participant
