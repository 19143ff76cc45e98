#include <parley/protocol/session.hpp>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "support/bytes.hpp"
#include "support/feed.hpp"

namespace session_bad_input_test {

// What a peer must not say, in every phase of a conversation: each has an errc of its own, none
// takes memory, and what had arrived before it stays.

namespace {

using namespace std::chrono_literals;
using namespace parley::test;
using parley::errc;
using parley::options;
using parley::protocol::session;

constexpr parley::protocol::frame::session_id id{7};
constexpr std::size_t max_message = 1000;
constexpr std::size_t control_limit = 512;  // docs/wire.md
constexpr std::size_t message_limit = 8 + max_message;
constexpr std::size_t longest = 16'777'215;  // of what a u24 can announce

const std::error_code no_error;

options small() {
  options o;
  o.max_message = max_message;
  o.window = 3 * (12 + max_message);
  return o;
}

using session_ptr = std::unique_ptr<session>;

/// A dialer that has said hello.
session_ptr dialing() {
  auto s = std::make_unique<session>(small(), id);
  s->dial(start);
  drain(*s);
  return s;
}

std::string welcome_bytes() {
  session dialer(small(), id);
  session listener(small(), id);
  dialer.dial(start);
  const auto hello = drain(dialer);
  REQUIRE(!listener.answer(hello_in(hello), start));
  return drain(listener);
}

session_ptr dialer() {
  auto s = dialing();
  REQUIRE(feed(*s, welcome_bytes()) == no_error);
  return s;
}

session_ptr listener() {
  session other(small(), id);
  other.dial(start);
  const auto hello = drain(other);
  auto s = std::make_unique<session>(small(), id);
  REQUIRE(!s->answer(hello_in(hello), start));
  drain(*s);
  return s;
}

session_ptr after_own_goodbye() {
  auto s = listener();
  s->finish();
  drain(*s);
  return s;
}

session_ptr after_both_goodbyes() {
  auto s = after_own_goodbye();
  REQUIRE(feed(*s, bye_frame(0)) == no_error);
  (void)s->take(start);
  drain(*s);
  return s;
}

struct phase {
  const char* name;
  session_ptr (*make)();
};

/// Where a conversation is going on, and so where most frames have their place.
const std::vector<phase> talking{
    {"dialer", dialer}, {"listener", listener}, {"after our goodbye", after_own_goodbye}};

/// Every phase in which a session reads, but the dialer's wait.
const std::vector<phase> connected{
    talking[0], talking[1], talking[2], {"after both goodbyes", after_both_goodbyes}};

/// What `bytes` come to, in one read and in reads of one byte; takes no memory either way.
std::error_code answer(const phase& p, std::string_view bytes) {
  std::error_code result;
  for (const std::size_t slice : {whole, std::size_t{1}}) {
    auto s = p.make();
    (void)s->prepare_read();
    const auto before = s->statistics();
    (void)s->commit_read(0, start);
    const auto ec = feed(*s, bytes, start, slice);
    const auto after = s->statistics();
    INFO(p.name << ", reads of " << slice);
    if (ec) {
      CHECK(after.memory <= before.memory);
      CHECK(after.messages_received == before.messages_received);
      CHECK(after.unacknowledged == before.unacknowledged);
    }
    if (slice == 1) CHECK(ec == result);  // the error does not hang on how the bytes are cut
    result = ec;
  }
  return result;
}

void check_all(const std::vector<phase>& phases, std::string_view bytes, errc wanted) {
  for (const auto& p : phases) {
    INFO(p.name);
    CHECK(answer(p, bytes) == wanted);
  }
}

/// A header that announces `length`, and as much of the body as a peer would send at once.
std::string announced(unsigned type, std::size_t length) {
  return header_of(type, length) + std::string(std::min(length, message_limit), '\0');
}

}  // namespace

// --- before the welcome -------------------------------------------------------------------------

TEST_CASE("a frame before the welcome is out of place, whatever it is") {
  const phase waiting{"waiting for the welcome", dialing};
  for (unsigned type = 0; type < 256; ++type) {
    if (type == 0x02 || type == 0x03) continue;  // the two answers
    for (const std::size_t length : {std::size_t{1}, control_limit}) {
      INFO("type " << type << ", length " << length);
      CHECK(answer(waiting, announced(type, length)) == errc::unexpected_frame);
    }
  }
}

TEST_CASE("a length that no greeting has is not parley, before the welcome") {
  const phase waiting{"waiting for the welcome", dialing};
  for (const unsigned type : {0x00U, 0x01U, 0x04U, 0x07U, 0x20U, 0x40U, 0x80U, 0xffU}) {
    CHECK(answer(waiting, announced(type, control_limit + 1)) == errc::not_parley);
    CHECK(answer(waiting, announced(type, longest)) == errc::not_parley);
  }
}

TEST_CASE("other protocols' first bytes are not parley") {
  const phase waiting{"waiting for the welcome", dialing};
  for (const auto* text : {"HTTP/1.1 400 Bad Request\r\n", "SSH-2.0-OpenSSH_9.2\r\n",
                           "220 ready\r\n", "hello, who is there?\n"}) {
    INFO(text);
    CHECK(answer(waiting, text) == errc::not_parley);
  }
}

TEST_CASE("an answer of the wrong length is refused, before the welcome") {
  const phase waiting{"waiting for the welcome", dialing};
  for (const unsigned type : {0x02U, 0x03U}) {
    INFO("type " << type);
    CHECK(answer(waiting, header_of(type, 0)) == errc::empty_frame);
    CHECK(answer(waiting, announced(type, 1)) == errc::malformed_frame);
    CHECK(answer(waiting, announced(type, control_limit)) == errc::malformed_frame);
    CHECK(answer(waiting, announced(type, control_limit + 1)) == errc::frame_too_large);
    CHECK(answer(waiting, announced(type, longest)) == errc::frame_too_large);
  }
}

TEST_CASE("a welcome for another session, attempt or position is refused") {
  const phase waiting{"waiting for the welcome", dialing};
  const auto right = welcome_bytes();
  REQUIRE(answer(waiting, right) == no_error);
  // Offsets in the frame: header 4, version 1, flags 1, session 16, attempt 4, next 8, base 8.
  for (const std::size_t wrong : {6UL, 21UL, 25UL, 33UL, 41UL}) {
    auto bytes = right;
    bytes[wrong] = static_cast<char>(bytes[wrong] ^ 1);
    INFO("byte " << wrong);
    CHECK(answer(waiting, bytes) == errc::wrong_session);
  }
}

TEST_CASE("a welcome of another version is refused") {
  const phase waiting{"waiting for the welcome", dialing};
  auto bytes = welcome_bytes();
  bytes[4] = 2;  // behind the header
  CHECK(answer(waiting, bytes) == errc::malformed_frame);
}

TEST_CASE("every reason for which a listener refuses has an errc of its own") {
  const phase waiting{"waiting for the welcome", dialing};
  for (unsigned reason = 1; reason <= 9; ++reason) {
    const auto bytes = frame_of(0x03, big_endian(reason, 1) + hex("ffffffffffffffff"));
    const auto wanted =
        static_cast<errc>(static_cast<unsigned>(errc::refused_version) + reason - 1);
    CHECK(answer(waiting, bytes) == wanted);
  }
}

TEST_CASE("a hello in the dialer's direction is out of place") {
  session other(small(), id);
  other.dial(start);
  CHECK(answer({"waiting for the welcome", dialing}, drain(other)) == errc::unexpected_frame);
}

// --- lengths, once connected --------------------------------------------------------------------

TEST_CASE("a length of zero is refused, for every type but those that are skipped") {
  for (unsigned type = 0; type < 256; ++type) {
    INFO("type " << type);
    for (const auto& p : connected) {
      if (type >= 0x40 && type <= 0x7f)
        CHECK(answer(p, header_of(type, 0)) == no_error);
      else
        CHECK(answer(p, header_of(type, 0)) == errc::empty_frame);
    }
  }
}

TEST_CASE("a length over the limit is refused by the header alone, for every type") {
  for (unsigned type = 0; type < 256; ++type) {
    INFO("type " << type);
    const std::size_t limit = type < 0x80 ? control_limit : message_limit;
    check_all(connected, header_of(type, limit + 1), errc::frame_too_large);
    check_all(connected, header_of(type, longest), errc::frame_too_large);
  }
}

TEST_CASE("acks, byes, pings and pongs have one length") {
  for (const unsigned type : {0x04U, 0x05U, 0x06U, 0x07U}) {
    const std::size_t right = type == 0x05 || type == 0x06 ? 16 : 8;
    for (const std::size_t length : {std::size_t{1}, right - 1, right + 1, control_limit}) {
      INFO("type " << type << ", length " << length);
      check_all(connected, announced(type, length), errc::malformed_frame);
    }
  }
}

TEST_CASE("a message is at least a sequence number long") {
  for (const std::size_t length : {std::size_t{1}, std::size_t{7}}) {
    check_all(connected, announced(0x80, length), errc::malformed_frame);
    check_all(connected, announced(0xbf, length), errc::malformed_frame);
  }
}

TEST_CASE("a message of the largest size is taken") {
  for (const auto& p : talking) {
    INFO(p.name);
    CHECK(answer(p, message_frame(0, pattern(1, max_message))) == no_error);
  }
}

// --- types --------------------------------------------------------------------------------------

TEST_CASE("a greeting in the middle of a conversation is out of place") {
  for (const unsigned type : {0x01U, 0x02U}) {
    check_all(connected, announced(type, 1), errc::unexpected_frame);
    check_all(connected, announced(type, control_limit), errc::unexpected_frame);
  }
}

TEST_CASE("a refusal in the middle of a conversation ends it, if it is a proper one") {
  constexpr std::size_t shortest = 9;  // reason and number
  constexpr std::size_t longest_refusal = shortest + 128;
  for (const std::size_t length :
       {std::size_t{1}, shortest - 1, longest_refusal + 1, control_limit}) {
    INFO("length " << length);
    check_all(connected, announced(0x03, length), errc::malformed_frame);
    check_all(connected, header_of(0x03, length), errc::malformed_frame);  // by the header alone
  }
  for (const unsigned reason : {0U, 10U, 255U}) {
    INFO("reason " << reason);
    check_all(connected, frame_of(0x03, big_endian(reason, 1) + hex("ffffffffffffffff")),
              errc::malformed_frame);
  }
  for (unsigned reason = 1; reason <= 9; ++reason) {
    INFO("reason " << reason);
    const auto body = big_endian(reason, 1) + hex("ffffffffffffffff");
    check_all(connected, frame_of(0x03, body), errc::ended_by_peer);
    check_all(connected, frame_of(0x03, body + std::string(128, 't')), errc::ended_by_peer);
  }
}

TEST_CASE("a second hello and a second welcome are out of place") {
  session other(small(), id);
  other.dial(start);
  check_all(connected, drain(other), errc::unexpected_frame);
  check_all(connected, welcome_bytes(), errc::unexpected_frame);
}

TEST_CASE("a type that parley/1 does not know is refused from 0x08 to 0x3f") {
  for (unsigned type = 0x08; type <= 0x3f; ++type) {
    INFO("type " << type);
    check_all(connected, announced(type, 1), errc::unknown_frame);
    check_all(connected, announced(type, control_limit), errc::unknown_frame);
  }
  check_all(connected, announced(0x00, 1), errc::unknown_frame);
}

TEST_CASE("a type that parley/1 does not know is skipped from 0x40 to 0x7f") {
  for (unsigned type = 0x40; type <= 0x7f; ++type) {
    INFO("type " << type);
    for (const std::size_t length : {std::size_t{1}, control_limit}) {
      for (const auto& p : talking) {
        const auto bytes = announced(type, length) + message_frame(0, "behind it");
        for (const std::size_t slice : {whole, std::size_t{1}}) {
          auto s = p.make();
          REQUIRE(feed(*s, bytes, start, slice) == no_error);
          CHECK(take_all(*s) == std::vector<std::string>{"behind it"});
        }
      }
    }
  }
}

TEST_CASE("the tags from 64 on are kept for parley, and refused by the header alone") {
  for (unsigned type = 0x80 + 64; type < 256; ++type) {
    INFO("type " << type);
    check_all(connected, header_of(type, 8), errc::unknown_frame);
    check_all(connected, header_of(type, message_limit), errc::unknown_frame);
  }
}

// --- numbers ------------------------------------------------------------------------------------

TEST_CASE("a gap in the sequence is refused, as soon as its number is there") {
  for (const auto& p : talking) {
    INFO(p.name);
    CHECK(answer(p, message_frame(1, "one")) == errc::sequence_gap);
    CHECK(answer(p, message_frame(0, "zero") + message_frame(2, "two")) == errc::sequence_gap);
    CHECK(answer(p, message_frame(~std::uint64_t{0}, "last")) == errc::sequence_gap);
    CHECK(answer(p, header_of(0x80, message_limit) + big_endian(1, 8)) == errc::sequence_gap);
    CHECK(answer(p, bye_frame(1)) == errc::sequence_gap);
  }
}

TEST_CASE("a repeat is dropped") {
  for (const auto& p : talking) {
    INFO(p.name);
    for (const std::size_t slice : {whole, std::size_t{1}}) {
      auto s = p.make();
      const auto bytes = message_frame(0, "zero") + message_frame(0, "again") +
                         message_frame(1, "one") + message_frame(0, "and again");
      REQUIRE(feed(*s, bytes, start, slice) == no_error);
      CHECK(take_all(*s) == std::vector<std::string>{"zero", "one"});
    }
  }
}

TEST_CASE("an ack of what was never sent is refused, in every frame that carries one") {
  for (const auto& p : {talking[0], talking[1]}) {
    INFO(p.name);
    CHECK(answer(p, ack_frame(0)) == no_error);
    CHECK(answer(p, ack_frame(1)) == errc::bad_ack);
    CHECK(answer(p, ack_frame(~std::uint64_t{0})) == errc::bad_ack);
    CHECK(answer(p, ping_frame(5, 1)) == errc::bad_ack);
    CHECK(answer(p, pong_frame(5, 1)) == errc::bad_ack);
  }
  // Here the goodbye was sent, as number 0.
  CHECK(answer(talking[2], ack_frame(1)) == no_error);
  CHECK(answer(talking[2], ack_frame(2)) == errc::bad_ack);
}

TEST_CASE("an ack of what is queued and not yet sent is refused") {
  auto s = listener();
  REQUIRE(s->push("queued", 0) == parley::send_result::queued);
  CHECK(feed(*s, ack_frame(1)) == errc::bad_ack);
  auto t = listener();
  REQUIRE(t->push("queued", 0) == parley::send_result::queued);
  drain(*t);
  CHECK(feed(*t, ack_frame(1)) == no_error);
}

TEST_CASE("an ack that is taken back is refused, in every frame that carries one") {
  for (const auto& back : {ack_frame(1), ping_frame(5, 1), pong_frame(5, 0)}) {
    auto s = listener();
    for (int i = 0; i < 3; ++i) REQUIRE(s->push("sent", 0) == parley::send_result::queued);
    drain(*s);
    REQUIRE(feed(*s, ack_frame(2)) == no_error);
    CHECK(feed(*s, back) == errc::bad_ack);
    CHECK(s->acknowledged() == 2);
  }
}

TEST_CASE("more than the window is refused, as soon as the length is known") {
  const auto body = pattern(1, max_message);
  const auto full = message_frame(0, body) + message_frame(1, body) + message_frame(2, body);
  for (const auto& p : talking) {
    INFO(p.name);
    CHECK(answer(p, full) == no_error);
    CHECK(answer(p, full + message_frame(3, "")) == errc::window_exceeded);
    CHECK(answer(p, full + header_of(0x80, message_limit) + big_endian(3, 8)) ==
          errc::window_exceeded);
    CHECK(answer(p, full + message_frame(2, "a repeat")) == no_error);
    CHECK(answer(p, full + ack_frame(0) + bye_frame(3)) == no_error);
  }
}

TEST_CASE("a message after the goodbye is refused, and so is a second goodbye") {
  for (const auto& p : talking) {
    INFO(p.name);
    CHECK(answer(p, bye_frame(0) + message_frame(1, "one")) == errc::after_goodbye);
    CHECK(answer(p, message_frame(0, "zero") + bye_frame(1) + message_frame(2, "two")) ==
          errc::after_goodbye);
    CHECK(answer(p, bye_frame(0) + bye_frame(1)) == errc::after_goodbye);
    CHECK(answer(p, bye_frame(0) + bye_frame(0)) == no_error);  // a repeat
  }
  const phase over{"after both goodbyes", after_both_goodbyes};
  CHECK(answer(over, message_frame(1, "one")) == errc::after_goodbye);
  CHECK(answer(over, message_frame(0, "zero")) == no_error);  // a repeat
}

// --- what stays ---------------------------------------------------------------------------------

TEST_CASE("what had arrived before a bad frame can still be taken") {
  for (const auto& bad : {header_of(0x04, 0), header_of(0x80, longest), message_frame(7, "gap"),
                          ack_frame(9), announced(0x20, 1)}) {
    for (const std::size_t slice : {whole, std::size_t{1}}) {
      auto s = listener();
      const auto good = message_frame(0, "zero") + message_frame(1, "one");
      CHECK(feed(*s, good + bad, start, slice));
      CHECK(take_all(*s) == std::vector<std::string>{"zero", "one"});
    }
  }
}

TEST_CASE("a large frame that is refused takes no memory for its body") {
  options o;
  o.window = o.max_message + 12;
  const auto made = [&o] {
    session other(o, id);
    other.dial(start);
    const auto hello = drain(other);
    auto s = std::make_unique<session>(o, id);
    REQUIRE(!s->answer(hello_in(hello), start));
    drain(*s);
    return s;
  };
  const std::size_t length = 8 + o.max_message;
  const auto refused = [&](std::string_view before, const std::string& bytes, errc wanted) {
    auto s = made();
    REQUIRE(feed(*s, before) == no_error);
    (void)s->prepare_read();
    const auto memory = s->statistics().memory;
    (void)s->commit_read(0, start);
    CHECK(feed(*s, bytes) == wanted);
    CHECK(s->statistics().memory == memory);
  };
  const auto head = [&](unsigned type, std::uint64_t sequence) {
    return header_of(type, length) + big_endian(sequence, 8);
  };
  refused("", header_of(0x80, length + 1), errc::frame_too_large);
  refused("", header_of(0xc0, length), errc::unknown_frame);
  refused("", head(0x80, 1), errc::sequence_gap);
  refused(bye_frame(0), head(0x80, 1), errc::after_goodbye);
  refused(message_frame(0, "unreleased"), head(0x80, 1), errc::window_exceeded);
}

}  // namespace session_bad_input_test
