#include <parley/protocol/receive_state.hpp>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "support/bytes.hpp"

namespace receive_state_test {

namespace {

using namespace std::chrono_literals;
using parley::errc;
using parley::stats;
using parley::protocol::receive_state;

using parley::test::message_frame;
using parley::test::pattern;

constexpr receive_state::time_point start{1h};
constexpr receive_state::time_point never = receive_state::time_point::max();
constexpr std::size_t overhead = 12;  // of a message frame, docs/wire.md
constexpr std::size_t window = 4000;

const std::error_code no_error;

/// What has arrived, and the program that takes them.
struct desk {
  receive_state in{window};
  [[nodiscard]] stats counted() const {
    stats s;
    in.count(s);
    return s;
  }

  /// A message frame arrives whole.
  std::error_code message(std::uint64_t sequence, std::string_view body, unsigned tag = 0) {
    const auto bytes = message_frame(sequence, body, tag);
    const auto room = in.bytes().prepare(bytes.size());
    std::memcpy(room.data(), bytes.data(), bytes.size());
    in.bytes().commit(bytes.size());
    const auto head = parley::protocol::frame::read_header(in.bytes().begun());
    if (const auto ec = in.check(head)) {
      in.rewind();
      return ec;
    }
    in.message(head);
    return {};
  }

  std::optional<parley::message> take(receive_state::time_point now = start) {
    return in.take(now);
  }

