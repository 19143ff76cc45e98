#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include <parley/options.hpp>

#include "support/random.hpp"

namespace parley::test {

/// What one run of a session pair is like.
struct pair_plan {
  std::array<options, 2> settings;
  std::uint64_t messages = 1000;    ///< from each side
  std::size_t largest_body = 1000;  ///< most bodies are short, some are up to that
  std::uint64_t long_ones = 20;     ///< one body in so many is
  std::uint64_t texts = 0;          ///< from here on bodies are numbered: others, other bodies
  std::size_t slice = 4096;         ///< most bytes that one read or write takes
  std::uint64_t delay_us = 1000;    ///< most time that bytes spend on the wire
  std::uint64_t laziness = 4;       ///< a program takes its messages once in so many steps

  std::uint64_t cuts = 0;        ///< connections that break, if the conversation lasts so long
  std::uint64_t pause_us = 0;    ///< most time until the dialer dials again
  std::uint64_t dies_after = 0;  ///< messages heard on both sides until one side dies; 0: none does

  /// A plan for each seed, from one byte at a time to 200,000 at once, over one connection. There
  /// are `count` messages, and fewer where each of them takes many steps.
  explicit pair_plan(std::uint64_t seed, std::uint64_t count = 1000) : messages(count) {
    random rng(seed);
    constexpr std::array<std::size_t, 6> slices{1, 13, 500, 4096, 65'536, 200'000};
    slice = slices[rng.below(slices.size())];
    largest_body = slice < 500 ? 200 : std::size_t{1} << rng.between(5, 15);
    if (slice > 65'536 && rng.once_in(4)) largest_body = 200'000;  // longer than a chunk
    if (slice == 1 || largest_body > 100 * slice || largest_body > 65'536) messages = count / 10;
    delay_us = rng.once_in(3) ? 0 : std::uint64_t{1} << rng.below(17);  // up to 65 ms
    laziness = rng.once_in(2) ? 1 : rng.between(2, 20);
    pause_us = rng.once_in(2) ? 100 : rng.below(20'000);
    limit(rng);
  }

  /// The same with `cuts`: one for every `count` / `cuts` messages.
  static pair_plan broken(std::uint64_t seed, std::uint64_t count, std::uint64_t cuts) {
    pair_plan plan(seed, count);
    plan.cuts = plan.messages * cuts / count;
    return plan;
  }

  /// One for long runs: no plan takes more than a few dozen steps for a message, or many bytes.
  static pair_plan long_run(std::uint64_t seed, std::uint64_t count, std::uint64_t cuts) {
    pair_plan plan(seed, count);
    random rng(seed);
    constexpr std::array<std::size_t, 4> slices{100, 500, 4096, 65'536};
    plan.messages = count;
    plan.cuts = cuts;
    plan.slice = slices[rng.below(slices.size())];
    plan.largest_body = std::size_t{1} << rng.between(4, 10);
    plan.laziness = std::min<std::uint64_t>(plan.laziness, 5);
    plan.limit(rng);
    return plan;
  }

 private:
  void limit(random& rng) {
    for (options& o : settings) {
      o.max_message = largest_body + rng.below(100);
      const std::size_t least = o.max_message + message_overhead;
      o.window = rng.once_in(3) ? least : least + rng.below(65'536);
      o.outbox = rng.once_in(3) ? least : least + rng.below(262'144);
      o.heartbeat = std::chrono::milliseconds(rng.between(200, 2000));
      o.handshake_timeout = std::chrono::milliseconds(rng.between(1000, 3000));
    }
  }
};

}  // namespace parley::test
