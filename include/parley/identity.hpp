#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace parley {

/// Who a peer is: SHA-256 over its public key, as its certificate has it (SubjectPublicKeyInfo,
/// RFC 5280, 4.1.2.7). Nobody else can show the same one.
struct identity {
  std::array<unsigned char, 32> digest{};
  friend bool operator==(const identity&, const identity&) = default;
};

namespace detail {

/// RFC 4648's base 32: no 0, 1 or 8, which look like others.
inline constexpr std::string_view base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
inline constexpr std::size_t identity_part = 13;  ///< characters that share a check character
inline constexpr std::size_t identity_parts = 4;
inline constexpr std::size_t identity_group = 7;  ///< characters between two dashes

/// The value of a character, in either case; none if it is not of `base32`.
[[nodiscard]] constexpr std::optional<unsigned> from_base32(char c) noexcept {
  if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  const auto at = base32.find(c);
  return at == base32.npos ? std::nullopt : std::optional(static_cast<unsigned>(at));
}

/// Luhn's sum modulo 32 over characters of `base32`: finds one that is wrong, and most swaps.
[[nodiscard]] constexpr char check_character(std::string_view part) noexcept {
  unsigned sum = 0;
  bool doubled = true;
  for (std::size_t i = part.size(); i-- > 0; doubled = !doubled) {
    const unsigned value = from_base32(part[i]).value_or(0) * (doubled ? 2 : 1);
    sum += value / 32 + value % 32;
  }
  return base32[(32 - sum % 32) % 32];
}

}  // namespace detail

/// 56 characters of base 32 in eight groups of seven; every 14th is a check character.
[[nodiscard]] inline std::string to_string(const identity& id) {
  std::string plain;
  unsigned bits = 0, count = 0;
  for (const unsigned char byte : id.digest) {
    bits = bits << 8 | byte;
    for (count += 8; count >= 5; count -= 5) plain += detail::base32[bits >> (count - 5) & 31];
  }
  plain += detail::base32[bits << (5 - count) & 31];

  std::string out;
  std::size_t written = 0;
  const auto add = [&](char c) {
    if (written != 0 && written % detail::identity_group == 0) out += '-';
    out += c;
    ++written;
  };
  for (std::size_t at = 0; at < plain.size(); at += detail::identity_part) {
    const auto part = std::string_view(plain).substr(at, detail::identity_part);
    for (const char c : part) add(c);
    add(detail::check_character(part));
  }
  return out;
}

/// As much of it as stands beside a name: the first group.
[[nodiscard]] inline std::string short_form(const identity& id) {
  return to_string(id).substr(0, detail::identity_group);
}

/// Reads what `to_string` wrote, in either case, whatever dashes and blanks stand between. None: it
/// is not one, or a check character says that it was mistyped.
[[nodiscard]] inline std::optional<identity> parse_identity(std::string_view text) {
  std::string plain, part;
  for (const char c : text) {
    if (c == '-' || c == ' ') continue;
    const auto value = detail::from_base32(c);
    if (!value) return std::nullopt;
    if (part.size() < detail::identity_part) {
      part += detail::base32[*value];
      continue;
    }
    if (detail::base32[*value] != detail::check_character(part)) return std::nullopt;
    plain += part;
    part.clear();
  }
  if (!part.empty() || plain.size() != detail::identity_part * detail::identity_parts)
    return std::nullopt;

  identity id;
  std::size_t written = 0;
  unsigned bits = 0, count = 0;
  for (const char c : plain) {
    bits = bits << 5 | *detail::from_base32(c);
    count += 5;
    if (count < 8 || written == id.digest.size()) continue;
    count -= 8;
    id.digest[written++] = static_cast<unsigned char>(bits >> count);
  }
  // What is left over of the last character is nothing: two texts would be one identity.
  return (bits & ((1U << count) - 1)) == 0 ? std::optional(id) : std::nullopt;
}

}  // namespace parley
