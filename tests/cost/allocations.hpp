#pragma once

#include <cstdint>

namespace parley::test {

/// How often this thread has called `operator new` so far, of any form.
[[nodiscard]] std::uint64_t allocations() noexcept;

/// How many of these there are between two calls of `mark`.
class allocation_count {
 public:
  void mark() noexcept { value_ = allocations() - value_; }
  [[nodiscard]] std::uint64_t value() const noexcept { return value_; }

 private:
  std::uint64_t value_ = 0;
};

}  // namespace parley::test
