#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

/// Bytes as people read them to each other: RFC 4648's base 32, which has no 0, 1 or 8 that look
/// like other characters, in groups of seven, and every 14th character checks the 13 before it.
namespace parley::protocol::checked_base32 {

namespace detail {
inline constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
inline constexpr std::size_t part_size = 13;  ///< characters that share a check character
inline constexpr std::size_t group_size = 7;  ///< characters between two dashes

/// The value of a character, in either case; none if it is not of the alphabet.
[[nodiscard]] constexpr std::optional<unsigned> value_of(char c) noexcept {
  if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  const auto at = alphabet.find(c);
  return at == alphabet.npos ? std::nullopt : std::optional(static_cast<unsigned>(at));
}

/// Luhn's sum modulo 32: finds a character that is wrong, and most swaps.
[[nodiscard]] constexpr char check_character(std::string_view part) noexcept {
  unsigned sum = 0;
  bool doubled = true;
  for (std::size_t i = part.size(); i-- > 0; doubled = !doubled) {
    const unsigned value = value_of(part[i]).value_or(0) * (doubled ? 2 : 1);
    sum += value / 32 + value % 32;
  }
  return alphabet[(32 - sum % 32) % 32];
}
}  // namespace detail

/// `bytes` fill whole parts: 16 of them make 28 characters, 32 make 56, not counting the dashes.
[[nodiscard]] inline std::string encode(std::span<const unsigned char> bytes) {
  std::string plain;
  unsigned bits = 0, count = 0;
  for (const unsigned char byte : bytes) {
    bits = bits << 8 | byte;
    for (count += 8; count >= 5; count -= 5) plain += detail::alphabet[bits >> (count - 5) & 31];
  }
  if (count != 0) plain += detail::alphabet[bits << (5 - count) & 31];

  std::string out;
  std::size_t written = 0;
  const auto add = [&](char c) {
    if (written != 0 && written % detail::group_size == 0) out += '-';
    out += c;
    ++written;
  };
  for (std::size_t at = 0; at < plain.size(); at += detail::part_size) {
    const auto part = std::string_view(plain).substr(at, detail::part_size);
    for (const char c : part) add(c);
    add(detail::check_character(part));
  }
  return out;
}

/// Reads what `encode` wrote, in either case, whatever dashes and blanks stand between. False: it
/// is not as many bytes, or a check character says that it was mistyped; then `out` is not to be
/// used.
[[nodiscard]] inline bool decode(std::string_view text, std::span<unsigned char> out) {
  std::string plain, part;
  for (const char c : text) {
    if (c == '-' || c == ' ') continue;
    const auto value = detail::value_of(c);
    if (!value) return false;
    if (part.size() < detail::part_size) {
      part += detail::alphabet[*value];
      continue;
    }
    if (detail::alphabet[*value] != detail::check_character(part)) return false;
    plain += part;
    part.clear();
  }
  if (!part.empty() || plain.size() != (out.size() * 8 + 4) / 5) return false;

  std::size_t written = 0;
  unsigned bits = 0, count = 0;
  for (const char c : plain) {
    bits = bits << 5 | *detail::value_of(c);
    count += 5;
    if (count < 8 || written == out.size()) continue;
    count -= 8;
    out[written++] = static_cast<unsigned char>(bits >> count);
  }
  // What is left over of the last character is nothing: two texts would be the same bytes.
  return (bits & ((1U << count) - 1)) == 0;
}

}  // namespace parley::protocol::checked_base32
