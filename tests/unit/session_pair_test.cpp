#include <catch2/catch_test_macros.hpp>
#include <cstdint>

#include "support/session_pair.hpp"

namespace session_pair_test {

// While one connection lives: nothing lost, doubled or reordered, whatever the
// wire does to the sizes and the times of reads and writes. A run follows from its seed alone, so a
// seed that fails here fails again: set `first` to it and `count` to 1.

namespace {

using parley::test::decisions;
using parley::test::pair_plan;
using parley::test::session_pair;

constexpr std::uint64_t first = 1;
constexpr std::uint64_t count = 200;
constexpr std::uint64_t messages = 2000;  // from each side, fewer where they are long

}  // namespace

TEST_CASE("whatever the wire does, each side gets what the other said") {
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    INFO("seed " << seed);
    session_pair run(pair_plan(seed, messages), decisions(seed));
    CHECK(run.play() == session_pair::kept);
  }
}

TEST_CASE("a run follows from its seed alone") {
  constexpr std::uint64_t some = 100;  // messages, enough for a few thousand steps
  session_pair one(pair_plan(first, some), decisions(first));
  session_pair same(pair_plan(first, some), decisions(first));
  session_pair other(pair_plan(first, some), decisions(first + 1));
  REQUIRE(one.play() == session_pair::kept);
  REQUIRE(same.play() == session_pair::kept);
  REQUIRE(other.play() == session_pair::kept);
  CHECK(one.steps() == same.steps());
  CHECK(one.steps() != other.steps());
}

}  // namespace session_pair_test
