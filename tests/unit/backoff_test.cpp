#include <parley/protocol/backoff.hpp>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdint>
#include <vector>

#include "support/random.hpp"

namespace backoff_test {

namespace {

using namespace std::chrono_literals;
using parley::protocol::backoff;
using std::chrono::milliseconds;

/// What many dialers' attempts of one kind pause.
struct spread {
  milliseconds shortest = milliseconds::max();
  milliseconds longest{0};
  milliseconds sum{0};
  milliseconds::rep count = 0;

  void add(milliseconds pause) {
    shortest = std::min(shortest, pause);
    longest = std::max(longest, pause);
    sum += pause;
    ++count;
  }
  /// Whether these are numbers from 0 to `range`, none of them rarer than others.
  void check_fills(milliseconds range) const {
    INFO("0 to " << range.count() << " ms, seen " << shortest.count() << " to " << longest.count()
                 << ", on average " << sum.count() / count);
    CHECK(shortest >= 0ms);
    CHECK(longest <= range);
    CHECK(shortest <= range / 50);
    CHECK(longest >= range - range / 50);
    CHECK(sum / count >= range * 45 / 100);
    CHECK(sum / count <= range * 55 / 100);
  }
};

constexpr int dialers = 2000;

/// `attempt(b)` of many dialers that differ in their seed alone.
template <typename Attempt>
spread spread_of(milliseconds most, Attempt attempt) {
  parley::test::random seeds(1);
  spread s;
  for (int i = 0; i < dialers; ++i) {
    backoff b(most, static_cast<std::uint32_t>(seeds.next()));
    s.add(attempt(b));
  }
  return s;
}

void fail(backoff& b, int times) {
  for (int i = 0; i < times; ++i) (void)b.next();
}

}  // namespace

TEST_CASE("the first attempt after a connection comes at once") {
  for (std::uint32_t seed = 0; seed < 100; ++seed) {
    backoff b(5s, seed);
    CHECK(b.next() == 0ms);
  }
}

TEST_CASE("pauses are random, over ranges that double up to the limit") {
  // the documented pauses: 0.1 s doubling to 5 s.
  const std::vector<milliseconds> ranges{100ms,  200ms,  400ms,  800ms, 1600ms,
                                         3200ms, 5000ms, 5000ms, 5000ms};
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    INFO("pause " << i + 2);
    const auto s = spread_of(5s, [&](backoff& b) {
      fail(b, static_cast<int>(i) + 1);
      return b.next();
    });
    s.check_fills(ranges[i]);
  }
}

TEST_CASE("one dialer's pauses differ from each other and fill their range") {
  backoff b(5s, 4711);
  fail(b, 20);
  spread s;
  for (int i = 0; i < dialers; ++i) s.add(b.next());
  s.check_fills(5s);
}

TEST_CASE("after a healthy connection it begins anew") {
  backoff b(5s, 1);
  for (int i = 0; i < 3; ++i) {
    fail(b, 20);
    b.healthy();
    CHECK(b.next() == 0ms);
  }
  const auto s = spread_of(5s, [](backoff& after) {
    fail(after, 20);
    after.healthy();
    fail(after, 1);
    return after.next();
  });
  s.check_fills(100ms);
}

TEST_CASE("after a connection that was good for something the shortest range comes next") {
  const auto s = spread_of(5s, [](backoff& b) {
    fail(b, 20);
    b.progressed();
    return b.next();
  });
  s.check_fills(100ms);
  const auto next = spread_of(5s, [](backoff& b) {
    fail(b, 20);
    b.progressed();
    fail(b, 1);
    return b.next();
  });
  next.check_fills(200ms);
}

TEST_CASE("progress takes nothing from the attempt at once that is still to come") {
  backoff b(5s, 1);
  b.progressed();
  CHECK(b.next() == 0ms);
  fail(b, 5);
  b.healthy();
  b.progressed();
  CHECK(b.next() == 0ms);
}

TEST_CASE("a limit below the first range is kept from the first pause on") {
  const auto s = spread_of(60ms, [](backoff& b) {
    fail(b, 1);
    return b.next();
  });
  s.check_fills(60ms);
}

TEST_CASE("a limit of nothing means no pauses") {
  backoff b(0ms, 1);
  for (int i = 0; i < 100; ++i) CHECK(b.next() == 0ms);
}

TEST_CASE("after very many failures pauses are long and no more than the limit") {
  constexpr auto day = 24h;
  backoff b(day, 1);
  milliseconds longest{0};
  for (int i = 0; i < 100'000; ++i) {
    const auto pause = b.next();
    REQUIRE(pause >= 0ms);
    REQUIRE(pause <= day);
    longest = std::max(longest, pause);
  }
  CHECK(longest > day / 2);
}

}  // namespace backoff_test
