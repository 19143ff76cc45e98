#include <parley/listener.hpp>

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/write.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <parley/dial.hpp>

#include "support/loopback.hpp"
#include "support/run.hpp"

namespace listener_test {

namespace {

using namespace std::chrono_literals;
using parley::any_socket;
using parley::endpoint;
using parley::errc;
using parley::event;
using parley::listener;
using parley::options;
using parley::peer;
using parley::port_of;
using parley::test::launch;
using parley::test::require_ipv6;
using parley::test::run;
using parley::test::run_until;
using parley::test::served;
using parley::test::started;
using parley::test::temporary_folder;
using parley::test::transport;

template <typename F>
std::error_code error_of(F f) {
  try {
    (void)f();
  } catch (const std::system_error& e) {
    return e.code();
  }
  return {};
}

/// Old versions of Asio have a category of their own, which `std::errc` does not know.
std::error_code system_error(int code) { return {code, asio::error::get_system_category()}; }

asio::awaitable<peer> dial(const std::string& host, unsigned short port, options o = {}) {
  return parley::dial(host, std::to_string(port), std::move(o));
}

asio::awaitable<peer> dial_unix(std::string path) {
  parley::unix_connector to{std::move(path)};
  return parley::dial(std::move(to));
}

/// Sends one message and takes one, so that both sides are known to be in conversation.
asio::awaitable<void> exchange(peer& p) {
  co_await p.send("hello");
  const auto m = co_await p.receive();
  if (!m || m->body != "hello") throw std::runtime_error("no hello came back");
}

/// Both sides of a conversation that a listener began, shown to work.
struct conversation {
  conversation(asio::io_context& context, listener& l, asio::awaitable<peer> dialing) {
    auto accepted = launch(context, l.accept());
    left = run(context, std::move(dialing));
    run_until(context, [&] { return accepted.done(); });
    right = accepted.get();
    run(context, exchange(left), exchange(right));
  }
  peer left;
  peer right;
};

/// Says the first byte of a greeting.
asio::awaitable<void> begin_to_greet(any_socket& s) {
  const std::string first(1, '\0');
  co_await asio::async_write(s, asio::buffer(first), asio::use_awaitable);
}

/// A socket from this IPv4 address; all that begin with 127 are this machine's.
any_socket connect_from(const std::string& address, const served<>& to, asio::io_context& context) {
  asio::ip::tcp::socket s(context, asio::ip::tcp::endpoint(asio::ip::make_address_v4(address), 0));
  s.connect(asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), to.port()));
  any_socket any(std::move(s));
  return any;
}

asio::awaitable<void> expect_end(any_socket& s) {
  std::array<char, 512> rest;
  std::error_code ec;
  while (!ec)
    co_await s.async_read_some(asio::buffer(rest), asio::redirect_error(asio::use_awaitable, ec));
}

}  // namespace

// --- addresses -----------------------------------------------------------------------------------

TEST_CASE("a listener on no address in particular is reached over IPv4 and IPv6") {
  require_ipv6();
  asio::io_context context;
  listener l(context.get_executor());
  l.listen("", 0);
  REQUIRE(l.endpoints().size() == 1);
  const auto port = port_of(l.endpoints().front());
  CHECK(port != 0);  // the system has chosen one
  const conversation over_ipv4(context, l, dial("127.0.0.1", port));
  const conversation over_ipv6(context, l, dial("::1", port));
  CHECK(over_ipv4.right.address().starts_with("127.0.0.1:"));
  CHECK(over_ipv6.right.address().starts_with("[::1]:"));
}

TEST_CASE("a listener on one address is reached there alone") {
  asio::io_context context;
  listener l(context.get_executor());
  l.listen("127.0.0.1", 0);
  const auto port = port_of(l.endpoints().front());
  const conversation c(context, l, dial("127.0.0.1", port));
  CHECK(error_of([&] { return run(context, dial("127.0.0.2", port)); }) ==
        asio::error::connection_refused);
}

