#include <parley/dial.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <chrono>
#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "support/loopback.hpp"
#include "support/ports.hpp"
#include "support/run.hpp"

namespace dial_test {

namespace {

using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;
using parley::any_socket;
using parley::errc;
using parley::event;
using parley::options;
using parley::peer;
using parley::test::closed_port;
using parley::test::full_port;
using parley::test::launch;
using parley::test::run;
using parley::test::run_until;
using parley::test::served;
using parley::test::temporary_folder;
using parley::test::transport;
using tcp = asio::ip::tcp;

template <typename T>
std::error_code error_of(asio::io_context& context, asio::awaitable<T> work) {
  try {
    (void)run(context, std::move(work));
  } catch (const std::system_error& e) {
    return e.code();
  }
  return {};
}

asio::awaitable<peer> dial(const std::string& host, unsigned short port, options o = {}) {
  return parley::dial(host, std::to_string(port), std::move(o));
}

asio::awaitable<peer> dial_unix(std::string path) {
  parley::unix_connector to{std::move(path)};
  return parley::dial(std::move(to));
}

/// Takes callers in and says nothing.
struct silent_server {
  explicit silent_server(asio::io_context& context)
      : acceptor(context, tcp::endpoint(asio::ip::address_v4::loopback(), 0)), caller(context) {}
  [[nodiscard]] unsigned short port() const { return acceptor.local_endpoint().port(); }

  asio::awaitable<void> accept() { caller = co_await acceptor.async_accept(asio::use_awaitable); }
  /// How many bytes came before the caller hung up.
  asio::awaitable<std::size_t> read_to_end() {
    std::size_t total = 0;
    std::error_code ec;
    std::string room(512, '\0');
    while (!ec)
      total += co_await caller.async_read_some(asio::buffer(room),
                                               asio::redirect_error(asio::use_awaitable, ec));
    co_return total;
  }

