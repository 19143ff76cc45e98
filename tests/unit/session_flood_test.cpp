// Frames without end, and lengths that no peer should announce: what they cost, and what an honest
// peer may do without ever being taken for one who sends them.
#include <parley/protocol/session.hpp>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <parley/detail/read_hello.hpp>
#include <parley/protocol/token_bucket.hpp>

#include "bench/resident.hpp"
#include "support/bytes.hpp"
#include "support/two_sides.hpp"

namespace session_flood_test {

namespace {

using namespace std::chrono_literals;
using namespace parley::test;
using parley::errc;
using parley::options;
using parley::protocol::chunk_size;
using parley::protocol::session;
using parley::protocol::token_bucket;
namespace frame = parley::protocol::frame;

constexpr std::size_t flood = 10'000'000;  // and under 1 MiB
constexpr double most_kib = 1024;

/// What this process has more than before. A sanitizer keeps what was freed.
class growth {
 public:
  [[nodiscard]] double kib() const {
#ifdef PARLEY_SANITIZED
    return 0;
#else
    return bench::resident_kib() - before_;
#endif
  }

 private:
  double before_ = bench::resident_kib();
};

struct kind {
  std::string name;
  std::function<std::string(std::uint64_t)> bytes;  ///< of the frame with that number
  int more = 0;                                     ///< of them bring something
};

// Every kind of control frame, as a peer may send it that has nothing to say.
const std::vector<kind> idle_frames{
    {"acks of nothing new", [](auto) { return ack_frame(0); }},
    {"pings that await no answer", [](auto i) { return ping_frame(i, 0); }, 1},
    {"pongs that nobody asked for", [](auto i) { return pong_frame(i, 0); }},
    {"empty frames to be skipped", [](auto) { return header_of(0x40, 0); }},
    {"long frames to be skipped", [](auto) { return frame_of(0x7f, std::string(512, 'x')); }},
};

}  // namespace

// --- the limit -----------------------------------------------------------------------------------

TEST_CASE("control frames that bring nothing end the connection when there are too many at once") {
  for (const auto& k : idle_frames) {
    CAPTURE(k.name);
    pair p;
    const int both = token_bucket::at_once + k.more;
    const auto most = static_cast<std::uint64_t>(both);
    std::uint64_t i = 0;
    for (; i < most; ++i) REQUIRE(feed(p.dialer, k.bytes(i), p.now) == no_error);
    CHECK(feed(p.dialer, k.bytes(i), p.now) == errc::frame_flood);
  }
}

TEST_CASE("a goodbye that is said again and again is a flood as well") {
  pair p;
  REQUIRE(feed(p.dialer, bye_frame(0), p.now) == no_error);
  for (int i = 0; i < token_bucket::at_once; ++i)
    REQUIRE(feed(p.dialer, bye_frame(0), p.now) == no_error);
  CHECK(feed(p.dialer, bye_frame(0), p.now) == errc::frame_flood);
}

TEST_CASE("all kinds count together, over all connections of a conversation") {
  pair p;
  for (int i = 0; i < token_bucket::at_once / 2; ++i)
    REQUIRE(feed(p.dialer, ack_frame(0) + header_of(0x41, 0), p.now) == no_error);
  p.dialer.detach();
  p.listener.detach();
  p.reconnect();  // and no time passes
  CHECK(feed(p.dialer, pong_frame(0, 0), p.now) == errc::frame_flood);
}

TEST_CASE("a flood is no end of the conversation: nothing is lost that was said in it") {
  pair p;
  say(p.dialer, "said before");
  std::string bytes;
  for (int i = 0; i <= token_bucket::at_once; ++i) bytes += ack_frame(0);
  const auto why = feed(p.dialer, bytes, p.now);
  REQUIRE(why == errc::frame_flood);
  CHECK_FALSE(parley::is_final(why));
  p.resume();
  CHECK(take_all(p.listener, p.now) == std::vector<std::string>{"said before"});
}

// --- what an honest peer may do ------------------------------------------------------------------

TEST_CASE("an ack for each of a hundred thousand messages, all in one moment, is no flood") {
  pair p;
  for (std::uint64_t i = 1; i <= 100'000; ++i) {
    say(p.dialer, "x");
    REQUIRE(feed(p.listener, drain(p.dialer, p.now), p.now) == no_error);
    REQUIRE(take_all(p.listener, p.now).size() == 1);
    REQUIRE(feed(p.dialer, ack_frame(i), p.now) == no_error);
  }
  CHECK(p.dialer.acknowledged() == 100'000);
}

TEST_CASE("a program that asks for round trips without end is no flood, on a link without delay") {
  pair p;
  for (int i = 0; i < 100'000; ++i) {
    p.dialer.ping();
    p.listener.ping();
    p.dialer.ping();
    REQUIRE(p.exchange() == no_error);
  }
  CHECK(p.now == start);
}

TEST_CASE("a program that asks while no answer comes does not make a flood of it") {
  pair p;
  std::string bytes;
  for (int i = 0; i < 10'000; ++i) {
    p.dialer.ping();
    bytes += drain(p.dialer, p.now);
  }
  CHECK(bytes == ping_frame(1, 0));
  REQUIRE(feed(p.listener, bytes, p.now) == no_error);
  REQUIRE(feed(p.dialer, drain(p.listener, p.now), p.now) == no_error);
  CHECK(drain(p.dialer, p.now) == ping_frame(2, 0));  // and asks once more
}

TEST_CASE("who tries again and again where there is no room makes no flood of asking for it") {
  auto small = named("ann");
  small.outbox = small.max_message + overhead;
  auto wide = named("bob");
  wide.window = 64 * small.outbox;
  pair p(small, wide);
  const auto body = pattern(1, 1000);
  while (p.dialer.push(body, 0) == parley::send_result::queued) continue;
  for (int i = 0; i < 100'000; ++i) {  // the peer's program looks at nothing, and no time passes
    REQUIRE(p.dialer.push(body, 0) == parley::send_result::full);
    REQUIRE(p.exchange() == no_error);
  }
}

TEST_CASE("the shortest heartbeat is no flood, and neither is what a stopped process reads later") {
  auto quick = named("ann");
  quick.heartbeat = 10ms;
  pair p(quick, quick);
  REQUIRE(p.pass(10min) == no_error);  // 60,000 heartbeats
  // The listener's process is stopped: it answers nothing, and the dialer gives it up.
  std::string unread;
  std::error_code given_up;
  for (const auto end = p.now + 1s; p.now < end && !given_up; p.now += 1ms) {
    unread += drain(p.dialer, p.now);
    given_up = p.dialer.tick(p.now);
  }
  CHECK(given_up == errc::peer_silent);
  CHECK(feed(p.listener, unread, p.now) == no_error);
}

TEST_CASE("coming back a thousand times repeats a thousand acks, and is no flood") {
  pair p;
  say(p.dialer, "one");
  REQUIRE(p.exchange() == no_error);
  REQUIRE(take_all(p.listener, p.now).size() == 1);
  REQUIRE(p.exchange() == no_error);
  for (int i = 0; i < 2 * token_bucket::at_once; ++i) p.resume();  // a second apart
}

// --- ten million of them -------------------------------------------------------------------------

TEST_CASE("ten million frames that bring nothing, as fast as they are put up with, grow nothing") {
  for (const auto& k : idle_frames) {
    if (k.name.starts_with("long")) continue;  // 5 GB of the same
    CAPTURE(k.name);
    pair p;
    std::string second;
    for (int i = 0; i < token_bucket::at_once; ++i) second += k.bytes(static_cast<unsigned>(i));
    REQUIRE(feed(p.dialer, second, p.now) == no_error);
    const growth grown;
    std::size_t sent = 0;
    for (; sent < flood; sent += token_bucket::at_once) {
      p.now += 1s;
      REQUIRE(feed(p.dialer, second, p.now) == no_error);
      REQUIRE(p.dialer.tick(p.now) == no_error);
      if (sent % 1'000'000 == 0) REQUIRE(p.dialer.statistics().memory <= 2 * chunk_size);
      if (sent % 2'000'000 == 0) (void)drain(p.dialer, p.now);
    }
    CHECK(sent == flood);
    CHECK(p.dialer.statistics().memory <= 2 * chunk_size);
    CHECK(grown.kib() < most_kib);
  }
}

TEST_CASE("ten million empty messages that the program takes grow nothing") {
  pair p;
  std::string batch;
  std::uint64_t sent = 0;
  growth grown;
  for (int round = 0; sent < flood; ++round) {
    if (round == 1) grown = growth();  // after the first, which makes the chunks
    batch.clear();
    for (int i = 0; i < 5'000; ++i) batch += message_frame(sent++, "");
    REQUIRE(feed(p.dialer, batch, p.now) == no_error);
    while (p.dialer.take(p.now)) continue;
    (void)drain(p.dialer, p.now += 10ms);
  }
  CHECK(p.dialer.released() == flood);
  CHECK(p.dialer.statistics().memory <= 2 * chunk_size);
  CHECK(grown.kib() < most_kib);
}

TEST_CASE("ten million repeats of a message are dropped and grow nothing") {
  pair p;
  REQUIRE(feed(p.dialer, message_frame(0, ""), p.now) == no_error);
  (void)take_all(p.dialer, p.now);
  std::string batch;
  for (int i = 0; i < 5'000; ++i) batch += message_frame(0, "");
  REQUIRE(feed(p.dialer, batch, p.now) == no_error);
  const growth grown;
  std::size_t sent = 0;
  for (; sent < flood; sent += 5'000) REQUIRE(feed(p.dialer, batch, p.now) == no_error);
  CHECK(sent == flood);
  CHECK(!p.dialer.readable());
  CHECK(grown.kib() < most_kib);
}

// --- hostile lengths -----------------------------------------------------------------------------

namespace {

/// Around every limit that there is, and the largest that 24 bits hold.
std::vector<std::size_t> hostile_lengths() {
  const std::size_t longest = frame::number_size + options().max_message;
  std::vector<std::size_t> all{0,  1,  7,  8,  9,  12, 15,  16,  17,
                               47, 48, 49, 57, 58, 59, 511, 512, 513};
  for (const std::size_t n : {chunk_size, 4 * chunk_size, options().max_message, longest,
                              std::size_t{1} << 16U, std::size_t{1} << 23U})
    all.insert(all.end(), {n - 1, n, n + 1});
  all.push_back((std::size_t{1} << 24U) - 2);
  all.push_back((std::size_t{1} << 24U) - 1);
  return all;
}

/// The header, and as much of the body as a peer cares to send before it falls silent.
std::string announced(unsigned type, std::size_t length, std::size_t sent) {
  return header_of(type, length) + std::string(std::min(length, sent), '\0');
}

}  // namespace

TEST_CASE("no length that a peer announces takes memory that its bytes do not fill") {
  const growth grown;
  std::size_t cases = 0;
  for (unsigned type = 0; type < 256; ++type) {
    for (const std::size_t length : hostile_lengths()) {
      for (const std::size_t sent : {std::size_t{0}, std::size_t{8}, std::size_t{600}}) {
        const auto bytes = announced(type, length, sent);
        // In the conversation, as the answer to a hello, and as a hello.
        pair p;
        session waiting(named("cat"), id);
        waiting.dial(start);
        (void)drain(waiting);
        const auto whole_message = length <= frame::number_size + options().max_message;
        const auto most = (whole_message && type >= 0x80 ? length : 0) + 2 * chunk_size;
        (void)feed(p.listener, bytes, p.now);
        (void)feed(waiting, bytes, p.now);
        if (p.listener.statistics().memory > most || waiting.statistics().memory > 2 * chunk_size) {
          CAPTURE(type, length, sent);
          FAIL_CHECK("it took the peer's word for it");
        }
        std::size_t size = 0;
        (void)parley::detail::check_hello(bytes, size);
        if (size > frame::header_size + frame::max_control_body) {
          CAPTURE(type, length, sent);
          FAIL_CHECK("a hello of that size would be read");
        }
        ++cases;
      }
    }
  }
  CHECK(cases == std::size_t{256} * hostile_lengths().size() * 3);
  CHECK(grown.kib() < most_kib);
}

TEST_CASE("a length over the limit of its phase is refused by its header alone") {
  std::size_t refused = 0;
  for (unsigned type = 0; type < 256; ++type) {
    for (const std::size_t length : hostile_lengths()) {
      const bool message = type >= 0x80;
      const auto most = message ? frame::number_size + options().max_message : std::size_t{512};
      if (length <= most) continue;
      CAPTURE(type, length);
      pair p;
      session waiting(named("cat"), id);
      waiting.dial(start);
      (void)drain(waiting);
      std::size_t size = 0;
      REQUIRE(feed(p.dialer, header_of(type, length), p.now) == errc::frame_too_large);
      REQUIRE(feed(waiting, header_of(type, length), p.now) != no_error);
      REQUIRE(parley::detail::check_hello(header_of(type, length), size) != no_error);
      REQUIRE(size == 0);
      ++refused;
    }
  }
  CHECK(refused > 256 * 5);
}

}  // namespace session_flood_test
