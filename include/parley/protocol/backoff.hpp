#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

namespace parley::protocol {

/// How long to pause before the next attempt to connect.
///
/// At once after a healthy connection; then a random time out of a range that doubles up to a limit
/// ("full jitter": many dialers that lost one listener at the same moment do not come back at the
/// same moment). Knows no clock. Not safe for sharing between threads.
class backoff {
 public:
  using milliseconds = std::chrono::milliseconds;

  static constexpr milliseconds first_range{100};

  backoff(milliseconds most, std::uint32_t seed) noexcept : most_(most), random_(seed) {}

  /// The pause before the next attempt, counted from the beginning of the last one.
  [[nodiscard]] milliseconds next() {
    if (failures_++ == 0) return milliseconds(0);
    const auto doublings = std::min(failures_ - 2, most_doublings);
    const auto range = std::min(most_, first_range * (1U << doublings));
    return milliseconds(
        std::uniform_int_distribution<milliseconds::rep>(0, range.count())(random_));
  }

  /// The connection was healthy: the next attempt may come at once.
  void healthy() noexcept { failures_ = 0; }

  /// The connection was good for something before it broke, but not for long.
  void progressed() noexcept { failures_ = std::min(failures_, 1U); }

 private:
  static constexpr std::uint32_t most_doublings = 20;  // far beyond any limit

  milliseconds most_;
  std::minstd_rand random_;
  std::uint32_t failures_ = 0;
};

}  // namespace parley::protocol