TEST_CASE("a listener listens in several places, under names too") {
  asio::io_context context;
  const temporary_folder folder;
  listener l(context.get_executor());
  l.listen("127.0.0.1", 0);
  l.listen("localhost", 0);
  l.listen_unix(folder / "socket");
  const auto all = l.endpoints();
  REQUIRE(all.size() == 3);
  CHECK(parley::to_string(all[2]) == "unix:" + (folder / "socket"));
  const conversation first(context, l, dial("127.0.0.1", port_of(all[0])));
  const conversation second(context, l, dial("localhost", port_of(all[1])));
  const conversation third(context, l, dial_unix(folder / "socket"));
  CHECK(third.right.address() == "unix socket");
}

TEST_CASE("where a listener cannot listen it says so with the system's error") {
  asio::io_context context;
  listener l(context.get_executor());
  l.listen("127.0.0.1", 0);
  SECTION("a port in use") {
    listener second(context.get_executor());
    const auto port = port_of(l.endpoints().front());
    const auto ec = error_of([&] {
      second.listen("127.0.0.1", port);
      return 0;
    });
    CHECK(ec == asio::error::address_in_use);
    CHECK(ec.value() == EADDRINUSE);
    CHECK(second.endpoints().empty());
    second.listen("127.0.0.1", 0);  // it can still be used
    const conversation c(context, second, dial("127.0.0.1", port_of(second.endpoints().front())));
  }
  SECTION("an address of another machine") {
    // 192.0.2.0/24 is kept for documentation (RFC 5737).
    const auto ec = error_of([&] {
      l.listen("192.0.2.1", 0);
      return 0;
    });
    CHECK(ec == system_error(EADDRNOTAVAIL));
  }
  SECTION("a path that is too long for the system") {
    const auto ec = error_of([&] {
      l.listen_unix("/" + std::string(200, 'x'));
      return 0;
    });
    CHECK(ec == asio::error::name_too_long);
  }
  SECTION("a path in no folder") {
    const temporary_folder folder;
    const auto ec = error_of([&] {
      l.listen_unix(folder / "none/socket");
      return 0;
    });
    CHECK(ec == system_error(ENOENT));
  }
  const conversation c(context, l, dial("127.0.0.1", port_of(l.endpoints().front())));
}

TEST_CASE("options that cannot work are refused before anything is opened") {
  asio::io_context context;
  options o;
  o.window = 1;
  CHECK_THROWS_AS(listener(context.get_executor(), o), std::invalid_argument);
}

// --- Unix sockets --------------------------------------------------------------------------------

