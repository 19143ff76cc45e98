// A program that takes its time over each message keeps nobody else waiting.

#include <parley/peer.hpp>

#include <algorithm>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <system_error>

#include "support/loopback.hpp"
#include "support/run.hpp"

namespace slow_program_test {

namespace {

using parley::peer;
using parley::test::launch;
using parley::test::socket_pair;
using parley::test::transport;

constexpr int count = 3000;  // of 1 KiB: fewer than a window holds
constexpr std::chrono::microseconds work{20};

/// Spends the time as a program does that thinks.
void think() {
  const auto until = std::chrono::steady_clock::now() + work;
  while (std::chrono::steady_clock::now() < until) {
  }
}

asio::awaitable<void> send_bulk(peer& p) {
  const std::string body(1024, 'x');
  for (int i = 0; i < count; ++i) co_await p.send(body);
}

/// Takes its time over each; `handled` counts them.
asio::awaitable<void> receive_slowly(peer& p, int& handled) {
  while (handled < count) {
    const auto m = co_await p.receive();
    if (!m) break;
    think();
    ++handled;
  }
}

/// Looks, at each of its turns, how much the other has done since the last one.
asio::awaitable<void> watch(const int& handled, int& most) {
  const auto executor = co_await asio::this_coro::executor;
  for (int last = 0; handled < count; last = handled) {
    co_await asio::post(executor, asio::use_awaitable);
    most = std::max(most, handled - last);
  }
}

/// Ends the conversation at its turn, as who has the object may, whatever waits there.
asio::awaitable<void> drop(peer& p, const int& handled) {
  const auto executor = co_await asio::this_coro::executor;
  while (handled < count / 4) co_await asio::post(executor, asio::use_awaitable);
  p = {};
}

asio::awaitable<void> send_bulk_and_receive(peer& p) {
  co_await send_bulk(p);
  co_await p.receive();
  co_await p.receive();  // to come back is to acknowledge
}

/// How much was handled when the peer was known to be done with the only message.
asio::awaitable<int> ask(peer& p, const int& handled) {
  const auto receipt = co_await p.send("?");
  co_await p.delivered(receipt);
  co_return handled;
}

}  // namespace

TEST_CASE("others on the executor get their turn while a slow program has messages left") {
  socket_pair<> pair(transport::ipv4);
  int handled = 0;
  int most = 0;
  pair.run(send_bulk(pair.left), receive_slowly(pair.right, handled), watch(handled, most));
  CHECK(handled == count);
  CHECK(most > 0);
  CHECK(most <= 64);  // half a read is 32 of them
}

TEST_CASE("an ack is heard while a slow program has messages left that came before it") {
  socket_pair<> pair(transport::ipv4);
  int handled = 0;
  auto answers = launch(pair.context, send_bulk_and_receive(pair.left));
  auto listens = launch(pair.context, receive_slowly(pair.right, handled));
  auto asked = launch(pair.context, ask(pair.right, handled));
  pair.run_until([&] { return asked.done() && listens.done(); });
  CHECK(handled == count);
  CHECK(asked.get() < count / 2);  // all of it is read long before it is handled
}

TEST_CASE("a conversation may be dropped while its slow receiver lets others go first") {
  socket_pair<> pair(transport::ipv4);
  int handled = 0;
  auto sends = launch(pair.context, send_bulk(pair.left));
  auto receives = launch(pair.context, receive_slowly(pair.right, handled));
  auto drops = launch(pair.context, drop(pair.right, handled));
  pair.run_until([&] { return receives.done() && drops.done(); });
  CHECK_THROWS_AS(receives.get(), std::system_error);
  CHECK(handled < count);
  pair.left.abort();
  pair.run_until([&] { return sends.done(); });
}

}  // namespace slow_program_test
