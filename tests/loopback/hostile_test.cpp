// What hostile, broken or foreign peers send, over real sockets, to both roles.
#include <parley/detail/read_hello.hpp>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/write.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <parley/dial.hpp>
#include <parley/listener.hpp>
#include <parley/protocol/token_bucket.hpp>

#include "support/by_hand.hpp"
#include "support/bytes.hpp"
#include "support/loopback.hpp"
#include "support/one_connection.hpp"
#include "support/run.hpp"

namespace hostile_test {

namespace {

using namespace std::chrono_literals;
using parley::any_socket;
using parley::errc;
using parley::event;
using parley::options;
using parley::peer;
using parley::test::ack_frame;
using parley::test::bye_frame;
using parley::test::frame_of;
using parley::test::header_of;
using parley::test::hear_all;
using parley::test::hear_frame;
using parley::test::launch;
using parley::test::message_frame;
using parley::test::one_connection;
using parley::test::ping_frame;
using parley::test::pong_frame;
using parley::test::refusal_in;
using parley::test::run;
using parley::test::run_until;
using parley::test::say;
using parley::test::served;
using parley::test::transport;
namespace frame = parley::protocol::frame;

// --- bytes ---------------------------------------------------------------------------------------

constexpr std::size_t largest_length = (std::size_t{1} << 24) - 1;  // what 24 bits hold
constexpr std::size_t max_message = 1000;                           // of every victim here

// The types of docs/wire.md.
enum wire : unsigned {
  hello_type = 1,
  welcome_type = 2,
  refuse_type = 3,
  ack_type = 4,
  ping_type = 5,
  pong_type = 6,
  bye_type = 7,
  skippable_type = 0x40,
  message_type = 0x80
};

template <typename Greeting>
Greeting fair() {
  Greeting g;
  g.session.fill(7);
  g.attempt = 1;
  g.window = 1U << 20U;
  g.max_message = 1U << 16U;
  g.heartbeat_ms = 60'000;
  return g;
}

std::string hello_with(const std::function<void(frame::hello&)>& change) {
  auto h = fair<frame::hello>();
  change(h);
  return frame::encode(h);
}
std::string hello() { return frame::encode(fair<frame::hello>()); }

std::string welcome_with(const frame::hello& to,
                         const std::function<void(frame::welcome&)>& change) {
  auto w = fair<frame::welcome>();
  w.session = to.session;
  w.attempt = to.attempt;
  change(w);
  return frame::encode(w);
}

options victim_options() {
  options o;
  o.max_message = max_message;
  o.window = 3 * max_message;  // with their overhead, three of the longest are too much
  o.outbox = 3 * max_message;
  return o;
}

// --- sockets without manners ---------------------------------------------------------------------

/// One byte now and then, for as long as somebody listens.
asio::awaitable<void> drip(any_socket& s, std::string bytes) {
  asio::steady_timer pace(s.get_executor());
  std::error_code gone;
  for (std::size_t i = 0; i < bytes.size() && !gone; ++i) {
    co_await asio::async_write(s, asio::buffer(bytes.data() + i, 1),
                               asio::redirect_error(asio::use_awaitable, gone));
    pace.expires_after(10ms);
    co_await pace.async_wait(asio::use_awaitable);
  }
}

// --- victims -------------------------------------------------------------------------------------

asio::awaitable<void> exchange(peer& p) {
  co_await p.send("hello");
  const auto m = co_await p.receive();
  if (!m || m->body != "hello") throw std::runtime_error("no hello came back");
}

struct victim_listener {
  explicit victim_listener(options o = victim_options())
      : server(context, transport::ipv4, watched(std::move(o))) {}

  any_socket connect() { return server.connect(context); }

  /// Why the next caller is turned away.
  std::error_code reason() {
    run_until(context, [&] { return !turned_away.empty(); });
    const auto first = turned_away.front();
    turned_away.erase(turned_away.begin());
    return first;
  }

  /// Whoever behaves is served.
  void serve_another() {
    auto accepted = launch(context, server.listener.accept());
    auto left = run(context, server.dial());
    run_until(context, [&] { return accepted.done(); });
    auto right = accepted.get();
    run(context, exchange(left), exchange(right));
  }

  options watched(options o) {
    o.on_event = [this](const event& e) {
      if (e.what != event::kind::turned_away) return;
      turned_away.push_back(e.reason);
      who = e.detail;
    };
    return o;
  }

