#include <parley/invitation.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cctype>
#include <string>

namespace invitation_test {

namespace {

parley::invitation example() {
  parley::invitation i;
  for (std::size_t n = 0; n < 32; ++n) i.listener.digest[n] = static_cast<unsigned char>(7 * n + 1);
  for (std::size_t n = 0; n < 16; ++n) i.secret[n] = static_cast<unsigned char>(200 - 11 * n);
  i.address = "192.0.2.7:7117";
  return i;
}

}  // namespace

TEST_CASE("an invitation comes back as it was written") {
  auto i = example();
  i.address = GENERATE(as<std::string>(), "192.0.2.7:7117", "[2001:db8::1]:7117", "unix:/run/a@b",
                       "chat.example.org");
  const auto text = to_string(i);
  CHECK(text.find(' ') == text.npos);
  CHECK(parley::parse_invitation(text) == i);
}

TEST_CASE("an invitation is the mark, the identity, the secret and the address") {
  const auto text = to_string(example());
  CHECK(text == "parley:" + to_string(example().listener) + "." + text.substr(7 + 63 + 1, 31) +
                    "@192.0.2.7:7117");
  CHECK(text.find('@') == 7 + 63 + 1 + 31);
}

TEST_CASE("no character of an invitation before its address can be wrong") {
  const auto text = to_string(example());
  const auto end = text.find('@');
  std::size_t tried = 0;
  for (std::size_t at = 0; at <= end; ++at) {
    auto other = text;
    if (other[at] == '-') continue;  // says nothing
    other[at] = other[at] == 'Q' ? 'R' : 'Q';
    CHECK_FALSE(parley::parse_invitation(other));
    ++tried;
  }
  CHECK(tried == 7 + 56 + 1 + 28 + 1);
}

TEST_CASE("a part of an invitation is none") {
  const auto text = to_string(example());
  const auto address = text.find('@') + 1;
  for (std::size_t n = 0; n <= address; ++n)
    CHECK_FALSE(parley::parse_invitation(text.substr(0, n)));
  CHECK(parley::parse_invitation(text.substr(0, address + 1)));
}

}  // namespace invitation_test
