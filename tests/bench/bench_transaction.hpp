#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace assent::bench {

/// A statement without its arguments, which are integers, in the two forms that it is sent in. All that stays the same
/// is made once.
class Shape {
 public:
  static constexpr std::size_t kArgsMax = 4;
  using Args = std::array<std::int64_t, kArgsMax>;

  /// `sql` has one "?" per argument. `expect_one`: exactly one row must be affected, or all is rolled back.
  explicit Shape(std::string_view sql, bool expect_one = false);

  std::size_t args() const { return pieces_.size() - 1; }
  bool expect_one() const { return expect_one_; }

  void append_sql(std::string& to, const Args& args) const;
  /// As an element of "statements" in txn.submit.
  void append_json(std::string& to, const Args& args) const;

 private:
  std::vector<std::string> pieces_;  ///< Around the arguments.
  std::string json_before_;
  std::string json_after_;
  bool expect_one_;
};

void append_integer(std::string& to, std::int64_t value);

struct Statement {
  const Shape* shape = nullptr;
  Shape::Args args{};
};

/// A transaction to be run, made anew in the same memory for each one.
struct Transaction {
  struct Branch {
    unsigned participant = 0;  ///< Counted from 0.
    std::vector<Statement> statements;
  };

  Branch& add_branch(unsigned participant) {
    if (used == branches.size()) branches.emplace_back();
    auto& branch = branches[used++];
    branch.participant = participant;
    branch.statements.clear();
    return branch;
  }
  void clear() { used = 0; }

  std::vector<Branch> branches;  ///< The first `used` count.
  std::size_t used = 0;
};

enum class Outcome : std::uint8_t {
  committed,
  rolled_back,
  torn,     ///< Some branches committed, others did not: only where no protocol is used.
  unknown,  ///< The coordinator cannot tell yet.
  refused,  ///< Never run.
};

}  // namespace assent::bench