  asio::io_context context;
  std::vector<std::error_code> turned_away;
  std::string who;
  served<> server;
};

/// A server by hand, for a dialer to meet.
struct fake_server {
  explicit fake_server(asio::io_context& context)
      : acceptor(context, asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
        caller(context) {}

  asio::awaitable<void> accept() {
    caller = co_await acceptor.async_accept(asio::use_awaitable);
    hello_bytes = co_await hear_frame(caller);
    if (frame::decode(std::string_view(hello_bytes).substr(frame::header_size), hello))
      throw std::runtime_error("the dialer's hello is bad");
  }
  [[nodiscard]] asio::awaitable<peer> dial(options o = victim_options()) const {
    return parley::dial("127.0.0.1", std::to_string(acceptor.local_endpoint().port()),
                        std::move(o));
  }

  asio::ip::tcp::acceptor acceptor;
  any_socket caller;
  std::string hello_bytes;
  frame::hello hello;
};

struct refusal_seen {
  std::error_code reason;
  std::string text;
};

/// What a dial says that meets `answer`.
refusal_seen dial_into(const std::function<std::string(const frame::hello&)>& answer) {
  asio::io_context context;
  fake_server server(context);
  auto dialing = launch(context, server.dial());
  run(context, server.accept());
  run(context, say(server.caller, answer(server.hello)));
  run_until(context, [&] { return dialing.done(); });
  try {
    (void)dialing.get();
  } catch (const std::system_error& e) {
    return {e.code(), e.what()};
  }
  return {};
}

struct attack {
  std::string name;
  std::string bytes;
  errc expected;
  std::size_t good_messages = 0;  ///< that came before it
};

}  // namespace

// --- to a listener, before the greeting ----------------------------------------------------------

TEST_CASE(
    "a listener turns away who does not greet, each for its own reason, and serves the next") {
  const std::vector<attack> attacks{
      {"plain text", "hello world\n", errc::not_parley},
      {"HTTP", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", errc::not_parley},
      {"TLS", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), errc::not_parley},
      {"zeros", std::string(64, '\0'), errc::not_parley},
      {"wrong magic", frame_of(hello_type, "parrot" + std::string(49, '\1')), errc::not_parley},
      {"a long message", header_of(message_type, largest_length), errc::not_parley},
      {"a long ack", header_of(ack_type, largest_length), errc::not_parley},
      {"an empty hello", header_of(hello_type, 0), errc::empty_frame},
      {"a hello a little too long", header_of(hello_type, 513), errc::frame_too_large},
      {"the longest hello", header_of(hello_type, largest_length), errc::frame_too_large},
      {"a message", message_frame(0, "too early"), errc::unexpected_frame},
      {"an ack", ack_frame(0), errc::unexpected_frame},
      {"a ping", ping_frame(1, 0), errc::unexpected_frame},
      {"a goodbye", bye_frame(0), errc::unexpected_frame},
      {"a welcome", frame::encode(fair<frame::welcome>()), errc::unexpected_frame},
      {"a refusal", frame::encode(frame::refusal{}), errc::unexpected_frame},
      {"a byte after the hello", hello() + "x", errc::unexpected_frame},
      {"a message after the hello", hello() + message_frame(0, "x"), errc::unexpected_frame},
  };
  victim_listener victim;
  for (const auto& a : attacks) {
    CAPTURE(a.name);
    auto caller = victim.connect();
    run(victim.context, say(caller, a.bytes));
    CHECK(victim.reason() == a.expected);
    CHECK(victim.who.starts_with("127.0.0.1:"));
    CHECK(run(victim.context, hear_all(caller)).empty());
    victim.serve_another();
  }
  CHECK(victim.turned_away.empty());
}

TEST_CASE("a listener refuses greetings that it cannot take, and says why") {
  using reason = parley::refuse_reason;
  struct greeting {
    std::string name;
    std::string bytes;
    errc expected;
    reason told;
  };
  const auto changed = [](const std::function<void(frame::hello&)>& f) { return hello_with(f); };
  const std::string long_name(parley::max_name + 1, 'x');
  const std::vector<greeting> greetings{
      {"a later version", changed([](auto& h) { h.version_min = h.version_max = 2; }),
       errc::refused_version, reason::version},
      {"an earlier version", changed([](auto& h) { h.version_min = h.version_max = 0; }),
       errc::refused_version, reason::version},
      {"versions upside down", changed([](auto& h) { h.version_min = 2; }), errc::malformed_frame,
       reason::malformed},
      {"a long name", changed([&](auto& h) { h.name = long_name; }), errc::malformed_frame,
       reason::malformed},
      {"a name that is no text", changed([](auto& h) { h.name = "\xff"; }), errc::malformed_frame,
       reason::malformed},
      {"no room for a message", changed([](auto& h) { h.max_message = 0; }), errc::malformed_frame,
       reason::malformed},
      {"no window", changed([](auto& h) { h.window = 0; }), errc::malformed_frame,
       reason::malformed},
      {"no heartbeat", changed([](auto& h) { h.heartbeat_ms = 0; }), errc::malformed_frame,
       reason::malformed},
      {"cut short", frame_of(hello_type, hello().substr(frame::header_size, 20)),
       errc::malformed_frame, reason::malformed},
      {"a session that nobody knows", changed([](auto& h) { h.welcomed = 1; }),
       errc::refused_unknown_session, reason::unknown_session},
      {"no attempt", changed([](auto& h) { h.attempt = 0; }), errc::refused_stale_attempt,
       reason::stale_attempt},
      {"it has what was never sent", changed([](auto& h) { h.next = 1; }), errc::refused_position,
       reason::position},
      {"it lacks what it says we have", changed([](auto& h) { h.base = 1; }),
       errc::refused_position, reason::position},
  };
  victim_listener victim;
  for (const auto& g : greetings) {
    CAPTURE(g.name);
    auto caller = victim.connect();
    run(victim.context, say(caller, g.bytes));
    CHECK(victim.reason() == g.expected);
    const auto answer = run(victim.context, hear_frame(caller));
    CHECK(refusal_in(answer).reason == g.told);
    caller.close();
    victim.serve_another();
  }
  CHECK(victim.turned_away.empty());
}

TEST_CASE("a listener is not held up by callers who hang up") {
  victim_listener victim;
  auto caller = victim.connect();
  SECTION("at once") {
    caller.close();
    CHECK(victim.reason() == errc::no_greeting);
  }
  SECTION("in the middle of the hello") {
    run(victim.context, say(caller, hello().substr(0, 30)));
    caller.close();
    CHECK(victim.reason() == errc::no_greeting);
  }
  SECTION("with a reset") {
    caller.set_option(asio::socket_base::linger(true, 0));
    caller.close();
    CHECK(victim.reason() == asio::error::connection_reset);
  }
  victim.serve_another();
}

TEST_CASE("a listener is not held up by callers who say nothing, or one byte at a time") {
  options o = victim_options();
  o.handshake_timeout = 200ms;  // long enough for the one who behaves, on a busy machine too
  victim_listener victim(o);
  auto silent = victim.connect();
  auto slow = victim.connect();
  auto dripping = launch(victim.context, drip(slow, hello()));
  CHECK(victim.reason() == errc::handshake_timeout);
  CHECK(victim.reason() == errc::handshake_timeout);
  run_until(victim.context, [&] { return dripping.done(); });
  victim.serve_another();
}

// --- to a dialer, before the welcome -------------------------------------------------------------

TEST_CASE("a dialer that gets no proper welcome says what was wrong with it") {
  struct answer {
    std::string name;
    std::function<std::string(const frame::hello&)> bytes;
    errc expected;
  };
  const auto just = [](std::string bytes) {
    return [bytes = std::move(bytes)](const frame::hello&) { return bytes; };
  };
  const auto changed = [](std::function<void(frame::welcome&)> change) {
    return [change = std::move(change)](const frame::hello& h) { return welcome_with(h, change); };
  };
  std::string reasonless = frame::encode(frame::refusal{});
  reasonless[frame::header_size] = 0;
  const std::vector<answer> answers{
      {"plain text", just("hello world\n"), errc::not_parley},
      {"SMTP", just("220 mail.example.org ESMTP ready\r\n"), errc::not_parley},
      {"a long message", just(header_of(message_type, largest_length)), errc::not_parley},
      {"a message", just(message_frame(0, "too early")), errc::unexpected_frame},
      {"an ack", just(ack_frame(0)), errc::unexpected_frame},
      {"a goodbye", just(bye_frame(0)), errc::unexpected_frame},
      {"our own hello", [](const frame::hello& h) { return frame::encode(h); },
       errc::unexpected_frame},
      {"an empty welcome", just(header_of(welcome_type, 0)), errc::empty_frame},
      {"a welcome a little too long", just(header_of(welcome_type, 513)), errc::frame_too_large},
      {"the longest welcome", just(header_of(welcome_type, largest_length)), errc::frame_too_large},
      {"the longest refusal", just(header_of(refuse_type, largest_length)), errc::frame_too_large},
      {"a welcome cut short", just(frame_of(welcome_type, "\1\1")), errc::malformed_frame},
      {"a later version", changed([](auto& w) { w.chosen = 2; }), errc::malformed_frame},
      {"no window", changed([](auto& w) { w.window = 0; }), errc::malformed_frame},
      {"a name that is no text", changed([](auto& w) { w.name = "\xc0\x80"; }),
       errc::malformed_frame},
      {"a refusal without a reason", just(reasonless), errc::malformed_frame},
      {"another session", changed([](auto& w) { w.session[0] ^= 1; }), errc::wrong_session},
      {"another attempt", changed([](auto& w) { ++w.attempt; }), errc::wrong_session},
      {"it has what was never sent", changed([](auto& w) { w.next = 1; }), errc::wrong_session},
      {"it lacks what it says we have", changed([](auto& w) { w.base = 1; }), errc::wrong_session},
  };
  for (const auto& a : answers) {
    CAPTURE(a.name);
    const auto seen = dial_into(a.bytes);
    CHECK(seen.reason == a.expected);
    CHECK(seen.text.find(parley::describe(a.expected)) != std::string::npos);
  }
}

TEST_CASE("a dialer that is refused knows why, and shows no byte that drives a terminal") {
  for (std::uint8_t i = 1; i <= static_cast<std::uint8_t>(parley::refuse_reason::malformed); ++i) {
    CAPTURE(static_cast<int>(i));
    frame::refusal r;
    r.reason = static_cast<parley::refuse_reason>(i);
    r.text = "come back \x1b[2J tomorrow";
    const auto seen = dial_into([&](const frame::hello&) { return frame::encode(r); });
    CHECK(seen.reason == to_errc(r.reason));
    CHECK(seen.text.find("come back") != std::string::npos);
    CHECK(seen.text.find('\x1b') == std::string::npos);
  }
}

TEST_CASE("a dialer does not wait for ever for a server that hangs up or says nothing") {
  struct manners {
    std::string name;
    std::size_t bytes;  ///< of the welcome
    bool hangs_up;
    bool drips = false;
  };
  const auto m = GENERATE(manners{"hangs up at once", 0, true},
                          manners{"hangs up in the middle of the welcome", 20, true},
                          manners{"says nothing", 0, false},
                          manners{"stops in the middle of the welcome", 20, false},
                          manners{"drips", 1000, false, true});
  CAPTURE(m.name);
  asio::io_context context;
  fake_server server(context);
  options o = victim_options();
  if (!m.hangs_up) o.handshake_timeout = 40ms;
  auto dialing = launch(context, server.dial(o));
  run(context, server.accept());
  const std::string welcome = welcome_with(server.hello, [](auto&) {}).substr(0, m.bytes);
  auto saying =
      launch(context, m.drips ? drip(server.caller, welcome) : say(server.caller, welcome));
  if (m.hangs_up) {
    run_until(context, [&] { return saying.done(); });
    server.caller.close();
  }
  run_until(context, [&] { return dialing.done() && saying.done(); });
  try {
    (void)dialing.get();
    FAIL("a peer of nobody");
  } catch (const std::system_error& e) {
    CHECK(e.code() == (m.hangs_up ? errc::no_greeting : errc::handshake_timeout));
  }
}

// --- to either, in the conversation --------------------------------------------------------------

namespace {

enum class role { listener, dialer };

/// A victim in conversation with a socket that may send anything; it has no second chance.
struct conversation {
  explicit conversation(role r) {
    if (r == role::listener) {
      auto accepted = launch(context, server.listener.accept());
      attacker = server.connect(context);
      run(context, say(attacker, hello()));
      (void)run(context, hear_frame(attacker));  // the welcome
      run_until(context, [&] { return accepted.done(); });
      victim = accepted.get();
    } else {
      fake_server fake(context);
      auto dialing = launch(context, fake.dial(one_connection(victim_options())));
      run(context, fake.accept());
      run(context, say(fake.caller, welcome_with(fake.hello, [](auto&) {})));
      run_until(context, [&] { return dialing.done(); });
      victim = dialing.get();
      attacker = std::move(fake.caller);
    }
  }

