// Replaces operator new in the program that this is linked into, to count its calls. In a file of
// its own: a compiler that sees both sides takes free() for a mistake.

#include "cost/allocations.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace {

thread_local std::uint64_t count = 0;

void* counted(void* p) {
  ++count;
  return p ? p : throw std::bad_alloc();
}

}  // namespace

std::uint64_t parley::test::allocations() noexcept { return count; }

// The forms for arrays, and those that do not throw, come to these.
void* operator new(std::size_t size) { return counted(std::malloc(size)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  const auto unit = static_cast<std::size_t>(alignment);
  return counted(std::aligned_alloc(unit, (size + unit - 1) / unit * unit));
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
