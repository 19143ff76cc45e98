// Two processes, real TCP, and a proxy between them that cuts every connection: nothing is lost,
// doubled or out of order.

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include "prove/talk.hpp"
#include "support/fault_proxy.hpp"

namespace cuts_test {

namespace {

using parley::test::fault;
using parley::test::fault_proxy;
using parley::test::talk;

/// Lets both sides say `messages` of `size` bytes while connections are reset after 4,000 to 16,000
/// bytes; the figures are printed. What is under way at a reset passes, so a connection carries
/// some 200 KB all the same: how many there are depends on how much is said.
void talk_over_cuts(std::uint64_t messages, int size, std::uint64_t least_cuts) {
  const auto begun = std::chrono::steady_clock::now();
  const std::string count = "messages=" + std::to_string(messages);
  const std::string length = "size=" + std::to_string(size);
  talk server({PARLEY_TALKER_PATH, "serve", "0", count, length, "quiet=1"});
  const auto port = talk::number(server.next("listening"), "listening ");
  fault_proxy proxy(static_cast<std::uint16_t>(port));
  constexpr std::uint64_t least = 4'000, most = 16'000;
  proxy.strike_every(fault::reset, least, most, 1);
  talk client({PARLEY_TALKER_PATH, "dial", std::to_string(proxy.port()), count, length, "quiet=1"});
  const auto of_client = client.next("done");
  const auto of_server = server.next("done");
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  std::printf("%llu messages each way, %llu cuts, %.1f s:\n  client %s\n  server %s\n",
              static_cast<unsigned long long>(messages),
              static_cast<unsigned long long>(proxy.strikes()), took.count(), of_client.c_str(),
              of_server.c_str());
  for (const auto& line : {of_client, of_server}) {
    CHECK(talk::number(line, "heard=") == static_cast<std::int64_t>(messages));
    CHECK(talk::number(line, "wrong=") == 0);
    CHECK(talk::number(line, "undelivered=") == 0);
    CHECK(line.ends_with("reason=Success"));
  }
  CHECK(proxy.strikes() >= least_cuts);
}

}  // namespace

TEST_CASE("messages go both ways between two processes over many cuts") {
#ifdef PARLEY_SANITIZED
  talk_over_cuts(5'000, 200, 2);
#else
  talk_over_cuts(20'000, 200, 5);
#endif
}

TEST_CASE("a million messages each way over a thousand cuts", "[.full]") {
  talk_over_cuts(1'000'000, 400, 1'000);
}

}  // namespace cuts_test
