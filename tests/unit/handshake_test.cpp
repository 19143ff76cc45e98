#include <parley/handshake.hpp>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "support/bytes.hpp"

namespace {

namespace frame = parley::frame;
using namespace std::chrono_literals;
using parley::errc;
using parley::handshake;
using parley::options;
using parley::positions;
using parley::test::hex;

constexpr frame::session_id id{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
constexpr auto accepted = std::optional<frame::refuse_reason>{};
constexpr auto no_error = std::optional<errc>{};

options named(std::string_view name) {
  options o;
  o.name = name;
  return o;
}

std::string_view body_of(std::string_view bytes) { return bytes.substr(4); }

/// What the hello in `bytes` says; its name points there.
frame::hello hello_in(std::string_view bytes) {
  frame::hello h;
  REQUIRE(frame::decode(body_of(bytes), h) == no_error);
  return h;
}

frame::welcome welcome_in(std::string_view bytes) {
  frame::welcome w;
  REQUIRE(frame::decode(body_of(bytes), w) == no_error);
  return w;
}

/// A hello of `attempt` that fits a listener at the beginning.
frame::hello hello_of(std::uint32_t attempt) {
  frame::hello h;
  h.session = id;
  h.attempt = attempt;
  h.window = 4'194'304;
  h.max_message = 1'048'576;
  h.heartbeat_ms = 5000;
  return h;
}

}  // namespace

TEST_CASE("a hello and a welcome tell each side what the other is like") {
  auto left = named("ann");
  left.window = 2'000'000;
  left.max_message = 1000;
  left.heartbeat = 700ms;
  auto right = named("bob");
  right.window = 3'000'000;
  right.max_message = 2000;
  right.heartbeat = 900ms;
  handshake dialer(left, id);
  handshake listener(right, id);

  const auto hello = dialer.dial({});
  CHECK(!dialer.done());
  REQUIRE(listener.accept(hello_in(hello), {}) == accepted);
  CHECK(listener.done());
  const auto welcome = listener.welcome({});
  REQUIRE(dialer.welcomed(body_of(welcome), {}) == no_error);
  CHECK(dialer.done());

  CHECK(dialer.peer_name() == "bob");
  CHECK(listener.peer_name() == "ann");
  CHECK(dialer.peer_window() == 3'000'000);
  CHECK(listener.peer_window() == 2'000'000);
  CHECK(dialer.max_incoming() == 1000);
  CHECK(listener.max_incoming() == 2000);
  CHECK(dialer.max_outgoing() == 1000);  // the smaller one binds both
  CHECK(listener.max_outgoing() == 1000);
  CHECK(dialer.heartbeat() == 700ms);
  CHECK(listener.heartbeat() == 700ms);
  CHECK(dialer.id() == id);
  CHECK(listener.attempt() == 1);
}

TEST_CASE("before a greeting nothing is known of the peer") {
  const handshake h(named("ann"), id);
  CHECK(!h.done());
  CHECK(h.attempt() == 0);
  CHECK(h.peer_window() == 0);
  CHECK(h.peer_name().empty());
  CHECK(h.refusal().empty());
}

TEST_CASE("a hello says who calls, how often it has tried, and where it is") {
  handshake dialer(named("ann"), id);
  const auto first = dialer.dial({});
  CHECK(hello_in(first).fresh);
  CHECK(hello_in(first).attempt == 1);
  CHECK(hello_in(first).session == id);
  CHECK(hello_in(first).name == "ann");
  CHECK(hello_in(first).version_min == 1);
  CHECK(hello_in(first).version_max == 1);

  const auto second = dialer.dial({.next = 5, .base = 3, .unsent = 9});
  CHECK(hello_in(second).attempt == 2);
  CHECK(hello_in(second).next == 5);
  CHECK(hello_in(second).base == 3);
}

TEST_CASE("a session is new until it was once accepted") {
  handshake dialer(named("ann"), id);
  handshake listener(named("bob"), id);
  CHECK(hello_in(dialer.dial({})).fresh);
  const auto hello = dialer.dial({});
  CHECK(hello_in(hello).fresh);
  REQUIRE(listener.accept(hello_in(hello), {}) == accepted);
  REQUIRE(dialer.welcomed(body_of(listener.welcome({})), {}) == no_error);
  const auto again = dialer.dial({});
  CHECK(!hello_in(again).fresh);
  CHECK(!dialer.done());  // not on this connection
}

TEST_CASE("a welcome repeats session and attempt and says where the listener is") {
  handshake listener(named("bob"), id);
  REQUIRE(listener.accept(hello_of(77), {}) == accepted);
  const auto bytes = listener.welcome({.next = 4, .base = 2, .unsent = 6});
  const auto w = welcome_in(bytes);
  CHECK(w.session == id);
  CHECK(w.attempt == 77);
  CHECK(w.next == 4);
  CHECK(w.base == 2);
  CHECK(w.name == "bob");
}

TEST_CASE("an attempt that is not newer than the last one is stale") {
  handshake listener(named("bob"), id);
  CHECK(listener.accept(hello_of(0), {}) == frame::refuse_reason::stale_attempt);
  REQUIRE(listener.accept(hello_of(5), {}) == accepted);
  CHECK(listener.accept(hello_of(4), {}) == frame::refuse_reason::stale_attempt);
  CHECK(listener.accept(hello_of(5), {}) == frame::refuse_reason::stale_attempt);
  CHECK(listener.accept(hello_of(6), {}) == accepted);
  CHECK(listener.accept(hello_of(UINT32_MAX), {}) == accepted);
  CHECK(listener.attempt() == UINT32_MAX);
}

TEST_CASE("positions that cannot be are refused, each way") {
  // This side has received 0 to 9, holds 20 to 29 for the peer, and has sent 20 to 26 of these.
  const positions here{.next = 10, .base = 20, .unsent = 27};
  const auto answer = [&](std::uint64_t next, std::uint64_t base) {
    handshake listener(named("bob"), id);
    auto h = hello_of(1);
    h.next = next;
    h.base = base;
    return listener.accept(h, here);
  };
  CHECK(answer(20, 0) == accepted);
  CHECK(answer(27, 10) == accepted);
  CHECK(answer(23, 5) == accepted);
  CHECK(answer(19, 10) == frame::refuse_reason::position);  // lacks what we no longer hold
  CHECK(answer(0, 10) == frame::refuse_reason::position);
  CHECK(answer(28, 10) == frame::refuse_reason::position);  // has what we never sent
  CHECK(answer(~std::uint64_t{0}, 10) == frame::refuse_reason::position);
  CHECK(answer(23, 11) == frame::refuse_reason::position);  // no longer holds what we lack
  CHECK(answer(23, ~std::uint64_t{0}) == frame::refuse_reason::position);
}

TEST_CASE("a new session that claims positions is refused") {
  handshake listener(named("bob"), id);
  auto h = hello_of(1);
  h.next = 1;
  CHECK(listener.accept(h, {}) == frame::refuse_reason::position);
  h.next = 0;
  h.base = 1;
  CHECK(listener.accept(h, {}) == frame::refuse_reason::position);
}

TEST_CASE("a refusal changes nothing") {
  handshake listener(named("bob"), id);
  auto first = hello_of(5);
  first.name = "ann";
  REQUIRE(listener.accept(first, {}) == accepted);

  auto stale = hello_of(4);
  stale.name = "eve";
  stale.window = 5'000'000;
  REQUIRE(listener.accept(stale, {}) != accepted);
  auto wrong = hello_of(9);
  wrong.name = "eve";
  wrong.next = 1;
  REQUIRE(listener.accept(wrong, {}) != accepted);

  CHECK(listener.attempt() == 5);
  CHECK(listener.peer_name() == "ann");
  CHECK(listener.peer_window() == first.window);
  CHECK(listener.done());
  CHECK(listener.accept(hello_of(6), {}) == accepted);
}

TEST_CASE("a welcome that is not the answer to this hello is refused") {
  handshake dialer(named("ann"), id);
  (void)dialer.dial({});
  (void)dialer.dial({});
  const positions here{.next = 10, .base = 20, .unsent = 27};
  frame::welcome right;
  right.session = id;
  right.attempt = 2;
  right.next = 20;
  right.base = 10;
  right.window = 4'194'304;
  right.max_message = 1'048'576;
  right.heartbeat_ms = 5000;

  const auto answer = [&](auto change) {
    auto w = right;
    change(w);
    const auto result = dialer.welcomed(body_of(frame::encode(w)), here);
    if (result) CHECK(!dialer.done());
    return result;
  };
  CHECK(answer([](auto& w) { w.session[0] ^= 1; }) == errc::wrong_session);
  CHECK(answer([](auto& w) { w.session[15] ^= 0x80; }) == errc::wrong_session);
  CHECK(answer([](auto& w) { w.attempt = 1; }) == errc::wrong_session);
  CHECK(answer([](auto& w) { w.attempt = 3; }) == errc::wrong_session);
  CHECK(answer([](auto& w) { w.next = 19; }) == errc::wrong_session);
  CHECK(answer([](auto& w) { w.next = 28; }) == errc::wrong_session);
  CHECK(answer([](auto& w) { w.base = 11; }) == errc::wrong_session);
  CHECK(answer([](auto& w) { w.chosen = 2; }) == errc::malformed_frame);
  CHECK(answer([](auto& w) { w.window = 1; }) == errc::malformed_frame);
  CHECK(dialer.peer_window() == 0);
  CHECK(answer([](auto&) {}) == no_error);
  CHECK(dialer.done());
}

TEST_CASE("a welcome that is cut is malformed") {
  handshake dialer(named("ann"), id);
  (void)dialer.dial({});
  CHECK(dialer.welcomed({}, {}) == errc::malformed_frame);
  CHECK(dialer.welcomed("\x01", {}) == errc::malformed_frame);
  CHECK(!dialer.done());
}

TEST_CASE("a refusal is an error with the listener's reason and text") {
  const auto refused = [](std::string_view reason, std::string_view text) {
    handshake dialer(named("ann"), id);
    (void)dialer.dial({});
    const auto body = hex(reason) + hex("ffffffffffffffff") + std::string(text);
    const auto ec = dialer.refused(body);
    CHECK(dialer.refusal() == text);
    CHECK(!dialer.done());
    return ec;
  };
  CHECK(refused("01", "speak parley/2") == errc::refused_version);
  CHECK(refused("02", "") == errc::refused_not_allowed);
  CHECK(refused("03", "in a conversation") == errc::refused_busy);
  CHECK(refused("04", "") == errc::refused_unknown_session);
  CHECK(refused("05", "") == errc::refused_expired);
  CHECK(refused("06", "") == errc::refused_ended);
  CHECK(refused("07", "") == errc::refused_stale_attempt);
  CHECK(refused("08", "") == errc::refused_position);
  CHECK(refused("09", std::string(128, 't')) == errc::refused_malformed);
}

TEST_CASE("a refusal that is malformed is an error too, and leaves no text") {
  handshake dialer(named("ann"), id);
  (void)dialer.dial({});
  CHECK(dialer.refused({}) == errc::malformed_frame);
  CHECK(dialer.refused(hex("00 ffffffffffffffff") + "x") == errc::malformed_frame);
  CHECK(dialer.refused(hex("0a ffffffffffffffff") + "x") == errc::malformed_frame);
  CHECK(dialer.refused(hex("03 ffffffffffffffff") + std::string(129, 't')) ==
        errc::malformed_frame);
  CHECK(dialer.refusal().empty());
}
