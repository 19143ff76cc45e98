// When the programs read and write: never where that would block them.

#include <unistd.h>

#include <array>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <thread>

#include <pthread.h>
#include <asio/io_context.hpp>

#include "chat/streams/readiness.hpp"

namespace readiness_test {

using chat::readiness;

namespace {

std::atomic<int> heard = 0;

}  // namespace

TEST_CASE("a signal in the middle of the question does not make a descriptor look ready") {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  asio::io_context io(1);
  const readiness input(io.get_executor(), ends[0], readiness::to::read);
  struct sigaction count{}, before{};
  count.sa_handler = [](int) { ++heard; };
  REQUIRE(::sigaction(SIGUSR1, &count, &before) == 0);

  std::atomic<bool> done = false;
  std::thread person([&done, who = ::pthread_self()] {
    while (!done) {
      ::pthread_kill(who, SIGUSR1);
      std::this_thread::yield();  // else, on one processor, nothing but signals gets anywhere
    }
  });
  int asked = 0;
  int ready = 0;
  for (heard = 0; heard < 5'000; ++asked)
    if (input.now()) ++ready;
  done = true;
  person.join();

  ::sigaction(SIGUSR1, &before, nullptr);
  ::close(ends[0]);
  ::close(ends[1]);
  CHECK(asked > 0);
  CHECK(ready == 0);
}

}  // namespace readiness_test