  void say_to_victim(std::string bytes) { run(context, say(attacker, std::move(bytes))); }
  std::string hear_from_victim() { return run(context, hear_frame(attacker)); }

  /// Why the conversation ends; `messages` had arrived before.
  std::error_code end(std::size_t messages = 0) {
    run_until(context, [&] { return victim.ended(); });
    CHECK(victim.statistics().memory <=
          2 * parley::protocol::chunk_size);  // whatever length was announced
    std::size_t received = 0;
    while (victim.try_receive()) ++received;
    CHECK(received == messages);
    return victim.reason();
  }

  asio::io_context context;
  served<> server{context, transport::ipv4, one_connection(victim_options())};
  any_socket attacker{context};
  peer victim;
};

std::string longest(std::uint64_t sequence) {
  return message_frame(sequence, std::string(max_message, 'x'));
}

}  // namespace

TEST_CASE("bad frames end the conversation, each with its own error, after what came before them") {
  const auto over = frame::number_size + max_message + 1;
  const std::vector<attack> attacks{
      {"an empty ack", header_of(ack_type, 0), errc::empty_frame},
      {"an empty message", header_of(message_type, 0), errc::empty_frame},
      {"an empty frame of no type", header_of(0, 0), errc::empty_frame},
      {"the longest message", header_of(message_type, largest_length), errc::frame_too_large},
      {"a message a byte too long", header_of(message_type, over), errc::frame_too_large},
      {"an ack too long", header_of(ack_type, 513), errc::frame_too_large},
      {"the longest goodbye", header_of(bye_type, largest_length), errc::frame_too_large},
      {"a skippable frame too long", header_of(skippable_type, 513), errc::frame_too_large},
      {"plain text", "hello world\n", errc::frame_too_large},
      {"a message without a number", frame_of(message_type, "1234567"), errc::malformed_frame},
      {"a short ack", frame_of(ack_type, "1234567"), errc::malformed_frame},
      {"a long ack", frame_of(ack_type, "123456789"), errc::malformed_frame},
      {"a short ping", frame_of(ping_type, "123456789abcdef"), errc::malformed_frame},
      {"a short goodbye", frame_of(bye_type, "1"), errc::malformed_frame},
      {"another hello", hello(), errc::unexpected_frame},
      {"another welcome", frame::encode(fair<frame::welcome>()), errc::unexpected_frame},
      {"the end at once", frame::encode(frame::refusal{}), errc::ended_by_peer},
      {"a refusal without a reason", frame_of(refuse_type, std::string(9, '\0')),
       errc::malformed_frame},
      {"a refusal cut short", frame_of(refuse_type, "\6"), errc::malformed_frame},
      {"a refusal that says too much", frame_of(refuse_type, std::string(9 + 129, '\1')),
       errc::malformed_frame},
      {"the first unknown type", frame_of(0x08, "x"), errc::unknown_frame},
      {"the last unknown type", frame_of(0x3f, "x"), errc::unknown_frame},
      {"the first tag of ours", message_frame(0, "x", parley::tag_count), errc::unknown_frame},
      {"the last tag of ours", message_frame(0, "x", 127), errc::unknown_frame},
      {"a gap at once", message_frame(1, "x"), errc::sequence_gap},
      {"a gap", message_frame(0, "x") + message_frame(2, "z"), errc::sequence_gap, 1},
      {"a gap before the goodbye", message_frame(0, "x") + bye_frame(2), errc::sequence_gap, 1},
      {"the largest number", message_frame(~std::uint64_t{0}, "x"), errc::sequence_gap},
      {"an ack of what was never sent", ack_frame(1), errc::bad_ack},
      {"the largest ack", ack_frame(~std::uint64_t{0}), errc::bad_ack},
      {"a ping with such an ack", ping_frame(1, 1), errc::bad_ack},
      {"a pong with such an ack", pong_frame(1, 1), errc::bad_ack},
      {"more than the window", longest(0) + longest(1) + longest(2), errc::window_exceeded, 2},
      {"a message after the goodbye", bye_frame(0) + message_frame(1, "x"), errc::after_goodbye},
      {"a second goodbye", bye_frame(0) + bye_frame(1), errc::after_goodbye},
  };
  const auto r = GENERATE(role::listener, role::dialer);
  for (const auto& a : attacks) {
    CAPTURE(a.name, r == role::listener);
    conversation c(r);
    c.say_to_victim(a.bytes);
    const auto reason = c.end(a.good_messages);
    CHECK(reason == a.expected);
    CHECK(reason.message() == parley::describe(a.expected));
    (void)run(c.context, hear_all(c.attacker));  // the connection is closed
  }
}

TEST_CASE("an ack taken back ends the conversation") {
  conversation c(GENERATE(role::listener, role::dialer));
  (void)c.victim.try_send("one");
  CHECK(c.hear_from_victim() == message_frame(0, "one"));
  c.say_to_victim(ack_frame(1) + ack_frame(0));
  CHECK(c.end() == errc::bad_ack);
  CHECK(c.victim.statistics().unacknowledged == 0);
}

TEST_CASE(
    "a link that breaks without a goodbye is no end of the conversation that passes for one") {
  conversation c(GENERATE(role::listener, role::dialer));
  SECTION("between frames") {
    c.say_to_victim(message_frame(0, "whole"));
    c.attacker.close();
    CHECK(c.end(1) == errc::disconnected);
  }
  SECTION("in the middle of a message") {
    c.say_to_victim(message_frame(0, "whole") + message_frame(1, "half").substr(0, 14));
    c.attacker.close();
    CHECK(c.end(1) == errc::disconnected);
  }
  SECTION("in the middle of a goodbye") {
    c.say_to_victim(bye_frame(0).substr(0, 11));
    c.attacker.close();
    CHECK(c.end() == errc::disconnected);
  }
  SECTION("after a goodbye that we have not answered") {
    c.say_to_victim(bye_frame(0));
    c.attacker.close();
    CHECK(c.end() == errc::disconnected);
  }
}

TEST_CASE("what is odd but allowed does no harm") {
  conversation c(GENERATE(role::listener, role::dialer));
  c.say_to_victim(header_of(skippable_type, 0) + frame_of(0x7f, std::string(512, 'x')));
  c.say_to_victim(message_frame(0, "first") + message_frame(0, "first again") +
                  message_frame(1, "second"));
  c.say_to_victim(pong_frame(99, 0) + ack_frame(0));
  CHECK(run(c.context, c.victim.receive())->body == "first");
  CHECK(run(c.context, c.victim.receive())->body == "second");
  (void)c.victim.try_send("still here");
  std::string heard;
  while (frame::read_header(heard = c.hear_from_victim()).is(frame::type::ack)) {
  }
  CHECK(heard == message_frame(0, "still here"));
  CHECK_FALSE(c.victim.ended());
}

TEST_CASE("a thousand pings at once grow nothing, and are answered") {
  conversation c(GENERATE(role::listener, role::dialer));
  constexpr std::uint64_t most = parley::protocol::token_bucket::at_once;
  std::string pings;
  for (std::uint64_t i = 1; i <= most; ++i) pings += ping_frame(i, 0);
  auto saying = launch(c.context, say(c.attacker, pings));
  // Only the latest token is owed back, however many came between two writes.
  const auto last = pong_frame(most, 0);
  while (c.hear_from_victim() != last)
    CHECK(c.victim.statistics().memory <= 2 * parley::protocol::chunk_size);
  CHECK(saying.done());
  CHECK_FALSE(c.victim.ended());
}

TEST_CASE("a flood of control frames ends the connection, after what came before it") {
  const auto r = GENERATE(role::listener, role::dialer);
  const std::vector<std::string> floods{ack_frame(0), ping_frame(1, 0), pong_frame(1, 0),
                                        header_of(skippable_type, 0)};
  for (const auto& frame : floods) {
    CAPTURE(r == role::listener, frame.size(), frame[3]);
    conversation c(r);
    std::string flood = message_frame(0, "said before");
    for (int i = 0; i < 50'000; ++i) flood += frame;
    auto flooding = launch(c.context, say(c.attacker, flood));
    CHECK(c.end(1) == errc::frame_flood);
    c.attacker.close();
  }
}

}  // namespace hostile_test
