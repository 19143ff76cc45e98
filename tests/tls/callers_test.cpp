// Who calls at a TLS listener and must not be let in, over real sockets.
#include <parley/tls.hpp>

#include <openssl/ssl.h>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "support/by_hand.hpp"
#include "support/run.hpp"
#include "tls/foreign_tls.hpp"
#include "tls/tls_host.hpp"

namespace callers_test {

namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;
using parley::credentials;
using parley::errc;
using parley::options;
using parley::test::foreign_context;
using parley::test::foreign_stream;
using parley::test::hear_all;
using parley::test::hello;
using parley::test::launch;
using parley::test::new_credentials;
using parley::test::run;
using parley::test::run_until;
using parley::test::say;
using parley::test::say_hello;
using parley::test::visit;
using host = parley::test::tls_host;
namespace frame = parley::protocol::frame;

/// Calls as that context says, with a good hello; the listener's reason for sending it away.
void check_visit(foreign_context& as, std::error_code why) {
  host h;
  std::error_code failed;
  const auto heard = run(h.context, visit(h.connect(), as, hello(), failed));
  CHECK(heard.empty());
  h.check_turned_away(why);
}

/// Says those bytes to a TLS listener; what came back.
asio::awaitable<std::string> say_plainly(tcp::socket& s, std::string bytes) {
  co_await say(s, std::move(bytes));
  co_return co_await hear_all(s);
}

}  // namespace

// --- who is let in ------------------------------------------------------------------------------

TEST_CASE("two who know each other talk") {
  host h;
  const auto me = new_credentials();
  auto accepted = launch(h.context, h.listener.accept());
  auto mine = run(h.context, parley::dial(h.connector(me, h.me->id())));
  run_until(h.context, [&] { return accepted.done(); });
  auto theirs = accepted.get();
  CHECK(mine.identity() == h.me->id());
  CHECK(theirs.identity() == me->id());
  for (const std::size_t size : {1UL, 100'000UL, 1'000'000UL}) {
    const std::string body(size, 'x');
    run(h.context, mine.send(body));
    const auto m = run(h.context, theirs.receive());
    REQUIRE(m);
    CHECK(m->body == body);
  }
  auto left = launch(h.context, mine.close());
  CHECK(run(h.context, theirs.close()) == 0);
  run_until(h.context, [&] { return left.done(); });
  CHECK(left.get() == 0);
  CHECK(!mine.reason());
  CHECK(!theirs.reason());
}

TEST_CASE("a foreign caller with a certificate of parley's kind and a good hello is welcomed") {
  foreign_context as(foreign_context::tlsv13_client);
  const auto key = credentials::make();
  as.show(key);
  host h;
  foreign_stream tls(h.connect(), as);
  auto accepted = launch(h.context, h.listener.accept());
  run(h.context, say_hello(tls));
  run_until(h.context, [&] { return accepted.done(); });
  CHECK(accepted.get().identity() == key.id());
  CHECK(h.turned_away.empty());
}

// --- certificates -------------------------------------------------------------------------------

TEST_CASE("a caller without a certificate is not let in") {
  foreign_context as(foreign_context::tlsv13_client);
  check_visit(as, errc::no_certificate);
}

TEST_CASE("a caller with two certificates is not let in") {
  foreign_context as(foreign_context::tlsv13_client);
  const auto one = credentials::make(), two = credentials::make();
  as.show(one);
  as.show_also(two.certificate());
  check_visit(as, errc::many_certificates);
}

TEST_CASE("a caller whose certificate is not valid now is not let in") {
  const auto [from, to] = GENERATE(std::pair(-2, -1), std::pair(1, 2));
  foreign_context as(foreign_context::tlsv13_client);
  const auto key = credentials::make();
  const auto certificate = parley::test::certify(key.key(), from, to);
  as.show(key.key(), certificate.get());
  check_visit(as, errc::certificate_expired);
}

TEST_CASE("a caller with a key of another kind is not let in") {
  const parley::test::key_ptr key(
      GENERATE(0, 1) == 0 ? EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")
                          : EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048}));
  REQUIRE(key);
  foreign_context as(foreign_context::tlsv13_client);
  const auto certificate = parley::test::certify(key.get(), -1, 1);
  as.show(key.get(), certificate.get());
  host h;
  std::error_code failed;
  (void)run(h.context, visit(h.connect(), as, hello(), failed));
  run_until(h.context, [&] { return !h.turned_away.empty(); });
  // Whoever sees that the signature is of no agreed kind first, says so.
  const auto why = h.turned_away.front();
  CHECK((why == errc::bad_certificate || why == errc::no_certificate || why == errc::tls_refused));
  h.check_nobody_in();
}

