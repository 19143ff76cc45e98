#include <parley/stats.hpp>

#include <catch2/catch_test_macros.hpp>
#include <chrono>

namespace stats_test {

namespace {

using namespace std::chrono_literals;
using parley::stats;

}  // namespace

TEST_CASE("round-trip times are 0 until a ping came back") {
  const stats s;
  CHECK(s.round_trip_last == 0ns);
  CHECK(s.round_trip_min == 0ns);
  CHECK(s.round_trip_smoothed == 0ns);
}

TEST_CASE("the first round trip is the last, the smallest and the smoothed one") {
  stats s;
  s.add_round_trip(800us);
  CHECK(s.round_trip_last == 800us);
  CHECK(s.round_trip_min == 800us);
  CHECK(s.round_trip_smoothed == 800us);
}

TEST_CASE("a later round trip counts an eighth in the smoothed one") {
  stats s;
  s.add_round_trip(800us);
  s.add_round_trip(1600us);
  CHECK(s.round_trip_smoothed == 900us);  // 7/8 of 800 + 1/8 of 1600, RFC 6298 section 2
  s.add_round_trip(100us);
  CHECK(s.round_trip_smoothed == 800us);  // 7/8 of 900 + 1/8 of 100
}

TEST_CASE("the smallest round trip stays, the last one does not") {
  stats s;
  s.add_round_trip(500us);
  s.add_round_trip(200us);
  s.add_round_trip(900us);
  CHECK(s.round_trip_min == 200us);
  CHECK(s.round_trip_last == 900us);
}

}  // namespace stats_test