TEST_CASE("a listener leaves no socket file behind, and replaces one that was") {
  asio::io_context context;
  const temporary_folder folder;
  const std::string path = folder / "socket";
  {  // what a process leaves that was killed
    asio::local::stream_protocol::acceptor dead(context, path);
  }
  REQUIRE(std::filesystem::exists(path));
  {
    listener l(context.get_executor());
    l.listen_unix(path);
    const conversation c(context, l, dial_unix(path));
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a listener takes no path from one that lives, and removes no file that is no socket") {
  asio::io_context context;
  const temporary_folder folder;
  const std::string path = folder / "socket";
  SECTION("another listener's") {
    listener first(context.get_executor());
    first.listen_unix(path);
    {
      listener second(context.get_executor());
      CHECK(error_of([&] {
              second.listen_unix(path);
              return 0;
            }) == asio::error::address_in_use);
    }
    const conversation c(context, first, dial_unix(path));
  }
  SECTION("a file") {
    std::ofstream(path) << "precious";
    listener l(context.get_executor());
    CHECK(error_of([&] {
            l.listen_unix(path);
            return 0;
          }) == asio::error::address_in_use);
    std::string content;
    std::ifstream(path) >> content;
    CHECK(content == "precious");
  }
}

// --- how many ------------------------------------------------------------------------------------

TEST_CASE("a caller too many is told busy, and is welcome when there is room again") {
  asio::io_context context;
  options one;
  one.max_peers = 1;
  std::vector<std::error_code> turned_away;
  one.on_event = [&](const event& e) {
    if (e.what == event::kind::turned_away) turned_away.push_back(e.reason);
  };
  served<> server(context, GENERATE(transport::ipv4, transport::unix_socket), one);
  {
    conversation c(context, server.listener, server.dial());
    for (int i = 0; i < 3; ++i)
      CHECK(error_of([&] { return run(context, server.dial()); }) == errc::refused_busy);
    CHECK(turned_away == std::vector<std::error_code>(3, errc::refused_busy));
    run(context, exchange(c.left), exchange(c.right));  // the first one has noticed nothing
    c.left.abort();
    run_until(context, [&] { return c.right.ended(); });
  }
  const conversation c(context, server.listener, server.dial());
}

TEST_CASE("who greets at once is welcome, however many dawdle over their greeting") {
  asio::io_context context;
  options o;
  o.max_handshakes = 2;
  o.max_silent = 2;
  served<> server(context, transport::unix_socket, o);
  auto silent = server.connect(context);
  std::vector<any_socket> dawdling;
  for (int i = 0; i < 2; ++i)
    run(context, begin_to_greet(dawdling.emplace_back(server.connect(context))));
  std::vector<started<peer>> dialing;
  for (int i = 0; i < 20; ++i) dialing.push_back(launch(context, server.dial()));
  std::vector<peer> accepted;
  for (int i = 0; i < 20; ++i) accepted.push_back(run(context, server.listener.accept()));
  run_until(context, [&] {
    for (const auto& d : dialing)
      if (!d.done()) return false;
    return true;
  });
  for (auto& d : dialing) CHECK(d.get());
}

TEST_CASE(
    "of callers who dawdle over their greeting the oldest is sent away, silent ones are not") {
  asio::io_context context;
  options o;
  o.max_handshakes = 2;
  o.handshake_timeout = 1h;
  std::vector<std::error_code> turned_away;
  o.on_event = [&](const event& e) {
    if (e.what == event::kind::turned_away) turned_away.push_back(e.reason);
  };
  served<> server(context, transport::unix_socket, o);
  auto silent = server.connect(context);
  std::vector<any_socket> dawdling;
  std::vector<started<void>> ends;
  for (int i = 0; i < 3; ++i) dawdling.push_back(server.connect(context));
  for (auto& s : dawdling) {
    run(context, begin_to_greet(s));
    ends.push_back(launch(context, expect_end(s)));
    context.restart();
    context.poll();  // so that this one is known to be the next
  }
  run_until(context, [&] { return ends[0].done(); });
  CHECK(turned_away == std::vector<std::error_code>{errc::crowded_out});
  const conversation c(context, server.listener, server.dial());
  CHECK_FALSE(ends[1].done());
  CHECK_FALSE(ends[2].done());
  auto silent_end = launch(context, expect_end(silent));
  context.poll();
  CHECK_FALSE(silent_end.done());
  server.listener.close();
  run_until(context, [&] { return ends[1].done() && ends[2].done() && silent_end.done(); });
}

TEST_CASE("one address may not take all the places of those who greet") {
  asio::io_context context;
  options o;
  o.max_per_address = 1;
  o.handshake_timeout = 1h;
  served<> server(context, transport::ipv4, o);
  auto first = server.connect(context);
  auto second = server.connect(context);
  auto other = connect_from("127.0.0.2", server, context);
  for (any_socket* s : {&first, &other}) run(context, begin_to_greet(*s));
  auto first_end = launch(context, expect_end(first));
  auto other_end = launch(context, expect_end(other));
  context.restart();
  context.poll();
  CHECK_FALSE(first_end.done());
  run(context, begin_to_greet(second));
  run_until(context, [&] { return first_end.done(); });
  CHECK_FALSE(other_end.done());
}

TEST_CASE("a listener out of descriptors serves the caller when there are some again") {
#ifdef PARLEY_SANITIZED
  SKIP("UBSan's check of object types needs descriptors itself, and this test takes them all");
#endif
  asio::io_context context;
  served<> server(context, transport::unix_socket);
  auto caller = server.connect(context);
  parley::protocol::frame::hello h;
  h.attempt = 1;
  h.window = h.max_message + 1'000'000;
  h.max_message = 1000;
  h.heartbeat_ms = 1000;
  caller.write_some(asio::buffer(encode(h)));
  auto accepting = launch(context, server.listener.accept());

  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const int next_free = ::dup(STDIN_FILENO);
  REQUIRE(next_free >= 0);
  ::close(next_free);
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(next_free);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  // A loop that tried again at once would never run out of handlers.
  const auto handlers = context.poll();
  const bool accepted_without = accepting.done();
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(handlers < 100);
  CHECK_FALSE(accepted_without);

  run_until(context, [&] { return accepting.done(); });
  CHECK(accepting.get());
}

// --- the end -------------------------------------------------------------------------------------

TEST_CASE("closing a listener ends an accept that waits, and every one after") {
  asio::io_context context;
  served<> server(context, transport::ipv4);
  const auto port = server.port();
  auto accepting = launch(context, server.listener.accept());
  context.poll();
  server.listener.close();
  server.listener.close();  // once more changes nothing
  run_until(context, [&] { return accepting.done(); });
  CHECK(error_of([&] { return accepting.get(); }) == asio::error::operation_aborted);
  CHECK(error_of([&] { return run(context, server.listener.accept()); }) ==
        asio::error::operation_aborted);
  CHECK(error_of([&] { return run(context, dial("127.0.0.1", port)); }) ==
        asio::error::connection_refused);
}

TEST_CASE("a listener may go while an accept waits") {
  asio::io_context context;
  std::optional<listener> l(std::in_place, context.get_executor());
  l->listen("127.0.0.1", 0);
  auto accepting = launch(context, l->accept());
  context.poll();
  l.reset();
  run_until(context, [&] { return accepting.done(); });
  CHECK(error_of([&] { return accepting.get(); }) == asio::error::operation_aborted);
}

TEST_CASE("an accept may be cancelled, and the next one gets the caller") {
  using namespace asio::experimental::awaitable_operators;
  asio::io_context context;
  served<> server(context, transport::ipv4);
  asio::steady_timer soon(context, 1ms);
  const auto first = run(context, server.listener.accept() || soon.async_wait(asio::use_awaitable));
  CHECK(first.index() == 1);
  const conversation c(context, server.listener, server.dial());
}

TEST_CASE("conversations outlive their listener, callers not handed out do not") {
  asio::io_context context;
  std::optional<served<>> server(std::in_place, context, transport::ipv4);
  conversation c(context, server->listener, server->dial());
  auto waiting = run(context, server->dial());  // welcomed, but nobody accepts it
  server.reset();
  run(context, exchange(c.left), exchange(c.right));
  run_until(context, [&] { return waiting.ended(); });
  CHECK(waiting.reason());
  CHECK_FALSE(c.right.ended());
}

TEST_CASE("a listener that closes lets go of who is still silent") {
  asio::io_context context;
  options slow;
  slow.handshake_timeout = 1h;
  served<> server(context, transport::ipv4, slow);
  auto silent = server.connect(context);
  asio::steady_timer accepted(context, 1ms);
  run(context, accepted.async_wait(asio::use_awaitable));
  server.listener.close();
  CHECK_NOTHROW(run(context, expect_end(silent), 5s));
}

TEST_CASE("a context may go while a listener waits, greets and carries") {
  const auto context = std::make_unique<asio::io_context>();
  served<> server(*context, transport::unix_socket);
  conversation c(*context, server.listener, server.dial());
  auto silent = server.connect(*context);
  auto accepting = launch(*context, server.listener.accept());
  auto receiving = launch(*context, exchange(c.left));
  context->poll();
  CHECK_FALSE(accepting.done());
}

}  // namespace listener_test
