#include "coordinator/fingerprint.hpp"

#include <xxhash.h>

#include <bit>

#include "base/bytes.hpp"

namespace assent::coordinator {
namespace {

struct PutValue {
  std::string& out;
  void operator()(Null) const {}
  void operator()(bool value) const { base::put_int<std::uint8_t>(out, value ? 1 : 0); }
  void operator()(std::int64_t value) const { base::put_int(out, value); }
  void operator()(std::uint64_t value) const { base::put_int(out, value); }
  void operator()(double value) const { base::put_int(out, std::bit_cast<std::uint64_t>(value)); }
  void operator()(const std::string& value) const { base::put_string(out, value); }
  void operator()(const Decimal& value) const { base::put_string(out, value.digits); }
  void operator()(const Blob& value) const { base::put_string(out, value.bytes); }
};

}  // namespace

std::uint64_t fingerprint(const Transaction& transaction) {
  std::string bytes;
  base::put_int(bytes, static_cast<std::uint8_t>(transaction.protocol.value_or(Protocol::two_phase)));
  base::put_int(bytes, static_cast<std::uint8_t>(transaction.isolation));
  base::put_int(bytes, static_cast<std::uint32_t>(transaction.branches.size()));
  for (const auto& branch : transaction.branches) {
    base::put_string(bytes, branch.participant);
    base::put_int(bytes, static_cast<std::uint32_t>(branch.statements.size()));
    for (const auto& statement : branch.statements) {
      base::put_string(bytes, statement.sql);
      base::put_int(bytes, static_cast<std::uint32_t>(statement.args.size()));
      for (const auto& arg : statement.args) {
        base::put_int(bytes, static_cast<std::uint8_t>(arg.index()));
        std::visit(PutValue{bytes}, arg);
      }
      base::put_int<std::uint8_t>(bytes, statement.expect_affected ? 1 : 0);
      if (statement.expect_affected) {
        base::put_int(bytes, statement.expect_affected->min);
        base::put_int(bytes, statement.expect_affected->max);
      }
    }
  }
  const auto hash = XXH3_64bits(bytes.data(), bytes.size());
  return hash == 0 ? 1 : hash;
}

}  // namespace assent::coordinator
