// What run_spinning runs and when it ends. How fast it answers is the benchmark's matter.

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>

#include <asio/buffer.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/local/connect_pair.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>

#include <parley/run_spinning.hpp>

#include "support/loopback.hpp"

namespace run_spinning_test {

using parley::run_spinning;
using namespace std::chrono_literals;

namespace {

constexpr auto never_sleeps = 1h;
constexpr auto wait = 5ms;  // long enough to see how the time is spent

/// How often this thread has gone to sleep so far.
long sleeps() {
  rusage used{};
  REQUIRE(::getrusage(RUSAGE_THREAD, &used) == 0);
  return used.ru_nvcsw;
}

/// How often this thread sleeps while it waits for a timer and for nothing else.
template <typename Duration>
long sleeps_for_a_timer(Duration spin) {
  asio::io_context io(1);
  asio::steady_timer timer(io, wait);
  timer.async_wait([](std::error_code) {});
  const long before = sleeps();
  REQUIRE(run_spinning(io, spin) == 1);
  return sleeps() - before;
}

/// Completes when that thread of this process is asleep.
void wait_until_asleep(pid_t thread) {
  const std::string path = "/proc/self/task/" + std::to_string(thread) + "/stat";
  for (;; std::this_thread::yield()) {
    std::ifstream file(path);
    const std::string stat{std::istreambuf_iterator<char>(file), {}};
    if (stat.find(") S ") != stat.npos) return;
  }
}

}  // namespace

TEST_CASE("run_spinning runs everything, says how much that was, and ends without work") {
  const auto spin = GENERATE(0us, 20us);
  asio::io_context io(1);
  int ran = 0;
  for (int i = 0; i < 3; ++i)
    asio::post(io, [&] {
      ++ran;
      asio::post(io, [&] { ++ran; });
    });
  CHECK(run_spinning(io, spin) == 6);
  CHECK(ran == 6);
  CHECK(io.stopped());

  SECTION("until restarted it has nothing to do") {
    asio::post(io, [&] { ++ran; });
    CHECK(run_spinning(io, spin) == 0);
    io.restart();
    CHECK(run_spinning(io, spin) == 1);
  }
}

TEST_CASE("run_spinning without any work returns at once") {
  asio::io_context io(1);
  CHECK(run_spinning(io, never_sleeps) == 0);
  CHECK(io.stopped());
}

TEST_CASE("run_spinning waits for timers, one after the other") {
  const auto spin = GENERATE(0us, 20us, 1s);
  asio::io_context io(1);
  asio::steady_timer first(io, wait);
  asio::steady_timer second(io);
  std::string order;
  first.async_wait([&](std::error_code) {
    order += '1';
    second.expires_after(wait);
    second.async_wait([&](std::error_code) { order += '2'; });
  });
  CHECK(run_spinning(io, spin) == 2);
  CHECK(order == "12");
}

TEST_CASE("run_spinning wakes up for what arrives at a socket") {
  const auto spin = GENERATE(0us, 20us);
  asio::io_context io(1);
  asio::local::stream_protocol::socket here(io);
  asio::local::stream_protocol::socket there(io);
  asio::local::connect_pair(here, there);
  std::array<char, 16> buffer{};
  std::size_t arrived = 0;
  here.async_read_some(asio::buffer(buffer), [&](std::error_code, std::size_t n) { arrived = n; });
  std::thread peer([&, us = ::gettid()] {
    wait_until_asleep(us);
    asio::write(there, asio::buffer("hello", 5));
  });
  CHECK(run_spinning(io, spin) == 1);
  peer.join();
  CHECK(arrived == 5);
}

TEST_CASE("a stop ends run_spinning, and what was ready stays so") {
  asio::io_context io(1);
  const auto guard = asio::make_work_guard(io);
  int ran = 0;

  SECTION("by a handler") {
    asio::post(io, [&] { io.stop(); });
    asio::post(io, [&] { ++ran; });
    CHECK(run_spinning(io, never_sleeps) == 1);
    CHECK(ran == 0);
    io.restart();
    CHECK(io.poll() == 1);
    CHECK(ran == 1);
  }
  SECTION("by another thread, while it spins") {
    std::thread other([&] { io.stop(); });
    CHECK(run_spinning(io, never_sleeps) == 0);
    other.join();
  }
  SECTION("by another thread, while it sleeps") {
    std::thread other([&, us = ::gettid()] {
      wait_until_asleep(us);
      io.stop();
    });
    CHECK(run_spinning(io, 0us) == 0);
    other.join();
  }
}

TEST_CASE("what a handler throws passes through run_spinning, which can go on") {
  asio::io_context io(1);
  int ran = 0;
  asio::post(io, [] { throw std::runtime_error("a handler's"); });
  asio::post(io, [&] { ++ran; });
  CHECK_THROWS_AS(run_spinning(io, 20us), std::runtime_error);
  CHECK(ran == 0);
  CHECK(run_spinning(io, 20us) == 1);
  CHECK(ran == 1);
}

TEST_CASE("run_spinning sleeps, but not before it has spun") {
  CHECK(sleeps_for_a_timer(0us) > 0);
  CHECK(sleeps_for_a_timer(20us) > 0);
  CHECK(sleeps_for_a_timer(never_sleeps) == 0);
  CHECK(sleeps_for_a_timer(std::chrono::duration<double>(1000)) == 0);
}

TEST_CASE("a conversation goes on under run_spinning") {
  using namespace parley::test;
  socket_pair<> pair(transport::ipv4);
  const auto talk = [](socket_pair<>& p) -> asio::awaitable<std::string> {
    co_await p.left.send("hello");
    const auto heard = co_await p.right.receive();
    p.context.stop();
    co_return std::string(heard->body);
  };
  auto said = launch(pair.context, talk(pair));
  pair.context.restart();
  CHECK(run_spinning(pair.context, 20us) > 0);
  REQUIRE(said.done());
  CHECK(said.get() == "hello");
}

}  // namespace run_spinning_test
