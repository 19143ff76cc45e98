// How often a conversation allocates memory. Asio is told to do that by operator new alone
// (tests/CMakeLists.txt), and all calls of that are counted here.

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>

#include "cost/allocations.hpp"
#include "cost/signpost.hpp"
#include "cost/two_ends.hpp"

namespace allocations_test {

using namespace parley::test;
using parley::peer;

namespace {

struct stream_counts {
  std::uint64_t sends = 0;
  std::uint64_t receives = 0;
};

/// What a stream costs its ends, each a thread with an event loop of its own.
stream_counts count_stream(style calls, std::uint64_t messages) {
  constexpr std::uint64_t warm_up = 400'000;  // several times what the boxes hold
  allocation_count of_sender;
  allocation_count of_receiver;
  const stream sending{calls, warm_up, messages, [&] { of_sender.mark(); }};
  const stream receiving{calls, warm_up, messages, [&] { of_receiver.mark(); }};
  const signpost where;
  std::exception_ptr failed;
  {
    const std::jthread sender([&] {
      try {
        run_alone(dial_and_talk(where, [&](peer& p) { return send_stream(p, sending); }));
      } catch (...) {
        failed = std::current_exception();
      }
    });
    run_alone(listen_and_talk(where, [&](peer& p) { return receive_stream(p, receiving); }));
  }
  if (failed) std::rethrow_exception(failed);
  return {of_sender.value(), of_receiver.value()};
}

/// What a few hundred calls of each kind allocate, after the first, whose frame Asio recycles.
struct call_counts {
  allocation_count try_send;
  allocation_count send;
  allocation_count try_receive;
  allocation_count receive;
};

/// As many as leave in one write and arrive in one read: only the first has to be waited for.
constexpr int at_once = 500;

asio::awaitable<void> send_all(peer& p, allocation_count& count) {
  for (int i = 0; i < at_once; ++i) {
    co_await p.send(body);
    if (i == 0) count.mark();
  }
  count.mark();
}

asio::awaitable<void> receive_all(peer& p, allocation_count& count) {
  for (int i = 0; i < at_once; ++i) {
    const auto m = co_await p.receive();
    if (!m) throw std::runtime_error("one is missing");
    if (i == 0) count.mark();
  }
  count.mark();
}

asio::awaitable<void> try_send_all(peer& p, allocation_count& count) {
  for (int i = 0; i < at_once; ++i) {
    if (p.try_send(body) != parley::send_result::queued) throw std::runtime_error("no room");
    if (i == 0) count.mark();
  }
  count.mark();
  co_await p.delivered(p.last_receipt());
}

asio::awaitable<void> try_receive_all(peer& p, allocation_count& count) {
  const auto first = co_await p.receive();
  if (!first) throw std::runtime_error("nothing has arrived");
  count.mark();
  for (int i = 1; i < at_once; ++i)
    if (!p.try_receive()) throw std::runtime_error("not all have arrived");
  count.mark();
  (void)p.try_receive();  // done with the last one
}

asio::awaitable<void> say_to_itself(call_counts& counts) {
  using namespace asio::experimental::awaitable_operators;
  parley::listener door(co_await asio::this_coro::executor);
  door.listen("127.0.0.1", 0);
  const auto port = std::to_string(parley::port_of(door.endpoints().front()));
  auto here = co_await parley::dial("127.0.0.1", port);
  auto there = co_await door.accept();
  co_await send_all(here, counts.send);
  co_await receive_all(there, counts.receive);
  co_await (try_send_all(here, counts.try_send) && try_receive_all(there, counts.try_receive));
}

}  // namespace

TEST_CASE("calls that need not wait allocate nothing") {
  call_counts counts;
  run_alone(say_to_itself(counts));
  CHECK(counts.send.value() == 0);
  CHECK(counts.receive.value() == 0);
  CHECK(counts.try_send.value() == 0);
  CHECK(counts.try_receive.value() == 0);
}

TEST_CASE("a stream allocates nothing for a message") {
  const auto calls = GENERATE(style::tries, style::awaits);
  constexpr std::uint64_t messages = 200'000;
  // A chunk holds 1,486 of them and is two allocations, unless it is a spare one. All of the outbox
  // is spared, but for a time more may be in use than ever before.
  constexpr std::uint64_t most = messages / 2'000;
  const auto counts = count_stream(calls, messages);
  // Where a busy machine makes the program slow, the turns that it gives others may take theirs
  // anew.
  constexpr std::uint64_t for_turns = 8;
  INFO(to_string(calls));
  CHECK(counts.sends <= most);
  CHECK(counts.receives <= for_turns);
}

}  // namespace allocations_test
