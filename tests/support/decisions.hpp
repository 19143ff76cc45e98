#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "support/random.hpp"

namespace parley::test {

/// Where a simulation's decisions come from: a script while it lasts, such as a fuzzer's input, and
/// then a seed, with which every run comes to its end.
class decisions {
 public:
  explicit decisions(std::uint64_t seed) noexcept : random_(seed) {}
  decisions(std::span<const std::uint8_t> script, std::uint64_t seed) noexcept
      : script_(script), random_(seed) {}

  /// 0 to `n` - 1, which is below 2^32. A script gives a byte for it, or as many as `n` takes.
  std::uint64_t below(std::uint64_t n) noexcept {
    if (script_.empty())
      return (random_.next() >> 32U) * n >> 32U;  // a division takes 8 times that
    std::uint64_t value = 0;
    for (std::uint64_t rest = n - 1; rest != 0 && !script_.empty(); rest >>= 8) {
      value = value << 8 | script_[0];
      script_ = script_.subspan(1);
    }
    return value % n;
  }

  /// `low` to `high`, both included.
  std::uint64_t between(std::uint64_t low, std::uint64_t high) noexcept {
    return low + below(high - low + 1);
  }

  /// True once in `n` times; a script says so with a 0.
  bool once_in(std::uint64_t n) noexcept { return below(n) == 0; }

 private:
  std::span<const std::uint8_t> script_;
  random random_;
};

}  // namespace parley::test
