#include "two_phase_world.hpp"

#include <algorithm>
#include <array>
#include <variant>

#include "base/check.hpp"
#include "packer.hpp"
#include "protocol/ruling.hpp"
#include "protocol/settle.hpp"
#include "protocol/transaction_rules.hpp"

namespace assent::explore {
namespace {

using protocol::BranchIndex;
using protocol::BranchRules;
using protocol::Decided;
using protocol::Finding;
using protocol::Listed;
using protocol::Observation;
using protocol::Owner;
using protocol::Phase;
using protocol::Proof;
using protocol::Reply;
using protocol::TransactionRules;
using protocol::Voted;

constexpr std::size_t kBranchesMax = 4;
constexpr std::size_t kCrashesMax = 3;

enum class Branch : std::uint8_t { running, prepared, committed, rolled_back };
enum class Sent : std::uint8_t { nothing, commit, rollback };
enum class Log : std::uint8_t { nothing, asked, durable, ended };
enum class Told : std::uint8_t { nothing, committed, rolled_back, unknown };

struct State {
  std::array<Branch, kBranchesMax> branches{};
  std::array<bool, kBranchesMax> owner_lives{};  ///< The session that the branch ran on.
  std::array<Sent, kBranchesMax> sent{};         ///< On that session; it may still arrive when the coordinator is dead.
  Log log = Log::nothing;
  Told told = Told::nothing;
  std::uint8_t crashes = 0;
  bool alive = true;
  bool has_rules = true;  ///< Otherwise the transaction is nobody's, and swept.
  TransactionRules rules;
};

enum class Kind : std::uint8_t {
  prepare,
  refuse,
  lose_vote,
  deadline,
  durable,
  not_written,
  settle,
  retry,
  crash,
  restart,
  session_ends,
  late,
  sweep,
};

/// How an answer goes: what a server says to others while the owner lives differs by its kind.
enum class Way : std::uint8_t { heard, heard_from_mysql, lost };

struct Step {
  Kind kind;
  std::size_t place = 0;
  Way way = Way::heard;
};

Action code(const Step& step) {
  return static_cast<Action>(static_cast<unsigned>(step.kind) << 8 | step.place << 4 | static_cast<unsigned>(step.way));
}

Step step_of(Action action) {
  return {static_cast<Kind>(action >> 8), (action >> 4) & 0xFU, static_cast<Way>(action & 0xFU)};
}

class TwoPhaseWorld final : public World {
 public:
  TwoPhaseWorld(TwoPhaseSize size, Safeguard without) : size_(size), without_(without) {
    ASSENT_CHECK(size.branches >= 1 && size.branches <= kBranchesMax && size.crashes <= kCrashesMax);
  }

  std::string name() const override {
    return "2pc, " + std::to_string(size_.branches) + " branches, " + std::to_string(size_.crashes) + " crashes";
  }

  Packed start() const override {
    State state;
    state.owner_lives.fill(true);
    state.rules = protocol::begin(size_.branches, false);
    return pack(state);
  }

  void each_next(const Packed& packed, const std::function<void(Action, const Packed&)>& visit) const override {
    const State state = unpack(packed);
    const auto go = [&](const Step& step) {
      State next = state;
      take(next, step);
      const Packed after = pack(next);
      if (!(after == packed)) visit(code(step), after);
    };
    for (std::size_t i = 0; i < size_.branches; ++i) each_of(state, i, go);
    if (runs_first(state) && !state.rules.deadline_passed) go({Kind::deadline});
    if (state.alive && state.log == Log::asked) {
      go({Kind::durable});
      if (state.rules.phase == Phase::deciding) go({Kind::not_written});
    }
    if (state.alive && state.crashes < size_.crashes) {
      // What the log was about to have, it may have or not.
      go({Kind::crash, 0, Way::heard});
      go({Kind::crash, 0, Way::lost});
    }
    if (!state.alive) go({Kind::restart});
  }

  std::optional<std::string> violation(const Packed& packed) const override {
    State state = unpack(packed);
    if (auto wrong = contradiction(state)) return wrong;
    if (state.log == Log::ended && count(state, Branch::committed) < size_.branches) {
      return "the log has forgotten a decision that is not carried out";
    }
    if (is_without(Safeguard::sweeping) && state.alive) return std::nullopt;
    // The last start: nobody dies any more, and what was on its way arrives.
    if (state.log == Log::asked) state.log = Log::nothing;
    if (is_without(Safeguard::sweeping)) settle_rest(state);
    for (std::size_t i = 0; i < size_.branches; ++i) {
      if (state.branches[i] == Branch::running) {
        state.branches[i] = state.owner_lives[i] ? Branch::prepared : Branch::rolled_back;
      }
      state.owner_lives[i] = false;
    }
    if (!is_without(Safeguard::sweeping)) settle_rest(state);
    if (count(state, Branch::prepared) > 0)
      return "a prepare that arrives after the next start has looked is left behind for ever";
    if (auto wrong = contradiction(state)) return "after the next start " + *wrong;
    return std::nullopt;
  }

