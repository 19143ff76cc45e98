#include <parley/identity.hpp>

#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <set>
#include <string>
#include <utility>

#include "support/random.hpp"

namespace identity_test {

using parley::identity;
using parley::parse_identity;

namespace {

identity random_identity(parley::test::random& rng) {
  identity id;
  for (auto& byte : id.digest) byte = static_cast<unsigned char>(rng.between(0, 255));
  return id;
}

}  // namespace

TEST_CASE("an identity is shown as eight groups of seven, and read again") {
  parley::test::random rng(1);
  for (int i = 0; i < 1000; ++i) {
    const identity id = random_identity(rng);
    const auto text = to_string(id);
    REQUIRE(text.size() == 8 * 7 + 7);
    for (std::size_t at = 7; at < text.size(); at += 8) CHECK(text[at] == '-');
    CHECK(parse_identity(text) == id);
    CHECK(short_form(id) == text.substr(0, 7));
  }
}

TEST_CASE("the text of an identity is what RFC 4648 says, with check characters between") {
  CHECK(to_string(identity{}) == "AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA");
  identity counting;  // 00 01 02 … 1f
  for (std::size_t i = 0; i < counting.digest.size(); ++i)
    counting.digest[i] = static_cast<unsigned char>(i);
  std::string plain;
  std::size_t at = 0;
  for (const char c : to_string(counting)) {
    if (c == '-') continue;
    if (++at % 14 != 0) plain += c;
  }
  CHECK(plain == "AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQTCQKRMFYYDENBWHA5DYPQ");
}

TEST_CASE("blanks, dashes and case do not matter") {
  parley::test::random rng(2);
  const identity id = random_identity(rng);
  std::string odd = " ";
  for (const char c : to_string(id)) {
    if (c == '-') continue;
    odd += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    odd += rng.once_in(3) ? "- " : "";
  }
  CHECK(parse_identity(odd) == id);
}

TEST_CASE("one wrong character, anywhere, is noticed") {
  parley::test::random rng(3);
  const auto right = to_string(random_identity(rng));
  for (std::size_t at = 0; at < right.size(); ++at) {
    if (right[at] == '-') continue;
    for (int c = 0; c < 256; ++c) {
      auto wrong = right;
      wrong[at] = static_cast<char>(c);
      const bool letter = right[at] >= 'A';
      const bool same = c == right[at] || (letter && c == right[at] - 'A' + 'a');
      INFO(wrong);
      CHECK(parse_identity(wrong).has_value() == same);
    }
  }
}

TEST_CASE("two neighbours that changed places are noticed") {
  // Luhn's sum misses only the pair of the first and the last of the alphabet.
  parley::test::random rng(4);
  for (int i = 0; i < 100; ++i) {
    const auto right = to_string(random_identity(rng));
    for (std::size_t at = 0; at + 1 < right.size(); ++at) {
      auto wrong = right;
      std::swap(wrong[at], wrong[at + 1]);
      const std::set<char> pair{right[at], right[at + 1]};
      const bool harmless = pair.size() == 1 || pair.contains('-') || pair == std::set{'A', '7'};
      INFO(wrong);
      CHECK((harmless || !parse_identity(wrong)));
    }
  }
}

TEST_CASE("what is no identity is none") {
  parley::test::random rng(5);
  const auto right = to_string(random_identity(rng));
  CHECK(!parse_identity(""));
  CHECK(!parse_identity("-"));
  CHECK(!parse_identity(right.substr(0, right.size() - 1)));
  CHECK(!parse_identity(right + right));
  CHECK(!parse_identity(right + "A"));
  CHECK(!parse_identity(std::string(1'000'000, 'A')));
}

TEST_CASE("an identity has one text only") {
  // The last character has four bits more than there are: all but one of sixteen are refused.
  int read = 0;
  for (const char last : parley::protocol::checked_base32::detail::alphabet) {
    auto part = std::string(12, 'A') + last;
    part += parley::protocol::checked_base32::detail::check_character(part);
    read += parse_identity(std::string(3 * 14, 'A') + part).has_value() ? 1 : 0;
  }
  CHECK(read == 2);
}

}  // namespace identity_test
