#include <parley/protocol/handshake.hpp>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/bytes.hpp"

namespace handshake_test {

namespace {

namespace frame = parley::protocol::frame;
using namespace std::chrono_literals;
using parley::errc;
using parley::options;
using parley::refuse_reason;
using parley::protocol::handshake;
using parley::protocol::positions;
using parley::test::hex;

constexpr frame::session_id id{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
constexpr auto accepted = std::optional<refuse_reason>{};
constexpr auto no_error = std::optional<errc>{};
constexpr handshake::time_point start{1h};

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

/// Takes the hello, unless it is to be refused.
std::optional<refuse_reason> answer_to(handshake& listener, const frame::hello& h,
                                       const positions& here) {
  const auto refused = listener.check(h, here);
  if (!refused) listener.take_hello(h);
  return refused;
}

/// A welcome to `attempt` that fits a dialer at the beginning.
frame::welcome welcome_of(std::uint32_t attempt) {
  frame::welcome w;
  w.session = id;
  w.attempt = attempt;
  w.window = 4'194'304;
  w.max_message = 1'048'576;
  w.heartbeat_ms = 5000;
  return w;
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

  const auto hello = dialer.dial({}, start);
  CHECK(!dialer.done());
  REQUIRE(answer_to(listener, hello_in(hello), {}) == accepted);
  CHECK(listener.done());
  const auto welcome = listener.welcome({});
  REQUIRE(dialer.take_welcome(body_of(welcome), {}) == no_error);
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
  const auto first = dialer.dial({}, start);
  CHECK(hello_in(first).welcomed == 0);
  CHECK(hello_in(first).attempt == 1);
  CHECK(hello_in(first).session == id);
  CHECK(hello_in(first).name == "ann");
  CHECK(hello_in(first).version_min == 1);
  CHECK(hello_in(first).version_max == 1);

  const auto second = dialer.dial({.next = 5, .base = 3, .unsent = 9}, start);
  CHECK(hello_in(second).attempt == 2);
  CHECK(hello_in(second).next == 5);
  CHECK(hello_in(second).base == 3);
}

TEST_CASE("a session is new until it was once welcomed, and then says which attempt was") {
  handshake dialer(named("ann"), id);
  handshake listener(named("bob"), id);
  CHECK(hello_in(dialer.dial({}, start)).welcomed == 0);
  const auto hello = dialer.dial({}, start);
  CHECK(hello_in(hello).welcomed == 0);
  REQUIRE(answer_to(listener, hello_in(hello), {}) == accepted);
  REQUIRE(dialer.take_welcome(body_of(listener.welcome({})), {}) == no_error);
  dialer.hang_up();
  const auto again = dialer.dial({}, start);
  CHECK(hello_in(again).welcomed == 2);
  CHECK(!dialer.done());  // not on this connection
}

TEST_CASE("a welcome repeats session and attempt and says where the listener is") {
  handshake listener(named("bob"), id);
  REQUIRE(answer_to(listener, hello_of(77), {}) == accepted);
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
  CHECK(answer_to(listener, hello_of(0), {}) == refuse_reason::stale_attempt);
  REQUIRE(answer_to(listener, hello_of(5), {}) == accepted);
  CHECK(answer_to(listener, hello_of(4), {}) == refuse_reason::stale_attempt);
  CHECK(answer_to(listener, hello_of(5), {}) == refuse_reason::stale_attempt);
  CHECK(answer_to(listener, hello_of(6), {}) == accepted);
  CHECK(answer_to(listener, hello_of(UINT32_MAX), {}) == accepted);
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
    return answer_to(listener, h, here);
  };
  CHECK(answer(20, 0) == accepted);
  CHECK(answer(27, 10) == accepted);
  CHECK(answer(23, 5) == accepted);
  CHECK(answer(19, 10) == refuse_reason::position);  // lacks what we no longer hold
  CHECK(answer(0, 10) == refuse_reason::position);
  CHECK(answer(28, 10) == refuse_reason::position);  // has what we never sent
  CHECK(answer(~std::uint64_t{0}, 10) == refuse_reason::position);
  CHECK(answer(23, 11) == refuse_reason::position);  // no longer holds what we lack
  CHECK(answer(23, ~std::uint64_t{0}) == refuse_reason::position);
}

TEST_CASE("a new session that claims positions is refused") {
  handshake listener(named("bob"), id);
  auto h = hello_of(1);
  h.next = 1;
  CHECK(answer_to(listener, h, {}) == refuse_reason::position);
  h.next = 0;
  h.base = 1;
  CHECK(answer_to(listener, h, {}) == refuse_reason::position);
}

TEST_CASE("a refusal changes nothing") {
  handshake listener(named("bob"), id);
  auto first = hello_of(5);
  first.name = "ann";
  REQUIRE(answer_to(listener, first, {}) == accepted);

  auto stale = hello_of(4);
  stale.name = "eve";
  stale.window = 5'000'000;
  REQUIRE(answer_to(listener, stale, {}) != accepted);
  auto wrong = hello_of(9);
  wrong.name = "eve";
  wrong.next = 1;
  REQUIRE(answer_to(listener, wrong, {}) != accepted);

  CHECK(listener.attempt() == 5);
  CHECK(listener.peer_name() == "ann");
  CHECK(listener.peer_window() == first.window);
  CHECK(listener.done());
  CHECK(answer_to(listener, hello_of(6), {}) == accepted);
}

TEST_CASE("a welcome that is not the answer to this hello is refused") {
  handshake dialer(named("ann"), id);
  (void)dialer.dial({}, start);
  (void)dialer.dial({}, start);
  const positions here{.next = 10, .base = 20, .unsent = 27};
  frame::welcome right = welcome_of(2);
  right.next = 20;
  right.base = 10;

  const auto answer = [&](auto change) {
    auto w = right;
    change(w);
    const auto result = dialer.take_welcome(body_of(frame::encode(w)), here);
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
  (void)dialer.dial({}, start);
  CHECK(dialer.take_welcome({}, {}) == errc::malformed_frame);
  CHECK(dialer.take_welcome("\x01", {}) == errc::malformed_frame);
  CHECK(!dialer.done());
}

TEST_CASE("a refusal is an error with the listener's reason and text") {
  const auto refused = [](std::string_view reason, std::string_view text) {
    handshake dialer(named("ann"), id);
    (void)dialer.dial({}, start);
    const auto body = hex(reason) + hex("ffffffffffffffff") + std::string(text);
    frame::refusal r;
    REQUIRE(frame::decode(body, r) == no_error);
    const auto ec = dialer.take_refusal(r);
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

// --- one connection after the other --------------------------------------------------------------

TEST_CASE("an answer is due in the time of the handshake, anew for each attempt") {
  auto o = named("ann");
  o.handshake_timeout = 300ms;
  handshake dialer(o, id);
  (void)dialer.dial({}, start);
  CHECK(dialer.due() == start + 300ms);
  (void)dialer.dial({}, start + 1h);
  CHECK(dialer.due() == start + 1h + 300ms);
}

TEST_CASE("a connection that ends leaves the greetings known, and none done") {
  handshake dialer(named("ann"), id);
  (void)dialer.dial({}, start);
  REQUIRE(dialer.take_welcome(body_of(frame::encode(welcome_of(1))), {}) == no_error);
  REQUIRE(dialer.done());
  dialer.hang_up();
  CHECK(!dialer.done());
  CHECK(dialer.attempt() == 1);
  CHECK(dialer.peer_window() == 4'194'304);  // what is queued meanwhile is measured by that
  CHECK(dialer.max_outgoing() == 1'048'576);
}

TEST_CASE("a new session's hello that is repeated, because the welcome was lost, is welcome") {
  handshake dialer(named("ann"), id);
  handshake listener(named("bob"), id);
  for (std::uint32_t attempt = 1; attempt <= 10; ++attempt) {
    INFO("attempt " << attempt);
    const auto hello = dialer.dial({}, start);
    CHECK(hello_in(hello).welcomed == 0);
    CHECK(hello_in(hello).attempt == attempt);
    // The listener has something to say already, and a connection that took some of it.
    REQUIRE(answer_to(listener, hello_in(hello), {.next = 0, .base = 0, .unsent = 5}) == accepted);
    CHECK(listener.done());
    CHECK(listener.peer_next() == 0);
    listener.hang_up();
    dialer.hang_up();
  }
  const auto hello = dialer.dial({}, start);
  REQUIRE(answer_to(listener, hello_in(hello), {.next = 0, .base = 0, .unsent = 5}) == accepted);
  const auto welcome = listener.welcome({.next = 0, .base = 0, .unsent = 5});
  CHECK(dialer.take_welcome(body_of(welcome), {}) == no_error);
}

TEST_CASE("a lost welcome's hello does not fit once the peer is known to have come further") {
  handshake listener(named("bob"), id);
  REQUIRE(answer_to(listener, hello_of(1), {}) == accepted);
  listener.hang_up();
  const positions acknowledged{.next = 0, .base = 1, .unsent = 5};
  CHECK(listener.check(hello_of(2), acknowledged) == refuse_reason::position);
}

TEST_CASE("each greeting says anew from where the peer wants to have it") {
  handshake listener(named("bob"), id);
  const positions here{.next = 10, .base = 20, .unsent = 27};
  std::uint32_t attempt = 0;
  for (const std::uint64_t next : {20U, 27U, 23U, 20U}) {
    auto h = hello_of(++attempt);
    h.welcomed = attempt - 1;
    h.next = next;
    h.base = 10;
    REQUIRE(answer_to(listener, h, here) == accepted);
    CHECK(listener.peer_next() == next);
    listener.hang_up();
  }

  handshake dialer(named("ann"), id);
  (void)dialer.dial(here, start);
  auto w = welcome_of(1);
  w.next = 25;
  REQUIRE(dialer.take_welcome(body_of(frame::encode(w)), here) == no_error);
  CHECK(dialer.peer_next() == 25);
}

TEST_CASE("positions are compared as they are, up to the largest numbers") {
  constexpr std::uint64_t largest = ~std::uint64_t{0};
  for (const std::uint64_t border : {std::uint64_t{1} << 32, std::uint64_t{1} << 63, largest}) {
    const positions here{.next = border - 1, .base = border - 3, .unsent = border - 1};
    const auto check = [&](std::uint64_t next, std::uint64_t base) {
      const handshake listener(named("bob"), id);
      auto h = hello_of(1);
      h.next = next;
      h.base = base;
      return listener.check(h, here);
    };
    INFO("border " << border);
    CHECK(check(border - 3, border - 1) == accepted);
    CHECK(check(border - 1, 0) == accepted);
    CHECK(check(border - 4, 0) == refuse_reason::position);
    CHECK(check(border, 0) == refuse_reason::position);
    CHECK(check(border - 2, border) == refuse_reason::position);
  }
}

TEST_CASE("a session that another process has welcomed is not known here") {
  handshake listener(named("bob"), id);
  auto late = hello_of(2);
  late.welcomed = 1;  // by a listener that is gone
  CHECK(listener.check(late, {}) == refuse_reason::unknown_session);
  REQUIRE(answer_to(listener, hello_of(3), {}) == accepted);  // one that was long on its way
  auto back = hello_of(6);
  back.welcomed = 4;
  CHECK(listener.check(back, {}) == refuse_reason::unknown_session);
  back.welcomed = 3;
  CHECK(listener.check(back, {}) == accepted);
  back.welcomed = 0;  // a welcome of this one was lost
  CHECK(listener.check(back, {}) == accepted);
}

TEST_CASE("what a peer takes it takes all through the session") {
  struct limit {
    std::string_view name;
    std::function<void(frame::greeting&)> change;
    bool is_taken;
  };
  auto own = named("ann");
  own.max_message = 2000;
  const std::vector<limit> limits{
      {"all as before", [](auto&) {}, true},
      {"a smaller window", [](auto& g) { --g.window; }, false},
      {"a larger window", [](auto& g) { ++g.window; }, false},
      {"a smaller message than this side's", [](auto& g) { g.max_message = 1999; }, false},
      {"a message that only this side's limit binds", [](auto& g) { ++g.max_message; }, true},
      {"another heartbeat", [](auto& g) { g.heartbeat_ms = 700; }, true},
      {"another name", [](auto& g) { g.name = "eve"; }, true},
  };
  for (const auto& l : limits) {
    INFO(l.name);
    handshake listener(own, id);
    REQUIRE(answer_to(listener, hello_of(1), {}) == accepted);
    listener.hang_up();
    auto h = hello_of(2);
    l.change(h);
    CHECK(listener.check(h, {}) ==
          (l.is_taken ? accepted : std::optional(refuse_reason::malformed)));

    handshake dialer(own, id);
    (void)dialer.dial({}, start);
    REQUIRE(dialer.take_welcome(body_of(frame::encode(welcome_of(1))), {}) == no_error);
    dialer.hang_up();
    (void)dialer.dial({}, start);
    auto w = welcome_of(2);
    l.change(w);
    CHECK(dialer.take_welcome(body_of(frame::encode(w)), {}) ==
          (l.is_taken ? no_error : std::optional(errc::wrong_session)));
    CHECK(dialer.done() == l.is_taken);
  }
}

TEST_CASE("a check alone changes nothing") {
  handshake listener(named("bob"), id);
  CHECK(listener.check(hello_of(3), {}) == accepted);
  CHECK(!listener.done());
  CHECK(listener.attempt() == 0);
  CHECK(listener.peer_window() == 0);
  CHECK(answer_to(listener, hello_of(1), {}) == accepted);
}

}  // namespace handshake_test
