// Any bytes: what the library takes for UTF-8 is what can be written as UTF-8, and nothing else.
// The library reads by the shape of first bytes; here every code point there is was written once,
// by arithmetic, and whatever bytes begin one of them is known from that.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <parley/utf8.hpp>

#include "input.hpp"

namespace {

using parley::fuzz::demand;

constexpr std::size_t longest = 4;

/// The shortest form of `c`, the only one there may be.
std::string written(std::uint32_t c) {
  const auto byte = [](std::uint32_t value) { return static_cast<char>(value); };
  if (c < 128) return {byte(c)};
  std::string out;
  std::uint32_t lead = 64;  // what a first byte has room for
  for (; c >= lead || out.empty(); c /= 64, lead /= 2) out.insert(0, 1, byte(128 + c % 64));
  return out.insert(0, 1, byte(256 - 2 * lead + c));
}

/// The number that `bytes` make; what begins something, and is not all of it, is of another size.
std::size_t number(std::string_view bytes) {
  std::size_t value = 1;
  for (const char c : bytes) value = value * 256 + static_cast<unsigned char>(c);
  return value;
}

/// Which one to three bytes begin a longer code point.
std::vector<bool> all_beginnings() {
  std::vector<bool> out(std::size_t{2} << 24U);
  for (std::uint32_t c = 128; c < 0x110000; ++c) {
    if (c == 0xd800) c = 0xe000;  // surrogates
    const auto whole = written(c);
    for (std::size_t n = 1; n < whole.size(); ++n)
      out[number(std::string_view(whole).substr(0, n))] = true;
  }
  return out;
}

/// The code point that all of `bytes` is.
std::optional<std::uint32_t> read(std::string_view bytes) {
  std::uint32_t value = static_cast<unsigned char>(bytes[0]);
  if (bytes.size() > 1) value %= 128U >> bytes.size();
  for (const char c : bytes.substr(1)) value = value * 64 + static_cast<unsigned char>(c) % 64;
  const bool exists = value < 0xd800 || (value > 0xdfff && value < 0x110000);
  return exists && written(value) == bytes ? std::optional(value) : std::nullopt;
}

/// What must stand at the front of `text`, which is not empty.
parley::code_point front_of(std::string_view text) {
  static const auto beginnings = all_beginnings();
  for (std::size_t n = 1; n <= longest && n <= text.size(); ++n)
    if (const auto value = read(text.substr(0, n))) return {*value, n, true};
  std::size_t n = 1;
  while (n < longest - 1 && n < text.size() && beginnings[number(text.substr(0, n + 1))]) ++n;
  return {0xfffd, n, false};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = parley::fuzz::input(data, size).rest();
  auto first_error = std::string_view::npos;
  for (std::size_t at = 0; at < size;) {
    const auto is = parley::first_code_point(text.substr(at));
    const auto must = front_of(text.substr(at));
    demand(is.value == must.value && is.length == must.length && is.valid == must.valid);
    if (!must.valid && first_error == std::string_view::npos) first_error = at;
    at += must.length;
  }
  for (std::size_t from = 0; from < size && from < 9; ++from) {  // eight bytes at a time
    const auto error = parley::utf8_error(text.substr(from));
    if (from == 0) demand(error == first_error && parley::is_utf8(text) == (error == text.npos));
    if (error == text.npos) continue;
    demand(!front_of(text.substr(from + error)).valid);
    demand(parley::is_utf8(text.substr(from, error)));
  }
  return 0;
}
