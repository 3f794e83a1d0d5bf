#include "support/bank.hpp"

#include <cppconn/exception.h>

#include <stdexcept>

#include "protocol/xid.hpp"

namespace assent::testing {
namespace {

void make_database(const Bank::Options& options, const Server& server) {
  Sql sql(server);
  // Given servers may have seen an earlier run.
  sql.run("DROP DATABASE IF EXISTS " + options.database);
  sql.run("CREATE DATABASE " + options.database);
  sql.run("CREATE TABLE " + options.database +
          ".accounts (id INT PRIMARY KEY, balance BIGINT NOT NULL, note TEXT) ENGINE=InnoDB");
  sql.run("CREATE TABLE " + options.database +
          ".transfers (id BIGINT PRIMARY KEY, amount BIGINT NOT NULL) ENGINE=InnoDB");
  std::string rows;
  for (int i = 1; i <= options.accounts; ++i) {
    rows += (i == 1 ? "(" : ",(") + std::to_string(i) + "," + std::to_string(options.opening) + ",'')";
  }
  sql.run("INSERT INTO " + options.database + ".accounts VALUES " + rows);
}

std::string unhex(const std::string& text) {
  std::string bytes;
  for (std::size_t i = 2; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

}  // namespace

Bank::Bank(Options options) : options_(std::move(options)) {
  if (options_.places.size() < 2 || options_.accounts < 1) {
    throw std::runtime_error("a bank has two places and an account at least");
  }
  for (const auto& place : options_.places) {
    try {
      make_database(options_, place.server);
    } catch (const sql::SQLException& failure) {
      throw std::runtime_error("no bank can be made at " + place.server.name + ": " + failure.what());
    }
  }
}

std::vector<Daemon::Participant> Bank::participants() const {
  std::vector<Daemon::Participant> participants;
  for (const auto& [name, server] : options_.places) {
    participants.push_back({name, server.host, server.port, server.user, server.password, options_.database, ""});
  }
  return participants;
}

Statement Bank::change(int account, std::int64_t by) {
  return {"UPDATE accounts SET balance = balance + ? WHERE id = ? AND balance + ? >= 0",
          {by, std::int64_t{account}, by},
          AffectedRange{1, 1}};
}

std::int64_t Bank::change_at(std::size_t place, std::int64_t amount) const {
  return place > 0 ? amount : -amount * static_cast<std::int64_t>(options_.places.size() - 1);
}

Transaction Bank::transfer(std::uint64_t id, int from, int to, std::int64_t amount) const {
  Transaction transaction;
  transaction.idempotency_key = key_of(id);
  for (std::size_t i = 0; i < options_.places.size(); ++i) {
    const auto by = change_at(i, amount);
    const Statement trace{"INSERT INTO transfers VALUES (?, ?)", {id, by}, AffectedRange{1, 1}};
    transaction.branches.push_back({options_.places[i].participant, {change(i == 0 ? from : to, by), trace}});
  }
  return transaction;
}

std::string Bank::key_of(std::uint64_t id) const {
  return id % 2 == 0 ? options_.database + "-" + std::to_string(id) : "";
}

std::set<std::string> branches_in_doubt(Sql& sql, const std::string& server_kind, const std::string& coordinator_id) {
  // Foreign XIDs can be binary.
  const bool hex = server_kind == "mysql";
  std::set<std::string> gtrids;
  for (const auto& row : sql.rows(hex ? "XA RECOVER CONVERT XID" : "XA RECOVER")) {
    if (row[0] != std::to_string(protocol::kFormatId)) continue;
    const auto data = hex ? unhex(row[3]) : row[3];
    auto gtrid = data.substr(0, static_cast<std::size_t>(std::stoul(row[1])));
    const auto parts = protocol::parse_gtrid(gtrid);
    if (parts && parts->coordinator == coordinator_id) gtrids.insert(std::move(gtrid));
  }
  return gtrids;
}

}  // namespace assent::testing
