#include <parley/protocol/control.hpp>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <string>

#include "support/bytes.hpp"

namespace control_test {

namespace {

using namespace std::chrono_literals;
using parley::protocol::control;
using parley::protocol::heartbeat;
using parley::protocol::receive_state;
using parley::test::ack_frame;
using parley::test::frame_of;
using parley::test::hex;
using parley::test::message_frame;
using parley::test::ping_frame;
using parley::test::pong_frame;

constexpr receive_state::time_point start{1h};

/// All that control frames are made of.
struct desk {
  control out;
  receive_state in{4000};
  heartbeat beat;

  desk() { beat.begin(1s, start); }

  /// A message arrives and is dealt with.
  void release_one() {
    const auto bytes = message_frame(in.next(), "body");
    std::memcpy(in.bytes().prepare().data(), bytes.data(), bytes.size());
    in.bytes().commit(bytes.size());
    in.message(parley::protocol::frame::read_header(bytes));
    REQUIRE(in.take(start));
    (void)in.take(start);
  }

  std::string encode() {
    out.encode(in, beat, start);
    return std::string(out.rest());
  }
};

}  // namespace

TEST_CASE("a connection begins with its greeting") {
  desk d;
  CHECK(d.out.empty());
  d.out.begin("greeting");
  CHECK(!d.out.empty());
  CHECK(d.out.rest() == "greeting");
  CHECK(d.out.told() == 0);
}

TEST_CASE("a greeting tells nobody how far the program is: only an ack that was written does") {
  desk d;
  d.release_one();
  d.out.begin("greeting");
  REQUIRE(d.out.commit(8) == 8);
  CHECK(d.out.told() == 0);
  CHECK(d.encode() == ack_frame(1));
  CHECK(d.out.commit(12) == 12);
  CHECK(d.out.told() == 1);
}

TEST_CASE("the last word stands behind all that is owed, and tells how far the program is") {
  desk d;
  d.release_one();
  REQUIRE(d.encode() == ack_frame(1));
  d.out.part(1);
  CHECK(d.out.rest() == ack_frame(1) + frame_of(0x03, hex("06 0000000000000001")));
  CHECK(d.out.parted());
  CHECK(d.out.commit(12 + 12) == 12 + 12);
  CHECK(d.out.told() == 0);  // the last byte is not written
  CHECK(d.out.commit(1) == 1);
  CHECK(d.out.told() == 1);
}

TEST_CASE("the last word alone tells how far the program is") {
  desk d;
  d.out.part(7);
  CHECK(d.out.commit(13) == 13);
  CHECK(d.out.told() == 7);
}

TEST_CASE("either side's last word is said on one connection, not on the next") {
  desk d;
  CHECK(!d.out.parted());
  CHECK(!d.out.peer_parted());
  SECTION("ours") { d.out.part(0); }
  SECTION("the peer's") { d.out.hear_parting(); }
  CHECK(d.out.parted() != d.out.peer_parted());
  d.out.begin("greeting");
  CHECK(!d.out.parted());
  CHECK(d.out.rest() == "greeting");
}

TEST_CASE("nothing is encoded where nothing is owed") {
  desk d;
  CHECK(d.encode().empty());
  CHECK(d.out.empty());
}

TEST_CASE("what is owed is encoded once, the ack first") {
  desk d;
  d.release_one();
  d.beat.ping(77);
  d.beat.ask();
  CHECK(d.encode() == ack_frame(1) + pong_frame(77, 1) + ping_frame(1, 1));
  CHECK(!d.in.owes_ack());
  CHECK(!d.beat.owes());
}

TEST_CASE("many releases are told by one ack") {
  desk d;
  for (int i = 0; i < 100; ++i) d.release_one();
  CHECK(d.encode() == ack_frame(100));
}

TEST_CASE("a write may cut control frames at every byte, and may take what follows along") {
  const auto frames = ack_frame(1) + pong_frame(77, 1);
  for (std::size_t cut = 0; cut < frames.size(); ++cut) {
    INFO("cut after " << cut << " bytes");
    desk d;
    d.release_one();
    d.beat.ping(77);
    REQUIRE(d.encode() == frames);
    CHECK(d.out.commit(cut) == cut);
    CHECK(d.out.rest() == frames.substr(cut));
    CHECK(!d.out.empty());
    CHECK(d.out.told() == 0);  // the peer may have no whole ack yet
    constexpr std::size_t of_messages = 1000;
    CHECK(d.out.commit(frames.size() - cut + of_messages) == frames.size() - cut);
    CHECK(d.out.empty());
    CHECK(d.out.told() == 1);
  }
}

TEST_CASE("a write without control frames takes none and tells nothing new") {
  desk d;
  CHECK(d.out.commit(1000) == 0);
  d.release_one();
  CHECK(d.out.commit(1000) == 0);
  CHECK(d.out.told() == 0);
}

TEST_CASE("a new connection drops what was not written of the last one") {
  desk d;
  d.out.begin("greeting");
  REQUIRE(d.out.commit(3) == 3);
  d.out.begin("another");
  CHECK(d.out.rest() == "another");
}

TEST_CASE("what one connection has told is not told on the next") {
  desk d;
  d.release_one();
  REQUIRE(d.encode() == ack_frame(1));
  SECTION("written whole") {
    REQUIRE(d.out.commit(12) == 12);
    REQUIRE(d.out.told() == 1);
  }
  SECTION("cut") { REQUIRE(d.out.commit(11) == 11); }
  d.out.begin("another");
  CHECK(d.out.told() == 0);
  REQUIRE(d.out.commit(7) == 7);
  CHECK(d.out.told() == 0);
}

}  // namespace control_test
