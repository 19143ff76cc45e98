// Conversations that go on over further connections: a real listener, and dialers by hand; then the
// other way round.
#include <parley/detail/session_registry.hpp>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <parley/dial.hpp>
#include <parley/listener.hpp>

#include "support/by_hand.hpp"
#include "support/bytes.hpp"
#include "support/loopback.hpp"
#include "support/manual_clock.hpp"
#include "support/run.hpp"

namespace resume_test {

namespace {

using namespace std::chrono_literals;
using parley::any_socket;
using parley::errc;
using parley::event;
using parley::options;
using parley::state;
using parley::test::ack_frame;
using parley::test::bye_frame;
using parley::test::hear_all;
using parley::test::hear_frame;
using parley::test::launch;
using parley::test::manual_clock;
using parley::test::message_frame;
using parley::test::refusal_in;
using parley::test::run_until;
using parley::test::say;
using parley::test::served;
using parley::test::transport;
using parley::test::welcome_in;
namespace frame = parley::protocol::frame;
using reason = parley::refuse_reason;

constexpr std::uint64_t not_known = frame::unknown_position;

/// Where a dialer by hand says that it stands.
struct place {
  std::uint32_t attempt = 1;
  std::uint32_t welcomed = 0;
  std::uint64_t next = 0;
  std::uint64_t base = 0;
};

frame::hello hello_at(place p, unsigned char session = 7) {
  frame::hello h;
  h.session.fill(session);
  h.attempt = p.attempt;
  h.welcomed = p.welcomed;
  h.next = p.next;
  h.base = p.base;
  h.window = 1U << 20U;
  h.max_message = 1U << 16U;
  h.heartbeat_ms = 60'000;
  return h;
}

/// An event, without what is gone after it.
struct told {
  event::kind what;
  std::error_code reason;
  std::chrono::milliseconds delay;
  std::uint64_t again;
};

/// Keeps what a program is told.
struct watcher {
  options watched(options o) {
    o.on_event = [this](const event& e) { events.push_back({e.what, e.reason, e.delay, e.again}); };
    return o;
  }
  [[nodiscard]] std::vector<told> events_of(event::kind k) const {
    std::vector<told> found;
    for (const auto& t : events)
      if (t.what == k) found.push_back(t);
    return found;
  }

  std::vector<told> events;
};

/// A listener and dialers by hand.
template <typename Clock = std::chrono::steady_clock>
struct house : watcher {
  using peer = parley::basic_peer<any_socket, parley::session, Clock>;

  explicit house(options o = {}) : server(context, transport::ipv4, watched(std::move(o))) {}

  template <typename T>
  T run(asio::awaitable<T> work) {
    return parley::test::run(context, std::move(work));
  }

  /// A connection on which this hello was said.
  any_socket call(const frame::hello& h) {
    any_socket s = server.connect(context);
    run(say(s, frame::encode(h)));
    return s;
  }
  any_socket call(place p) { return call(hello_at(p)); }

  std::string hear(any_socket& s) { return run(hear_frame(s)); }

  /// The first conversation, and its connection.
  any_socket begin() {
    any_socket s = call(place{});
    (void)welcome_in(hear(s));
    here = run(server.listener.accept());
    return s;
  }

  /// How this listener refuses such a hello.
  frame::refusal refused(const frame::hello& h) {
    any_socket s = call(h);
    const auto bytes = hear(s);
    auto r = refusal_in(bytes);
    r.text = {};
    return r;
  }
  frame::refusal refused(place p) { return refused(hello_at(p)); }

  /// The next message that the program receives.
  std::string receive() {
    const auto m = run(here.receive());
    return m ? std::string(m->body) : "goodbye";
  }
  /// Shows that the conversation goes on over `s`, where the next numbers are these.
  void check_works(any_socket& s, std::uint64_t from_caller, std::uint64_t from_here) {
    run(say(s, message_frame(from_caller, "question")));
    CHECK(receive() == "question");
    (void)here.try_send("answer");
    here.flush();
    CHECK(next_message(s) == message_frame(from_here, "answer"));
  }
  /// The next frame that is a message; acks may come at any time.
  std::string next_message(any_socket& s) {
    for (;;) {
      auto bytes = hear(s);
      if (frame::read_header(bytes).is_message()) return bytes;
      REQUIRE(frame::read_header(bytes).is(frame::type::ack));
    }
  }

