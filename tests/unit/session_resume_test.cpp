// One conversation over several connections that break wherever they can.
#include <parley/protocol/session.hpp>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "support/bytes.hpp"
#include "support/feed.hpp"
#include "support/two_sides.hpp"

namespace session_resume_test {

namespace {

using namespace std::chrono_literals;
using namespace parley::test;
using parley::errc;
using parley::options;
using parley::refuse_reason;
using parley::send_result;
using parley::protocol::chunk_size;
using parley::protocol::session;
using strings = std::vector<std::string>;

std::string refuse_frame(refuse_reason reason, std::uint64_t next) {
  return frame_of(0x03, big_endian(static_cast<unsigned>(reason), 1) + big_endian(next, 8));
}

/// What becomes of a session's messages if the conversation ends now.
struct fates {
  std::uint64_t delivered = 0;
  std::uint64_t unknown = 0;
  std::uint64_t unsent = 0;
  friend bool operator==(fates, fates) = default;
};

fates fates_in(const session& s) {
  const auto known = s.statistics();
  return {known.messages_sent - known.unacknowledged, known.unacknowledged - known.unsent,
          known.unsent};
}

}  // namespace

// --- messages ------------------------------------------------------------------------------------

TEST_CASE("a connection that ends ends no conversation") {
  pair p;
  p.cut();
  CHECK(!p.dialer.connected());
  CHECK(!p.listener.connected());
  p.reconnect();
  CHECK(p.dialer.connected());
  CHECK(p.listener.connected());
  CHECK(p.dialer.statistics().connections == 2);
  CHECK(p.listener.statistics().connections == 2);
  CHECK(p.dialer.peer_name() == "bob");
  say(p.dialer, "over the second connection");
  REQUIRE(p.exchange() == no_error);
  CHECK(take_all(p.listener, p.now) == strings{"over the second connection"});
}

TEST_CASE("a message that was lost on its way goes again, and is handed out once") {
  pair p;
  say(p.dialer, "lost");
  (void)drain(p.dialer, p.now);
  p.cut();
  p.reconnect();
  CHECK(p.dialer.again() == 1);
  CHECK(p.dialer.statistics().sent_again == 1);
  CHECK(drain(p.dialer, p.now) == message_frame(0, "lost"));
  p.resume();
  CHECK(p.dialer.again() == 1);
  CHECK(p.dialer.statistics().sent_again == 2);
  CHECK(take_all(p.listener, p.now) == strings{"lost"});
  p.resume();
  CHECK(p.dialer.again() == 0);
  CHECK(take_all(p.listener, p.now).empty());
  CHECK(p.dialer.statistics().messages_sent == 1);
}

TEST_CASE("a message that came and was not acknowledged does not go again") {
  pair p;
  say(p.dialer, "zero");
  say(p.dialer, "one");
  REQUIRE(p.exchange() == no_error);
  p.cut();
  p.reconnect();
  CHECK(p.dialer.again() == 0);
  CHECK(!p.dialer.wants_write());
  CHECK(p.dialer.statistics().sent_again == 0);
  CHECK(p.dialer.acknowledged() == 0);  // the program has not looked at them
  CHECK(take_all(p.listener, p.now) == strings{"zero", "one"});
  REQUIRE(p.pass(5ms) == no_error);
  CHECK(p.dialer.acknowledged() == 2);
}

TEST_CASE("a connection may break at every byte of what was written, and of what arrived") {
  const strings bodies{"one", "", "three"};
  const std::size_t total = 3 * overhead + 8;
  for (std::size_t written = 0; written <= total; ++written) {
    for (std::size_t arrived = 0; arrived <= written; ++arrived) {
      for (const bool dialer_says : {true, false}) {
        INFO("written " << written << ", arrived " << arrived << ", by the "
                        << (dialer_says ? "dialer" : "listener"));
        pair p;
        session& from = dialer_says ? p.dialer : p.listener;
        session& to = dialer_says ? p.listener : p.dialer;
        for (const auto& body : bodies) say(from, body);
        const auto bytes = prepared(from, p.now);
        REQUIRE(bytes.size() == total);
        from.commit_write(written, p.now);
        REQUIRE(feed(to, bytes.substr(0, arrived), p.now) == no_error);
        p.resume();
        CHECK(take_all(to, p.now) == bodies);
        REQUIRE(p.pass(5ms) == no_error);
        CHECK(from.acknowledged() == 3);
      }
    }
  }
}

TEST_CASE("a long message may be cut in every chunk, on either side") {
  const auto body = pattern(1, 5 * chunk_size);
  for (std::size_t arrived = 1; arrived < body.size(); arrived += chunk_size / 2) {
    INFO("arrived " << arrived);
    pair p;
    say(p.dialer, "before");
    say(p.dialer, body);
    say(p.dialer, "behind");
    const auto bytes = drain(p.dialer, p.now, chunk_size / 3);
    REQUIRE(feed(p.listener, bytes.substr(0, arrived), p.now, 4096) == no_error);
    p.resume();
    CHECK(take_all(p.listener, p.now) == strings{"before", body, "behind"});
  }
}

TEST_CASE("what is said while there is no connection goes out over the next one") {
  pair p;
  say(p.dialer, "before");
  REQUIRE(p.exchange() == no_error);
  p.cut();
  say(p.dialer, "meanwhile");
  say(p.listener, "here too");
  CHECK(p.dialer.push(std::string(options().max_message + 1, 'x'), 0) == send_result::too_large);
  CHECK(fates_in(p.dialer) == fates{0, 1, 1});
  p.reconnect();
  REQUIRE(p.exchange() == no_error);
  CHECK(p.dialer.again() == 0);  // it went once
  CHECK(take_all(p.listener, p.now) == strings{"before", "meanwhile"});
  CHECK(take_all(p.dialer, p.now) == strings{"here too"});
}

TEST_CASE("the peer's limit for a message binds while there is no connection") {
  auto narrow = named("bob");
  narrow.max_message = 100;
  pair p(named("ann"), narrow);
  p.cut();
  CHECK(p.dialer.push(std::string(101, 'x'), 0) == send_result::too_large);
  CHECK(p.dialer.push(std::string(100, 'x'), 0) == send_result::queued);
}

TEST_CASE("an outbox that is full stays so until a new connection brings an ack") {
  auto o = named("ann");
  o.max_message = 100;
  o.outbox = overhead + 100;
  pair p(o);
  say(p.dialer, pattern(0, 100));
  REQUIRE(p.exchange() == no_error);
  p.cut();
  CHECK(p.dialer.push("", 0) == send_result::full);
  CHECK(take_all(p.listener, p.now).size() == 1);  // released while nobody can be told
  CHECK(p.dialer.push("", 0) == send_result::full);
  p.reconnect();
  REQUIRE(p.exchange() == no_error);
  CHECK(p.dialer.push(pattern(1, 100), 0) == send_result::queued);
}

TEST_CASE("the message that a program looks at stays where it is while connections come and go") {
  pair p;
  const auto body = pattern(1, 30'000);
  say(p.dialer, body);
  say(p.dialer, "next");
  REQUIRE(p.exchange() == no_error);
  const auto held = p.listener.take(p.now);
  REQUIRE(held);
  say(p.dialer, pattern(2, 60'000));
  const auto lost = drain(p.dialer, p.now);
  REQUIRE(feed(p.listener, lost.substr(0, 40'000), p.now) == no_error);
  p.resume();
  p.resume();
  CHECK(held->body == body);
  CHECK(take_all(p.listener, p.now) == strings{"next", pattern(2, 60'000)});
}

TEST_CASE("a hundred connections in a row, with a message lost in each, lose none") {
  pair p;
  strings said;
  strings heard;
  for (std::uint64_t i = 0; i < 100; ++i) {
    said.push_back(pattern(i, i * 40));
    say(p.dialer, said.back());
    const auto bytes = drain(p.dialer, p.now);
    REQUIRE(feed(p.listener, bytes.substr(0, bytes.size() - 1), p.now) == no_error);
    for (auto& body : take_all(p.listener, p.now)) heard.push_back(body);
    p.cut();
    p.reconnect();
    CHECK(p.dialer.again() == 1);
  }
  REQUIRE(p.exchange() == no_error);
  for (auto& body : take_all(p.listener, p.now)) heard.push_back(body);
  CHECK(heard == said);
  CHECK(p.dialer.statistics().sent_again == 100);
  CHECK(p.dialer.statistics().connections == 101);
}

// --- acknowledgements ----------------------------------------------------------------------------

TEST_CASE("an ack that was lost is repeated at once over the next connection") {
  pair p;
  for (int i = 0; i < 3; ++i) say(p.dialer, "x");
  REQUIRE(p.exchange() == no_error);
  REQUIRE(p.listener.take(p.now));
  REQUIRE(p.listener.take(p.now));
  REQUIRE(p.listener.take(p.now));  // so two are released
  REQUIRE(p.listener.tick(p.now + 5ms) == no_error);
  REQUIRE(drain(p.listener, p.now + 5ms) == ack_frame(2));
  p.cut();
  p.reconnect();
  CHECK(p.dialer.acknowledged() == 0);
  CHECK(p.listener.wants_write());  // without waiting for anything
  CHECK(drain(p.listener, p.now) == ack_frame(2));
  p.resume();
  CHECK(p.dialer.acknowledged() == 2);
}

TEST_CASE("an ack that was lost in the middle is repeated whole") {
  pair p;
  say(p.dialer, "x");
  REQUIRE(p.exchange() == no_error);
  take_all(p.listener, p.now);
  REQUIRE(p.listener.tick(p.now + 5ms) == no_error);
  const auto ack = prepared(p.listener, p.now + 5ms);
  for (std::size_t i = 0; i < ack.size(); ++i) {
    p.listener.commit_write(1, p.now);
    REQUIRE(feed(p.dialer, ack.substr(i, 1), p.now) == no_error);
    if (i + 1 < ack.size()) CHECK(p.dialer.acknowledged() == 0);
  }
  CHECK(p.dialer.acknowledged() == 1);

  say(p.dialer, "y");
  REQUIRE(p.exchange() == no_error);
  take_all(p.listener, p.now);
  REQUIRE(p.listener.tick(p.now + 10ms) == no_error);
  (void)prepared(p.listener, p.now + 10ms);
  p.listener.commit_write(5, p.now);
  REQUIRE(feed(p.dialer, ack_frame(2).substr(0, 5), p.now) == no_error);
  p.resume();
  CHECK(p.dialer.acknowledged() == 2);
}

TEST_CASE("acks go on over the new connection from where the lost one stood") {
  pair p;
  for (int i = 0; i < 5; ++i) say(p.dialer, "x");
  REQUIRE(p.exchange() == no_error);
  for (int i = 0; i < 3; ++i) REQUIRE(p.listener.take(p.now));
  REQUIRE(p.listener.tick(p.now + 5ms) == no_error);
  (void)drain(p.listener, p.now + 5ms);  // an ack of 2, lost
  p.cut();
  REQUIRE(p.listener.take(p.now));  // while nobody is there
  p.reconnect();
  REQUIRE(p.listener.take(p.now));  // and before anything is written
  CHECK(drain(p.listener, p.now) == ack_frame(4));
  p.resume();
  CHECK(p.dialer.acknowledged() == 4);
  CHECK(take_all(p.listener, p.now).empty());
  REQUIRE(p.pass(5ms) == no_error);
  CHECK(p.dialer.acknowledged() == 5);
}

TEST_CASE("nothing is acknowledged anew where nothing was ever released") {
  pair p;
  say(p.dialer, "x");
  REQUIRE(p.exchange() == no_error);
  p.cut();
  p.reconnect();
  CHECK(!p.listener.wants_write());
  CHECK(!p.dialer.wants_write());
}

TEST_CASE("a window that was full is full on the next connection, until the ack is repeated") {
  auto o = named("bob");
  o.max_message = 100;
  o.window = overhead + 100;
  pair p(named("ann"), o);
  say(p.dialer, pattern(0, 100));
  say(p.dialer, pattern(1, 100));
  REQUIRE(p.exchange() == no_error);
  p.cut();
  p.reconnect();
  CHECK(!p.dialer.wants_write());  // the program has not released the first
  CHECK(take_all(p.listener, p.now) == strings{pattern(0, 100)});
  p.cut();
  p.reconnect();
  REQUIRE(p.exchange() == no_error);
  CHECK(take_all(p.listener, p.now) == strings{pattern(1, 100)});
}

TEST_CASE("pings and pongs of one connection are not written to the next") {
  pair p;
  p.dialer.ping();
  REQUIRE(feed(p.dialer, ping_frame(77, 0), p.now) == no_error);
  REQUIRE(p.dialer.wants_write());
  p.cut();
  p.reconnect();
  CHECK(!p.dialer.wants_write());
  p.dialer.ping();
  p.now += 1s;
  const auto ping = drain(p.dialer, p.now);
  p.now += 7ms;
  REQUIRE(feed(p.listener, ping, p.now) == no_error);
  REQUIRE(feed(p.dialer, drain(p.listener, p.now), p.now) == no_error);
  CHECK(p.dialer.statistics().round_trip_last == 7ms);
}

TEST_CASE("silence is counted from the new greeting") {
  pair p;
  const auto heartbeat = options().heartbeat;
  REQUIRE(p.dialer.tick(p.now + heartbeat * 2) == no_error);
  p.cut();
  p.now += 1h;
  p.reconnect();
  CHECK(p.dialer.due() == p.now + heartbeat);
  CHECK(p.listener.due() == p.now + heartbeat);
  CHECK(p.dialer.tick(p.now) == no_error);
}

TEST_CASE("the time for an answer is counted anew for each attempt") {
  pair p;
  for (int i = 0; i < 3; ++i) {
    p.cut();
    p.dialer.dial(p.now);
    CHECK(p.dialer.due() == p.now + options().handshake_timeout);
    CHECK(p.dialer.tick(p.dialer.due() - 1ns) == no_error);
    CHECK(p.dialer.tick(p.dialer.due()) == errc::handshake_timeout);
  }
}

TEST_CASE("an idle conversation gives its memory back with its connection") {
  pair p;
  say(p.dialer, pattern(1, 50'000));
  REQUIRE(p.exchange() == no_error);
  CHECK(take_all(p.listener, p.now).size() == 1);
  REQUIRE(p.pass(5ms) == no_error);
  say(p.dialer, "half of it comes");
  const auto bytes = prepared(p.dialer, p.now);
  REQUIRE(feed(p.listener, bytes.substr(0, 20), p.now) == no_error);
  p.cut();
  CHECK(p.listener.statistics().memory == 0);
  CHECK(p.dialer.statistics().memory <= 2 * chunk_size);  // what is unacknowledged
}

TEST_CASE("a read that was under way when the connection broke does not bind its memory") {
  pair p;
  (void)p.dialer.prepare_read();
  (void)p.listener.prepare_read();
  p.cut();
  CHECK(p.dialer.statistics().memory == 0);
  CHECK(p.listener.statistics().memory == 0);
}

// --- greetings -----------------------------------------------------------------------------------

TEST_CASE("hello and welcome say where each side stands") {
  pair p;
  for (int i = 0; i < 3; ++i) say(p.dialer, "from the dialer");
  for (int i = 0; i < 5; ++i) say(p.listener, "from the listener");
  REQUIRE(p.exchange() == no_error);
  REQUIRE(p.dialer.take(p.now));
  REQUIRE(p.dialer.take(p.now));
  REQUIRE(p.pass(5ms) == no_error);
  p.cut();
  p.dialer.dial(p.now);
  const auto bytes = drain(p.dialer, p.now);
  const auto h = hello_in(bytes);
  CHECK(h.session == id);
  CHECK(h.attempt == 2);
  CHECK(h.welcomed == 1);
  CHECK(h.next == 5);
  CHECK(h.base == 0);
  REQUIRE(!p.listener.answer(h, p.now));
  const auto answer = prepared(p.listener, p.now);
  parley::protocol::frame::welcome w;
  REQUIRE(!parley::protocol::frame::decode(
      std::string_view(answer).substr(4, parley::protocol::frame::read_header(answer).length), w));
  CHECK(w.session == id);
  CHECK(w.attempt == 2);
  CHECK(w.next == 3);
  CHECK(w.base == 1);
}

TEST_CASE("a welcome that is lost ten times running leaves one conversation, and loses nothing") {
  session dialer(named("ann"), id);
  session listener(named("bob"), id);
  say(dialer, "from the dialer");
  say(listener, "from the listener");
  auto now = start;
  for (std::uint32_t attempt = 1; attempt <= 10; ++attempt) {
    dialer.dial(now);
    const auto hello = drain(dialer, now);
    CHECK(hello_in(hello).attempt == attempt);
    CHECK(hello_in(hello).welcomed == 0);
    REQUIRE(!listener.answer(hello_in(hello), now));
    (void)drain(listener, now);  // the welcome and the message
    CHECK(listener.again() == (attempt == 1 ? 0 : 1));
    dialer.detach();
    listener.detach();
    now += 1s;
  }
  greet(dialer, listener, now);
  CHECK(take_all(dialer, now) == strings{"from the listener"});
  CHECK(take_all(listener, now) == strings{"from the dialer"});
  CHECK(dialer.statistics().connections == 1);
}

TEST_CASE("a refused hello leaves a conversation as it was, its connection too") {
  pair p;
  say(p.dialer, "zero");
  REQUIRE(p.exchange() == no_error);
  CHECK(take_all(p.listener, p.now).size() == 1);
  REQUIRE(p.pass(5ms) == no_error);
  say(p.listener, "on its way");
  const auto bytes = prepared(p.listener, p.now);
  p.listener.commit_write(bytes.size() / 2, p.now);

  parley::protocol::frame::hello fair;
  fair.session = id;
  fair.attempt = 2;
  fair.welcomed = 1;
  fair.base = 1;
  fair.window = static_cast<std::uint32_t>(options().window);
  fair.max_message = static_cast<std::uint32_t>(options().max_message);
  fair.heartbeat_ms = 5000;
  REQUIRE(!p.listener.check(fair));
  const auto refused = [&](auto change) {
    auto h = fair;
    change(h);
    const auto why = p.listener.answer(h, p.now);
    CHECK(p.listener.check(h) == why);
    return why;
  };
  CHECK(refused([](auto& h) { h.attempt = 1; }) == refuse_reason::stale_attempt);
  CHECK(refused([](auto& h) { h.attempt = 0; }) == refuse_reason::stale_attempt);
  CHECK(refused([](auto& h) { h.welcomed = 2; }) == refuse_reason::unknown_session);
  CHECK(refused([](auto& h) { h.next = 2; }) == refuse_reason::position);
  CHECK(refused([](auto& h) { h.next = ~std::uint64_t{0}; }) == refuse_reason::position);
  CHECK(refused([](auto& h) { h.base = 2; }) == refuse_reason::position);
  CHECK(refused([](auto& h) { --h.window; }) == refuse_reason::malformed);
  CHECK(refused([](auto& h) { h.max_message = 100; }) == refuse_reason::malformed);

  CHECK(p.listener.connected());
  CHECK(p.listener.statistics().connections == 1);
  CHECK(prepared(p.listener, p.now) == bytes.substr(bytes.size() / 2));
  p.listener.commit_write(bytes.size() - bytes.size() / 2, p.now);
  REQUIRE(feed(p.dialer, bytes, p.now) == no_error);
  CHECK(take_all(p.dialer, p.now) == strings{"on its way"});
}

TEST_CASE("a welcome that does not fit leaves the dialer's conversation as it was") {
  pair p;
  say(p.dialer, "zero");
  REQUIRE(p.exchange() == no_error);
  CHECK(take_all(p.listener, p.now).size() == 1);
  REQUIRE(p.pass(5ms) == no_error);
  p.cut();
  parley::protocol::frame::welcome fair;
  fair.session = id;
  fair.attempt = 2;
  fair.next = 1;
  fair.window = static_cast<std::uint32_t>(options().window);
  fair.max_message = static_cast<std::uint32_t>(options().max_message);
  fair.heartbeat_ms = 5000;
  const auto answered = [&](auto change) {
    p.dialer.dial(p.now);
    (void)drain(p.dialer, p.now);
    auto w = fair;
    change(w);
    const auto ec = feed(p.dialer, encode(w), p.now);
    CHECK(p.dialer.connected() == !ec);
    p.dialer.detach();
    ++fair.attempt;
    return ec;
  };
  CHECK(answered([](auto& w) { w.next = 0; }) == errc::wrong_session);  // it had acknowledged 0
  CHECK(answered([](auto& w) { w.next = 2; }) == errc::wrong_session);
  CHECK(answered([](auto& w) { w.base = 1; }) == errc::wrong_session);
  CHECK(answered([](auto& w) { ++w.window; }) == errc::wrong_session);
  CHECK(answered([](auto& w) { w.max_message = 100; }) == errc::wrong_session);
  CHECK(p.dialer.acknowledged() == 1);
  CHECK(p.dialer.statistics().connections == 1);
  CHECK(answered([](auto&) {}) == no_error);
}

TEST_CASE("the peer's word in the old greeting, and after it, is all that a new one must fit") {
  pair p;
  for (int i = 0; i < 4; ++i) say(p.listener, "x");
  REQUIRE(p.exchange() == no_error);
  REQUIRE(p.dialer.take(p.now));
  REQUIRE(p.dialer.take(p.now));
  REQUIRE(p.pass(5ms) == no_error);  // 0 is acknowledged, 1 to 3 arrived
  REQUIRE(p.listener.acknowledged() == 1);
  parley::protocol::frame::hello h;
  h.session = id;
  h.attempt = 1;
  h.window = static_cast<std::uint32_t>(options().window);
  h.max_message = static_cast<std::uint32_t>(options().max_message);
  h.heartbeat_ms = 5000;
  for (std::uint64_t next = 0; next <= 5; ++next) {
    ++h.attempt;
    h.next = next;
    INFO("next " << next);
    const bool fits = next >= 1 && next <= 4;
    CHECK(p.listener.check(h) == (fits ? std::nullopt : std::optional(refuse_reason::position)));
  }
}

// --- the goodbye ---------------------------------------------------------------------------------

TEST_CASE("a goodbye that was lost is said again") {
  pair p;
  say(p.dialer, "last");
  p.dialer.finish();
  REQUIRE(feed(p.listener, drain(p.dialer, p.now).substr(0, overhead + 4), p.now) == no_error);
  CHECK(take_all(p.listener, p.now) == strings{"last"});
  CHECK(!p.listener.at_end());
  p.resume();
  CHECK(p.dialer.again() == 0);  // messages: a goodbye is none
  CHECK(p.listener.at_end());
}

TEST_CASE("a goodbye that came twice ends the conversation once") {
  pair p;
  p.dialer.finish();
  REQUIRE(p.exchange() == no_error);
  REQUIRE(p.listener.at_end());
  p.resume();
  REQUIRE(feed(p.listener, bye_frame(0), p.now) == no_error);
  CHECK(!p.listener.take(p.now));
  REQUIRE(p.exchange() == no_error);
  CHECK(p.dialer.acknowledged() == 1);
}

TEST_CASE("goodbye may be said while there is no connection") {
  pair p;
  p.cut();
  p.dialer.finish();
  p.listener.finish();
  CHECK(p.dialer.push("late", 0) == send_result::closed);
  p.reconnect();
  REQUIRE(p.exchange() == no_error);
  (void)p.dialer.take(p.now);
  (void)p.listener.take(p.now);
  REQUIRE(p.exchange() == no_error);
  CHECK(p.done());
}

TEST_CASE("a conversation comes to its end wherever its connections break") {
  // All in steps of one byte, with a break after every so many. Less than a welcome, and for each
  // side an ack and the longest message, would never get on.
  constexpr std::size_t least = 4 + 48 + 3 + 2 * (overhead + overhead + 5);
  for (std::size_t interval = least; interval <= 400; ++interval) {
    INFO("a break after every " << interval << " bytes");
    session dialer(named("ann"), id);
    session listener(named("bob"), id);
    auto now = start;
    for (session* s : {&dialer, &listener}) {
      for (const auto* body : {"one", "two", "three"}) say(*s, body);
      s->finish();
    }
    strings heard_by_dialer;
    strings heard_by_listener;
    int connections = 0;
    while (!(dialer.output_done() && listener.output_done())) {
      REQUIRE(++connections < 100);
      std::size_t left = interval;
      dialer.dial(now);
      const auto hello = drain(dialer, now);
      REQUIRE(!listener.answer(hello_in(hello), now));
      bool dialer_next = false;
      while (left != 0 && (dialer.wants_write() || listener.wants_write())) {
        session& from = dialer_next ? dialer : listener;
        session& to = dialer_next ? listener : dialer;
        dialer_next = !dialer_next;
        if (!from.wants_write()) continue;
        const auto byte = prepared(from, now).substr(0, 1);
        from.commit_write(1, now);
        REQUIRE(feed(to, byte, now) == no_error);
        --left;
        if (left % 7 == 0) {  // the programs come by
          for (auto& body : take_all(dialer, now)) heard_by_dialer.push_back(body);
          for (auto& body : take_all(listener, now)) heard_by_listener.push_back(body);
        }
      }
      for (auto& body : take_all(dialer, now)) heard_by_dialer.push_back(body);
      for (auto& body : take_all(listener, now)) heard_by_listener.push_back(body);
      if (left != 0 && exchange(dialer, listener, now) == no_error && dialer.output_done()) break;
      dialer.detach();
      listener.detach();
      now += 1s;
    }
    CHECK(heard_by_dialer == strings{"one", "two", "three"});
    CHECK(heard_by_listener == strings{"one", "two", "three"});
    CHECK(fates_in(dialer) == fates{3, 0, 0});
    CHECK(fates_in(listener) == fates{3, 0, 0});
  }
}

TEST_CASE("a conversation is settled once nothing of it can be lost, and not before") {
  pair p;
  say(p.dialer, "last");
  p.dialer.finish();
  REQUIRE(p.exchange() == no_error);
  CHECK(!p.dialer.settled());
  CHECK(take_all(p.listener, p.now) == strings{"last"});  // and the goodbye
  REQUIRE(p.exchange() == no_error);
  CHECK(!p.dialer.settled());    // the peer has said no goodbye
  CHECK(!p.listener.settled());  // neither has this side
  say(p.listener, "mine");
  p.listener.finish();
  REQUIRE(p.exchange() == no_error);
  CHECK(!p.listener.settled());
  CHECK(!p.dialer.settled());
  REQUIRE(p.dialer.take(p.now));
  CHECK(!p.dialer.settled());  // the program still looks at the last message
  REQUIRE(!p.dialer.take(p.now));
  CHECK(p.dialer.settled());
  CHECK(!p.listener.settled());  // the ack is not there
  p.cut();
  CHECK(p.dialer.settled());
  p.reconnect();
  REQUIRE(p.exchange() == no_error);
  CHECK(p.listener.settled());
  CHECK(p.done());
}

TEST_CASE("who only lacks the ack of his goodbye is settled") {
  pair p;
  say(p.dialer, "last");
  p.dialer.finish();
  p.listener.finish();
  (void)drain(p.listener, p.now);
  REQUIRE(feed(p.listener, drain(p.dialer, p.now), p.now) == no_error);
  REQUIRE(feed(p.dialer, bye_frame(0) + ack_frame(1), p.now) == no_error);
  (void)p.dialer.take(p.now);
  CHECK(p.dialer.settled());
  CHECK(!p.dialer.output_done());
  CHECK(fates_in(p.dialer) == fates{1, 0, 0});
}

TEST_CASE("the last word that was lost is said again over the next connection") {
  pair p;
  say(p.dialer, "last");
  p.dialer.finish();
  p.listener.finish();
  REQUIRE(p.exchange() == no_error);
  (void)p.dialer.take(p.now);
  CHECK(take_all(p.listener, p.now).size() == 1);
  REQUIRE(feed(p.dialer, drain(p.listener, p.now), p.now) == no_error);
  REQUIRE(feed(p.listener, drain(p.dialer, p.now), p.now) == no_error);
  const auto word = refuse_frame(refuse_reason::ended, 2);
  REQUIRE(drain(p.listener, p.now) == word);
  REQUIRE(!p.listener.output_done());
  REQUIRE(!p.dialer.output_done());
  p.cut();
  p.reconnect();
  CHECK(!p.listener.output_done());
  const auto again = drain(p.listener, p.now);
  CHECK(again == ack_frame(2) + word);
  REQUIRE(feed(p.dialer, again, p.now) == no_error);
  REQUIRE(p.exchange() == no_error);
  CHECK(p.done());
  CHECK(fates_in(p.dialer) == fates{1, 0, 0});
}

// --- the end at once -----------------------------------------------------------------------------

TEST_CASE("who ends the conversation at once says how far it had come") {
  pair p;
  for (int i = 0; i < 3; ++i) say(p.dialer, "x");
  REQUIRE(p.exchange() == no_error);
  for (int i = 0; i < 3; ++i) REQUIRE(p.listener.take(p.now));
  REQUIRE(p.listener.abandon());
  REQUIRE(p.listener.wants_write());
  const auto last = prepared(p.listener, p.now);
  CHECK(last == refuse_frame(refuse_reason::ended, 2));
  CHECK(feed(p.dialer, last, p.now) == errc::ended_by_peer);
  CHECK(fates_in(p.dialer) == fates{2, 1, 0});
  CHECK(p.dialer.acknowledged() == 2);
}

TEST_CASE("the end at once goes ahead of what is queued, and cuts nothing in two") {
  pair p;
  say(p.dialer, "queued");
  REQUIRE(p.dialer.abandon());
  CHECK(prepared(p.dialer, p.now).starts_with(refuse_frame(refuse_reason::ended, 0)));

  pair q;
  say(q.dialer, "being written");
  (void)prepared(q.dialer, q.now);
  q.dialer.commit_write(5, q.now);
  CHECK(!q.dialer.abandon());
  CHECK(prepared(q.dialer, q.now) == message_frame(0, "being written").substr(5));

  pair r;
  r.dialer.ping();
  (void)prepared(r.dialer, r.now);
  r.dialer.commit_write(5, r.now);
  CHECK(!r.dialer.abandon());
  CHECK(prepared(r.dialer, r.now) == ping_frame(1, 0).substr(5));
}

TEST_CASE("nobody is told of the end before the greetings, or without a connection") {
  session s(named("ann"), id);
  CHECK(!s.abandon());
  s.dial(start);
  CHECK(!s.abandon());
  (void)drain(s);
  CHECK(!s.abandon());
  pair p;
  p.cut();
  CHECK(!p.dialer.abandon());
  CHECK(!p.listener.abandon());
}

TEST_CASE("a refusal that says how far the peer had come tells what was delivered") {
  const auto answered = [](std::uint64_t next, bool greeted) {
    pair p;
    for (int i = 0; i < 4; ++i) say(p.dialer, "x");
    REQUIRE(p.exchange() == no_error);
    REQUIRE(feed(p.dialer, ack_frame(1), p.now) == no_error);
    say(p.dialer, "never sent");
    if (!greeted) {
      p.cut();
      p.dialer.dial(p.now);
      (void)drain(p.dialer, p.now);
    }
    const auto ec = feed(p.dialer, refuse_frame(refuse_reason::ended, next), p.now);
    CHECK(ec == (greeted ? errc::ended_by_peer : errc::refused_ended));
    return fates_in(p.dialer);
  };
  constexpr auto unknown = std::numeric_limits<std::uint64_t>::max();
  for (const bool greeted : {true, false}) {
    INFO((greeted ? "in the conversation" : "instead of a welcome"));
    CHECK(answered(1, greeted) == fates{1, 3, 1});
    CHECK(answered(3, greeted) == fates{3, 1, 1});
    CHECK(answered(4, greeted) == fates{4, 0, 1});
    CHECK(answered(unknown, greeted) == fates{1, 3, 1});
    CHECK(answered(5, greeted) == fates{1, 3, 1});  // it was never sent: not to be believed
    CHECK(answered(0, greeted) == fates{1, 3, 1});  // acknowledged further already
  }
}

TEST_CASE("a refusal with the goodbye's number settles a conversation whose last ack was lost") {
  pair p;
  say(p.dialer, "last");
  p.dialer.finish();
  p.listener.finish();
  REQUIRE(p.exchange() == no_error);
  (void)p.dialer.take(p.now);
  CHECK(take_all(p.listener, p.now).size() == 1);
  p.cut();
  CHECK(!p.dialer.settled());
  p.dialer.dial(p.now);
  (void)drain(p.dialer, p.now);
  CHECK(feed(p.dialer, refuse_frame(refuse_reason::ended, p.listener.released()), p.now) ==
        errc::refused_ended);
  CHECK(p.dialer.settled());
  CHECK(fates_in(p.dialer) == fates{1, 0, 0});
}

TEST_CASE("a refusal keeps the text that it came with") {
  pair p;
  const auto bytes = frame_of(0x03, hex("03 ffffffffffffffff") + "not now");
  CHECK(feed(p.dialer, bytes, p.now) == errc::ended_by_peer);
  CHECK(p.dialer.refusal() == "not now");
}

// --- what is known of each message ---------------------------------------------------------------

TEST_CASE("a new greeting tells which of the messages that may have come have not") {
  pair p;
  for (int i = 0; i < 5; ++i) say(p.dialer, "x");
  const auto bytes = drain(p.dialer, p.now);
  say(p.dialer, "queued");
  REQUIRE(feed(p.listener, bytes.substr(0, 3 * (overhead + 1)), p.now) == no_error);
  REQUIRE(p.listener.take(p.now));
  REQUIRE(p.listener.take(p.now));
  CHECK(fates_in(p.dialer) == fates{0, 5, 1});
  p.cut();
  CHECK(fates_in(p.dialer) == fates{0, 5, 1});
  p.reconnect();
  CHECK(fates_in(p.dialer) == fates{0, 3, 3});  // 3 and 4 have not come
  CHECK(p.dialer.again() == 2);
  REQUIRE(feed(p.dialer, drain(p.listener, p.now), p.now) == no_error);
  CHECK(fates_in(p.dialer) == fates{1, 2, 3});  // the ack is repeated
  (void)drain(p.dialer, p.now);
  CHECK(fates_in(p.dialer) == fates{1, 5, 0});
}

TEST_CASE("the same is told in the other direction") {
  pair p;
  for (int i = 0; i < 5; ++i) say(p.listener, "x");
  const auto bytes = drain(p.listener, p.now);
  REQUIRE(feed(p.dialer, bytes.substr(0, 3 * (overhead + 1) - 1), p.now) == no_error);
  p.cut();
  p.dialer.dial(p.now);
  const auto hello = drain(p.dialer, p.now);
  REQUIRE(!p.listener.answer(hello_in(hello), p.now));
  CHECK(fates_in(p.listener) == fates{0, 2, 3});
  CHECK(p.listener.again() == 3);
}

}  // namespace session_resume_test
