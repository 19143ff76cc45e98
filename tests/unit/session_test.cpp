#include <parley/protocol/session.hpp>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "support/bytes.hpp"
#include "support/feed.hpp"
#include "support/two_sides.hpp"

namespace session_test {

namespace {

using namespace std::chrono_literals;
using namespace parley::test;
using parley::errc;
using parley::options;
using parley::send_result;
using parley::protocol::chunk_size;
using parley::protocol::session;
using parley::protocol::token_bucket;

/// As little as options allow for messages of `size` bytes.
options narrow(std::size_t size) {
  options o;
  o.max_message = size;
  o.window = size + overhead;
  return o;
}

}  // namespace

// --- a conversation -----------------------------------------------------------------------------

TEST_CASE("two sessions greet, and know each other") {
  pair p;
  CHECK(p.dialer.connected());
  CHECK(p.listener.connected());
  CHECK(p.dialer.peer_name() == "bob");
  CHECK(p.listener.peer_name() == "ann");
  CHECK(p.dialer.id() == id);
  CHECK(p.dialer.statistics().connections == 1);
  CHECK(p.listener.statistics().connections == 1);
}

TEST_CASE("a dialer says hello and nothing else before the welcome") {
  session s(named("ann"), id);
  say(s, "early");
  CHECK(!s.wants_write());
  s.dial(start);
  REQUIRE(s.wants_write());
  const auto bytes = drain(s);
  const auto h = hello_in(bytes);
  CHECK(h.name == "ann");
  CHECK(h.welcomed == 0);
  CHECK(bytes.size() == 4 + 90 + 3);  // header, hello, "ann"
  CHECK(!s.wants_write());
  CHECK(!s.connected());
}

TEST_CASE("what was said before the welcome goes out behind it") {
  session dialer(named("ann"), id);
  session listener(named("bob"), id);
  say(dialer, "early");
  greet(dialer, listener);
  CHECK(take_all(listener) == std::vector<std::string>{"early"});
}

TEST_CASE("what comes in one read with the welcome arrives") {
  for (const std::size_t slice : {std::size_t{1}, std::size_t{50}, whole}) {
    session dialer(named("ann"), id);
    session listener(named("bob"), id);
    say(listener, "at once");
    dialer.dial(start);
    const auto hello = drain(dialer);
    REQUIRE(!listener.answer(hello_in(hello), start));
    REQUIRE(feed(dialer, drain(listener), start, slice) == no_error);
    CHECK(dialer.connected());
    CHECK(take_all(dialer) == std::vector<std::string>{"at once"});
  }
}

TEST_CASE("messages arrive whole and in order, both ways at once") {
  pair p;
  std::vector<std::string> from_dialer;
  std::vector<std::string> from_listener;
  for (std::size_t i = 0; i < 200; ++i) {
    from_dialer.push_back(pattern(i, i * 37));
    from_listener.push_back(pattern(1000 + i, i * 11));
    say(p.dialer, from_dialer.back());
    say(p.listener, from_listener.back());
  }
  REQUIRE(p.exchange() == no_error);
  CHECK(take_all(p.listener) == from_dialer);
  CHECK(take_all(p.dialer) == from_listener);
}

TEST_CASE("tags and numbers arrive with the message") {
  pair p;
  say(p.dialer, "zero", 0);
  say(p.dialer, "one", 63);
  REQUIRE(p.exchange() == no_error);
  auto m = p.listener.take(p.now);
  REQUIRE(m);
  CHECK(m->tag == 0);
  CHECK(m->sequence == 0);
  m = p.listener.take(p.now);
  REQUIRE(m);
  CHECK(m->tag == 63);
  CHECK(m->sequence == 1);
}

TEST_CASE("the longest message is carried, in reads and writes of any size") {
  for (const std::size_t slice : {std::size_t{1000}, std::size_t{4096}, whole}) {
    pair p;
    const auto body = pattern(1, options().max_message);
    say(p.dialer, body);
    const auto bytes = drain(p.dialer, p.now, slice);
    REQUIRE(feed(p.listener, bytes, p.now, slice) == no_error);
    CHECK(take_all(p.listener) == std::vector<std::string>{body});
  }
}

TEST_CASE("a conversation cut into single bytes is the same conversation") {
  pair p;
  const std::vector<std::string> bodies{"one", "", pattern(1, 300), "four"};
  for (const auto& body : bodies) say(p.dialer, body);
  p.dialer.ping();
  p.dialer.finish();
  const auto bytes = drain(p.dialer, p.now, 1);
  REQUIRE(feed(p.listener, bytes, p.now, 1) == no_error);
  CHECK(take_all(p.listener) == bodies);
  CHECK(p.listener.at_end());
}

TEST_CASE("what cannot be said is refused at once and sends nothing") {
  pair p(named("ann"), narrow(100));
  CHECK(p.dialer.push(std::string(101, 'x'), 0) == send_result::too_large);  // for the peer
  CHECK(p.listener.push(std::string(101, 'x'), 0) == send_result::too_large);
  CHECK(p.dialer.push("x", 64) == send_result::unfit);
  CHECK(p.dialer.push("x", 255) == send_result::unfit);
  CHECK(session::unfit("x") == errc::bad_tag);
  CHECK(!p.dialer.wants_write());
  CHECK(p.dialer.next_sequence() == 0);
  CHECK(p.dialer.push(std::string(100, 'x'), 63) == send_result::queued);
}

TEST_CASE("a full outbox refuses what it cannot hold, and takes it after an ack") {
  auto o = named("ann");
  o.max_message = 1000;
  o.outbox = 2 * (overhead + 1000);
  pair p(o);
  const auto body = pattern(1, 1000);
  say(p.dialer, body);
  say(p.dialer, body);
  CHECK(p.dialer.push("", 0) == send_result::full);
  REQUIRE(p.exchange() == no_error);
  CHECK(p.dialer.push("", 0) == send_result::full);  // sent, not acknowledged
  REQUIRE(p.listener.take(p.now));
  REQUIRE(p.listener.take(p.now));
  REQUIRE(p.pass(5ms) == no_error);
  CHECK(p.dialer.push(body, 0) == send_result::queued);
  CHECK(p.dialer.push("", 0) == send_result::full);
}

TEST_CASE("statistics count what was said, sent and acknowledged, both ways") {
  pair p;
  say(p.dialer, "12345");
  say(p.dialer, "678");
  auto s = p.dialer.statistics();
  CHECK(s.messages_sent == 2);
  CHECK(s.bytes_sent == 8);
  CHECK(s.unacknowledged == 2);
  CHECK(s.unsent == 2);
  CHECK(p.dialer.next_sequence() == 2);

  REQUIRE(p.exchange() == no_error);
  s = p.dialer.statistics();
  CHECK(s.unacknowledged == 2);
  CHECK(s.unsent == 0);

  CHECK(take_all(p.listener, p.now).size() == 2);
  REQUIRE(p.pass(5ms) == no_error);
  CHECK(p.dialer.statistics().unacknowledged == 0);
  CHECK(p.dialer.acknowledged() == 2);
  CHECK(p.listener.statistics().messages_received == 2);
  CHECK(p.listener.statistics().bytes_received == 8);
}

TEST_CASE("the goodbye is no message: it is not counted") {
  pair p;
  say(p.dialer, "last");
  p.dialer.finish();
  CHECK(p.dialer.next_sequence() == 1);
  CHECK(p.dialer.statistics().messages_sent == 1);
  CHECK(p.dialer.statistics().unacknowledged == 1);
  REQUIRE(p.exchange() == no_error);
  CHECK(p.dialer.statistics().unsent == 0);
  take_all(p.listener, p.now);
  REQUIRE(p.exchange() == no_error);
  CHECK(p.dialer.statistics().unacknowledged == 0);
  CHECK(p.dialer.acknowledged() == 2);  // with the goodbye
}

// --- acknowledgements ---------------------------------------------------------------------------

TEST_CASE("an ack goes out when the program comes back, not when the message arrives") {
  pair p;
  say(p.dialer, "one");
  REQUIRE(p.exchange() == no_error);
  REQUIRE(p.pass(1s) == no_error);
  CHECK(p.dialer.acknowledged() == 0);
  REQUIRE(p.listener.take(p.now));
  REQUIRE(p.pass(1s) == no_error);
  CHECK(p.dialer.acknowledged() == 0);
  REQUIRE(!p.listener.take(p.now));
  REQUIRE(p.pass(5ms) == no_error);
  CHECK(p.dialer.acknowledged() == 1);
}

TEST_CASE("an ack goes along with the next message") {
  pair p;
  say(p.dialer, "question");
  REQUIRE(p.exchange() == no_error);
  take_all(p.listener, p.now);
  CHECK(!p.listener.wants_write());
  say(p.listener, "answer");
  const auto bytes = drain(p.listener, p.now);
  CHECK(bytes == ack_frame(1) + message_frame(0, "answer"));
}

TEST_CASE("an ack goes alone after 1 ms") {
  pair p;
  say(p.dialer, "one");
  REQUIRE(p.exchange() == no_error);
  take_all(p.listener, p.now);
  CHECK(p.listener.due() == p.now + 1ms);
  REQUIRE(p.listener.tick(p.now + 1ms - 1ns) == no_error);
  CHECK(!p.listener.wants_write());
  REQUIRE(p.listener.tick(p.now + 1ms) == no_error);
  CHECK(drain(p.listener, p.now + 1ms) == ack_frame(1));
}

TEST_CASE("an ack goes at once at a quarter of the window") {
  auto o = named("bob");
  o.max_message = 1000;
  o.window = 4 * (overhead + 1000);
  pair p(named("ann"), o);
  say(p.dialer, pattern(1, 999));
  say(p.dialer, "");
  REQUIRE(p.exchange() == no_error);
  REQUIRE(p.listener.take(p.now));
  REQUIRE(p.listener.take(p.now));
  CHECK(!p.listener.urgent());  // 1 byte less
  REQUIRE(!p.listener.take(p.now));
  CHECK(p.listener.urgent());
  CHECK(p.listener.wants_write());
  CHECK(drain(p.listener, p.now) == ack_frame(2));
  CHECK(!p.listener.urgent());
}

// --- the window ---------------------------------------------------------------------------------

TEST_CASE("the window stops the sender, and an ack sets it going again") {
  auto o = named("bob");
  o.max_message = 100;
  o.window = 2 * (overhead + 100);
  pair p(named("ann"), o);
  for (std::uint64_t i = 0; i < 5; ++i) say(p.dialer, pattern(i, 100));
  REQUIRE(p.exchange() == no_error);
  CHECK(!p.dialer.wants_write());
  CHECK(p.dialer.statistics().unsent == 3);

  for (std::uint64_t i = 0; i < 5; ++i) {
    const auto m = p.listener.take(p.now);
    REQUIRE(m);
    CHECK(m->body == pattern(i, 100));
    REQUIRE(p.pass(5ms) == no_error);
  }
  CHECK(p.dialer.statistics().unsent == 0);
}

TEST_CASE("the smallest window lets one message through at a time, of the largest size too") {
  pair p(named("ann"), narrow(70'000));
  for (std::uint64_t i = 0; i < 4; ++i) say(p.dialer, pattern(i, 70'000));
  for (std::uint64_t i = 0; i < 4; ++i) {
    REQUIRE(p.pass(5ms) == no_error);
    const auto m = p.listener.take(p.now);
    REQUIRE(m);
    CHECK(m->body == pattern(i, 70'000));
    REQUIRE(p.pass(5ms) == no_error);
    CHECK(!p.listener.readable());  // the program still looks at this one
    CHECK(!p.listener.take(p.now));
  }
}

TEST_CASE("pings, pongs and acks are not held up by a full window") {
  pair p(named("ann"), narrow(100));
  say(p.dialer, pattern(1, 100));
  say(p.dialer, pattern(2, 100));
  REQUIRE(p.exchange() == no_error);
  REQUIRE(!p.dialer.wants_write());
  p.dialer.ping();
  REQUIRE(p.dialer.wants_write());
  p.now += 3ms;
  REQUIRE(feed(p.listener, drain(p.dialer, p.now), p.now) == no_error);
  p.now += 4ms;
  REQUIRE(feed(p.dialer, drain(p.listener, p.now), p.now) == no_error);
  CHECK(p.dialer.statistics().round_trip_last == 4ms);  // a ping is timed from its write
}

// --- writing ------------------------------------------------------------------------------------

TEST_CASE("many small messages leave in one write") {
  pair p;
  std::string all;
  for (std::uint64_t i = 0; i < 100; ++i) {
    say(p.dialer, "hello");
    all += message_frame(i, "hello");
  }
  CHECK(prepared(p.dialer, p.now) == all);
}

TEST_CASE("a control frame fits between two batches while more messages wait") {
  pair p;
  const std::size_t size = 60'000;  // a chunk each, and fewer than four of them: a batch each
  const auto first = pattern(1, size);
  const auto second = pattern(2, size);
  say(p.dialer, first);
  say(p.dialer, second);
  say(p.dialer, pattern(3, size));
  const auto batch = prepared(p.dialer, p.now);
  REQUIRE(batch == message_frame(0, first));
  p.dialer.commit_write(size / 2, p.now);

  REQUIRE(feed(p.dialer, ping_frame(99, 0), p.now) == no_error);
  CHECK(prepared(p.dialer, p.now) == batch.substr(size / 2));  // not within a frame
  p.dialer.commit_write(batch.size() - size / 2, p.now);
  CHECK(prepared(p.dialer, p.now) == pong_frame(99, 0) + message_frame(1, second));
}

TEST_CASE("a control frame that is cut goes on before the messages, and is not made anew") {
  pair p;
  REQUIRE(feed(p.dialer, ping_frame(7, 0), p.now) == no_error);
  say(p.dialer, "body");
  const auto bytes = pong_frame(7, 0) + message_frame(0, "body");
  REQUIRE(prepared(p.dialer, p.now) == bytes);
  for (std::size_t written = 1; written < bytes.size(); ++written) {
    p.dialer.commit_write(1, p.now);
    p.dialer.ping();  // owed, but not now
    CHECK(prepared(p.dialer, p.now) == bytes.substr(written));
  }
  p.dialer.commit_write(1, p.now);
  CHECK(prepared(p.dialer, p.now) == ping_frame(1, 0));
}

TEST_CASE("who has no room asks how far the peer is that would not say so by itself yet") {
  auto small = named("ann");
  small.outbox = small.max_message + overhead;
  auto wide = named("bob");
  wide.window =
      GENERATE(64UL, 4UL) * small.outbox;  // at 4, nearly all that fits is a quarter of it
  pair p(small, wide);
  std::uint64_t sent = 0;
  for (int rounds = 0; rounds < 10; ++rounds) {  // and no time passes
    const auto before = sent;
    while (p.dialer.push(pattern(sent, small.max_message / 4), 0) == send_result::queued) ++sent;
    REQUIRE(sent > before);
    REQUIRE(p.exchange() == no_error);
    (void)take_all(p.listener, p.now);
    // One question at a time, whoever asks for room how often.
    REQUIRE(p.dialer.push(pattern(sent, small.max_message / 4), 0) == send_result::full);
    REQUIRE(p.dialer.push(pattern(sent, small.max_message / 4), 0) == send_result::full);
    const auto asked = drain(p.dialer, p.now);
    CHECK(asked.size() == ping_frame(1, 0).size());
    REQUIRE(feed(p.listener, asked, p.now) == no_error);
    REQUIRE(p.exchange() == no_error);
  }
  CHECK(p.now == start);
}

TEST_CASE("who is told how far the peer is without asking does not ask") {
  auto o = named("ann");
  pair p(o, o);
  while (p.dialer.push(pattern(1, 10'000), 0) == send_result::queued) continue;
  drain(p.dialer, p.now);
  CHECK(p.dialer.push(pattern(1, 10'000), 0) == send_result::full);
  CHECK(!p.dialer.wants_write());
}

TEST_CASE("a batch is full when nothing fits into its chunk any more") {
  pair p;
  say(p.dialer, std::string(chunk_size - 2 * overhead, 'x'));
  CHECK(!p.dialer.batch_is_full());
  say(p.dialer, "");
  CHECK(p.dialer.batch_is_full());
}

TEST_CASE("nothing is to be written once all is written") {
  pair p;
  say(p.dialer, "one");
  drain(p.dialer, p.now);
  CHECK(!p.dialer.wants_write());
  CHECK(prepared(p.dialer, p.now).empty());
}

// --- the greeting -------------------------------------------------------------------------------

TEST_CASE("a dialer waits for the welcome as long as the handshake may take") {
  auto o = named("ann");
  o.handshake_timeout = 300ms;
  session s(o, id);
  s.dial(start);
  CHECK(s.due() == start + 300ms);
  CHECK(s.tick(start + 300ms - 1ns) == no_error);
  CHECK(s.tick(start + 300ms) == errc::handshake_timeout);
}

TEST_CASE("bytes do not put the end of the handshake off") {
  session s(named("ann"), id);
  s.dial(start);
  REQUIRE(feed(s, header_of(0x02, 48), start + 4s) == no_error);  // a welcome begins
  CHECK(s.due() == start + 5s);
  CHECK(s.tick(start + 5s) == errc::handshake_timeout);
}

TEST_CASE("a listener's refusal ends the attempt with its reason and its text") {
  session s(named("ann"), id);
  s.dial(start);
  drain(s);
  const auto text = "in a conversation";
  const auto bytes = frame_of(0x03, hex("03 ffffffffffffffff") + text);
  CHECK(feed(s, bytes) == errc::refused_busy);
  CHECK(s.refusal() == text);
  CHECK(!s.connected());
}

TEST_CASE("a listener's session refuses a stale attempt and stays as it was") {
  pair p;
  say(p.listener, "still here");
  parley::protocol::frame::hello h;
  h.session = id;
  h.attempt = 1;
  h.max_message = 100;
  h.window = 112;
  h.heartbeat_ms = 10;
  CHECK(p.listener.answer(h, p.now) == parley::refuse_reason::stale_attempt);
  CHECK(p.listener.connected());
  CHECK(p.listener.peer_name() == "ann");
  REQUIRE(p.exchange() == no_error);
  CHECK(take_all(p.dialer, p.now) == std::vector<std::string>{"still here"});
}

TEST_CASE("both sides beat as fast as the quicker one") {
  auto quick = named("ann");
  quick.heartbeat = 100ms;
  for (const bool quick_dials : {true, false}) {
    pair p(quick_dials ? quick : named("ann"), quick_dials ? named("bob") : quick);
    CHECK(p.dialer.due() == p.now + 100ms);
    CHECK(p.listener.due() == p.now + 100ms);
  }
}

// --- life and silence ---------------------------------------------------------------------------

TEST_CASE("a silent peer is asked after one heartbeat and given up after two and a half") {
  pair p;
  const auto heartbeat = options().heartbeat;
  CHECK(p.dialer.due() == start + heartbeat);
  REQUIRE(p.dialer.tick(start + heartbeat) == no_error);
  CHECK(drain(p.dialer, start + heartbeat) == ping_frame(1, 0));
  CHECK(p.dialer.due() == start + heartbeat * 2);
  REQUIRE(p.dialer.tick(start + heartbeat * 2) == no_error);
  CHECK(drain(p.dialer, start + heartbeat * 2) == ping_frame(2, 0));
  CHECK(p.dialer.due() == start + heartbeat * 5 / 2);
  CHECK(p.dialer.tick(start + heartbeat * 5 / 2) == errc::peer_silent);
}

TEST_CASE("a peer that only trickles is alive") {
  pair p;
  const auto body = pattern(1, 100);
  const auto bytes = message_frame(0, body);
  auto now = start;
  for (const char byte : bytes) {
    now += options().heartbeat * 2;
    REQUIRE(p.dialer.tick(now - options().heartbeat) == no_error);
    REQUIRE(feed(p.dialer, std::string(1, byte), now) == no_error);
  }
  CHECK(take_all(p.dialer, now) == std::vector<std::string>{body});
}

TEST_CASE("a long message on a slow link is not taken for silence") {
  pair p;
  const auto body = pattern(1, options().max_message);
  say(p.dialer, body);
  constexpr std::size_t bytes_per_second = 20'000;  // so it takes 52 s: ten heartbeats
  std::vector<std::string> arrived;
  for (int second = 0; arrived.empty() && second < 60; ++second) {
    INFO("second " << second);
    const auto bytes = prepared(p.dialer, p.now).substr(0, bytes_per_second);
    p.dialer.commit_write(bytes.size(), p.now);
    p.now += 1s;
    REQUIRE(feed(p.listener, bytes, p.now) == no_error);
    REQUIRE(p.listener.tick(p.now) == no_error);
    REQUIRE(feed(p.dialer, drain(p.listener, p.now), p.now) == no_error);
    REQUIRE(p.dialer.tick(p.now) == no_error);
    arrived = take_all(p.listener, p.now);
  }
  CHECK(arrived == std::vector<std::string>{body});
}

TEST_CASE("a flood of pings is answered with one pong and grows nothing") {
  pair p;
  REQUIRE(feed(p.dialer, ping_frame(0, 0), p.now) == no_error);
  drain(p.dialer, p.now);
  const auto before = (static_cast<void>(p.dialer.prepare_read()), p.dialer.statistics().memory);
  for (std::uint64_t token = 1; token <= token_bucket::at_once; ++token)
    REQUIRE(feed(p.dialer, ping_frame(token, 0), p.now) == no_error);
  CHECK(p.dialer.statistics().memory <= before);
  CHECK(drain(p.dialer, p.now) == pong_frame(token_bucket::at_once, 0));
}

TEST_CASE("a ping brings a round trip into the statistics") {
  pair p;
  p.dialer.ping();
  const auto ping = drain(p.dialer, p.now);
  CHECK(ping == ping_frame(1, 0));
  REQUIRE(feed(p.listener, ping, p.now + 20ms) == no_error);
  const auto pong = drain(p.listener, p.now + 20ms);
  REQUIRE(feed(p.dialer, pong, p.now + 45ms) == no_error);
  CHECK(p.dialer.statistics().round_trip_last == 45ms);
  CHECK(p.listener.statistics().round_trip_last == 0ms);
}

TEST_CASE("ten idle minutes are survived, and cost no memory") {
  pair p;
  say(p.dialer, "before");
  REQUIRE(p.exchange() == no_error);
  CHECK(take_all(p.listener, p.now).size() == 1);
  REQUIRE(p.pass(options().heartbeat) == no_error);
  for (int second = 0; second < 600; ++second) {
    REQUIRE(p.pass(1s) == no_error);
    REQUIRE(p.dialer.statistics().memory == 0);
    REQUIRE(p.listener.statistics().memory == 0);
  }
  say(p.listener, "after");
  REQUIRE(p.exchange() == no_error);
  CHECK(take_all(p.dialer, p.now) == std::vector<std::string>{"after"});
}

// --- the goodbye --------------------------------------------------------------------------------

TEST_CASE("after finish nothing more can be said, and finish may be repeated") {
  pair p;
  say(p.dialer, "last");
  p.dialer.finish();
  p.dialer.finish();
  CHECK(p.dialer.push("more", 0) == send_result::closed);
  CHECK(drain(p.dialer, p.now) == message_frame(0, "last") + bye_frame(1));
}

TEST_CASE("a conversation ends when both have said goodbye, whoever was first") {
  for (const bool dialer_first : {true, false}) {
    INFO((dialer_first ? "dialer" : "listener") << " first");
    pair p;
    session& first = dialer_first ? p.dialer : p.listener;
    session& second = dialer_first ? p.listener : p.dialer;

    say(first, "goodbye");
    first.finish();
    REQUIRE(p.exchange() == no_error);
    CHECK(!second.at_end());  // a message stands before it
    CHECK(take_all(second, p.now) == std::vector<std::string>{"goodbye"});
    CHECK(second.at_end());
    REQUIRE(p.exchange() == no_error);
    CHECK(first.statistics().unacknowledged == 0);
    CHECK(!first.output_done());
    CHECK(!second.output_done());

    say(second, "one more thing");  // the other direction is still open
    second.finish();
    REQUIRE(p.exchange() == no_error);
    CHECK(take_all(first, p.now) == std::vector<std::string>{"one more thing"});
    REQUIRE(p.exchange() == no_error);
    CHECK(p.done());
    CHECK(first.at_end());
    CHECK(p.dialer.commit_end() == no_error);
    CHECK(p.listener.commit_end() == no_error);
    CHECK(!p.dialer.wants_write());
    CHECK(!p.listener.wants_write());
  }
}

TEST_CASE("goodbyes that cross end the conversation too") {
  pair p;
  say(p.dialer, "from the dialer");
  say(p.listener, "from the listener");
  p.dialer.finish();
  p.listener.finish();
  const auto one = drain(p.dialer, p.now);
  const auto other = drain(p.listener, p.now);
  REQUIRE(feed(p.listener, one, p.now) == no_error);
  REQUIRE(feed(p.dialer, other, p.now) == no_error);
  CHECK(take_all(p.dialer, p.now).size() == 1);
  CHECK(take_all(p.listener, p.now).size() == 1);
  CHECK(!p.done());
  REQUIRE(p.exchange() == no_error);
  CHECK(p.done());
}

TEST_CASE("an empty conversation can end") {
  pair p;
  p.dialer.finish();
  p.listener.finish();
  REQUIRE(p.exchange() == no_error);
  CHECK(p.dialer.at_end());
  CHECK(!p.dialer.output_done());  // the program has not seen the goodbye
  CHECK(!p.dialer.take(p.now));
  CHECK(!p.listener.take(p.now));
  REQUIRE(p.exchange() == no_error);
  CHECK(p.done());
}

TEST_CASE("output is done when the last word of each has come to its last byte") {
  pair p;
  p.dialer.finish();
  p.listener.finish();
  REQUIRE(p.exchange() == no_error);
  (void)p.dialer.take(p.now);
  (void)p.listener.take(p.now);
  REQUIRE(feed(p.dialer, drain(p.listener, p.now), p.now) == no_error);
  const auto ack = prepared(p.dialer, p.now);
  REQUIRE(ack == ack_frame(1));
  for (std::size_t i = 0; i < ack.size(); ++i) {
    CHECK(p.dialer.complete());
    CHECK(!p.listener.complete());
    p.dialer.commit_write(1, p.now);
    REQUIRE(feed(p.listener, ack.substr(i, 1), p.now) == no_error);
  }
  CHECK(p.listener.complete());
  CHECK(!p.dialer.output_done());  // whether the ack has come is not known
  CHECK(p.dialer.commit_end() == errc::disconnected);

  REQUIRE(p.listener.wants_write());
  const auto word = prepared(p.listener, p.now);
  REQUIRE(word == frame_of(0x03, hex("06 0000000000000001")));
  for (std::size_t i = 0; i < word.size(); ++i) {
    CHECK(!p.listener.output_done());
    CHECK(!p.dialer.output_done());
    p.listener.commit_write(1, p.now);
    REQUIRE(feed(p.dialer, word.substr(i, 1), p.now) == no_error);
  }
  CHECK(p.dialer.commit_end() == errc::disconnected);
  const auto answer = prepared(p.dialer, p.now);  // which says that it knows
  REQUIRE(answer == word);
  for (std::size_t i = 0; i < answer.size(); ++i) {
    CHECK(!p.listener.output_done());
    CHECK(!p.dialer.output_done());
    p.dialer.commit_write(1, p.now);
    REQUIRE(feed(p.listener, answer.substr(i, 1), p.now) == no_error);
  }
  CHECK(p.listener.output_done());
  CHECK(p.dialer.output_done());
  CHECK(!p.listener.wants_write());
  CHECK(!p.dialer.wants_write());
  CHECK(p.dialer.commit_end() == no_error);
  CHECK(p.listener.commit_end() == no_error);
}

TEST_CASE("a last word that comes before all is complete is the end at once") {
  const auto word = frame_of(0x03, hex("06 0000000000000001"));
  const auto answer = [&](bool goodbye_came, bool program_saw_it, bool listener) {
    pair p;
    session& side = listener ? p.listener : p.dialer;
    side.finish();
    (void)drain(side, p.now);
    if (goodbye_came) REQUIRE(feed(side, bye_frame(0), p.now) == no_error);
    if (program_saw_it) (void)side.take(p.now);
    (void)drain(side, p.now);
    const auto ec = feed(side, word, p.now);
    CHECK(side.acknowledged() == 1);  // the goodbye itself
    return ec;
  };
  CHECK(answer(true, true, false) == no_error);
  CHECK(answer(true, false, false) == errc::ended_by_peer);
  CHECK(answer(false, false, false) == errc::ended_by_peer);
  CHECK(answer(true, true, true) == no_error);
  CHECK(answer(true, false, true) == errc::ended_by_peer);
}

TEST_CASE("the end of the stream before the end of the conversation is a lost connection") {
  pair p;
  CHECK(p.dialer.commit_end() == errc::disconnected);
  p.dialer.finish();
  CHECK(p.dialer.commit_end() == errc::disconnected);
  REQUIRE(p.exchange() == no_error);
  (void)p.listener.take(p.now);
  REQUIRE(p.exchange() == no_error);
  CHECK(p.dialer.commit_end() == errc::disconnected);  // the peer has said no goodbye
}

TEST_CASE("the end of the stream before the welcome is no greeting") {
  session s(named("ann"), id);
  s.dial(start);
  CHECK(s.commit_end() == errc::no_greeting);
  drain(s);
  CHECK(s.commit_end() == errc::no_greeting);
}

TEST_CASE("the goodbye waits for the window like a message") {
  pair p(named("ann"), narrow(100));
  say(p.dialer, pattern(1, 100));
  p.dialer.finish();
  REQUIRE(p.exchange() == no_error);
  CHECK(!p.listener.at_end());
  CHECK(take_all(p.listener, p.now).size() == 1);
  REQUIRE(p.pass(5ms) == no_error);
  CHECK(p.listener.at_end());
}

TEST_CASE("the goodbye fits a full outbox") {
  auto o = named("ann");
  o.max_message = 100;
  o.outbox = overhead + 100;
  pair p(o);
  say(p.dialer, pattern(1, 100));
  REQUIRE(p.dialer.push("", 0) == send_result::full);
  p.dialer.finish();
  REQUIRE(p.exchange() == no_error);
  CHECK(take_all(p.listener, p.now).size() == 1);
  CHECK(p.listener.at_end());
}

TEST_CASE("an ended conversation gives its memory back with its connection") {
  pair p;
  for (std::uint64_t i = 0; i < 50; ++i) say(p.dialer, pattern(i, 50'000));
  p.dialer.finish();
  p.listener.finish();
  for (int turns = 0; !p.done() && turns < 100; ++turns) {
    REQUIRE(p.pass(5ms) == no_error);
    take_all(p.listener, p.now);
    take_all(p.dialer, p.now);
  }
  REQUIRE(p.done());
  p.dialer.detach();
  p.listener.detach();
  CHECK(p.dialer.statistics().memory == 0);
  CHECK(p.listener.statistics().memory == 0);
}

}  // namespace session_test
