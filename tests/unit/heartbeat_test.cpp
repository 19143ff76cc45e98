#include <parley/protocol/heartbeat.hpp>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <system_error>

#include "support/bytes.hpp"

namespace heartbeat_test {

namespace {

using namespace std::chrono_literals;
using parley::errc;
using parley::stats;
using parley::protocol::heartbeat;
using parley::test::ping_frame;
using parley::test::pong_frame;

constexpr heartbeat::time_point start{1h};
constexpr auto interval = 1000ms;

const std::error_code no_error;

heartbeat begun() {
  heartbeat h;
  h.begin(interval, start);
  return h;
}

std::string encoded(heartbeat& h, heartbeat::time_point now, std::uint64_t next = 0) {
  std::string out;
  h.encode(out, next, now);
  return out;
}

}  // namespace

TEST_CASE("nothing is owed as long as the peer is heard and something is said") {
  auto h = begun();
  for (auto now = start; now < start + 100s; now += interval - 1ms) {
    h.heard(now);
    h.said(now);
    CHECK(h.due() == now + interval);
    CHECK(h.tick(now) == no_error);
    CHECK(!h.owes());
    CHECK(encoded(h, now).empty());
  }
}

TEST_CASE("a ping is owed after one interval of silence") {
  auto h = begun();
  CHECK(h.due() == start + interval);
  CHECK(h.tick(start + interval - 1ns) == no_error);
  CHECK(!h.owes());
  CHECK(h.tick(start + interval) == no_error);
  CHECK(h.owes());
  CHECK(encoded(h, start + interval, 7) == ping_frame(1, 7));
  CHECK(!h.owes());
}

TEST_CASE("one silence is asked about once an interval") {
  auto h = begun();
  REQUIRE(h.tick(start + interval) == no_error);
  REQUIRE(!encoded(h, start + interval).empty());
  h.said(start + interval);
  CHECK(h.tick(start + 2 * interval - 1ms) == no_error);
  CHECK(!h.owes());
  CHECK(h.due() == start + 2 * interval);
  CHECK(h.tick(start + 2 * interval) == no_error);
  CHECK(h.owes());
}

TEST_CASE("who says nothing for an interval pings, however much it hears") {
  auto h = begun();
  for (auto now = start; now < start + interval; now += 1ms) h.heard(now);
  CHECK(h.due() == start + interval);
  CHECK(h.tick(start + interval) == no_error);
  CHECK(h.owes());
  // It cannot be written now, in the middle of a long frame: it is not owed twice.
  CHECK(h.due() == start + interval - 1ms + interval);
}

TEST_CASE("the peer is given up after two and a half intervals of silence") {
  auto h = begun();
  REQUIRE(h.tick(start + interval) == no_error);
  CHECK(h.due() == start + 2500ms);
  CHECK(h.tick(start + 2500ms - 1ns) == no_error);
  CHECK(h.tick(start + 2500ms) == errc::peer_silent);
}

TEST_CASE("any byte is life, also behind a ping that has no answer") {
  auto h = begun();
  REQUIRE(h.tick(start + interval) == no_error);
  h.heard(start + 2400ms);
  CHECK(h.due() == start + 3400ms);
  CHECK(h.tick(start + 2500ms) == no_error);
  CHECK(h.tick(start + 3400ms) == no_error);
  CHECK(h.owes());
  CHECK(h.tick(start + 4900ms) == errc::peer_silent);  // 2.5 s after the last byte
}

TEST_CASE("a process that overslept asks once more before it gives the peer up") {
  SECTION("without a ping before its sleep") {
    auto h = begun();
    const auto woken = start + 1h;
    CHECK(h.tick(woken) == no_error);
    CHECK(h.owes());
    CHECK(h.due() == woken + 1500ms);  // the rest of two and a half, after the first one
    CHECK(h.tick(woken + 1500ms) == errc::peer_silent);
  }
  SECTION("with a ping before its sleep") {
    auto h = begun();
    REQUIRE(h.tick(start + interval) == no_error);
    REQUIRE(!encoded(h, start + interval).empty());
    const auto woken = start + 1h;
    CHECK(h.tick(woken) == no_error);
    CHECK(encoded(h, woken) == ping_frame(2, 0));
    CHECK(h.tick(woken + 1500ms) == errc::peer_silent);
  }
  SECTION("and what came meanwhile counts") {
    auto h = begun();
    const auto woken = start + 1h;
    REQUIRE(h.tick(woken) == no_error);
    h.heard(woken + 1ms);
    CHECK(h.due() == woken + 1ms + interval);
    CHECK(h.tick(woken + 1500ms) != errc::peer_silent);
  }
}

TEST_CASE("a verdict that comes a little late is still a verdict") {
  auto h = begun();
  REQUIRE(h.tick(start + interval) == no_error);
  CHECK(h.tick(start + 2500ms + interval / 2) == errc::peer_silent);
}

TEST_CASE("a peer that never answers is given up, however often time is told") {
  for (const auto step : {1ms, 7ms, 100ms, 999ms}) {
    auto h = begun();
    auto now = start;
    std::error_code ec;
    for (; !ec && now < start + 10s; now += step) ec = h.tick(now);
    CHECK(ec == errc::peer_silent);
    CHECK(now >= start + 2500ms);
    CHECK(now <= start + 2500ms + 2 * step);
  }
}

// --- pings, pongs and round trips ---------------------------------------------------------------

TEST_CASE("a ping is answered with its token and the ack") {
  auto h = begun();
  h.ping(0x0102030405060708);
  CHECK(h.owes());
  CHECK(encoded(h, start, 9) == pong_frame(0x0102030405060708, 9));
  CHECK(!h.owes());
  CHECK(encoded(h, start).empty());
}

TEST_CASE("a flood of pings owes one pong, with the latest token") {
  auto h = begun();
  for (std::uint64_t token = 0; token <= 100'000; ++token) h.ping(token);
  CHECK(encoded(h, start) == pong_frame(100'000, 0));
  CHECK(!h.owes());
}

TEST_CASE("a pong and a ping that are both owed go out together") {
  auto h = begun();
  h.ping(5);
  h.ask();
  CHECK(encoded(h, start, 3) == pong_frame(5, 3) + ping_frame(1, 3));
}

TEST_CASE("asking often owes one ping") {
  auto h = begun();
  for (int i = 0; i < 1000; ++i) h.ask();
  CHECK(encoded(h, start) == ping_frame(1, 0));
  CHECK(!h.owes());
}

TEST_CASE("every ping has a token of its own") {
  auto h = begun();
  stats s;
  for (std::uint64_t token = 1; token <= 3; ++token) {
    h.ask();
    CHECK(encoded(h, start) == ping_frame(token, 0));
    CHECK(h.pong(token, start, s));
  }
}

TEST_CASE("who asks while a ping is under way asks again when that is answered, and once") {
  auto h = begun();
  stats s;
  h.ask();
  REQUIRE(encoded(h, start) == ping_frame(1, 0));
  for (int i = 0; i < 1000; ++i) h.ask();
  CHECK(!h.owes());
  CHECK(h.pong(1, start, s));
  CHECK(encoded(h, start) == ping_frame(2, 0));
  CHECK(h.pong(2, start, s));
  CHECK(!h.owes());
}

TEST_CASE("a silence is asked about though a ping is under way") {
  auto h = begun();
  h.ask();
  REQUIRE(encoded(h, start) == ping_frame(1, 0));
  h.ask();
  REQUIRE(h.tick(start + interval) == no_error);
  CHECK(encoded(h, start + interval) == ping_frame(2, 0));
}

TEST_CASE("a ping or a pong that brings nothing is told from one that does") {
  using parley::protocol::frame::header;
  const header ping{16, 0x05}, pong{16, 0x06}, ack{8, 0x04};
  auto h = begun();
  stats s;
  CHECK(h.hear(ping, 1, start, s));
  CHECK_FALSE(h.hear(ping, 2, start, s));  // the answer to the first is still owed
  REQUIRE(encoded(h, start) == pong_frame(2, 0));
  CHECK(h.hear(ping, 3, start, s));
  CHECK_FALSE(h.hear(pong, 0, start, s));  // nobody has asked
  h.ask();
  (void)encoded(h, start);
  CHECK_FALSE(h.hear(pong, 7, start, s));
  CHECK(h.hear(pong, 1, start, s));
  CHECK_FALSE(h.hear(pong, 1, start, s));
  CHECK_FALSE(h.hear(ack, 1, start, s));
}

TEST_CASE("an answer gives the time of the round trip, from the write on") {
  auto h = begun();
  stats s;
  h.ask();
  encoded(h, start + 10ms);
  h.pong(1, start + 25ms, s);
  CHECK(s.round_trip_last == 15ms);
  CHECK(s.round_trip_min == 15ms);
}

TEST_CASE("an answer to an older ping says nothing") {
  auto h = begun();
  stats s;
  h.ask();
  encoded(h, start);
  REQUIRE(h.tick(start + interval) == no_error);  // silence asks as well
  encoded(h, start + interval);
  h.pong(1, start + interval + 2ms, s);
  CHECK(s.round_trip_last == 0ms);
  h.pong(2, start + interval + 3ms, s);
  CHECK(s.round_trip_last == 3ms);
}

TEST_CASE("an answer that comes twice counts once") {
  auto h = begun();
  stats s;
  h.ask();
  encoded(h, start);
  h.pong(1, start + 3ms, s);
  h.pong(1, start + 90ms, s);
  CHECK(s.round_trip_last == 3ms);
}

TEST_CASE("an answer that nobody asked for says nothing") {
  auto h = begun();
  stats s;
  h.pong(0, start + 5ms, s);
  h.pong(1, start + 5ms, s);
  CHECK(s.round_trip_last == 0ms);
  h.ask();  // owed, not yet written
  h.pong(0, start + 6ms, s);
  h.pong(1, start + 6ms, s);
  CHECK(s.round_trip_last == 0ms);
}

TEST_CASE("what is owed goes behind what is already there") {
  auto h = begun();
  h.ask();
  std::string out = "ack";
  h.encode(out, 0, start);
  CHECK(out == "ack" + ping_frame(1, 0));
}

TEST_CASE("a new connection begins without debts") {
  auto h = begun();
  h.ping(7);
  h.ask();
  encoded(h, start);
  h.ping(8);
  h.ask();
  const auto later = start + 1h;
  h.begin(2 * interval, later);
  CHECK(!h.owes());
  CHECK(h.due() == later + 2 * interval);
  stats s;
  h.pong(1, later + 1ms, s);  // of the ping on the connection before
  CHECK(s.round_trip_last == 0ms);
}

}  // namespace heartbeat_test
