// What a conversation holds in memory while nobody says anything.

#include <malloc.h>
#include <sys/resource.h>

#include <asio/steady_timer.hpp>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <parley/dial.hpp>
#include <parley/listener.hpp>

#include "cost/forked.hpp"
#include "cost/signpost.hpp"
#include "cost/two_ends.hpp"

namespace memory_test {

using namespace parley::test;
using parley::peer;

namespace {

/// README allows under 2 KiB of resident memory; this is what was asked of the allocator.
constexpr double most_bytes_each = 2048;
constexpr std::size_t crowd = 1000;
/// The shortest at which a busy machine still answers a thousand pings in time.
constexpr std::chrono::milliseconds heartbeat{500};

parley::options crowd_options() {
  parley::options o;
  o.heartbeat = heartbeat;
  o.max_peers = crowd + 1;
  return o;
}

double allocated() {
  const auto all = ::mallinfo2();
  return static_cast<double>(all.uordblks + all.hblkhd);
}

/// Each process has an end of every conversation. Raises the limit on open files, or skips.
void require_descriptors() {
  constexpr rlim_t needed = crowd + 100;
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  if (limit.rlim_cur >= needed) return;
  if (limit.rlim_max < needed)
    SKIP("this machine allows " << limit.rlim_max << " open files, the test needs " << needed);
  limit.rlim_cur = needed;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

asio::awaitable<void> converse(peer& p) {
  co_await p.send(body);
  const auto answer = co_await p.receive();
  if (!answer || answer->body != body) throw std::runtime_error("not what was said");
  if (p.try_receive()) throw std::runtime_error("more than was said");  // done with the answer
}

/// Calls so often, converses, and then holds what it has until the other side is gone.
asio::awaitable<void> call(const signpost& where) {
  const auto port = std::to_string(where.read());
  std::vector<peer> peers;
  for (std::size_t i = 0; i <= crowd; ++i) {
    peers.push_back(co_await parley::dial("127.0.0.1", port, crowd_options()));
    co_await converse(peers.back());
  }
  std::error_code aborted;  // as the other side goes without a goodbye
  co_await peers.front().receive(aborted);
}

/// Accepts one after the other until there are so many, each with a message both ways.
asio::awaitable<void> accept_until(parley::listener& door, std::vector<peer>& peers,
                                   std::size_t count) {
  while (peers.size() < count) {
    peers.push_back(co_await door.accept());
    co_await converse(peers.back());
  }
}

/// Completes when nobody has said anything for longer than a heartbeat, so that each has had its
/// ping and gone back to sleep.
asio::awaitable<void> stay_silent() {
  asio::steady_timer quiet(co_await asio::this_coro::executor, 5 * heartbeat / 2);
  co_await quiet.async_wait(asio::use_awaitable);
}

struct crowd_memory {
  double bytes = 0;        ///< that the crowd was allocated
  std::size_t boxes = 0;   ///< bytes held in outboxes and inboxes
  std::size_t intact = 0;  ///< conversations that live, on their first connection
};

asio::awaitable<void> hold(const signpost& where, crowd_memory& seen) {
  parley::listener door(co_await asio::this_coro::executor, crowd_options());
  door.listen("127.0.0.1", 0);
  where.tell(parley::port_of(door.endpoints().front()));
  std::vector<peer> peers;
  peers.reserve(crowd + 1);
  co_await accept_until(door, peers, 1);  // what all share is allocated by then
  co_await stay_silent();
  const double before = allocated();
  co_await accept_until(door, peers, crowd + 1);
  co_await stay_silent();
  seen.bytes = allocated() - before;
  for (const auto& p : peers) {
    seen.boxes += p.statistics().memory;
    if (p.state() == parley::state::connected && p.statistics().connections == 1) ++seen.intact;
  }
}

}  // namespace

TEST_CASE("a silent conversation takes two kibibytes at most and holds nothing in its boxes") {
  require_descriptors();
  const signpost where;
  const forked callers([&] { run_alone(call(where)); });
  crowd_memory seen;
  run_alone(hold(where, seen));
  CHECK(seen.intact == crowd + 1);
  CHECK(seen.boxes == 0);
  CHECK(seen.bytes / crowd <= most_bytes_each);
}

}  // namespace memory_test
