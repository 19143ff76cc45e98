#include <parley/protocol/token_bucket.hpp>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstddef>
#include <system_error>

namespace token_bucket_test {

namespace {

using namespace std::chrono_literals;
using parley::errc;
using parley::protocol::token_bucket;

constexpr token_bucket::time_point start{1h};

/// How many frames may come at one moment.
int taken(token_bucket& a, token_bucket::time_point now) {
  int n = 0;
  while (!a.spend(now)) ++n;
  return n;
}

}  // namespace

TEST_CASE("so many idle frames may come at once, and one more is a flood") {
  token_bucket a;
  for (int i = 0; i < token_bucket::at_once; ++i) REQUIRE(a.spend(start) == std::error_code{});
  CHECK(a.spend(start) == errc::frame_flood);
  CHECK(a.spend(start) == errc::frame_flood);
}

TEST_CASE("what was spent comes back with time, and never more than that") {
  token_bucket a;
  REQUIRE(taken(a, start) == 1'000);
  SECTION("a little") { CHECK(taken(a, start + 100ms) == 99); }  // one went for the refusal
  SECTION("all of it") { CHECK(taken(a, start + 1001ms) == 1'000); }
  SECTION("after a year") { CHECK(taken(a, start + 24h * 365) == 1'000); }
}

TEST_CASE("a frame each millisecond may come without end, and two may not") {
  token_bucket slow, fast;
  auto now = start;
  for (int i = 0; i < 1'000'000; ++i) REQUIRE(!slow.spend(now += 1ms));
  int passed = 0;
  now = start;
  while (!fast.spend(now += 500us)) ++passed;
  CHECK(passed > 1'900);
  CHECK(passed < 2'100);
}

TEST_CASE("a clock that has only begun is no flood") {
  token_bucket a;
  CHECK(taken(a, token_bucket::time_point{}) == 1'000);
}

}  // namespace token_bucket_test