  tcp::acceptor acceptor;
  tcp::socket caller;
};

}  // namespace

// --- where nobody is -----------------------------------------------------------------------------

TEST_CASE("dialing a closed port fails with the system's error") {
  asio::io_context context;
  const closed_port port(context);
  CHECK(error_of(context, dial("127.0.0.1", port.number())) == asio::error::connection_refused);
}

TEST_CASE("dialing a host that does not exist fails with the resolver's error") {
  asio::io_context context;
  // No label of a name has more than 63 bytes (RFC 1035), so no network is asked.
  const auto ec = error_of(context, dial(std::string(64, 'x') + ".invalid", 1));
  CHECK(ec);
  CHECK((ec.category() == asio::error::get_netdb_category() ||
         ec.category() == asio::error::get_addrinfo_category()));
}

TEST_CASE("dialing a Unix socket that is not there, or that nobody serves any more, fails") {
  asio::io_context context;
  const temporary_folder folder;
  const std::string path = folder / "socket";
  CHECK(error_of(context, dial_unix(path)) ==
        std::error_code(ENOENT, asio::error::get_system_category()));
  {
    const asio::local::stream_protocol::acceptor dead(context, path);
  }
  CHECK(error_of(context, dial_unix(path)) == asio::error::connection_refused);
  CHECK(error_of(context, dial_unix("/" + std::string(200, 'x'))) == asio::error::name_too_long);
}

TEST_CASE("dialing where nobody answers fails in time") {
  asio::io_context context;
  const full_port port(context);
  options o;
  o.connect_timeout = 50ms;
  CHECK(error_of(context, dial("127.0.0.1", port.number(), o)) == errc::connect_timeout);
}

TEST_CASE("dialing who says nothing fails in time") {
  asio::io_context context;
  silent_server server(context);
  options o;
  o.handshake_timeout = 50ms;
  auto accepting = launch(context, server.accept());
  CHECK(error_of(context, dial("127.0.0.1", server.port(), o)) == errc::handshake_timeout);
  run_until(context, [&] { return accepting.done(); });
}

TEST_CASE("options that cannot work are refused before anybody is dialed") {
  asio::io_context context;
  options o;
  o.outbox = 1;
  CHECK_THROWS_AS(run(context, dial("127.0.0.1", 1, o)), std::invalid_argument);
}

// --- all that a name stands for ------------------------------------------------------------------

TEST_CASE("dialing a name finds the one of its addresses that answers") {
  asio::io_context context;
  served<> server(context, transport::ipv4);  // localhost may be ::1 first
  auto accepting = launch(context, server.listener.accept());
  CHECK(run(context, dial("localhost", server.port())));
}

// --- any connector -------------------------------------------------------------------------------

namespace {

asio::awaitable<any_socket> fail() {
  throw std::system_error(make_error_code(errc::refused_not_allowed));
  co_return any_socket(co_await asio::this_coro::executor);
}

}  // namespace

TEST_CASE("what a connector throws is what dial throws") {
  asio::io_context context;
  CHECK(error_of(context, parley::dial(&fail)) == errc::refused_not_allowed);
}

// --- cancelled -----------------------------------------------------------------------------------

namespace {

asio::awaitable<std::size_t> race(asio::awaitable<peer> dialing, asio::awaitable<void> limit) {
  const auto first = co_await (std::move(dialing) || std::move(limit));
  co_return first.index();
}

asio::awaitable<void> pass(std::chrono::milliseconds d) {
  asio::steady_timer timer(co_await asio::this_coro::executor, d);
  co_await timer.async_wait(asio::use_awaitable);
}

}  // namespace

TEST_CASE("a dial cancelled while it connects ends at once and leaves nothing") {
  asio::io_context context;
  const full_port port(context);
  options o;
  o.connect_timeout = 1h;
  CHECK(run(context, race(dial("127.0.0.1", port.number(), o), pass(5ms))) == 1);
}

TEST_CASE("a dial cancelled during the greeting hangs up") {
  asio::io_context context;
  silent_server server(context);
  options o;
  o.handshake_timeout = 1h;
  int events = 0;
  o.on_event = [&](const event& e) { events += e.what == event::kind::connecting ? 1 : 100; };
  CHECK(run(context, race(dial("127.0.0.1", server.port(), o), server.accept())) == 1);
  const auto greeting = parley::protocol::frame::header_size + parley::protocol::frame::hello_size;
  CHECK(run(context, server.read_to_end()) <= greeting);
  CHECK(events == 1);
}

namespace {

/// Lets as many other handlers run.
asio::awaitable<void> turns(int count) {
  const auto executor = co_await asio::this_coro::executor;
  for (int i = 0; i < count; ++i) co_await asio::post(executor, asio::use_awaitable);
}

}  // namespace

TEST_CASE("a dial may be cancelled after any of its first steps, and leaves nothing") {
  for (int count = 0; count < 30; ++count) {
    CAPTURE(count);
    asio::io_context context;
    served<> server(context, transport::unix_socket);
    (void)run(context, race(server.dial(), turns(count)));
    context.restart();
    CHECK_NOTHROW(context.poll());
  }
}

TEST_CASE("a dial cancelled by a signal throws") {
  asio::io_context context;
  silent_server server(context);
  asio::cancellation_signal signal;
  std::exception_ptr thrown;
  bool done = false;
  asio::co_spawn(context, dial("127.0.0.1", server.port()),
                 asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e, peer p) {
                   thrown = std::move(e);
                   done = true;
                   if (p) FAIL("a peer of nobody");
                 }));
  run(context, server.accept());
  signal.emit(asio::cancellation_type::all);
  run_until(context, [&] { return done; });
  REQUIRE(thrown);
  try {
    std::rethrow_exception(thrown);
  } catch (const std::system_error& e) {
    CHECK(e.code() == asio::error::operation_aborted);
  }
}

TEST_CASE("a context may go in the middle of a dial") {
  asio::io_context context;
  silent_server server(context);
  auto dialing = launch(context, dial("127.0.0.1", server.port()));
  run(context, server.accept());
  context.poll();
  CHECK_FALSE(dialing.done());
}

}  // namespace dial_test
