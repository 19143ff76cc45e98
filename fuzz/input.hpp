#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace parley::fuzz {

/// What holds for every input; where it does not, the fuzzer keeps the input.
inline void demand(bool holds) {
  if (!holds) std::abort();
}

/// What is left of a fuzzer's input, which a target takes from the front.
class input {
 public:
  input(const std::uint8_t* data, std::size_t size) noexcept
      : rest_(reinterpret_cast<const char*>(data), size) {}

  [[nodiscard]] bool empty() const noexcept { return rest_.empty(); }
  [[nodiscard]] std::string_view rest() const noexcept { return rest_; }

  /// The next byte; 0 where there is none.
  std::uint8_t byte() noexcept {
    const auto one = bytes(1);
    return one.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(one[0]);
  }

  /// The next `n` bytes, or as many as there are.
  std::string_view bytes(std::size_t n) noexcept {
    const auto taken = rest_.substr(0, n);
    rest_.remove_prefix(taken.size());
    return taken;
  }

 private:
  std::string_view rest_;
};

}  // namespace parley::fuzz
