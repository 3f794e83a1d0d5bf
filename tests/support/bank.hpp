#pragma once

#include <atomic>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "assent/transaction.hpp"
#include "support/daemon.hpp"
#include "support/servers.hpp"

namespace assent::testing {

/// Accounts in one database at each of two or more servers, and transfers between them that leave a trace of their own
/// at every place: a row in `transfers`. Thread safe once it is made.
class Bank {
 public:
  struct Place {
    std::string participant;
    Server server;
  };
  struct Options {
    std::string database;  ///< At every place; one of that name is dropped.
    std::vector<Place> places;
    int accounts = 1000;  ///< Numbered from 1, at each place.
    std::int64_t opening = 1000;
  };

  /// Makes the databases. Throws std::runtime_error when that fails.
  explicit Bank(Options options);

  const std::string& database() const { return options_.database; }
  const std::vector<Place>& places() const { return options_.places; }
  int accounts() const { return options_.accounts; }
  std::int64_t opening() const { return options_.opening; }

  /// What the coordinator's configuration says of the places.
  std::vector<Daemon::Participant> participants() const;

  /// A number that no transfer of this bank has had.
  std::uint64_t next_id() { return ++last_id_; }

  /// `from` at the first place pays `amount` to `to` at each of the others; less than nothing goes the other way.
  /// Refused where the money is not there.
  Transaction transfer(std::uint64_t id, int from, int to, std::int64_t amount) const;
  /// What a transfer changes at a place, which is counted from 0.
  std::int64_t change_at(std::size_t place, std::int64_t amount) const;
  static Statement change(int account, std::int64_t by);
  /// Every second transfer has one; empty: none.
  std::string key_of(std::uint64_t id) const;

 private:
  const Options options_;
  std::atomic<std::uint64_t> last_id_{0};
};

/// The gtrids of a coordinator's branches that XA RECOVER lists at a server.
std::set<std::string> branches_in_doubt(Sql& sql, const std::string& server_kind, const std::string& coordinator_id);

}  // namespace assent::testing
