#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

/// Bytes for tests. Written from docs/wire.md and without a line of the library, so that a test
/// can hold what the library encodes against it.
namespace parley::test {

/// The bytes that `digits` spell, two to a byte; spaces are for the reader.
inline std::string hex(std::string_view digits) {
  std::string out;
  int half = -1;
  for (const char c : digits) {
    if (c == ' ') continue;
    const auto value = std::string_view("0123456789abcdef").find(c);
    if (value == std::string_view::npos) throw std::invalid_argument("not a hex digit");
    if (half >= 0) out.push_back(static_cast<char>(half * 16 + static_cast<int>(value)));
    half = half >= 0 ? -1 : static_cast<int>(value);
  }
  if (half >= 0) throw std::invalid_argument("half a byte");
  return out;
}

/// The last `bytes` bytes of `value`, the most significant first.
inline std::string big_endian(std::uint64_t value, std::size_t bytes) {
  std::string out;
  for (std::size_t shift = 8 * bytes; shift > 0; shift -= 8)
    out.push_back(static_cast<char>(static_cast<unsigned char>(value >> (shift - 8))));
  return out;
}

/// A header alone, which may announce any length: u24 length, u8 type.
inline std::string header_of(unsigned type, std::size_t length) {
  return big_endian(length, 3) + big_endian(type, 1);
}

inline std::string frame_of(unsigned type, std::string_view body) {
  return header_of(type, body.size()).append(body);
}

inline std::string message_frame(std::uint64_t sequence, std::string_view body, unsigned tag = 0) {
  return frame_of(0x80 + tag, big_endian(sequence, 8).append(body));
}

inline std::string ack_frame(std::uint64_t next) { return frame_of(0x04, big_endian(next, 8)); }

inline std::string ping_frame(std::uint64_t token, std::uint64_t next) {
  return frame_of(0x05, big_endian(token, 8) + big_endian(next, 8));
}

inline std::string pong_frame(std::uint64_t token, std::uint64_t next) {
  return frame_of(0x06, big_endian(token, 8) + big_endian(next, 8));
}

inline std::string bye_frame(std::uint64_t sequence) {
  return frame_of(0x07, big_endian(sequence, 8));
}

/// `size` bytes that follow from `key` and from nothing else; two keys give two texts.
inline std::string pattern(std::uint64_t key, std::size_t size) {
  std::string out(size, '\0');
  std::uint64_t word = key * 0x9e3779b97f4a7c15 + 1;  // 2^64 over the golden ratio: spreads keys
  std::size_t at = 0;
  for (; at + sizeof word <= size; at += sizeof word) {
    std::memcpy(out.data() + at, &word, sizeof word);  // of a known size: no call
    word += 0x0123456789abcdef;
  }
  std::memcpy(out.data() + at, &word, size - at);
  return out;
}

/// The pieces of a gathered write as the stream would see them.
inline std::string joined(std::span<const std::string_view> pieces) {
  std::string out;
  for (const auto piece : pieces) out.append(piece);
  return out;
}

}  // namespace parley::test
