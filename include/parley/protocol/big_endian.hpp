#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace parley::protocol::frame {

/// The bytes of a number the other way round. Compilers make one instruction of it, but judge by
/// the text whether that is worth a call.
[[nodiscard, gnu::always_inline]] constexpr std::uint64_t reversed(std::uint64_t v) noexcept {
  v = (v & 0x00ff00ff00ff00ff) << 8 | (v >> 8 & 0x00ff00ff00ff00ff);
  v = (v & 0x0000ffff0000ffff) << 16 | (v >> 16 & 0x0000ffff0000ffff);
  return v << 32 | v >> 32;
}

/// Writes the low `Bytes` bytes of a number, the highest first, as the network has it (RFC 1700).
template <std::size_t Bytes>
constexpr void put(char* to, std::uint64_t value) noexcept {
  if constexpr (Bytes == 4 || Bytes == 8)
    if (!std::is_constant_evaluated() && std::endian::native == std::endian::little) {
      const std::uint64_t swapped = reversed(value) >> (64 - 8 * Bytes);
      std::memcpy(to, &swapped, Bytes);
      return;
    }
  for (std::size_t i = 0; i < Bytes; ++i)
    to[i] = static_cast<char>(static_cast<unsigned char>(value >> (8 * (Bytes - 1 - i))));
}

/// Reads such a number.
template <std::size_t Bytes>
[[nodiscard]] constexpr std::uint64_t get(const char* from) noexcept {
  std::uint64_t value = 0;
  if constexpr (Bytes == 4 || Bytes == 8)
    if (!std::is_constant_evaluated() && std::endian::native == std::endian::little) {
      std::memcpy(&value, from, Bytes);
      return reversed(value) >> (64 - 8 * Bytes);
    }
  for (std::size_t i = 0; i < Bytes; ++i) value = value << 8 | static_cast<unsigned char>(from[i]);
  return value;
}

}  // namespace parley::protocol::frame