  std::string tell(const Packed& before, Action action) const override {
    const State state = unpack(before);
    const Step step = step_of(action);
    State after = state;
    take(after, step);
    const std::string branch = "branch " + std::to_string(step.place + 1);
    std::string said;
    switch (step.kind) {
      case Kind::prepare: said = branch + " prepares"; break;
      case Kind::refuse: said = branch + " fails, and is rolled back"; break;
      case Kind::lose_vote: said = "the vote of " + branch + " counts as lost"; break;
      case Kind::deadline: said = "the deadline passes"; break;
      case Kind::durable: said = "the decision is durable"; break;
      case Kind::not_written: said = "the decision could not be written"; break;
      case Kind::settle: said = "the coordinator settles " + branch; break;
      case Kind::retry: said = "the coordinator tries " + branch + " again"; break;
      case Kind::crash:
        said =
            "the coordinator dies; its log has " + std::string(after.log == Log::durable ? "the decision" : "nothing");
        break;
      case Kind::restart: said = "the coordinator starts again"; break;
      case Kind::session_ends: said = "the session that ran " + branch + " ends at the server"; break;
      case Kind::late: said = "what was sent for " + branch + " arrives late"; break;
      case Kind::sweep: said = "the sweeper meets " + branch; break;
    }
    if (step.way == Way::lost && step.kind != Kind::crash) said += ", and the answer is lost";
    for (std::size_t i = 0; i < size_.branches; ++i) {
      if (state.branches[i] == after.branches[i] || step.kind == Kind::prepare || step.kind == Kind::refuse) continue;
      said += after.branches[i] == Branch::committed ? ": it is committed" : ": it is rolled back";
    }
    if (state.told != after.told && after.told == Told::committed) said += "; the client is told committed";
    if (state.told != after.told && after.told == Told::rolled_back) said += "; the client is told rolled_back";
    if (state.log != after.log && after.log == Log::ended) said += "; the log forgets the transaction";
    return said;
  }

 private:
  bool is_without(Safeguard safeguard) const { return without_ == safeguard; }
  std::size_t count(const State& state, Branch what) const {
    return static_cast<std::size_t>(
        std::count(state.branches.begin(), state.branches.begin() + static_cast<std::ptrdiff_t>(size_.branches), what));
  }
  static bool runs_first(const State& state) { return state.alive && state.crashes == 0; }
  static bool has_rules(const State& state) { return state.alive && state.has_rules; }

  template <typename Go>
  void each_of(const State& state, std::size_t i, const Go& go) const {
    const auto& branch = state.branches[i];
    const auto& rules = state.rules.branches[i];
    if (branch == Branch::running && state.owner_lives[i]) {
      for (const auto kind : {Kind::prepare, Kind::refuse}) {
        go(Step{kind, i, Way::heard});
        go(Step{kind, i, Way::lost});
      }
    }
    if (state.owner_lives[i]) {
      go(Step{Kind::session_ends, i});
      if (state.sent[i] != Sent::nothing) go(Step{Kind::late, i});
    }
    if (has_rules(state)) {
      if (runs_first(state) && rules.state == BranchRules::State::running) go(Step{Kind::lose_vote, i});
      if (rules.settling) {
        for (const auto way : {Way::heard, Way::heard_from_mysql, Way::lost}) go(Step{Kind::settle, i, way});
      } else if ((state.rules.phase == Phase::committing || state.rules.phase == Phase::rolling_back) &&
                 !protocol::is_settled(rules.state)) {
        go(Step{Kind::retry, i});
      }
    } else if (state.alive && branch == Branch::prepared) {
      go(Step{Kind::sweep, i});
    }
  }

