#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "contender.hpp"
#include "heat.hpp"
#include "run_trial.hpp"
#include "settings.hpp"

namespace bench {

/// One turn of a ping-pong in so many is warm-up, at the beginning of each trial.
inline constexpr std::uint64_t warm_up_share = 10;

/// The trial of this heat, with as many turns or messages as make it take its time: tried with few,
/// and with more until they take long enough to be counted on.
[[nodiscard]] inline trial calibrate(contender& who, const heat& h, const effort& e) {
  using seconds = std::chrono::duration<double>;
  const bool turns = h.what.what == work::ping_pong;
  const seconds target = turns ? e.ping_pong : e.stream;
  const std::uint64_t fewest =
      turns ? e.fewest_turns * warm_up_share / (warm_up_share - 1) : 4 * h.what.outstanding;
  trial t = h.what;
  t.count = std::max<std::uint64_t>(200, h.what.outstanding);
  for (;;) {
    const double factor = target / seconds(run_trial(who, t, h.where).elapsed);
    const auto scaled = static_cast<double>(t.count) * std::clamp(factor, 0.001, 30.0);
    t.count = std::max(fewest, static_cast<std::uint64_t>(scaled));
    if (factor < 4) return t;
  }
}

}  // namespace bench
