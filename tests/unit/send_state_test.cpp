#include <parley/protocol/send_state.hpp>

#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "support/bytes.hpp"

namespace send_state_test {

namespace {

using parley::send_result;
using parley::stats;
using parley::protocol::gather;
using parley::protocol::send_state;
using parley::test::bye_frame;
using parley::test::joined;
using parley::test::message_frame;

constexpr std::size_t overhead = 12;  // of a message frame, docs/wire.md
constexpr std::size_t plenty = 1'000'000;
constexpr std::uint64_t no_limit = ~std::uint64_t{0};

stats counted(const send_state& d) {
  stats s;
  d.count(s);
  return s;
}

/// Gives the stream a batch; its bytes.
std::string write(send_state& d) {
  gather batch;
  d.log().prepare(batch, no_limit);
  auto bytes = joined(batch.pieces());
  d.log().commit(bytes.size());
  return bytes;
}

/// What becomes of the messages if the conversation ends now.
struct fates {
  std::uint64_t delivered = 0;
  std::uint64_t unknown = 0;
  std::uint64_t unsent = 0;
  friend bool operator==(fates, fates) = default;
};

fates fates_in(const send_state& d) {
  const auto s = counted(d);
  return {s.messages_sent - s.unacknowledged, s.unacknowledged - s.unsent, s.unsent};
}

void say(send_state& d, std::string_view body) {
  REQUIRE(d.push(body, 0, plenty) == send_result::queued);
}

}  // namespace

TEST_CASE("at first nothing was said, and nothing is over") {
  const send_state d(plenty);
  CHECK(d.next_sequence() == 0);
  CHECK(!d.over());
  CHECK(!d.messages_over());
  CHECK(fates_in(d) == fates{});
  CHECK(counted(d).bytes_sent == 0);
}

TEST_CASE("what is said is numbered, tagged and counted") {
  send_state d(plenty);
  CHECK(d.push("zero", 0, plenty) == send_result::queued);
  CHECK(d.push("", 63, plenty) == send_result::queued);
  CHECK(d.next_sequence() == 2);
  CHECK(counted(d).messages_sent == 2);
  CHECK(counted(d).bytes_sent == 4);
  CHECK(write(d) == message_frame(0, "zero") + message_frame(1, "", 63));
}

TEST_CASE("what cannot be said leaves no trace") {
  send_state d(overhead + 10);
  CHECK(d.push("x", parley::tag_count, 10) == send_result::unfit);
  CHECK(d.push(std::string(11, 'x'), 0, 10) == send_result::too_large);
  CHECK(d.push(std::string(11, 'x'), 0, 11) == send_result::full);
  CHECK(d.next_sequence() == 0);
  CHECK(counted(d).bytes_sent == 0);
  CHECK(!d.log().writable(no_limit));
  CHECK(d.push(std::string(10, 'x'), 63, 10) == send_result::queued);
  CHECK(d.push("", 0, 10) == send_result::full);
}

TEST_CASE("the goodbye is the last that is said, once, however full the log is") {
  send_state d(overhead + 4);
  say(d, "last");
  REQUIRE(d.push("", 0, plenty) == send_result::full);
  d.finish();
  d.finish();
  CHECK(d.push("", 0, plenty) == send_result::closed);
  CHECK(d.push("x", parley::tag_count, 0) == send_result::closed);
  CHECK(d.next_sequence() == 1);
  CHECK(write(d) == message_frame(0, "last") + bye_frame(1));
}

TEST_CASE("all is over with the goodbye's ack, and the messages are one ack before") {
  send_state d(plenty);
  say(d, "zero");
  say(d, "one");
  (void)write(d);
  REQUIRE(d.log().acknowledge(2));
  CHECK(!d.messages_over());  // there may be more
  CHECK(!d.over());
  say(d, "two");
  d.finish();
  CHECK(!d.messages_over());
  (void)write(d);
  CHECK(!d.messages_over());
  REQUIRE(d.log().acknowledge(3));
  CHECK(d.messages_over());
  CHECK(!d.over());
  REQUIRE(d.log().acknowledge(4));
  CHECK(d.messages_over());
  CHECK(d.over());
}

TEST_CASE("who says nothing but goodbye has no messages to lose") {
  send_state d(plenty);
  d.finish();
  CHECK(d.messages_over());
  CHECK(!d.over());
  CHECK(fates_in(d) == fates{});
  (void)write(d);
  REQUIRE(d.log().acknowledge(1));
  CHECK(d.over());
  CHECK(fates_in(d) == fates{});
}

TEST_CASE("every message is delivered, unknown or not sent, and the goodbye is none of them") {
  send_state d(plenty);
  say(d, "zero");
  say(d, "one");
  CHECK(fates_in(d) == fates{0, 0, 2});
  (void)write(d);
  CHECK(fates_in(d) == fates{0, 2, 0});
  say(d, "two");
  d.finish();
  CHECK(fates_in(d) == fates{0, 2, 1});
  REQUIRE(d.log().acknowledge(1));
  CHECK(fates_in(d) == fates{1, 1, 1});
  (void)write(d);
  CHECK(fates_in(d) == fates{1, 2, 0});
  REQUIRE(d.log().acknowledge(4));
  CHECK(fates_in(d) == fates{3, 0, 0});
}

TEST_CASE("what the peer says that it lacks is known not to have come") {
  send_state d(plenty);
  for (const auto* body : {"zero", "one", "two", "three"}) say(d, body);
  d.finish();
  (void)write(d);
  REQUIRE(d.log().acknowledge(1));
  REQUIRE(fates_in(d) == fates{1, 3, 0});
  CHECK(d.log().rewind(2) == 3);  // with the goodbye
  CHECK(fates_in(d) == fates{1, 1, 2});
  CHECK(write(d) == message_frame(2, "two") + message_frame(3, "three") + bye_frame(4));
  CHECK(fates_in(d) == fates{1, 3, 0});
}

TEST_CASE("a message that a connection took one byte of may have come") {
  send_state d(plenty);
  say(d, "zero");
  gather batch;
  d.log().prepare(batch, no_limit);
  d.log().commit(1);
  CHECK(fates_in(d) == fates{0, 1, 0});
}

}  // namespace send_state_test
