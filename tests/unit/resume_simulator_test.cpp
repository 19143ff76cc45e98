#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdint>
#include <iostream>

#include "support/decisions.hpp"
#include "support/pair_plan.hpp"
#include "support/random.hpp"
#include "support/session_pair.hpp"

namespace resume_simulator_test {

// Over any number of broken connections: nothing lost, doubled or reordered,
// and nothing silent when one side dies. A run follows from its seed alone, so a seed that fails
// here fails again: set `first` to it and the count to 1.

namespace {

using parley::test::decisions;
using parley::test::pair_plan;
using parley::test::session_pair;

constexpr std::uint64_t first = 1;
#ifdef PARLEY_SANITIZED
constexpr std::uint64_t share = 10;  // one seed in so many
#else
constexpr std::uint64_t share = 1;
#endif

/// Plays it, and adds what happened.
void play(const pair_plan& plan, std::uint64_t seed, session_pair::tally& all) {
  INFO("seed " << seed);
  session_pair run(plan, decisions(seed));
  CHECK(run.play() == session_pair::kept);
  const auto t = run.counts();
  all.messages += t.messages;
  all.cuts += t.cuts;
  all.welcomed += t.welcomed;
  all.replayed += t.replayed;
  all.superseded += t.superseded;
  all.stale += t.stale;
  all.silences += t.silences;
  all.refused_end += t.refused_end;
}

/// What must have happened, or the test has tested something else.
void check_variety(const session_pair::tally& t, std::uint64_t least) {
  CHECK(t.cuts >= 10 * least);
  CHECK(t.cuts - t.welcomed >= least);  // hellos or welcomes that were lost
  CHECK(t.replayed >= least);
  CHECK(t.superseded >= least);
  CHECK(t.stale >= least / 10);
  CHECK(t.silences >= least);
}

/// `messages` each way and `cuts`, for 20 seeds.
void play_long(std::uint64_t messages, std::uint64_t cuts, std::uint64_t seeds) {
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    const auto plan = pair_plan::long_run(seed, messages, cuts);
    const auto begun = std::chrono::steady_clock::now();
    session_pair::tally t;
    play(plan, seed, t);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
    std::cout << "seed " << seed << ": " << t.messages << " messages, " << t.cuts << " cuts, "
              << t.replayed << " replays, " << took.count() << " s\n";
    CHECK(t.messages == 2 * messages);
    check_variety(t, cuts / 20);
  }
}

constexpr std::uint64_t long_messages = 1'000'000;  // each way
constexpr std::uint64_t long_cuts = 100'100;        // a run may end before the last ones
constexpr std::uint64_t long_seeds = 20;

}  // namespace

TEST_CASE("wherever connections break, each side gets what the other said") {
  session_pair::tally all;
  for (std::uint64_t seed = first; seed < first + 400 / share; ++seed)
    play(pair_plan::broken(seed, 300, 30), seed, all);
  check_variety(all, 800 / share);
}

TEST_CASE("connections that break while all is said and acknowledged leave nobody in doubt") {
  session_pair::tally all;
  for (std::uint64_t seed = first; seed < first + 4000 / share; ++seed)
    play(pair_plan::broken(seed, 5, 10), seed, all);
  check_variety(all, 1000 / share);
  CHECK(all.refused_end >= 100 / share);
}

TEST_CASE("when one side dies the other knows the fate of every message") {
  session_pair::tally all;
  for (std::uint64_t seed = first; seed < first + 400 / share; ++seed) {
    auto plan = pair_plan::broken(seed, 300, 30);
    plan.dies_after = 1 + parley::test::random(seed).below(2 * plan.messages);
    play(plan, seed, all);
  }
  check_variety(all, 400 / share);
}

TEST_CASE("a long conversation over thousands of broken connections") {
  constexpr std::uint64_t part = 50;
  play_long(long_messages / part, long_cuts / part, long_seeds / share);
}

TEST_CASE("a million messages each way over a hundred thousand broken connections", "[.][full]") {
  play_long(long_messages, long_cuts, long_seeds);
}

TEST_CASE("a run over broken connections follows from its seed alone") {
  const auto plan = pair_plan::broken(first, 100, 20);
  session_pair one(plan, decisions(first));
  session_pair same(plan, decisions(first));
  session_pair other(plan, decisions(first + 1));
  REQUIRE(one.play() == session_pair::kept);
  REQUIRE(same.play() == session_pair::kept);
  REQUIRE(other.play() == session_pair::kept);
  CHECK(one.steps() == same.steps());
  CHECK(one.counts().cuts == same.counts().cuts);
  CHECK(one.steps() != other.steps());
}

}  // namespace resume_simulator_test
