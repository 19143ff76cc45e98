#include <parley/protocol/greeting.hpp>

#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "support/bytes.hpp"
#include "support/random.hpp"

namespace greeting_test {

namespace {

namespace frame = parley::protocol::frame;
using namespace std::string_view_literals;
using parley::errc;
using parley::refuse_reason;
using parley::test::hex;

constexpr auto no_error = std::optional<errc>{};

// Sizes of bodies without their texts, counted from the table in docs/wire.md.
constexpr std::size_t hello_fixed = 6 + 1 + 1 + 4 + 32 + 16 + 4 + 8 + 8 + 4 + 4 + 2;
constexpr std::size_t welcome_fixed = 1 + 1 + 16 + 4 + 8 + 8 + 4 + 4 + 2;
constexpr std::size_t refuse_fixed = 1 + 8;

std::string_view body_of(std::string_view frame) { return frame.substr(4); }

frame::session_id counting_id(unsigned char first) {
  frame::session_id id{};
  for (unsigned char& byte : id) byte = first++;
  return id;
}

/// What every field of a greeting that tests change starts from: the smallest limits there are.
template <typename Greeting>
Greeting plain_greeting() {
  Greeting g;
  g.attempt = 1;
  g.max_message = 100;
  g.window = 112;
  g.heartbeat_ms = 10;
  return g;
}

template <typename Greeting>
std::optional<errc> round_trip(const Greeting& g) {
  const auto bytes = frame::encode(g);
  Greeting decoded;
  return frame::decode(body_of(bytes), decoded);
}

void check_same(const frame::greeting& a, const frame::greeting& b) {
  CHECK(a.session == b.session);
  CHECK(a.attempt == b.attempt);
  CHECK(a.next == b.next);
  CHECK(a.base == b.base);
  CHECK(a.window == b.window);
  CHECK(a.max_message == b.max_message);
  CHECK(a.heartbeat_ms == b.heartbeat_ms);
  CHECK(a.name == b.name);
}

template <typename Greeting>
Greeting random_greeting(parley::test::random& rng, std::string& name) {
  const auto letter = static_cast<char>('a' + rng.below(26));
  name = std::string(rng.below(65), letter);
  Greeting g;
  for (unsigned char& byte : g.session) byte = static_cast<unsigned char>(rng.next());
  g.attempt = static_cast<std::uint32_t>(rng.next());
  g.next = rng.next();
  g.base = rng.next();
  g.max_message = static_cast<std::uint32_t>(rng.between(1, parley::largest_message));
  g.window = static_cast<std::uint32_t>(rng.between(g.max_message + 12, UINT32_MAX));
  g.heartbeat_ms = static_cast<std::uint16_t>(rng.between(10, UINT16_MAX));
  g.name = name;
  return g;
}

/// The name with the bytes of `g` behind it must be refused wherever a greeting can stand.
template <typename Greeting>
void check_greeting_limits() {
  const auto with = [](auto change) {
    auto g = plain_greeting<Greeting>();
    change(g);
    return round_trip(g);
  };
  const std::string longest(64, 'n');
  const std::string too_long(65, 'n');
  CHECK(with([&](auto& g) { g.name = longest; }) == no_error);
  CHECK(with([&](auto& g) { g.name = too_long; }) == errc::malformed_frame);
  CHECK(with([](auto& g) { g.name = "\xc3\xa9"; }) == no_error);  // U+00E9
  CHECK(with([](auto& g) { g.name = "\xc3"; }) == errc::malformed_frame);

  CHECK(with([](auto& g) { g.heartbeat_ms = 10; }) == no_error);
  CHECK(with([](auto& g) { g.heartbeat_ms = 9; }) == errc::malformed_frame);
  CHECK(with([](auto& g) { g.heartbeat_ms = 0; }) == errc::malformed_frame);
  CHECK(with([](auto& g) { g.heartbeat_ms = 65'535; }) == no_error);

  CHECK(with([](auto& g) { g.max_message = 0; }) == errc::malformed_frame);
  CHECK(with([](auto& g) { g.max_message = 1, g.window = 13; }) == no_error);
  CHECK(with([](auto& g) { g.max_message = 1, g.window = 12; }) == errc::malformed_frame);
  CHECK(with([](auto& g) { g.window = 0; }) == errc::malformed_frame);
  CHECK(with([](auto& g) { g.window = UINT32_MAX; }) == no_error);

  constexpr std::uint32_t most = 16'777'207;  // 2^24 - 1 less a sequence number of 8 bytes
  CHECK(with([](auto& g) { g.max_message = most, g.window = most + 12; }) == no_error);
  CHECK(with([](auto& g) { g.max_message = most, g.window = most + 11; }) == errc::malformed_frame);
  CHECK(with([](auto& g) { g.max_message = most + 1, g.window = UINT32_MAX; }) ==
        errc::malformed_frame);
  // Near 2^32, where the window that such a limit asks for would wrap around in 32 bits.
  CHECK(with([](auto& g) { g.max_message = UINT32_MAX, g.window = 11; }) == errc::malformed_frame);
}

}  // namespace

// --- golden bytes: spelled from docs/wire.md by hand, computed by nobody ------------------------

TEST_CASE("the bytes of a new session's hello") {
  frame::hello h;
  h.session = counting_id(0x00);
  h.attempt = 1;
  h.window = 4'194'304;
  h.max_message = 1'048'576;
  h.heartbeat_ms = 5000;
  h.name = "ann";
  CHECK(frame::encode(h) == hex("00005d 01"
                                "7061726c6579 01 01 00000000"
                                "00000000000000000000000000000000"
                                "00000000000000000000000000000000"
                                "000102030405060708090a0b0c0d0e0f"
                                "00000001 0000000000000000 0000000000000000"
                                "00400000 00100000 1388"
                                "616e6e"));
}

TEST_CASE("the bytes of a returning session's hello") {
  frame::hello h;
  h.version_min = 0;
  h.version_max = 0x7f;
  h.welcomed = 3;
  for (std::size_t i = 0; i < h.proof.size(); ++i)
    h.proof[i] = static_cast<unsigned char>(0x40 + i);
  h.session = counting_id(0xf0);
  h.attempt = 0x01020304;
  h.next = 0x1112131415161718;
  h.base = 0x2122232425262728;
  h.window = 0x31323334;
  h.max_message = 0x00414243;
  h.heartbeat_ms = 0x5152;
  CHECK(frame::encode(h) == hex("00005a 01"
                                "7061726c6579 00 7f 00000003"
                                "404142434445464748494a4b4c4d4e4f"
                                "505152535455565758595a5b5c5d5e5f"
                                "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
                                "01020304 1112131415161718 2122232425262728"
                                "31323334 00414243 5152"));
}

TEST_CASE("the bytes of a welcome") {
  frame::welcome w;
  w.session = counting_id(0x80);
  w.attempt = 0xfffefdfc;
  w.next = 0x1112131415161718;
  w.base = 0x2122232425262728;
  w.window = 0x31323334;
  w.max_message = 0x00414243;
  w.heartbeat_ms = 0x5152;
  w.name = "\xc3\xa9";  // U+00E9
  CHECK(frame::encode(w) == hex("000032 02"
                                "01 00"
                                "808182838485868788898a8b8c8d8e8f"
                                "fffefdfc 1112131415161718 2122232425262728"
                                "31323334 00414243 5152"
                                "c3a9"));
}

TEST_CASE("the bytes of a refusal") {
  CHECK(frame::encode(frame::refusal{refuse_reason::busy, frame::unknown_position, "later"}) ==
        hex("00000e 03 03 ffffffffffffffff 6c61746572"));
  CHECK(frame::encode(frame::refusal{refuse_reason::position, 0x0102030405060708, ""}) ==
        hex("000009 03 08 0102030405060708"));
}

// --- decode(encode(x)) == x ---------------------------------------------------------------------

TEST_CASE("a hello comes back as it was said") {
  parley::test::random rng(1);
  for (int i = 0; i < 1000; ++i) {
    std::string name;
    auto h = random_greeting<frame::hello>(rng, name);
    h.version_min = static_cast<std::uint8_t>(rng.below(2));
    h.version_max = static_cast<std::uint8_t>(rng.between(1, 255));
    h.welcomed = static_cast<std::uint32_t>(rng.next());
    for (auto& byte : h.proof) byte = static_cast<unsigned char>(rng.below(256));
    const auto bytes = frame::encode(h);
    frame::hello decoded;
    REQUIRE(frame::decode(body_of(bytes), decoded) == no_error);
    check_same(decoded, h);
    CHECK(decoded.version_min == h.version_min);
    CHECK(decoded.version_max == h.version_max);
    CHECK(decoded.welcomed == h.welcomed);
    CHECK(decoded.proof == h.proof);
  }
}

TEST_CASE("a welcome comes back as it was said") {
  parley::test::random rng(2);
  for (int i = 0; i < 1000; ++i) {
    std::string name;
    const auto w = random_greeting<frame::welcome>(rng, name);
    const auto bytes = frame::encode(w);
    frame::welcome decoded;
    REQUIRE(frame::decode(body_of(bytes), decoded) == no_error);
    check_same(decoded, w);
    CHECK(decoded.chosen == 1);
  }
}

TEST_CASE("a refusal comes back as it was said, for every reason") {
  parley::test::random rng(3);
  for (int reason = 1; reason <= 9; ++reason) {
    const std::string text(rng.below(129), 't');
    const frame::refusal r{static_cast<refuse_reason>(reason), rng.next(), text};
    const auto bytes = frame::encode(r);
    frame::refusal decoded;
    REQUIRE(frame::decode(body_of(bytes), decoded) == no_error);
    CHECK(decoded.reason == r.reason);
    CHECK(decoded.next == r.next);
    CHECK(decoded.text == r.text);
  }
}

TEST_CASE("each reason of a refusal has the errc of the same name") {
  CHECK(to_errc(refuse_reason::version) == errc::refused_version);
  CHECK(to_errc(refuse_reason::not_allowed) == errc::refused_not_allowed);
  CHECK(to_errc(refuse_reason::busy) == errc::refused_busy);
  CHECK(to_errc(refuse_reason::unknown_session) == errc::refused_unknown_session);
  CHECK(to_errc(refuse_reason::expired) == errc::refused_expired);
  CHECK(to_errc(refuse_reason::ended) == errc::refused_ended);
  CHECK(to_errc(refuse_reason::stale_attempt) == errc::refused_stale_attempt);
  CHECK(to_errc(refuse_reason::position) == errc::refused_position);
  CHECK(to_errc(refuse_reason::malformed) == errc::refused_malformed);
}

// --- what is cut, too long or out of bounds -----------------------------------------------------

TEST_CASE("every truncation of a hello is refused") {
  const auto bytes = frame::encode(plain_greeting<frame::hello>());
  REQUIRE(body_of(bytes).size() == hello_fixed);
  for (std::size_t n = 0; n < hello_fixed; ++n) {
    INFO("first " << n << " bytes");
    frame::hello h;
    const auto wanted = n < 6 ? errc::not_parley : errc::malformed_frame;  // 6: "parley"
    CHECK(frame::decode(body_of(bytes).substr(0, n), h) == wanted);
  }
}

TEST_CASE("every truncation of a welcome is refused") {
  const auto bytes = frame::encode(plain_greeting<frame::welcome>());
  REQUIRE(body_of(bytes).size() == welcome_fixed);
  for (std::size_t n = 0; n < welcome_fixed; ++n) {
    INFO("first " << n << " bytes");
    frame::welcome w;
    CHECK(frame::decode(body_of(bytes).substr(0, n), w) == errc::malformed_frame);
  }
}

TEST_CASE("every truncation of a refusal is refused") {
  const auto bytes = frame::encode(frame::refusal{refuse_reason::ended, 5, ""});
  REQUIRE(body_of(bytes).size() == refuse_fixed);
  for (std::size_t n = 0; n < refuse_fixed; ++n) {
    INFO("first " << n << " bytes");
    frame::refusal r;
    CHECK(frame::decode(body_of(bytes).substr(0, n), r) == errc::malformed_frame);
  }
}

TEST_CASE("a hello with limits that cannot be is refused") {
  check_greeting_limits<frame::hello>();
}

TEST_CASE("a welcome with limits that cannot be is refused") {
  check_greeting_limits<frame::welcome>();
}

TEST_CASE("a wrong magic is not parley, whichever byte of it is wrong") {
  const auto bytes = frame::encode(plain_greeting<frame::hello>());
  for (std::size_t i = 0; i < 6; ++i) {
    std::string body(body_of(bytes));
    body[i] = static_cast<char>(body[i] ^ 0x20);  // the other case of the letter
    frame::hello h;
    CHECK(frame::decode(body, h) == errc::not_parley);
  }
}

TEST_CASE("a hello for other versions only is no error, so that it can be answered") {
  for (const auto& [min, max] : {std::pair{0, 0}, std::pair{2, 2}, std::pair{2, 255}}) {
    INFO(min << " to " << max);
    auto h = plain_greeting<frame::hello>();
    h.version_min = static_cast<std::uint8_t>(min);
    h.version_max = static_cast<std::uint8_t>(max);
    const auto bytes = frame::encode(h);
    // Whatever follows the versions may mean something else there, so any size will do.
    for (const std::size_t size : {std::size_t{8}, std::size_t{20}, body_of(bytes).size()}) {
      frame::hello decoded;
      CHECK(frame::decode(body_of(bytes).substr(0, size), decoded) == no_error);
      CHECK(decoded.version_min == min);
      CHECK(decoded.version_max == max);
    }
  }
}

TEST_CASE("a range of versions with version 1 in it is taken, one upside down is malformed") {
  const auto decoded = [](int min, int max) {
    auto h = plain_greeting<frame::hello>();
    h.version_min = static_cast<std::uint8_t>(min);
    h.version_max = static_cast<std::uint8_t>(max);
    return round_trip(h);
  };
  CHECK(decoded(0, 1) == no_error);
  CHECK(decoded(1, 255) == no_error);
  CHECK(decoded(2, 1) == errc::malformed_frame);
  CHECK(decoded(1, 0) == errc::malformed_frame);
  CHECK(decoded(255, 2) == errc::malformed_frame);
}

TEST_CASE("a welcome with another version than ours is refused") {
  for (const int version : {0, 2, 255}) {
    auto w = plain_greeting<frame::welcome>();
    w.chosen = static_cast<std::uint8_t>(version);
    CHECK(round_trip(w) == errc::malformed_frame);
  }
}

TEST_CASE("flags that parley/1 does not know are ignored") {
  auto answer = std::string(body_of(frame::encode(plain_greeting<frame::welcome>())));
  answer[1] = '\xff';  // behind the version
  frame::welcome w;
  CHECK(frame::decode(answer, w) == no_error);
}

TEST_CASE("a refusal's reason is one of nine") {
  for (const int reason : {0, 10, 255}) {
    const frame::refusal r{static_cast<refuse_reason>(reason), 0, ""};
    CHECK(round_trip(r) == errc::malformed_frame);
  }
}

TEST_CASE("a refusal's text is at most 128 bytes") {
  const std::string longest(128, 't');
  const auto body =
      std::string(body_of(frame::encode(frame::refusal{refuse_reason::busy, 0, longest})));
  frame::refusal r;
  REQUIRE(frame::decode(body, r) == no_error);
  CHECK(r.text == longest);
  CHECK(frame::decode(body + "t", r) == errc::malformed_frame);
}

TEST_CASE("a refusal's text is cut where it is too long, so that the frame is valid") {
  const std::string too_long = std::string(128, 't') + "x";
  const auto bytes = frame::encode(frame::refusal{refuse_reason::busy, 0, too_long});
  frame::refusal r;
  REQUIRE(frame::decode(body_of(bytes), r) == no_error);
  CHECK(r.text == too_long.substr(0, 128));
}

TEST_CASE("no greeting is over 512 bytes, whatever the name and the text") {
  const std::string name(64, 'n');
  const std::string text(128, 't');
  auto h = plain_greeting<frame::hello>();
  auto w = plain_greeting<frame::welcome>();
  h.name = w.name = name;
  constexpr std::size_t most = 512;  // docs/wire.md
  CHECK(frame::encode(h).size() <= most);
  CHECK(frame::encode(w).size() <= most);
  CHECK(frame::encode(frame::refusal{refuse_reason::busy, 0, text}).size() <= most);
}

TEST_CASE("random bytes are decoded or refused, and what is decoded is within bounds") {
  parley::test::random rng(4);
  constexpr std::size_t longest_body = 140;  // a little over the longest of them, a refusal
  int accepted = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string body = "parley\x01\x01";
    while (body.size() < longest_body) body += static_cast<char>(rng.below(256));
    body.resize(rng.below(longest_body));
    frame::hello h;
    if (frame::decode(body, h)) continue;
    ++accepted;
    CHECK(body.size() >= hello_fixed);
    CHECK(h.name.size() <= 64);
    CHECK(h.max_message > 0);
    CHECK(h.window >= h.max_message + std::uint64_t{12});
  }
  CHECK(accepted > 0);
}

}  // namespace greeting_test
