#pragma once

#include <string>

#include "assent/result.hpp"

namespace assent::app {

/// Writes `text` to standard output at once, and gives `code`. When nobody reads it any more (`| head`) that is no
/// error; when it cannot be written, says so on standard error and gives kExitInternal.
int print(const std::string& text, int code);

/// One line on standard error, `program: text`, made printable.
void complain(const std::string& program, const std::string& text);

/// What a program exits with when nothing came of a request but this error.
int exit_code_of(const Error& error);

}  // namespace assent::app
