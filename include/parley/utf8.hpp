// Strict UTF-8, as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
//
// Validation belongs at the receiving edge: text that passed here is text everywhere behind it.
// Nothing here allocates, throws, or looks at the locale.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

namespace parley {

/// What stands at the front of a text: one code point, or bytes that are none.
struct code_point {
  /// The code point; U+FFFD where the bytes are invalid.
  char32_t value;
  /// In bytes. Where invalid: the longest start of a code point that is there, at least 1, so that
  /// what a stranger cut short costs one replacement and never swallows the byte that follows
  /// (The Unicode Standard, section 3.9, "substitution of maximal subparts"). 0 only for no text.
  std::size_t length;
  bool valid;
};

namespace detail {

// What a first byte promises: how many bytes in all, and which second byte may follow. A narrowed
// second byte is all that it takes to keep out overlong forms (e0, f0), surrogates (ed) and what is
// above U+10FFFF (f4); c0, c1 and f5 to ff begin nothing. RFC 3629, section 4.
struct utf8_shape {
  std::size_t length;  // 0: such a byte begins no code point
  unsigned char second_min = 0x80;
  unsigned char second_max = 0xbf;
};

constexpr utf8_shape utf8_shape_of(unsigned char first) noexcept {
  if (first < 0x80) return {1};
  if (first < 0xc2) return {0};
  if (first < 0xe0) return {2};
  if (first == 0xe0) return {3, 0xa0, 0xbf};
  if (first == 0xed) return {3, 0x80, 0x9f};
  if (first < 0xf0) return {3};
  if (first == 0xf0) return {4, 0x90, 0xbf};
  if (first < 0xf4) return {4};
  if (first == 0xf4) return {4, 0x80, 0x8f};
  return {0};
}

// How many bytes at the front of `text` are ASCII. Most text is nothing else, so it goes eight
// bytes at a time; memcpy is the aligned-or-not load that compilers turn into one instruction.
constexpr std::size_t ascii_prefix(std::string_view text) noexcept {
  std::size_t at = 0;
  if (!std::is_constant_evaluated()) {
    constexpr std::uint64_t high_bits = 0x8080808080808080;
    std::uint64_t eight = 0;
    for (; text.size() - at >= sizeof eight; at += sizeof eight) {
      std::memcpy(&eight, text.data() + at, sizeof eight);
      if ((eight & high_bits) != 0) break;
    }
  }
  while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) ++at;
  return at;
}

}  // namespace detail

/// Decodes what stands at the front of `text`; `text.substr(length)` is where to go on. A code
/// point that the end of `text` cuts is invalid like any other.
constexpr code_point first_code_point(std::string_view text) noexcept {
  constexpr char32_t replacement = 0xfffd;
  if (text.empty()) return {replacement, 0, false};

  const auto first = static_cast<unsigned char>(text[0]);
  const auto shape = detail::utf8_shape_of(first);
  if (shape.length == 0) return {replacement, 1, false};
  if (shape.length == 1) return {first, 1, true};

  char32_t value = first & (0x7fU >> shape.length);
  for (std::size_t i = 1; i < shape.length; ++i) {
    if (i == text.size()) return {replacement, i, false};
    const auto next = static_cast<unsigned char>(text[i]);
    const unsigned min = i == 1 ? shape.second_min : 0x80;
    const unsigned max = i == 1 ? shape.second_max : 0xbf;
    if (next < min || next > max) return {replacement, i, false};
    value = value << 6 | (next & 0x3fU);
  }
  return {value, shape.length, true};
}

/// The offset in bytes of the first byte that is not part of a well-formed code point, and
/// `std::string_view::npos` where there is none. Of a code point that is cut short it is the offset
/// of its first byte. The empty text is valid.
constexpr std::size_t utf8_error(std::string_view text) noexcept {
  std::size_t at = 0;
  while (true) {
    at += detail::ascii_prefix(text.substr(at));
    if (at == text.size()) return std::string_view::npos;
    const auto next = first_code_point(text.substr(at));
    if (!next.valid) return at;
    at += next.length;
  }
}

/// Whether `text` is UTF-8 from its first byte to its last (RFC 3629).
constexpr bool is_utf8(std::string_view text) noexcept {
  return utf8_error(text) == std::string_view::npos;
}

}  // namespace parley
