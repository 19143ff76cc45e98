#include <parley/utf8.hpp>

#include <algorithm>
#include <bit>
#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace utf8_test {

namespace {

using namespace std::string_view_literals;
using parley::first_code_point;
using parley::is_utf8;
using parley::utf8_error;

constexpr auto npos = std::string_view::npos;

// Encodes with the bit patterns of the table in RFC 3629, section 3. Only this direction: the
// library under test knows which bytes may follow which, and no line of that is repeated here.
std::string encoded(char32_t c) {
  const auto low_six_from = [c](unsigned shift) {
    return static_cast<char>(0x80U | (static_cast<unsigned>(c) >> shift & 0x3fU));
  };
  const auto lead = [c](unsigned mark, unsigned shift) {
    return static_cast<char>(mark | static_cast<unsigned>(c) >> shift);
  };
  if (c < 0x80) return {lead(0, 0)};
  if (c < 0x800) return {lead(0xc0, 6), low_six_from(0)};
  if (c < 0x10000) return {lead(0xe0, 12), low_six_from(6), low_six_from(0)};
  return {lead(0xf0, 18), low_six_from(12), low_six_from(6), low_six_from(0)};
}

template <typename F>
void for_each_scalar(F f) {
  for (char32_t c = 0; c <= 0x10ffff; ++c) {
    if (c == 0xd800) c = 0xe000;
    f(c);
  }
}

std::uint32_t packed(std::string_view bytes) {
  std::uint32_t value = 0;
  for (const char byte : bytes) value = value << 8U | static_cast<unsigned char>(byte);
  return value;
}

// The reference: what is valid is what the encoder makes of the 1,112,064 scalar values, and what
// is a beginning is any prefix of that. Nothing is decided, it is all looked up.
class reference {
 public:
  reference() {
    four_.reserve(0x100000);
    for_each_scalar([this](char32_t c) {
      const std::string bytes = encoded(c);
      if (bytes.size() == 4) four_.push_back(packed(bytes));
      for (std::size_t n = 1; n <= std::min<std::size_t>(bytes.size(), 3); ++n)
        (n == bytes.size() ? whole(n) : begun(n))[packed(std::string_view(bytes).substr(0, n))] =
            true;
    });
    std::sort(four_.begin(), four_.end());
  }

  struct front {
    std::size_t length;
    bool valid;
  };

  // `text` is not empty.
  front at_front(std::string_view text) {
    std::size_t n = 1;
    for (; n <= std::min<std::size_t>(text.size(), 4); ++n) {
      const std::uint32_t key = packed(text.substr(0, n));
      if (n == 4) {
        if (std::binary_search(four_.begin(), four_.end(), key)) return {4, true};
        break;
      }
      if (whole(n)[key]) return {n, true};
      if (!begun(n)[key]) break;
    }
    return {std::max<std::size_t>(n - 1, 1), false};
  }

  std::size_t error(std::string_view text) {
    std::size_t at = 0;
    while (at < text.size()) {
      const front next = at_front(text.substr(at));
      if (!next.valid) return at;
      at += next.length;
    }
    return npos;
  }

 private:
  std::vector<bool>& whole(std::size_t n) { return whole_[n - 1]; }
  std::vector<bool>& begun(std::size_t n) { return begun_[n - 1]; }

  static constexpr std::size_t keys(unsigned bytes) { return std::size_t{1} << 8U * bytes; }
  std::vector<bool> whole_[3] = {std::vector<bool>(keys(1)), std::vector<bool>(keys(2)),
                                 std::vector<bool>(keys(3))};
  std::vector<bool> begun_[3] = {std::vector<bool>(keys(1)), std::vector<bool>(keys(2)),
                                 std::vector<bool>(keys(3))};
  std::vector<std::uint32_t> four_;
};

reference& the_reference() {
  static reference built;
  return built;
}

// A second reference, which knows nothing of tables: it adds up whatever the bytes spell, with as
// many bytes as the first one has leading ones, and asks only then whether that is a scalar value
// and had to be so long. None: no code point is at the front of `text`.
std::optional<char32_t> spelled(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto ones = static_cast<std::size_t>(std::countl_one(byte(0)));
  if (ones == 0) return byte(0);
  if (ones == 1 || ones > 4 || text.size() < ones) return std::nullopt;
  std::uint32_t value = byte(0) - (0x100U - (0x100U >> ones));
  for (std::size_t i = 1; i < ones; ++i) {
    if (byte(i) / 64 != 2) return std::nullopt;
    value = value * 64 + byte(i) % 64;
  }
  constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value / 0x800 == 0xd800 / 0x800;
  if (value < least[ones] || value > 0x10ffff || surrogate) return std::nullopt;
  return value;
}

bool agrees(reference& expected, std::string_view text) {
  const auto front = first_code_point(text);
  const auto expected_front = expected.at_front(text);
  const auto value = spelled(text);
  return utf8_error(text) == expected.error(text) && front.valid == expected_front.valid &&
         front.length == expected_front.length && front.valid == value.has_value() &&
         front.value == value.value_or(0xfffd);
}

}  // namespace

