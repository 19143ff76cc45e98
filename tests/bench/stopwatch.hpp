#pragma once

#include <chrono>
#include <utility>

#include "contender.hpp"

namespace bench {

/// Times a trial where the client is; made right before the first send.
///
///   stopwatch time(t);
///   for (...) { send(); receive(); time.turn(); }
///   return time.stop();
class stopwatch {
  using clock = std::chrono::steady_clock;

 public:
  explicit stopwatch(const trial& t) {
    if (t.what == work::ping_pong) seen_.turns.reserve(t.count);
    last_ = first_ = clock::now();
  }

  /// A turn is over and the next one begins: one look at the clock for both.
  void turn() {
    const auto now = clock::now();
    seen_.turns.push_back(now - last_);
    last_ = now;
  }

  [[nodiscard]] figures stop() {
    seen_.elapsed = clock::now() - first_;
    return std::move(seen_);
  }

 private:
  figures seen_;
  clock::time_point first_;
  clock::time_point last_;
};

}  // namespace bench
