#pragma once

#include <string>
#include <vector>

#include "assent/result.hpp"
#include "participant/config.hpp"

namespace assent::participant {

// How Assent's own tables come to be at a participant before the first enrolment, which would otherwise make them.

/// Connects and makes what is missing of the schema. Gives what was made, in words: `schema assent`, `table proof`;
/// nothing when all was there. Errc::unavailable when the server cannot be reached; Errc::refused when it does not let
/// the account, with the server's words.
Result<std::vector<std::string>> init_schema(const Config& config);

/// The same as a script that a DBA runs with another account, with what this one needs to be granted. For both kinds of
/// server; running it again changes nothing. `account_host` is the host in the account's name, `%` or `10.0.0.%`.
std::string schema_script(const Config& config, const std::string& account_host);

}  // namespace assent::participant