  void wait_until_away() {
    run_until(context, [&] { return here.state() == state::away; });
  }
  void wait_until_ended() {
    run_until(context, [&] { return here.ended(); });
  }
  asio::io_context context;  // first: it must outlive all that waits on it
  served<parley::session, Clock> server;
  peer here;
};

}  // namespace

// --- coming back ---------------------------------------------------------------------------------

TEST_CASE("who comes back is told where the listener stands, and gets what it lacks") {
  house<> h;
  auto first = h.begin();
  h.run(say(first, message_frame(0, "zero") + message_frame(1, "one") +
                       message_frame(2, "cut").substr(0, 13)));
  CHECK(h.receive() == "zero");
  CHECK(h.receive() == "one");  // so "zero" is released
  for (const auto* body : {"a", "b", "c"}) (void)h.here.try_send(body);
  h.here.flush();
  CHECK(h.next_message(first) == message_frame(0, "a"));
  CHECK(h.next_message(first) == message_frame(1, "b"));
  CHECK(h.next_message(first) == message_frame(2, "c"));
  first.close();
  h.wait_until_away();
  (void)h.here.try_send("d");

  auto second = h.call(place{.attempt = 2, .welcomed = 1, .next = 1, .base = 0});
  const auto bytes = h.hear(second);
  const auto w = welcome_in(bytes);
  CHECK(w.session == hello_at({}).session);
  CHECK(w.attempt == 2);
  CHECK(w.next == 2);  // what was cut has not arrived
  CHECK(w.base == 0);  // nothing was acknowledged
  std::vector<std::string> messages;
  std::string acks;
  while (messages.size() < 3 || acks.empty()) {
    auto heard = h.hear(second);
    if (frame::read_header(heard).is_message())
      messages.push_back(std::move(heard));
    else
      acks += heard;
  }
  CHECK(messages == std::vector<std::string>{message_frame(1, "b"), message_frame(2, "c"),
                                             message_frame(3, "d")});
  CHECK(acks == ack_frame(1));  // the last one may have been lost
  CHECK(h.here.state() == state::connected);
  CHECK(h.here.statistics().sent_again == 2);
  CHECK(h.here.statistics().connections == 2);

  // What the dialer sends again is taken once.
  h.run(say(second, message_frame(1, "one") + message_frame(2, "two")));
  CHECK(h.receive() == "two");
  h.check_works(second, 3, 4);
}

TEST_CASE("the program is told of the loss and of the return") {
  options o;
  o.resume_for = 5min;
  house<> h(o);
  auto first = h.begin();
  (void)h.here.try_send("lost");
  h.here.flush();
  first.close();  // with bytes unread, which resets
  h.wait_until_away();
  auto second = h.call(place{.attempt = 2, .welcomed = 1});
  (void)welcome_in(h.hear(second));
  const auto lost = h.events_of(event::kind::lost);
  REQUIRE(lost.size() == 1);
  CHECK(lost[0].reason);
  CHECK(lost[0].delay == 5min);
  const auto resumed = h.events_of(event::kind::resumed);
  REQUIRE(resumed.size() == 1);
  CHECK(resumed[0].again == 1);
  CHECK(h.events_of(event::kind::connected).size() == 1);
  CHECK(h.events_of(event::kind::ended).empty());
}

TEST_CASE("a connection that nobody has noticed to be dead makes way at once") {
  house<> h;
  auto first = h.begin();
  h.run(say(first, message_frame(0, "zero") + message_frame(1, "half of it").substr(0, 15)));
  CHECK(h.receive() == "zero");
  auto second = h.call(place{.attempt = 2, .welcomed = 1});
  const auto bytes = h.hear(second);
  CHECK(welcome_in(bytes).next == 1);
  (void)h.run(hear_all(first));  // its end
  const auto lost = h.events_of(event::kind::lost);
  REQUIRE(lost.size() == 1);
  CHECK(lost[0].reason == errc::superseded);
  CHECK(h.here.state() == state::connected);
  h.check_works(second, 1, 0);
}

TEST_CASE("what the old connection still brings is counted or dropped, never both") {
  for (std::uint64_t count = 1; count <= 50; ++count) {
    CAPTURE(count);
    house<> h;
    auto first = h.begin();
    std::string sent;
    for (std::uint64_t i = 0; i < count; ++i) sent += message_frame(i, std::to_string(i));
    h.run(say(first, sent));
    auto second = h.call(place{.attempt = 2, .welcomed = 1});
    const auto bytes = h.hear(second);
    const auto next = welcome_in(bytes).next;
    REQUIRE(next <= count);
    sent.clear();
    for (std::uint64_t i = next; i <= count; ++i) sent += message_frame(i, std::to_string(i));
    h.run(say(second, sent));
    for (std::uint64_t i = 0; i <= count; ++i) CHECK(h.receive() == std::to_string(i));
    CHECK_FALSE(h.here.try_receive());
  }
}

TEST_CASE("the newest attempt wins, however many come at once") {
  house<> h;
  auto first = h.begin();
  std::vector<any_socket> later;
  for (std::uint32_t attempt = 2; attempt <= 20; ++attempt) {
    later.push_back(h.server.connect(h.context));
    later.back().write_some(asio::buffer(frame::encode(hello_at({attempt, 1}))));
  }
  (void)welcome_in(h.hear(later.back()));
  for (std::size_t i = 0; i + 1 < later.size(); ++i) (void)h.run(hear_all(later[i]));
  (void)h.run(hear_all(first));
  CHECK(h.here.state() == state::connected);
  h.check_works(later.back(), 0, 0);
}

TEST_CASE("a welcome that is lost ten times running leaves one conversation") {
  house<> h;
  auto accepting = launch(h.context, h.server.listener.accept());
  const bool in_order = GENERATE(true, false);  // the old connection's end is noticed first
  for (std::uint32_t attempt = 1; attempt <= 10; ++attempt) {
    auto s = h.call(place{.attempt = attempt});
    run_until(h.context, [&] { return s.available() != 0; });  // the welcome is there
    if (attempt == 1) {
      run_until(h.context, [&] { return accepting.done(); });
      h.here = accepting.get();
      (void)h.here.try_send("hello");
      h.here.flush();
    }
    s.close();
    if (in_order) h.wait_until_away();
  }
  auto another = launch(h.context, h.server.listener.accept());
  auto s = h.call(place{.attempt = 11});
  const auto bytes = h.hear(s);
  CHECK(welcome_in(bytes).attempt == 11);
  CHECK(h.hear(s) == message_frame(0, "hello"));
  h.check_works(s, 0, 1);
  CHECK_FALSE(another.done());
  CHECK(h.here.statistics().connections == 11);
}

TEST_CASE("who comes back gets in although there is no room for others") {
  options one;
  one.max_peers = 1;
  house<> h(one);
  auto first = h.begin();
  first.close();
  h.wait_until_away();
  CHECK(h.refused(hello_at({}, 8)).reason == reason::busy);  // the place is kept
  auto second = h.call(place{.attempt = 2, .welcomed = 1});
  (void)welcome_in(h.hear(second));
  h.check_works(second, 0, 0);
  CHECK(h.refused(hello_at({}, 8)).reason == reason::busy);
}

// --- refused -------------------------------------------------------------------------------------

namespace {

/// A conversation in which both sides have said something, and refusals that must not harm it.
struct running : house<> {
  any_socket caller;