  /// `size` bytes of frames, in one message, arrive and are dealt with.
  void pass(std::size_t size, receive_state::time_point now = start) {
    REQUIRE(message(in.next(), pattern(in.next(), size - overhead)) == no_error);
    REQUIRE(take(now));
    take(now);
  }
};

}  // namespace

// --- order --------------------------------------------------------------------------------------

TEST_CASE("messages are handed out in order, with their numbers, bodies and tags") {
  desk d;
  REQUIRE(d.message(0, "first", 0) == no_error);
  REQUIRE(d.message(1, "", 63) == no_error);
  REQUIRE(d.message(2, std::string(1, '\0'), 7) == no_error);
  CHECK(d.in.next() == 3);

  auto m = d.take();
  REQUIRE(m);
  CHECK(m->sequence == 0);
  CHECK(m->body == "first");
  CHECK(m->tag == 0);
  m = d.take();
  REQUIRE(m);
  CHECK(m->sequence == 1);
  CHECK(m->body.empty());
  CHECK(m->tag == 63);
  m = d.take();
  REQUIRE(m);
  CHECK(m->sequence == 2);
  CHECK(m->body == std::string(1, '\0'));
  CHECK(m->tag == 7);
  CHECK(!d.take());
}

TEST_CASE("a number lower than the next one is a repeat and is dropped") {
  desk d;
  REQUIRE(d.message(0, "zero") == no_error);
  REQUIRE(d.message(1, "one") == no_error);
  CHECK(d.message(0, "zero again") == no_error);
  CHECK(d.message(1, "one again") == no_error);
  REQUIRE(d.message(2, "two") == no_error);
  CHECK(d.in.next() == 3);
  CHECK(d.take()->body == "zero");
  CHECK(d.take()->body == "one");
  CHECK(d.take()->body == "two");
  CHECK(!d.take());
}

TEST_CASE("a number higher than the next one is a gap") {
  desk d;
  CHECK(d.message(1, "one") == errc::sequence_gap);
  REQUIRE(d.message(0, "zero") == no_error);
  CHECK(d.message(2, "two") == errc::sequence_gap);
  CHECK(d.message(~std::uint64_t{0}, "last") == errc::sequence_gap);
  CHECK(d.in.next() == 1);
  REQUIRE(d.message(1, "one") == no_error);
}

TEST_CASE("readable tells whether a message is there to be taken") {
  desk d;
  CHECK(!d.in.readable());
  REQUIRE(d.message(0, "zero") == no_error);
  CHECK(d.in.readable());
  REQUIRE(d.take());
  CHECK(!d.in.readable());
}

TEST_CASE("what was handed out is counted") {
  desk d;
  REQUIRE(d.message(0, "12345") == no_error);
  REQUIRE(d.message(1, "678") == no_error);
  CHECK(d.counted().messages_received == 0);
  d.take();
  CHECK(d.counted().messages_received == 1);
  CHECK(d.counted().bytes_received == 5);
  d.take();
  d.take();
  CHECK(d.counted().messages_received == 2);
  CHECK(d.counted().bytes_received == 8);
}

TEST_CASE("a new connection drops what had begun to arrive, and nothing else") {
  desk d;
  REQUIRE(d.message(0, "zero") == no_error);
  const auto frame = message_frame(1, "one");
  const auto room = d.in.bytes().prepare();
  std::memcpy(room.data(), frame.data(), frame.size());
  d.in.bytes().commit(frame.size() - 1);
  d.in.rewind();
  CHECK(d.in.bytes().begun().empty());
  REQUIRE(d.message(1, "one, sent again") == no_error);
  CHECK(d.take()->body == "zero");
  CHECK(d.take()->body == "one, sent again");
}

// --- the window ---------------------------------------------------------------------------------

TEST_CASE("a window's worth of frames is taken, to the byte") {
  desk d;
  REQUIRE(d.message(0, pattern(0, window / 2 - overhead)) == no_error);
  REQUIRE(d.message(1, pattern(1, window / 2 - overhead)) == no_error);
  CHECK(d.message(2, "") == errc::window_exceeded);
}

TEST_CASE("one byte more than the window is too much") {
  desk d;
  CHECK(d.message(0, pattern(0, window - overhead + 1)) == errc::window_exceeded);
  CHECK(d.message(0, pattern(0, window - overhead)) == no_error);
}

TEST_CASE("the window is given back by release, not by taking") {
  desk d;
  REQUIRE(d.message(0, pattern(0, window - overhead)) == no_error);
  REQUIRE(d.take());
  CHECK(d.message(1, "") == errc::window_exceeded);  // the program still looks at it
  REQUIRE(!d.take());
  CHECK(d.message(1, pattern(1, window - overhead)) == no_error);
}

TEST_CASE("a repeat takes nothing of the window") {
  desk d;
  REQUIRE(d.message(0, pattern(0, window - overhead)) == no_error);
  CHECK(d.message(0, pattern(0, window - overhead)) == no_error);
  REQUIRE(d.take());
  d.take();
  CHECK(d.message(1, pattern(1, window - overhead)) == no_error);
}

// --- release and acks ---------------------------------------------------------------------------

TEST_CASE("a message is released when the program comes back for the next one") {
  desk d;
  REQUIRE(d.message(0, "zero") == no_error);
  REQUIRE(d.message(1, "one") == no_error);
  CHECK(d.in.released() == 0);
  d.take();
  CHECK(d.in.released() == 0);
  CHECK(!d.in.owes_ack());
  d.take();
  CHECK(d.in.released() == 1);
  CHECK(d.in.owes_ack());
  d.take();
  CHECK(d.in.released() == 2);
  d.take();
  CHECK(d.in.released() == 2);
}

TEST_CASE("an ack is owed alone after 1 ms") {
  desk d;
  CHECK(d.in.ack_due() == never);
  d.pass(20);
  CHECK(d.in.ack_due() == start + 1ms);  // docs/wire.md
  d.in.tick(start + 1ms - 1ns);
  CHECK(!d.in.ack_urgent());
  d.in.tick(start + 1ms);
  CHECK(d.in.ack_urgent());
  CHECK(d.in.ack_due() == never);  // from here on it is the writer's
}

TEST_CASE("the 1 ms counts from the first release that was not told") {
  desk d;
  d.pass(20, start);
  d.pass(20, start + 500us);
  CHECK(d.in.ack_due() == start + 1ms);
  d.in.ack_given();
  CHECK(d.in.ack_due() == never);
  d.pass(20, start + 7ms);
  CHECK(d.in.ack_due() == start + 8ms);
}

TEST_CASE("an ack that was given is owed no more, until the next release") {
  desk d;
  d.pass(20);
  d.in.tick(start + 1s);
  REQUIRE(d.in.ack_urgent());
  d.in.ack_given();
  CHECK(!d.in.owes_ack());
  CHECK(!d.in.ack_urgent());
  d.in.tick(start + 2s);
  CHECK(!d.in.ack_urgent());
  d.pass(20);
  CHECK(d.in.owes_ack());
  CHECK(!d.in.ack_urgent());
}

TEST_CASE("an ack is urgent at a quarter of the window") {
  desk d;
  d.pass(window / 4 - 1);
  CHECK(!d.in.ack_urgent());
  d.in.ack_given();
  d.pass(window / 4);
  CHECK(d.in.ack_urgent());
}

TEST_CASE("the quarter of the window is summed over messages and starts anew with each ack") {
  desk d;
  for (int i = 0; i < 3; ++i) {
    d.pass(window / 8);
    CHECK(!d.in.ack_urgent());
    d.pass(window / 8);
    CHECK(d.in.ack_urgent());
    d.in.ack_given();
  }
}

// --- the goodbye --------------------------------------------------------------------------------

TEST_CASE("the goodbye is reached behind the last message") {
  desk d;
  REQUIRE(d.message(0, "zero") == no_error);
  CHECK(!d.in.at_end());
  REQUIRE(d.in.bye(1, start) == no_error);
  CHECK(d.in.next() == 2);
  CHECK(!d.in.at_end());
  REQUIRE(d.take());
  CHECK(d.in.at_end());
  CHECK(!d.in.over());
  REQUIRE(!d.take());
  CHECK(d.in.over());
  CHECK(d.in.at_end());
  CHECK(d.in.released() == 2);
}

TEST_CASE("a goodbye without a message before it is reached by asking") {
  desk d;
  REQUIRE(d.in.bye(0, start) == no_error);
  CHECK(d.in.at_end());
  CHECK(!d.in.over());
  CHECK(!d.in.owes_ack());
  REQUIRE(!d.take());
  CHECK(d.in.over());
  CHECK(d.in.released() == 1);
}

TEST_CASE("the ack of the goodbye is urgent, and is owed once") {
  desk d;
  REQUIRE(d.in.bye(0, start) == no_error);
  d.take();
  CHECK(d.in.ack_urgent());
  d.in.ack_given();
  d.take();
  d.take();
  CHECK(!d.in.owes_ack());
  CHECK(d.in.released() == 1);
}

TEST_CASE("nothing follows the goodbye") {
  desk d;
  REQUIRE(d.message(0, "zero") == no_error);
  REQUIRE(d.in.bye(1, start) == no_error);
  CHECK(d.message(2, "two") == errc::after_goodbye);
  CHECK(d.in.bye(2, start) == errc::after_goodbye);
  CHECK(d.message(3, "three") == errc::sequence_gap);
}

TEST_CASE("repeats after the goodbye are dropped") {
  desk d;
  REQUIRE(d.message(0, "zero") == no_error);
  REQUIRE(d.in.bye(1, start) == no_error);
  CHECK(d.message(0, "zero") == no_error);
  CHECK(d.in.bye(1, start) == no_error);
  CHECK(d.in.next() == 2);
  CHECK(d.take()->body == "zero");
  CHECK(!d.take());
  CHECK(d.in.released() == 2);
}

TEST_CASE("a goodbye beyond the next number is a gap") {
  desk d;
  CHECK(d.in.bye(1, start) == errc::sequence_gap);
  CHECK(!d.in.at_end());
  CHECK(d.in.bye(0, start) == no_error);
}

}  // namespace receive_state_test