  void take(State& state, const Step& step) const {
    const auto i = step.place;
    const auto index = static_cast<BranchIndex>(i);
    auto& branch = state.branches[i];
    const bool hears = step.way != Way::lost && runs_first(state);
    switch (step.kind) {
      case Kind::prepare:
        branch = Branch::prepared;
        if (hears) feed(state, Voted{index, Voted::Kind::prepared});
        return;
      case Kind::refuse:
        branch = Branch::rolled_back;
        if (hears) feed(state, Voted{index, Voted::Kind::refused});
        return;
      case Kind::lose_vote: return feed(state, Voted{index, Voted::Kind::lost});
      case Kind::deadline: return feed(state, protocol::DeadlinePassed{});
      case Kind::durable:
        state.log = Log::durable;
        if (state.rules.phase == Phase::deciding) feed(state, protocol::DecisionDurable{});
        return;
      case Kind::not_written: state.log = Log::nothing; return feed(state, protocol::DecisionNotWritten{});
      case Kind::settle: return settle(state, i, step.way);
      case Kind::retry: return feed(state, protocol::RetryDue{index});
      case Kind::crash:
        state.alive = false;
        ++state.crashes;
        if (state.log == Log::asked) state.log = step.way == Way::lost ? Log::nothing : Log::durable;
        // That it has ended was not forced.
        if (state.log == Log::ended && step.way == Way::lost) state.log = Log::durable;
        state.has_rules = false;
        return;
      case Kind::restart:
        state.alive = true;
        state.has_rules = state.log == Log::durable;
        if (state.has_rules) {
          const std::vector<bool> none(size_.branches, false);
          state.rules = protocol::resume_decided(none, none);
        }
        return;
      case Kind::session_ends:
        state.owner_lives[i] = false;
        if (branch == Branch::running) branch = Branch::rolled_back;
        return;
      case Kind::late: arrive(branch, state.sent[i] == Sent::commit ? Decided::commit : Decided::rollback); return;
      case Kind::sweep: return sweep(state, i);
    }
  }

  static void arrive(Branch& branch, Decided decided) {
    if (decided == Decided::commit && branch == Branch::prepared) branch = Branch::committed;
    if (decided == Decided::rollback && (branch == Branch::prepared || branch == Branch::running)) {
      branch = Branch::rolled_back;
    }
  }

  /// What a server does and says.
  static Reply ask(State& state, std::size_t i, Decided decided, bool as_owner, Way way) {
    auto& branch = state.branches[i];
    const auto before = branch;
    const bool open = branch == Branch::prepared || branch == Branch::running;
    if (!as_owner && open && state.owner_lives[i]) {
      return way == Way::heard_from_mysql ? Reply::unknown_xid : Reply::ok_other;
    }
    if (!as_owner && branch == Branch::running) return Reply::unknown_xid;
    arrive(branch, decided);
    if (branch == before) return Reply::unknown_xid;
    return as_owner ? Reply::ok_owner : Reply::ok_other;
  }

  Finding judged(const State& state, std::size_t i, Decided decided, bool known_prepared, Reply reply) const {
    if (decided == Decided::commit) {
      if (is_without(Safeguard::proof_of_commit) && reply == Reply::unknown_xid) return Finding::committed;
      if (is_without(Safeguard::owners_word) && reply == Reply::ok_other) return Finding::committed;
    }
    Observation seen;
    seen.decided = decided;
    seen.known_prepared = known_prepared;
    seen.reply = reply;
    seen.owner = state.owner_lives[i] ? Owner::alive : Owner::gone;
    seen.listed = state.branches[i] == Branch::prepared ? Listed::yes : Listed::no;
    switch (state.branches[i]) {
      case Branch::committed: seen.proof = Proof::present; break;
      case Branch::rolled_back: seen.proof = Proof::absent; break;
      case Branch::running:
      case Branch::prepared: seen.proof = Proof::locked; break;
    }
    return protocol::judge(seen);
  }

  void settle(State& state, std::size_t i, Way way) const {
    const auto decided = state.rules.phase == Phase::committing ? Decided::commit : Decided::rollback;
    const bool as_owner = runs_first(state) && state.owner_lives[i];
    Reply reply = ask(state, i, decided, as_owner, way);
    if (way == Way::lost) return feed(state, protocol::Settled{static_cast<BranchIndex>(i), Finding::ambiguous});
    const auto finding = judged(state, i, decided, state.rules.branches[i].known_prepared, reply);
    feed(state, protocol::Settled{static_cast<BranchIndex>(i), finding});
    if (finding == Finding::committed && is_without(Safeguard::end_at_the_end)) state.log = Log::ended;
  }

  void sweep(State& state, std::size_t i) const {
    ASSENT_CHECK(protocol::rule({}).ruling == protocol::Ruling::roll_back);
    auto decided = Decided::rollback;
    const auto done = count(state, Branch::prepared) + count(state, Branch::committed);
    if (is_without(Safeguard::presumed_abort) && done == size_.branches) decided = Decided::commit;
    (void)ask(state, i, decided, false, Way::heard);
  }

