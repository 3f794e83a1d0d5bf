#pragma once

#include <string>

#include "assent/result.hpp"
#include "assent/transaction.hpp"

namespace assent::app {

/// A transaction as a file holds it: the parameters of txn.submit, or a whole JSON-RPC request for it.
/// Errc::invalid_argument names the field that is wrong.
Result<Transaction> parse_request_file(const std::string& text);

}  // namespace assent::app