  running() : caller(begin()) {
    run(say(caller, message_frame(0, "zero") + message_frame(1, "one")));
    CHECK(receive() == "zero");
    CHECK(receive() == "one");
    for (const auto* body : {"a", "b", "c"}) (void)here.try_send(body);
    here.flush();
    for (int i = 0; i < 3; ++i) (void)next_message(caller);
    run(say(caller, ack_frame(1)));
    run_until(context, [&] { return here.delivered_count() == 1; });
  }

  /// The listener has received 0 and 1 and released 0; it holds 1 and 2 for the peer.
  void check_unharmed() {
    CHECK(here.state() == state::connected);
    CHECK(here.statistics().connections == 1);
    CHECK(events_of(event::kind::lost).empty());
    check_works(caller, 2, 3);
  }
};

}  // namespace

TEST_CASE("an attempt that is not the newest is refused, and harms nobody") {
  running h;
  for (const std::uint32_t attempt : {0U, 1U}) {
    const auto r = h.refused(place{.attempt = attempt, .welcomed = 1, .next = 1});
    CHECK(r.reason == reason::stale_attempt);
    CHECK(r.next == 1);
  }
  CHECK(h.refused(place{}).reason == reason::stale_attempt);  // a hello that came twice
  h.check_unharmed();
}

TEST_CASE("positions that cannot be are refused, and harm nobody") {
  running h;
  const auto at = [](std::uint64_t next, std::uint64_t base) {
    return place{.attempt = 2, .welcomed = 1, .next = next, .base = base};
  };
  for (const auto& p : {at(0, 0), at(4, 0), at(not_known, 0), at(1, 3), at(1, not_known)}) {
    CAPTURE(p.next, p.base);
    const auto r = h.refused(p);
    CHECK(r.reason == reason::position);
    CHECK(r.next == 1);
  }
  h.check_unharmed();
  auto fair = h.call(at(1, 2));
  (void)welcome_in(h.hear(fair));
}

TEST_CASE("limits that change within a session are refused, and harm nobody") {
  running h;
  auto hello = hello_at({.attempt = 2, .welcomed = 1, .next = 1});
  hello.window += 1;
  CHECK(h.refused(hello).reason == reason::malformed);
  hello.window -= 1;
  hello.max_message -= 1;
  CHECK(h.refused(hello).reason == reason::malformed);
  h.check_unharmed();
}

TEST_CASE("a session that this listener did not welcome is not known") {
  running h;
  const auto r = h.refused(hello_at({.attempt = 2, .welcomed = 1}, 8));
  CHECK(r.reason == reason::unknown_session);
  CHECK(r.next == not_known);
  // Its id is known here, but the attempt that it speaks of is not.
  CHECK(h.refused(place{.attempt = 9, .welcomed = 5, .next = 1}).reason == reason::unknown_session);
  h.check_unharmed();
}

TEST_CASE("who asks for a conversation that was ended at once learns how far it had come") {
  running h;
  h.here.abort();
  // The caller is told at once, if it still listens.
  std::string last;
  while (!frame::read_header(last = h.hear(h.caller)).is(frame::type::refuse)) {
  }
  CHECK(refusal_in(last).reason == reason::ended);
  CHECK(refusal_in(last).next == 1);
  CHECK(h.run(hear_all(h.caller)).empty());
  for (std::uint32_t attempt = 2; attempt <= 4; ++attempt) {
    const auto r = h.refused(place{.attempt = attempt, .welcomed = 1, .next = 1});
    CHECK(r.reason == reason::ended);
    CHECK(r.next == 1);
  }
  CHECK(h.refused(place{}).reason == reason::ended);  // nor can it begin anew
}

TEST_CASE("a conversation that is ended while its peer is away is told as ended too") {
  running h;
  h.caller.close();
  h.wait_until_away();
  h.here.abort();
  const auto r = h.refused(place{.attempt = 2, .welcomed = 1, .next = 1});
  CHECK(r.reason == reason::ended);
  CHECK(r.next == 1);
}

TEST_CASE("who has missed the last word after both goodbyes learns that all had come") {
  house<> h;
  auto caller = h.begin();
  h.run(say(caller, message_frame(0, "zero") + bye_frame(1)));
  CHECK(h.receive() == "zero");
  CHECK(h.receive() == "goodbye");
  h.here.finish();
  std::string heard;
  while (heard != bye_frame(0)) heard = h.hear(caller);
  SECTION("the ack of its goodbye came through") {
    h.run(say(caller, ack_frame(1)));
    h.wait_until_ended();
    CHECK_FALSE(h.here.reason());
    caller.close();
    const auto r = h.refused(place{.attempt = 2, .welcomed = 1, .next = 1, .base = 2});
    CHECK(r.reason == reason::ended);
    CHECK(r.next == 2);
  }
  SECTION("the ack was lost: the dialer comes back and says so") {
    caller.close();
    h.wait_until_away();
    auto again = h.call(place{.attempt = 2, .welcomed = 1, .next = 1, .base = 0});
    (void)welcome_in(h.hear(again));
    CHECK(h.hear(again) == ack_frame(2));
    h.run(say(again, ack_frame(1)));
    const auto word = h.hear(again);
    CHECK(refusal_in(word).reason == reason::ended);
    CHECK(refusal_in(word).next == 2);
    again.close();
    h.wait_until_ended();
    CHECK_FALSE(h.here.reason());
  }
}

TEST_CASE("who comes back too late is told that the time is over, and how far all had come") {
  house<manual_clock> h;
  auto caller = h.begin();
  h.run(say(caller, message_frame(0, "zero") + message_frame(1, "one")));
  CHECK(h.receive() == "zero");
  CHECK(h.receive() == "one");
  caller.close();
  h.wait_until_away();
  manual_clock::advance(h.context, options().resume_for - 1ms);
  CHECK(h.here.state() == state::away);
  manual_clock::advance(h.context, 1ms);
  REQUIRE(h.here.ended());
  CHECK(h.here.reason() == errc::not_back);
  const place late{.attempt = 2, .welcomed = 1};
  CHECK(h.refused(late).reason == reason::expired);
  CHECK(h.refused(late).next == 1);
  // That too is remembered for a time.
  manual_clock::advance(h.context, options().resume_for);
  CHECK(h.refused(late).reason == reason::unknown_session);
}

TEST_CASE("each loss gives the whole time anew") {
  house<manual_clock> h;
  auto caller = h.begin();
  for (std::uint32_t attempt = 2; attempt <= 5; ++attempt) {
    caller.close();
    h.wait_until_away();
    manual_clock::advance(h.context, options().resume_for - 1ms);
    caller = h.call(place{.attempt = attempt, .welcomed = attempt - 1});
    (void)welcome_in(h.hear(caller));
  }
  CHECK(h.here.state() == state::connected);
}

TEST_CASE("with no time to come back a conversation ends with its connection, and is forgotten") {
  options o;
  o.resume_for = 0ms;
  house<> h(o);
  auto caller = h.begin();
  caller.close();
  h.wait_until_ended();
  CHECK(h.here.reason() == errc::disconnected);
  CHECK(h.events_of(event::kind::lost).empty());
  CHECK(h.refused(place{.attempt = 2, .welcomed = 1}).reason == reason::unknown_session);
}

// --- the listener closes -------------------------------------------------------------------------

TEST_CASE("a listener that closes ends the conversations whose peers are away") {
  house<> h;
  auto caller = h.begin();
  auto waiting = launch(h.context, h.here.receive());
  caller.close();
  h.wait_until_away();
  h.server.listener.close();
  h.wait_until_ended();
  CHECK(h.here.reason() == errc::disconnected);  // what the last connection ended with
  run_until(h.context, [&] { return waiting.done(); });
  CHECK_THROWS_AS(waiting.get(), std::system_error);
}

TEST_CASE("a conversation that outlives its listener ends with its connection") {
  house<> h;
  auto caller = h.begin();
  h.server.listener.close();
  h.check_works(caller, 0, 0);
  caller.close();
  h.wait_until_ended();
  CHECK(h.here.reason());
}

// --- one session, two dialers --------------------------------------------------------------------

namespace {

using conversation = parley::peer::conversation_type;

using dialer = parley::detail::dialer<any_socket, parley::tcp_connector, std::chrono::steady_clock,
                                      conversation>;

/// A real dialer's side of a session of our choice.
parley::peer dial_as(asio::io_context& context, const frame::session_id& id, unsigned short port) {
  const auto settings = std::make_shared<const options>();
  const auto c = std::make_shared<conversation>(context.get_executor(), settings, id);
  parley::tcp_connector to{"127.0.0.1", std::to_string(port)};
  const auto d = std::make_shared<dialer>(std::move(to), c);
  parley::detail::spawn(context.get_executor(), dialer::run(d));
  return parley::peer(c);
}

}  // namespace

TEST_CASE("of two dialers with one session's id the later is refused, the first goes on") {
  house<> h;
  const auto id = hello_at({}).session;
  auto first = dial_as(h.context, id, h.server.port());
  h.here = h.run(h.server.listener.accept());
  (void)first.try_send("zero");
  CHECK(h.receive() == "zero");
  auto second = dial_as(h.context, id, h.server.port());
  (void)second.try_send("zero");
  run_until(h.context, [&] { return second.ended(); });
  CHECK(second.reason() == errc::refused_stale_attempt);
  (void)first.try_send("one");
  CHECK(h.receive() == "one");
  CHECK(h.here.statistics().connections == 1);
  CHECK(first.state() == state::connected);
}

TEST_CASE("of a dialer and its copy one goes on, and no message is handed out twice") {
  house<> h;
  const auto id = hello_at({}).session;
  auto first = dial_as(h.context, id, h.server.port());
  h.here = h.run(h.server.listener.accept());
  for (const auto* body : {"zero", "one", "two"}) (void)first.try_send(body);
  CHECK(h.receive() == "zero");
  CHECK(h.receive() == "one");
  // The copy was made when "one" was not sent yet, and says it again.
  auto hello = hello_at({.attempt = 2, .welcomed = 1});
  hello.window = static_cast<std::uint32_t>(options().window);
  hello.max_message = static_cast<std::uint32_t>(options().max_message);
  auto copy = h.call(hello);
  const auto bytes = h.hear(copy);
  CHECK(welcome_in(bytes).next == 3);
  h.run(say(copy, message_frame(1, "one, again") + message_frame(2, "two, again") +
                      message_frame(3, "three")));
  run_until(h.context, [&] { return first.ended(); });
  CHECK(first.reason() == errc::refused_stale_attempt);
  CHECK(h.receive() == "two");
  CHECK(h.receive() == "three");
  CHECK_FALSE(h.here.try_receive());
  CHECK(h.here.state() == state::connected);
  h.check_works(copy, 4, 0);
}

// --- a real dialer, and a listener by hand -------------------------------------------------------

namespace {

/// A listener by hand, and what it heard last.
template <typename Clock = std::chrono::steady_clock>
struct counter : watcher {
  using peer = parley::basic_peer<any_socket, parley::session, Clock>;