TEST_CASE("every sequence of one to three bytes is judged as both references judge it") {
  reference& expected = the_reference();
  std::size_t cases = 0;
  std::size_t valid = 0;
  std::size_t mismatches = 0;
  for (std::size_t length = 1; length <= 3; ++length) {
    for (std::uint32_t bits = 0; bits < 1U << 8U * length; ++bits) {
      char bytes[3];
      for (std::size_t i = 0; i < length; ++i)
        bytes[i] = static_cast<char>(bits >> 8U * (length - 1 - i) & 0xffU);
      ++cases;
      const auto front = first_code_point({bytes, length});
      valid += front.valid && front.length == length ? 1U : 0U;
      mismatches += agrees(expected, {bytes, length}) ? 0U : 1U;
    }
  }
  CHECK(cases == 256 + 65'536 + 16'777'216);
  CHECK(valid == 0x10000 - 0x800);  // the first plane without the surrogates
  CHECK(mismatches == 0);
}

TEST_CASE("every pair of first and second byte is judged as both references judge it in four") {
  // Both sides of every bound that RFC 3629 has for a byte.
  constexpr auto edges = "\x00\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xff"sv;
  reference& expected = the_reference();
  std::size_t cases = 0;
  std::size_t valid = 0;
  std::size_t mismatches = 0;
  for (unsigned first = 0; first < 256; ++first) {
    for (unsigned second = 0; second < 256; ++second) {
      for (const char third : edges) {
        for (const char fourth : edges) {
          const char bytes[] = {static_cast<char>(first), static_cast<char>(second), third, fourth};
          ++cases;
          const auto front = first_code_point({bytes, 4});
          valid += front.valid && front.length == 4 ? 1U : 0U;
          mismatches += agrees(expected, {bytes, 4}) ? 0U : 1U;
        }
      }
    }
  }
  CHECK(cases == 65'536 * edges.size() * edges.size());
  // Sixteen planes have 16 second bytes each, and six of the edges may follow.
  CHECK(valid == std::size_t{16} * 16 * 6 * 6);
  CHECK(mismatches == 0);
}

TEST_CASE("every scalar value is decoded to itself") {
  std::size_t scalars = 0;
  std::size_t mismatches = 0;
  for_each_scalar([&](char32_t c) {
    const std::string bytes = encoded(c);
    const auto front = first_code_point(bytes + "!");
    ++scalars;
    mismatches += front.valid && front.value == c && front.length == bytes.size() ? 0U : 1U;
  });
  CHECK(scalars == 1'112'064);
  CHECK(mismatches == 0);
}

TEST_CASE("an error is found wherever it stands to the steps of eight bytes") {
  std::size_t mismatches = 0;
  for (std::size_t size = 1; size <= 40; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      std::string text(size, 'a');
      text[at] = '\x80';
      mismatches += utf8_error(text) == at ? 0U : 1U;
      // Seen through a view that begins anywhere, so that the loads are aligned and not.
      for (std::size_t from = 0; from <= at; ++from)
        mismatches += utf8_error(std::string_view(text).substr(from)) == at - from ? 0U : 1U;
    }
  }
  CHECK(mismatches == 0);
}

TEST_CASE("valid text of many kinds stays valid until one byte of it is broken") {
  std::mt19937 random(1);  // any seed, but the same each time
  reference& expected = the_reference();
  std::size_t wrong = 0;
  for (int round = 0; round < 2'000; ++round) {
    std::string text;
    for (int i = 0; i < 20; ++i) {
      // Few bits as often as many, so that all lengths mix.
      const char32_t c = static_cast<char32_t>(random() % 0x110000) >> random() % 21;
      text += encoded(c >= 0xd800 && c < 0xe000 ? U'?' : c);
    }
    wrong += is_utf8(text) ? 0U : 1U;
    text[random() % text.size()] = static_cast<char>(random() & 0xffU);
    wrong += utf8_error(text) == expected.error(text) ? 0U : 1U;
  }
  CHECK(wrong == 0);
}

TEST_CASE("what is cut short is an error at its first byte") {
  CHECK(utf8_error("caf\xc3"sv) == 3);
  CHECK(utf8_error("\xe2\x82"sv) == 0);
  CHECK(utf8_error("ok \xf0\x9f\x98"sv) == 3);
  CHECK(utf8_error("\xf0\x9f\x98 more"sv) == 0);
}

TEST_CASE("an invalid sequence is as long as the start of a code point in it") {
  const auto invalid_length = [](std::string_view text) {
    const auto front = first_code_point(text);
    CHECK_FALSE(front.valid);
    CHECK(front.value == 0xfffd);
    return front.length;
  };
  CHECK(invalid_length("\x80 a"sv) == 1);                // nothing begins with it
  CHECK(invalid_length("\xc0\x80"sv) == 1);              // overlong: no second byte is allowed
  CHECK(invalid_length("\xe0\x80\x80"sv) == 1);          // overlong: not this second byte
  CHECK(invalid_length("\xed\xa0\x80"sv) == 1);          // a surrogate
  CHECK(invalid_length("\xf4\x90\x80\x80"sv) == 1);      // above U+10FFFF
  CHECK(invalid_length("\xe2\x82 a"sv) == 2);            // the euro sign, cut
  CHECK(invalid_length("\xf0\x9f\x98\xf0"sv) == 3);      // an emoji, cut
  CHECK(invalid_length("\xf8\x88\x80\x80\x80"sv) == 1);  // five bytes, as before RFC 3629
}

TEST_CASE("no text is valid text with nothing at its front") {
  CHECK(is_utf8(""));
  const auto front = first_code_point("");
  CHECK_FALSE(front.valid);
  CHECK(front.length == 0);
}

TEST_CASE("a NUL and the noncharacters are valid UTF-8") {
  CHECK(is_utf8("a\0b"sv));
  CHECK(is_utf8("\xef\xbf\xbe \xef\xb7\x90 \xf4\x8f\xbf\xbf"));
}

// The same answers where the compiler computes them.
static_assert(is_utf8("gr\xc3\xbc\xc3\x9f dich, \xe4\xb8\x96\xe7\x95\x8c \xf0\x9f\x98\x80"));
static_assert(utf8_error("twelve bytes\xff and more") == 12);
static_assert(first_code_point("\xe2\x82\xac").value == 0x20ac);

}  // namespace utf8_test
