#include <parley/detail/happy_eyeballs.hpp>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "support/ports.hpp"
#include "support/run.hpp"

namespace happy_eyeballs_test {

namespace {

using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;
using parley::any_socket;
using parley::endpoint;
using parley::errc;
using parley::detail::happy_eyeballs;
using parley::test::closed_port;
using parley::test::full_port;
using parley::test::run;
using tcp = asio::ip::tcp;

endpoint at(unsigned short port) { return tcp::endpoint(asio::ip::address_v4::loopback(), port); }

struct result {
  std::optional<any_socket> socket;
  std::error_code failed;
};

asio::awaitable<result> connect(std::vector<endpoint> to, std::chrono::milliseconds timeout) {
  const auto all =
      std::make_shared<happy_eyeballs>(co_await asio::this_coro::executor, std::move(to), timeout);
  result r;
  r.socket = co_await all->run(r.failed);
  co_return r;
}

asio::awaitable<void> pass(std::chrono::milliseconds d) {
  asio::steady_timer timer(co_await asio::this_coro::executor, d);
  co_await timer.async_wait(asio::use_awaitable);
}

}  // namespace

TEST_CASE("the address that answers is taken, whatever stands before it") {
  asio::io_context context;
  const full_port silent(context);
  const closed_port closed(context);
  tcp::acceptor good(context, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  const std::vector<endpoint> to{at(closed.number()), at(silent.number()),
                                 at(good.local_endpoint().port())};
  const auto r = run(context, connect(to, 1h));  // nobody waits for an address to time out
  REQUIRE(r.socket);
  CHECK(r.socket->remote_endpoint() == to[2]);
}

TEST_CASE("where every address fails, the reason is that of the last one to fail") {
  asio::io_context context;
  const full_port silent(context);
  const closed_port closed(context);
  const auto refused = run(context, connect({at(closed.number())}, 1h));
  CHECK_FALSE(refused.socket);
  CHECK(refused.failed == asio::error::connection_refused);
  const auto r = run(context, connect({at(silent.number()), at(closed.number())}, 300ms));
  CHECK_FALSE(r.socket);
  CHECK(r.failed == errc::connect_timeout);
}

TEST_CASE("an address that begins to answer is tried anew before the system would") {
  asio::io_context context;
  full_port port(context);
  std::optional<result> r;
  const auto keep = [&r](asio::awaitable<result> work) -> asio::awaitable<void> {
    r = co_await std::move(work);
  };
  // The system repeats the first SYN after a second; both its and ours get in once there is room.
  auto connecting = connect({at(port.number())}, 1h);
  auto waiting = parley::test::launch(context, keep(std::move(connecting)));
  run(context, pass(50ms));
  CHECK_FALSE(r);
  port.open();
  parley::test::run_until(context, [&waiting] { return waiting.done(); });
  CHECK(r->socket);
}

TEST_CASE("a cancelled race leaves nothing that keeps the context busy") {
  asio::io_context context;
  const full_port silent(context);
  auto connecting = connect({at(silent.number())}, 1h);
  auto limit = pass(20ms);
  const auto first = run(context, std::move(connecting) || std::move(limit));
  CHECK(first.index() == 1);
  context.restart();
  context.run();  // comes to its end
}

}  // namespace happy_eyeballs_test