  explicit counter(options o = {}) {
    parley::tcp_connector to{"127.0.0.1", std::to_string(acceptor.local_endpoint().port())};
    auto dialing =
        launch(context, parley::dial<parley::session, Clock>(std::move(to), watched(std::move(o))));
    take_call();
    welcome({});
    run_until(context, [&] { return dialing.done(); });
    there = dialing.get();
  }

  template <typename T>
  T run(asio::awaitable<T> work) {
    return parley::test::run(context, std::move(work));
  }
  asio::awaitable<void> accept() { caller = co_await acceptor.async_accept(asio::use_awaitable); }
  /// The dialer's next connection, and its hello.
  void take_call() {
    run(accept());
    hello_bytes = run(hear_frame(caller));
    REQUIRE_FALSE(frame::decode(std::string_view(hello_bytes).substr(frame::header_size), hello));
  }
  void welcome(place at) {
    frame::welcome w;
    w.session = hello.session;
    w.attempt = hello.attempt;
    w.next = at.next;
    w.base = at.base;
    w.window = 1U << 20U;
    w.max_message = 1U << 16U;
    w.heartbeat_ms = 60'000;
    run(say(caller, frame::encode(w)));
  }
  void refuse(reason why, std::uint64_t next = not_known) {
    run(say(caller, frame::encode(frame::refusal{why, next, {}})));
    caller.close();
  }

