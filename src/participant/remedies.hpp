#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "participant/config.hpp"
#include "participant/dialect.hpp"

namespace assent::participant {

// SQL for a DBA to run. Pure.

/// `'user'@'host'`, as GRANT takes it.
std::string account_name(std::string_view user, std::string_view host);
/// The same from what CURRENT_USER() gives: that is the account that the server has chosen, whoever connected.
std::string account_name(std::string_view current_user);

/// Sets a global variable now and at every later start, on one line.
std::string set_variable(const Dialect& dialect, const std::string& name, const std::string& value);
/// The same for one that is only read at the start.
std::string set_at_start(const std::string& name, const std::string& value);

/// `'orders'` as an identifier in backticks.
std::string identifier(std::string_view name);

/// What the account needs on Assent's own tables. An account that may create them makes those of a later version
/// itself.
enum class OnSchema { use, create_and_use };
std::string grant_on_schema(const Config& config, const std::string& account, OnSchema what);
std::string grant_process(const std::string& account);
/// MySQL only: MariaDB asks for no privilege, and does not know this one.
std::string grant_xa_recover(const std::string& account);

/// MySQL only: MariaDB shows its locks to whoever has PROCESS.
std::string grant_lock_views(const std::string& account);

/// Everything for an account that is to create the schema itself, as one line for this kind of server.
std::string schema_grants(const Dialect& dialect, const Config& config, const std::string& account);

}  // namespace assent::participant