  void feed(State& state, const protocol::Event& event) const {
    auto step = protocol::step(std::move(state.rules), event);
    state.rules = std::move(step.next);
    for (const auto& command : step.commands) {
      if (std::holds_alternative<protocol::ForceDecision>(command)) {
        state.log = Log::asked;
        if (is_without(Safeguard::decision_first)) return feed(state, protocol::DecisionDurable{});
      } else if (const auto* settle = std::get_if<protocol::Settle>(&command)) {
        if (runs_first(state) && state.owner_lives[settle->branch]) {
          state.sent[settle->branch] = settle->decided == Decided::commit ? Sent::commit : Sent::rollback;
        }
      } else if (const auto* answer = std::get_if<protocol::Answer>(&command)) {
        state.told = answer->outcome == Outcome::committed     ? Told::committed
                     : answer->outcome == Outcome::rolled_back ? Told::rolled_back
                                                               : Told::unknown;
      } else if (std::holds_alternative<protocol::LogEnd>(command)) {
        state.log = Log::ended;
      }
    }
  }

  /// As the next start does, for what no living session holds.
  void settle_rest(State& state) const {
    for (std::size_t i = 0; i < size_.branches; ++i) {
      if (state.branches[i] != Branch::prepared || state.owner_lives[i]) continue;
      state.branches[i] = state.log == Log::durable ? Branch::committed : Branch::rolled_back;
    }
  }

  std::optional<std::string> contradiction(const State& state) const {
    const bool committed = count(state, Branch::committed) > 0;
    const bool rolled_back = count(state, Branch::rolled_back) > 0;
    if (committed && rolled_back) return "one branch is committed and another one rolled back";
    if (committed && count(state, Branch::running) > 0)
      return "a branch is committed while another one is not prepared";
    if (state.told == Told::committed && rolled_back)
      return "the client was told committed, and a branch is rolled back";
    if (state.told == Told::rolled_back && committed)
      return "the client was told rolled_back, and a branch is committed";
    return std::nullopt;
  }

  Packed pack(const State& state) const {
    Packer packer;
    packer.put(state.alive, 1);
    packer.put(state.crashes, 2);
    packer.put(state.log, 2);
    packer.put(state.told, 2);
    packer.put(state.has_rules, 1);
    for (std::size_t i = 0; i < size_.branches; ++i) {
      packer.put(state.branches[i], 2);
      packer.put(state.owner_lives[i], 1);
      packer.put(state.owner_lives[i] ? state.sent[i] : Sent::nothing, 2);
    }
    if (!state.has_rules) return packer.packed();
    packer.put(state.rules.phase, 4);
    packer.put(state.rules.deadline_passed, 1);
    packer.put(state.rules.answered, 1);
    packer.put(state.rules.troubled, 1);
    for (const auto& branch : state.rules.branches) {
      packer.put(branch.state, 3);
      packer.put(branch.known_prepared, 1);
      packer.put(branch.settling, 1);
    }
    return packer.packed();
  }

  State unpack(const Packed& packed) const {
    Unpacker from(packed);
    State state;
    state.alive = from.take<bool>(1);
    state.crashes = from.take<std::uint8_t>(2);
    state.log = from.take<Log>(2);
    state.told = from.take<Told>(2);
    state.has_rules = from.take<bool>(1);
    for (std::size_t i = 0; i < size_.branches; ++i) {
      state.branches[i] = from.take<Branch>(2);
      state.owner_lives[i] = from.take<bool>(1);
      state.sent[i] = from.take<Sent>(2);
    }
    state.rules.branches.resize(size_.branches);
    if (!state.has_rules) return state;
    state.rules.phase = from.take<Phase>(4);
    state.rules.deadline_passed = from.take<bool>(1);
    state.rules.answered = from.take<bool>(1);
    state.rules.troubled = from.take<bool>(1);
    for (auto& branch : state.rules.branches) {
      branch.state = from.take<BranchRules::State>(3);
      branch.known_prepared = from.take<bool>(1);
      branch.settling = from.take<bool>(1);
    }
    return state;
  }

  TwoPhaseSize size_;
  Safeguard without_;
};

}  // namespace

std::unique_ptr<World> two_phase_world(TwoPhaseSize size, Safeguard without) {
  return std::make_unique<TwoPhaseWorld>(size, without);
}

}  // namespace assent::explore
