#include "wire/framer.hpp"

#include <algorithm>
#include <cstring>

#include "base/check.hpp"

namespace assent::wire {

std::span<char> Framer::space() {
  if (overflowed_) return {};
  const std::size_t waiting = waiting_bytes();
  std::size_t wanted = kRestBytes;
  if (filled_) wanted = std::clamp(capacity_ * 2, kRestBytes, kReadBytesMax);
  // Doubling keeps the copying of a long line linear.
  if (waiting > 0) {
    const std::size_t room = line_bytes_max_ + kRestBytes;
    wanted = std::max(wanted, std::max(waiting + kRestBytes, std::min(waiting * 2, room)));
  }
  if (wanted > capacity_ || capacity_ > 2 * wanted) {
    resize(wanted);
  } else if (begin_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, waiting);
  }
  scanned_ -= begin_;
  begin_ = 0;
  end_ = waiting;
  return {buffer_.get() + end_, capacity_ - end_};
}

void Framer::resize(std::size_t capacity) {
  auto larger = std::unique_ptr<char[]>(new char[capacity]);
  if (waiting_bytes() > 0) std::memcpy(larger.get(), buffer_.get() + begin_, waiting_bytes());
  buffer_ = std::move(larger);
  capacity_ = capacity;
}

void Framer::fed(std::size_t bytes) {
  ASSENT_CHECK(bytes <= capacity_ - end_);
  filled_ = bytes == capacity_ - end_;
  end_ += bytes;
}

std::optional<std::string_view> Framer::next() {
  while (!overflowed_) {
    const char* const from = buffer_.get() + scanned_;
    const auto* newline =
        end_ == scanned_ ? nullptr : static_cast<const char*>(std::memchr(from, '\n', end_ - scanned_));
    if (newline == nullptr) {
      scanned_ = end_;
      // The byte more may be the carriage return.
      overflowed_ = waiting_bytes() > line_bytes_max_ + 1;
      return std::nullopt;
    }
    const auto at = static_cast<std::size_t>(newline - buffer_.get());
    std::string_view line(buffer_.get() + begin_, at - begin_);
    begin_ = scanned_ = at + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.size() > line_bytes_max_) {
      overflowed_ = true;
      return std::nullopt;
    }
    if (!line.empty()) return line;
  }
  return std::nullopt;
}

}  // namespace assent::wire