TEST_CASE("a caller that shows the listener's own identity is not let in") {
  host h;
  foreign_context as(foreign_context::tlsv13_client);
  as.show(*h.me);
  std::error_code failed;
  CHECK(run(h.context, visit(h.connect(), as, hello(), failed)).empty());
  h.check_turned_away(errc::own_identity);
}

TEST_CASE("a caller who is not on the list is not let in, and hears that it is not accepted") {
  host h({}, [](const parley::identity&) { return make_error_code(errc::wrong_identity); });
  std::error_code reason;
  try {
    run(h.context, parley::dial(h.connector(new_credentials(), h.me->id())));
  } catch (const std::system_error& e) {
    reason = e.code();
  }
  CHECK(reason == errc::tls_refused);
  h.check_turned_away(errc::wrong_identity);
}

TEST_CASE("one who was let in before and is not any more is not, whatever it kept") {
  bool open = true;
  host h({}, [&](const parley::identity&) {
    return open ? std::error_code{} : make_error_code(errc::wrong_identity);
  });
  foreign_context as(foreign_context::tlsv13_client);
  const auto key = credentials::make();
  as.show(key);
  SSL_CTX_set_session_cache_mode(as.native_handle(), SSL_SESS_CACHE_CLIENT);
  std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)> kept(nullptr, SSL_SESSION_free);
  const auto keep = [&]() -> asio::awaitable<void> {
    foreign_stream tls(h.connect(), as);
    co_await say_hello(tls);
    std::string welcome(64, '\0');
    (void)co_await tls.async_read_some(asio::buffer(welcome), asio::use_awaitable);
    kept.reset(SSL_get1_session(tls.native_handle()));
  };
  run(h.context, keep());
  REQUIRE(kept);
  CHECK(SSL_SESSION_has_ticket(kept.get()) == 0);

  open = false;
  (void)run(h.context, h.listener.accept());  // the one of before
  const auto try_again = [&]() -> asio::awaitable<void> {
    foreign_stream tls(h.connect(), as);
    SSL_set_session(tls.native_handle(), kept.get());
    std::error_code ec;
    co_await tls.async_handshake(foreign_stream::client,
                                 asio::redirect_error(asio::use_awaitable, ec));
    if (ec) co_return;
    co_await asio::async_write(tls, asio::buffer(hello()),
                               asio::redirect_error(asio::use_awaitable, ec));
    CHECK((co_await hear_all(tls)).empty());
  };
  for (int i = 0; i < 100; ++i) run(h.context, try_again());
  run_until(h.context, [&] { return h.turned_away.size() == 100; });
  CHECK(h.turned_away == std::vector<std::error_code>(100, errc::wrong_identity));
  h.check_nobody_in();
}

// --- versions and protocols ---------------------------------------------------------------------

TEST_CASE("a caller with TLS 1.2 at most is not let in") {
  foreign_context as(foreign_context::tlsv12_client);
  const auto key = credentials::make();
  as.show(key);
  check_visit(as, errc::tls_version);
}

TEST_CASE("a caller that does not ask for parley/1 is not let in") {
  const auto alpn = GENERATE(as<std::string>(), "", "h2", "parley/2", "parley/");
  foreign_context as(foreign_context::tlsv13_client, alpn);
  const auto key = credentials::make();
  as.show(key);
  check_visit(as, errc::wrong_protocol);
}

// --- what is no TLS -----------------------------------------------------------------------------