  asio::io_context context;
  asio::ip::tcp::acceptor acceptor{context,
                                   asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
  any_socket caller{context};
  std::string hello_bytes;
  frame::hello hello;
  peer there;
};

}  // namespace

TEST_CASE("a dialer that lost its connection comes back by itself and says where it stands") {
  counter<> c;
  for (const auto* body : {"a", "b", "c"}) (void)c.there.try_send(body);
  c.there.flush();
  for (std::uint64_t i = 0; i < 3; ++i)
    CHECK(c.run(hear_frame(c.caller)) == message_frame(i, std::string(1, "abc"[i])));
  c.run(say(c.caller, ack_frame(1) + message_frame(0, "zero")));
  const auto m = c.run(c.there.receive());
  REQUIRE(m);
  CHECK(m->body == "zero");
  const auto session = c.hello.session;
  c.caller.close();
  c.take_call();
  CHECK(c.hello.session == session);
  CHECK(c.hello.attempt == 2);
  CHECK(c.hello.welcomed == 1);
  CHECK(c.hello.next == 1);
  CHECK(c.hello.base == 1);
  CHECK(c.there.state() == state::away);
  c.welcome({.next = 2, .base = 0});
  CHECK(c.run(hear_frame(c.caller)) == message_frame(2, "c"));
  CHECK(c.there.state() == state::connected);
  CHECK(c.events.back().what == event::kind::resumed);
  CHECK(c.events.back().again == 1);
}

TEST_CASE("a dialer is patient with a listener that is busy, or has nobody there for a time") {
  options o;
  o.retry_most = 1ms;
  counter<> c(o);
  c.caller.close();
  for (std::uint32_t attempt = 2; attempt <= 6; ++attempt) {
    c.take_call();
    CHECK(c.hello.attempt == attempt);
    CHECK(c.hello.welcomed == 1);
    if (attempt % 2 == 0)
      c.refuse(reason::busy);
    else
      c.caller.close();
  }
  c.take_call();
  c.welcome({});
  run_until(c.context, [&] { return c.there.state() == state::connected; });
  CHECK(c.there.statistics().connections == 2);
}

TEST_CASE("a dialer whose session is over gives up at once, and knows what was delivered") {
  struct answer {
    reason told;
    errc wanted;
  };
  const auto a = GENERATE(answer{reason::ended, errc::refused_ended},
                          answer{reason::expired, errc::refused_expired},
                          answer{reason::unknown_session, errc::refused_unknown_session},
                          answer{reason::stale_attempt, errc::refused_stale_attempt},
                          answer{reason::position, errc::refused_position});
  counter<> c;
  for (const auto* body : {"a", "b", "c"}) (void)c.there.try_send(body);
  c.there.flush();
  for (int i = 0; i < 3; ++i) (void)c.run(hear_frame(c.caller));
  c.caller.close();
  c.take_call();
  (void)c.there.try_send("d");
  c.refuse(a.told, 2);
  run_until(c.context, [&] { return c.there.ended(); });
  CHECK(c.there.reason() == a.wanted);
  CHECK(c.there.delivered_count() == 2);
  CHECK(c.there.statistics().unacknowledged == 2);
  CHECK(c.there.statistics().unsent == 1);
}

TEST_CASE("a dialer that is told of the end at once does not come back") {
  counter<> c;
  (void)c.there.try_send("a");
  c.there.flush();
  (void)c.run(hear_frame(c.caller));
  c.refuse(reason::ended, 1);
  run_until(c.context, [&] { return c.there.ended(); });
  CHECK(c.there.reason() == errc::ended_by_peer);
  CHECK(c.there.delivered_count() == 1);
  CHECK(c.events.back().what == event::kind::ended);
}

TEST_CASE("a dialer goes on as long as it is allowed to, and not a moment longer") {
  options o;
  o.resume_for = 1min;
  counter<manual_clock> c(o);
  c.acceptor.close();
  const auto since = manual_clock::now();
  c.caller.close();
  const auto pauses = [&] {
    const auto last = c.events.back().what;
    return last == event::kind::lost || last == event::kind::failed || c.there.ended();
  };
  // A refused connect takes real time and no virtual one, a pause the other way round.
  for (int attempts = 0; !c.there.ended(); ++attempts) {
    REQUIRE(attempts < 10'000);
    run_until(c.context, pauses);
    if (!c.there.ended()) CHECK(c.there.state() == state::away);
    manual_clock::step(c.context, since + 1h);
  }
  CHECK(manual_clock::now() - since == 1min);
  CHECK(c.there.reason() == asio::error::connection_refused);
  CHECK(c.events_of(event::kind::failed).size() >= 10);  // 5 s are the longest pause
}

}  // namespace resume_test
