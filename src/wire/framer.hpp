#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace assent::wire {

/// Cuts a stream of bytes into lines. Its memory follows what is waiting: about kRestBytes while nothing is, never more
/// than the bound and one read. Not thread safe.
///
///     const auto space = framer.space();   // read into it
///     framer.fed(bytes_read);
///     while (auto line = framer.next()) ...
///     if (framer.overflowed()) ...
class Framer {
 public:
  static constexpr std::size_t kRestBytes = 4 * 1024;
  static constexpr std::size_t kReadBytesMax = 64 * 1024;

  /// `line_bytes_max` counts a line without its newline.
  explicit Framer(std::size_t line_bytes_max) : line_bytes_max_(line_bytes_max) {}

  /// Where to put what is read next; never empty unless overflowed(). Valid until the next call of any function.
  /// Take all lines with next() before asking for it.
  std::span<char> space();
  void fed(std::size_t bytes);

  /// The next line without its newline (and without a carriage return before that), skipping empty ones. The view is
  /// valid until space() is called.
  std::optional<std::string_view> next();

  /// A line is longer than the bound. Nothing more comes out: what follows cannot be told from its rest.
  bool overflowed() const { return overflowed_; }
  /// What has come and was not given out. Valid until the next call of space().
  std::string_view waiting() const { return {buffer_.get() + begin_, waiting_bytes()}; }
  /// Bytes that wait for their newline.
  std::size_t waiting_bytes() const { return end_ - begin_; }
  std::size_t capacity_bytes() const { return capacity_; }

 private:
  void resize(std::size_t capacity);

  std::size_t line_bytes_max_;
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;    ///< Of the first line not given out.
  std::size_t scanned_ = 0;  ///< No newline before this.
  std::size_t end_ = 0;
  bool filled_ = false;  ///< The last read took all the space there was: more is likely to wait.
  bool overflowed_ = false;
};

}  // namespace assent::wire
