// Listeners that a TLS dialer must not take for the right one, over real sockets.
#include <parley/tls.hpp>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/write.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "support/by_hand.hpp"
#include "support/run.hpp"
#include "tls/foreign_tls.hpp"

namespace listeners_test {

namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;
using parley::credentials;
using parley::errc;
using parley::test::foreign_context;
using parley::test::foreign_stream;
using parley::test::hear_all;
using parley::test::launch;
using parley::test::run;

/// Accepts one caller and shakes hands as that context says, or says `plain` where there is none.
asio::awaitable<void> serve(tcp::acceptor& at, foreign_context* as, std::string plain) {
  auto s = co_await at.async_accept(asio::use_awaitable);
  std::error_code ec;
  if (as == nullptr) {
    std::string room(4096, '\0');
    co_await s.async_read_some(asio::buffer(room), asio::redirect_error(asio::use_awaitable, ec));
    co_await asio::async_write(s, asio::buffer(plain),
                               asio::redirect_error(asio::use_awaitable, ec));
    co_return;
  }
  foreign_stream tls(std::move(s), *as);
  co_await tls.async_handshake(foreign_stream::server,
                               asio::redirect_error(asio::use_awaitable, ec));
  if (!ec) (void)co_await hear_all(tls);
}

/// Why `me` does not take such a listener for `expected`.
std::error_code why_not(std::shared_ptr<const credentials> me, const parley::identity& expected,
                        foreign_context* as, std::string plain = "") {
  asio::io_context context;
  tcp::acceptor at(context, {asio::ip::address_v4::loopback(), 0});
  auto serving = launch(context, serve(at, as, std::move(plain)));
  parley::tls_connector<parley::tcp_connector> to(
      {"127.0.0.1", std::to_string(at.local_endpoint().port())}, std::move(me),
      parley::only(expected), std::nullopt, 300ms);
  std::error_code why;
  try {
    run(context, parley::dial(to));
  } catch (const std::system_error& e) {
    why = e.code();
  }
  at.close();
  return why;
}

std::shared_ptr<const credentials> new_credentials() {
  return std::make_shared<const credentials>(credentials::make());
}

}  // namespace

TEST_CASE("a man in the middle with a certificate of its own is not the right listener") {
  const auto right = credentials::make(), middle = credentials::make();
  foreign_context as(foreign_context::tlsv13_server);
  as.show(middle);
  CHECK(why_not(new_credentials(), right.id(), &as) == errc::wrong_identity);
}

TEST_CASE("a listener that shows the caller's own identity is not the right one") {
  const auto me = new_credentials();
  foreign_context as(foreign_context::tlsv13_server);
  as.show(*me);
  CHECK(why_not(me, me->id(), &as) == errc::own_identity);
}

TEST_CASE("the right key in a chain, or out of its time, is not the right listener") {
  const auto right = credentials::make(), other = credentials::make();
  foreign_context as(foreign_context::tlsv13_server);
  SECTION("chain") {
    as.show(right);
    as.show_also(other.certificate());
    CHECK(why_not(new_credentials(), right.id(), &as) == errc::many_certificates);
  }
  SECTION("expired") {
    const auto certificate = parley::test::certify(right.key(), -2, -1);
    as.show(right.key(), certificate.get());
    CHECK(why_not(new_credentials(), right.id(), &as) == errc::certificate_expired);
  }
}

TEST_CASE("a listener with TLS 1.2 at most is not the right one") {
  const auto right = credentials::make();
  foreign_context as(foreign_context::tlsv12_server);
  as.show(right);
  CHECK(why_not(new_credentials(), right.id(), &as) == errc::tls_version);
}

TEST_CASE("a listener that does not speak parley/1 is not the right one") {
  const auto right = credentials::make();
  foreign_context as(foreign_context::tlsv13_server, "");
  as.show(right);
  CHECK(why_not(new_credentials(), right.id(), &as) == errc::wrong_protocol);
}

TEST_CASE("a listener without TLS is told apart") {
  const auto right = credentials::make();
  CHECK(why_not(new_credentials(), right.id(), nullptr, "hello\n") == errc::not_tls);
  CHECK(why_not(new_credentials(), right.id(), nullptr, "") == errc::no_greeting);
}

TEST_CASE("a listener that never answers the handshake is given up at the deadline") {
  asio::io_context context;
  tcp::acceptor silent(context, {asio::ip::address_v4::loopback(), 0});
  parley::tls_connector<parley::tcp_connector> to(
      {"127.0.0.1", std::to_string(silent.local_endpoint().port())}, new_credentials(),
      parley::only({}), std::nullopt, 100ms);
  std::error_code why;
  try {
    run(context, parley::dial(to));
  } catch (const std::system_error& e) {
    why = e.code();
  }
  CHECK(why == errc::handshake_timeout);
}

}  // namespace listeners_test
