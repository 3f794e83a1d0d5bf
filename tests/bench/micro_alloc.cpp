#include "micro_alloc.hpp"

#include <cstdlib>
#include <new>

namespace {

thread_local std::uint64_t count = 0;

void* counted(std::size_t bytes) {
  ++count;
  return std::malloc(bytes == 0 ? 1 : bytes);
}

void* counted(std::size_t bytes, std::align_val_t alignment) {
  ++count;
  const auto align = static_cast<std::size_t>(alignment);
  return std::aligned_alloc(align, (bytes + align) / align * align);
}

template <typename Pointer>
Pointer or_throw(Pointer got) {
  if (got == nullptr) throw std::bad_alloc();
  return got;
}

}  // namespace

namespace assent::bench {

std::uint64_t allocations() noexcept {
  return count;
}

}  // namespace assent::bench

// The other forms of new and delete come down to these.
void* operator new(std::size_t bytes) {
  return or_throw(counted(bytes));
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return or_throw(counted(bytes, alignment));
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}
