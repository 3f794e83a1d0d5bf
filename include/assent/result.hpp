#pragma once

#include <cstdlib>
#include <string>
#include <utility>
#include <variant>

namespace assent {

/// What went wrong, by what a caller can do about it. A code exists only if somebody reacts to it differently.
enum class Errc {
  invalid_argument,   ///< The request or configuration is wrong; sending it again will fail again.
  not_found,          ///< No such transaction, participant or file.
  conflict,           ///< Refused because it contradicts what is already so (a reused idempotency key, a second owner).
  overloaded,         ///< A named bound is full; nothing was run. Retry after a pause.
  unavailable,        ///< The participant or coordinator cannot be reached; nothing was run. Retry later.
  timed_out,          ///< The bound on waiting passed.
  shutting_down,      ///< The coordinator takes no more work. Retry elsewhere or later.
  refused,            ///< A participant or host would break a guarantee (see the text for the remedy).
  log_corrupt,        ///< The log holds damage that is not a torn tail; it must not be guessed over.
  log_newer_format,   ///< The log was written by a newer program; it was left unchanged.
  log_locked,         ///< Another process owns the log.
  log_full,           ///< No room for new decisions; running ones finish.
  log_indeterminate,  ///< A write or sync failed: whether the record is durable cannot be known.
  io,                 ///< The operating system refused a file or socket operation.
  protocol,           ///< The peer broke the wire protocol.
  internal,           ///< A bug or an unexpected answer; nothing was assumed from it.
};

/// Stable lower-case name of a code, as it appears on the wire and in logs.
constexpr const char* to_string(Errc code) noexcept {
  switch (code) {
    case Errc::invalid_argument: return "invalid_argument";
    case Errc::not_found: return "not_found";
    case Errc::conflict: return "conflict";
    case Errc::overloaded: return "overloaded";
    case Errc::unavailable: return "unavailable";
    case Errc::timed_out: return "timed_out";
    case Errc::shutting_down: return "shutting_down";
    case Errc::refused: return "refused";
    case Errc::log_corrupt: return "log_corrupt";
    case Errc::log_newer_format: return "log_newer_format";
    case Errc::log_locked: return "log_locked";
    case Errc::log_full: return "log_full";
    case Errc::log_indeterminate: return "log_indeterminate";
    case Errc::io: return "io";
    case Errc::protocol: return "protocol";
    case Errc::internal: return "internal";
  }
  return "internal";
}

/// An error for reacting. `what` says what happened, to what, and what to do; it never holds SQL values or passwords.
struct [[nodiscard]] Error {
  Errc code = Errc::internal;
  std::string what;
  bool retryable = false;  ///< True when the same call may succeed later and nothing has been run.
};

/// A value or an Error. Not thread safe; owns what it holds.
/// Asking for the alternative that is not there is a broken invariant and aborts.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : held_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : held_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const noexcept { return held_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }

  T& value() & { return ok() ? std::get<0>(held_) : die<T&>(); }
  const T& value() const& { return ok() ? std::get<0>(held_) : die<const T&>(); }
  T&& value() && { return ok() ? std::get<0>(std::move(held_)) : die<T&&>(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }

  const Error& error() const& { return ok() ? die<const Error&>() : std::get<1>(held_); }
  Error&& error() && { return ok() ? die<Error&&>() : std::get<1>(std::move(held_)); }

 private:
  template <typename R>
  [[noreturn]] static R die() {
    std::abort();
  }
  std::variant<T, Error> held_;
};

struct Ok {};
/// Success without a value, or an Error.
using Status = Result<Ok>;

}  // namespace assent
