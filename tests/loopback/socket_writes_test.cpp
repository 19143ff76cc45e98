// How many system calls a conversation over a socket makes to write.

#include <asio/io_context.hpp>
#include <asio/local/connect_pair.hpp>
#include <asio/local/stream_protocol.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <parley/detail/stream.hpp>
#include <parley/endpoint.hpp>
#include <parley/message.hpp>

#include "support/manual_clock.hpp"
#include "support/over_stream.hpp"
#include "support/run.hpp"

namespace socket_writes_test {

using parley::send_result;
using parley::test::answer_over;
using parley::test::dial_over;
using parley::test::launch;
using parley::test::manual_clock;
using parley::test::peer_over;
using parley::test::run_virtually;

namespace {

/// A plain socket that counts its system calls to write.
class counting_socket : public parley::any_socket {
 public:
  counting_socket(parley::any_socket&& s, std::uint64_t& writes) noexcept
      : parley::any_socket(std::move(s)), writes_(&writes) {}

  template <typename Buffers>
  std::size_t write_some(const Buffers& b, std::error_code& ec) {
    ++*writes_;
    return parley::any_socket::write_some(b, ec);
  }

 private:
  std::uint64_t* writes_;
};
static_assert(parley::detail::pollable<counting_socket>);

asio::awaitable<void> serve(peer_over<counting_socket>& p, int turns) {
  for (int i = 0; i < turns; ++i) {
    const auto m = co_await p.receive();
    if (!m) throw std::runtime_error("a goodbye in the middle");
    co_await p.send("pong");
  }
}

asio::awaitable<void> play(peer_over<counting_socket>& p, int turns) {
  for (int i = 0; i < turns; ++i) {
    co_await p.send("ping");
    const auto m = co_await p.receive();
    if (!m) throw std::runtime_error("a goodbye in the middle");
  }
}

}  // namespace

TEST_CASE("over a socket a turn of ping-pong costs one write on each side, a batch not many more") {
  asio::io_context context;
  asio::local::stream_protocol::socket l(context);
  asio::local::stream_protocol::socket r(context);
  asio::local::connect_pair(l, r);
  std::uint64_t left_writes = 0;
  std::uint64_t right_writes = 0;
  auto answering = launch(context, answer_over(counting_socket(std::move(r), right_writes)));
  auto left = run_virtually(context, dial_over(counting_socket(std::move(l), left_writes)));
  manual_clock::settle(context);
  auto right = answering.get();
  CHECK(left_writes == 1);
  CHECK(right_writes == 1);

  // In virtual time no timer adds a write.
  constexpr int turns = 100;
  auto serving = launch(context, serve(right, turns));
  run_virtually(context, play(left, turns));
  CHECK(left_writes == 1 + turns);
  CHECK(right_writes == 1 + turns);

  left_writes = 0;
  for (int i = 0; i < 1000; ++i) REQUIRE(left.try_send("sixteen bytes ..") == send_result::queued);
  CHECK_FALSE(left.try_receive());
  CHECK(left_writes == 1);
  left_writes = 0;
  for (int i = 0; i < 1000; ++i) REQUIRE(left.try_send("sixteen bytes ..") == send_result::queued);
  context.restart();
  CHECK(context.poll() < 10);  // a program that never waits here: one posted flush, not a thousand
  CHECK(left_writes == 1);
}

}  // namespace socket_writes_test