TEST_CASE("a caller that begins like TLS and goes on with garbage is not let in") {
  host h;
  auto s = h.connect();
  const std::string bytes =
      GENERATE(as<std::string>(), "\x16garbage and more of it",
               "\x16\x03\x01" + std::string("\x00\x05hello", 7),
               std::string("\x16\x03\x01\xff\xff", 5) + std::string(70'000, 'x'));
  (void)run(h.context, say_plainly(s, bytes));
  run_until(h.context, [&] { return !h.turned_away.empty(); });
  CHECK(h.turned_away.size() == 1);
  h.check_nobody_in();
}

TEST_CASE("a caller with plain lines hears a line that says what is wrong") {
  const auto bytes = GENERATE(as<std::string>(), "hello\n", "GET / HTTP/1.1\r\n\r\n");
  host h;
  auto s = h.connect();
  CHECK(run(h.context, say_plainly(s, bytes)) == "parley: this side speaks TLS only\n");
  h.check_turned_away(errc::not_tls);
}

TEST_CASE("a caller with parley's frames and no TLS is refused in its words") {
  host h;
  auto s = h.connect();
  const auto heard = run(h.context, say_plainly(s, hello()));
  frame::refusal r;
  REQUIRE(heard.size() > frame::header_size);
  REQUIRE(!frame::decode(std::string_view(heard).substr(frame::header_size), r));
  CHECK(r.reason == parley::refuse_reason::not_allowed);
  CHECK(r.text == "this side speaks TLS only");
  h.check_turned_away(errc::not_tls);
}

TEST_CASE("a caller that says nothing is sent away at its deadline") {
  options o;
  o.handshake_timeout = 100ms;
  host h(o);
  auto s = h.connect();
  CHECK(run(h.context, say_plainly(s, "")).empty());
  h.check_turned_away(errc::handshake_timeout);
}

TEST_CASE("a caller that drips its ClientHello is sent away at the same deadline") {
  options o;
  o.handshake_timeout = 200ms;
  host h(o);
  auto s = h.connect();
  bool gone = false;
  const auto drip = [&]() -> asio::awaitable<void> {
    asio::steady_timer pause(h.context);
    std::error_code ec;
    for (const char c : std::string("\x16\x03\x01\x02", 4) + std::string(1000, '\0')) {
      co_await asio::async_write(s, asio::buffer(&c, 1),
                                 asio::redirect_error(asio::use_awaitable, ec));
      gone = gone || ec;
      if (gone) co_return;
      pause.expires_after(20ms);
      co_await pause.async_wait(asio::use_awaitable);
    }
  };
  run(h.context, drip());
  CHECK(gone);
  h.check_turned_away(errc::handshake_timeout);
}

TEST_CASE("a caller that shakes hands and says nothing more is sent away at the same deadline") {
  options o;
  o.handshake_timeout = 300ms;
  host h(o);
  foreign_context as(foreign_context::tlsv13_client);
  const auto key = credentials::make();
  as.show(key);
  std::error_code failed;
  CHECK(run(h.context, visit(h.connect(), as, "", failed)).empty());
  CHECK(!failed);
  h.check_turned_away(errc::handshake_timeout);
}

TEST_CASE("a caller that speaks something else within TLS is not let in") {
  foreign_context as(foreign_context::tlsv13_client);
  const auto key = credentials::make();
  as.show(key);
  host h;
  std::error_code failed;
  (void)run(h.context, visit(h.connect(), as, "GET / HTTP/1.1\r\n\r\n", failed));
  h.check_turned_away(errc::not_parley);
}

TEST_CASE("a caller whose hello is cut off is not let in") {
  foreign_context as(foreign_context::tlsv13_client);
  const auto key = credentials::make();
  as.show(key);
  host h;
  const auto cut = [&]() -> asio::awaitable<void> {
    foreign_stream tls(h.connect(), as);
    co_await tls.async_handshake(foreign_stream::client, asio::use_awaitable);
    co_await asio::async_write(tls, asio::buffer(hello().substr(0, 20)), asio::use_awaitable);
    tls.lowest_layer().close();
  };
  run(h.context, cut());
  h.check_turned_away(errc::no_greeting);
}

TEST_CASE("nobody goes on with the session of another") {
  host h;
  foreign_context as(foreign_context::tlsv13_client);
  const auto owner = credentials::make();
  as.show(owner);
  foreign_stream first(h.connect(), as);
  auto accepted = launch(h.context, h.listener.accept());
  run(h.context, say_hello(first));
  run_until(h.context, [&] { return accepted.done(); });
  auto peer = accepted.get();

  foreign_context thief(foreign_context::tlsv13_client);
  const auto other = credentials::make();
  thief.show(other);
  std::error_code failed;
  const auto heard = run(h.context, visit(h.connect(), thief, hello(), failed));
  frame::refusal r;
  REQUIRE(heard.size() > frame::header_size);
  REQUIRE(!frame::decode(std::string_view(heard).substr(frame::header_size), r));
  CHECK(r.reason == parley::refuse_reason::unknown_session);
  CHECK(r.next == frame::unknown_position);
  CHECK(peer.state() == parley::state::connected);  // nor is the owner disturbed
}

// --- who begins anew ----------------------------------------------------------------------------

namespace {

/// A listener with room for one conversation, whose caller has gone without a goodbye.
struct waiting_host : host {
  foreign_context as{foreign_context::tlsv13_client};
  credentials key = credentials::make();
  parley::tls_peer here;

  explicit waiting_host(std::chrono::milliseconds longest_pause)
      : host(room_for_one(longest_pause)) {
    as.show(key);
    const auto caller = let_in(hello());
    caller->lowest_layer().close();
    run_until(context, [&] { return here.state() == parley::state::away; });
  }

  static options room_for_one(std::chrono::milliseconds longest_pause) {
    options o;
    o.max_peers = 1;
    o.retry_most = longest_pause;
    return o;
  }

  /// Begins a conversation; `here` is this side of it.
  std::unique_ptr<foreign_stream> let_in(std::string said) {
    auto caller = std::make_unique<foreign_stream>(connect(), as);
    auto accepted = launch(context, listener.accept());
    run(context, say_hello(*caller, std::move(said)));
    run_until(context, [&] { return accepted.done(); });
    here = accepted.get();
    return caller;
  }

  /// Goes on with the conversation that waits.
  void come_back() {
    foreign_stream caller(connect(), as);
    run(context, say_hello(caller, hello(7, 1)));
    run_until(context, [&] { return here.ended() || here.statistics().connections == 2; });
    context.poll();
    CHECK_FALSE(here.ended());
    caller.lowest_layer().close();
    run_until(context, [&] { return here.state() != parley::state::connected; });
    context.poll();
    CHECK_FALSE(here.ended());  // nor is it given up the next time
  }

  /// Of a caller that begins another conversation.
  parley::refuse_reason refusal_of(foreign_context& caller) {
    std::error_code failed;
    const auto heard = run(context, visit(connect(), caller, hello(8), failed));
    return parley::test::refusal_in(heard).reason;
  }
};

}  // namespace

TEST_CASE("who begins anew and not again gets the place of the conversation that waits for him") {
  waiting_host h(0ms);
  CHECK(h.refusal_of(h.as) == parley::refuse_reason::busy);
  run_until(h.context, [&] { return h.here.ended(); });
  CHECK(h.here.reason() == errc::not_back);
  const auto caller = h.let_in(hello(8));
  CHECK(h.here.identity() == h.key.id());
}

TEST_CASE("who comes back keeps the conversation, though he also began anew") {
  waiting_host h(1min);
  CHECK(h.refusal_of(h.as) == parley::refuse_reason::busy);
  CHECK(h.refusal_of(h.as) == parley::refuse_reason::busy);
  h.come_back();
}

TEST_CASE("others who call do not take the place of a conversation that waits") {
  waiting_host h(0ms);
  foreign_context other(foreign_context::tlsv13_client);
  const auto key = credentials::make();
  other.show(key);
  CHECK(h.refusal_of(other) == parley::refuse_reason::busy);
  h.come_back();
}

TEST_CASE("a stream that is cut off is no goodbye, whether TLS itself says goodbye or not") {
  const bool in_good_order = GENERATE(false, true);
  CAPTURE(in_good_order);
  foreign_context as(foreign_context::tlsv13_client);
  const auto key = credentials::make();
  as.show(key);
  host h;
  auto tls = std::make_unique<foreign_stream>(h.connect(), as);
  auto accepted = launch(h.context, h.listener.accept());
  const auto begin = [&]() -> asio::awaitable<void> {
    co_await say_hello(*tls);
    std::string welcome(200, '\0');
    (void)co_await tls->async_read_some(asio::buffer(welcome), asio::use_awaitable);
  };
  run(h.context, begin());
  run_until(h.context, [&] { return accepted.done(); });
  auto peer = accepted.get();
  REQUIRE(peer.try_send("what is on its way") == parley::send_result::queued);
  std::error_code ignored;  // of a side that goes, well or badly
  const auto leave = [&]() -> asio::awaitable<void> {
    if (in_good_order)
      co_await tls->async_shutdown(asio::redirect_error(asio::use_awaitable, ignored));
  };
  if (!in_good_order) tls->lowest_layer().close(ignored);
  auto left = launch(h.context, leave());  // it would wait for an answer, which is not given
  run_until(h.context, [&] { return peer.state() == parley::state::away; });
  CHECK(peer.statistics().unacknowledged == 1);  // and it waits for the dialer to come back
  peer.abort();
  tls->lowest_layer().close(ignored);
  run_until(h.context, [&] { return left.done(); });
}

}  // namespace callers_test
