#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "ports/participant.hpp"

namespace assent::fakes {

/// A participant in memory, whose branches and rows a test sets, and which answers at once. Not thread safe.
class FakeParticipant final : public ports::Participant {
 public:
  FakeParticipant(std::string name, std::string coordinator)
      : name_(std::move(name)), coordinator_(std::move(coordinator)) {}

  bool is_down = false;
  bool refuses = false;
  bool keeps_proofs = true;
  bool contradicts = false;  ///< Somebody has settled its branches the other way.
  bool remembers = true;
  protocol::ServerIdentity server = 1;
  std::set<protocol::Xid> prepared;
  std::map<std::string, std::map<std::uint16_t, ports::ProofRow>> proofs;  ///< By gtrid, then branch.
  std::map<std::string, protocol::Members> members;                        ///< What rows of it say.
  std::map<std::string, ports::HeuristicChoice> choices;
  std::set<std::string> ended;
  std::map<std::string, protocol::AcceptorRow> acceptor_rows;        ///< By gtrid.
  std::vector<std::pair<protocol::Xid, protocol::Decided>> settled;  ///< What was asked, in order.
  std::function<void()> before_voting = [] {};
  std::function<void()> before_settling = [] {};

  /// A prepared branch as Assent leaves it, with its row.
  void prepare(const protocol::Xid& xid, const protocol::Members& its) {
    prepared.insert(xid);
    add_proof(xid, its, false);
  }
  void add_proof(const protocol::Xid& xid, const protocol::Members& its, bool committed = true) {
    const auto branch = protocol::parse_bqual(xid.bqual)->branch;
    proofs[xid.gtrid][branch] = {branch, false, committed};
    members[xid.gtrid] = its;
  }

  const std::string& name() const override { return name_; }
  const std::string& coordinator_id() const override { return coordinator_; }
  ParticipantInfo info() const override {
    ParticipantInfo told;
    told.name = name_;
    told.proof_rows = keeps_proofs;
    told.sessions_max = 8;
    return told;
  }
  Status available() const override { return Ok{}; }
  Status check(const Branch&) const override { return Ok{}; }
  void inspect(ports::Done<Result<ports::Inspection>> done) override { done(ports::Inspection{}); }
  void enrol(ports::Claimant claimant, std::optional<ports::Judged>, std::function<void()>) override {
    claimant.held(base::since_boot());
  }
  void prepare(ports::BranchWork work, ports::Done<ports::Vote> done) override {
    ports::Vote vote;
    vote.kind = refuses ? ports::Vote::Kind::refused : ports::Vote::Kind::prepared;
    if (!refuses) prepare(work.xid, protocol::parse_members(work.members).value_or(protocol::Members{}));
    before_voting();
    done(std::move(vote));
  }
  void commit_one_phase(ports::BranchWork, ports::Done<ports::Vote> done) override { done({}); }
  void purge_proofs(PurgedRange, ports::Done<Result<std::uint64_t>> done) override { done(std::uint64_t{0}); }
  /// An acceptor whose row nobody else asks for: whatever comes next is granted.
  void ask(ports::AcceptorQuestion question, ports::Done<Result<ports::AcceptorAnswer>> done) override {
    if (is_down) return done(down());
    auto& row = acceptor_rows[question.gtrid];
    row.promised = question.ballot;
    if (question.value) row.accepted = {question.ballot, *question.value};
    done(ports::AcceptorAnswer{ports::AcceptorAnswer::Kind::granted, row});
  }
  void find_waits(std::vector<protocol::Xid>, ports::Done<Result<ports::LockWaits>> done) override {
    done(ports::LockWaits{});
  }
  void choose(std::string, ports::HeuristicChoice choice, ports::Done<Result<ports::HeuristicChoice>> done) override {
    done(std::move(choice));
  }
  void end_predecessors(ports::Done<Status> done) override { done(Ok{}); }
  void close_acceptor(std::string, std::string, ports::Done<Result<std::uint64_t>> done) override {
    done(std::uint64_t{0});
  }
  void stop() override {}

  std::optional<protocol::ServerIdentity> identity() const override { return server; }
  void settle(ports::SettleOrder order, ports::Done<ports::SettleReport> done) override {
    const auto& xid = order.xid;
    const auto decided = order.decided;
    before_settling();
    settled.emplace_back(xid, decided);
    if (!protocol::is_same_server(order.server, server)) return done({});
    if (is_down) return done({});
    if (contradicts) return done({protocol::Finding::hazard, "by hand"});
    prepared.erase(xid);
    const auto branch = protocol::parse_bqual(xid.bqual)->branch;
    if (decided == protocol::Decided::commit) {
      proofs[xid.gtrid][branch].committed = true;
      return done({protocol::Finding::committed, ""});
    }
    proofs[xid.gtrid].erase(branch);
    if (proofs[xid.gtrid].empty()) proofs.erase(xid.gtrid);
    done({protocol::Finding::rolled_back, ""});
  }
  void scan(ports::Done<Result<std::vector<ports::ListedXid>>> done) override {
    if (is_down) return done(down());
    std::vector<ports::ListedXid> listed;
    for (const auto& xid : prepared) listed.push_back({protocol::kFormatId, xid.gtrid, xid.bqual});
    done(std::move(listed));
  }
  void find_rows(std::vector<std::string> gtrids,
                 ports::Done<Result<std::map<std::string, ports::TransactionRows>>> done) override {
    if (is_down) return done(down());
    std::map<std::string, ports::TransactionRows> found;
    for (const auto& gtrid : gtrids) {
      auto& one = found[gtrid];
      one.server = server;
      one.remembers = remembers;
      one.proofs_kept = remembers && keeps_proofs;
      one.vouches = keeps_proofs;
      one.ended = ended.contains(gtrid);
      if (const auto here = proofs.find(gtrid); here != proofs.end()) {
        one.members = members[gtrid];
        for (const auto& [branch, row] : here->second) one.proofs.push_back(row);
      }
      if (const auto here = choices.find(gtrid); here != choices.end()) one.chosen = here->second;
    }
    done(std::move(found));
  }
  void list_rows(std::string from, std::string to, std::size_t most,
                 ports::Done<Result<std::vector<std::string>>> done) override {
    if (is_down) return done(down());
    std::vector<std::string> gtrids;
    for (auto row = proofs.lower_bound(from); row != proofs.end() && row->first < to && gtrids.size() < most; ++row) {
      gtrids.push_back(row->first);
    }
    done(std::move(gtrids));
  }
  void list_choices(ports::Done<Result<std::map<std::string, ports::HeuristicChoice>>> done) override {
    if (is_down) return done(down());
    done(choices);
  }

 private:
  static Error down() { return {Errc::unavailable, "it is down", true}; }

  const std::string name_;
  const std::string coordinator_;
};

}  // namespace assent::fakes
