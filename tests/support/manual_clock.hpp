#pragma once

#include <algorithm>
#include <asio/io_context.hpp>
#include <asio/wait_traits.hpp>
#include <chrono>

namespace parley::test {

/// Virtual time: it stands still until a test moves it, so hours pass in microseconds and every run
/// is the same. One clock for the whole process, on the same scale as steady time; it only goes on.
///
///   asio::basic_waitable_timer<manual_clock> timer(context, std::chrono::hours(1));
///   manual_clock::advance(context, std::chrono::hours(2));     // the timer has fired after one
class manual_clock {
 public:
  using duration = std::chrono::steady_clock::duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::steady_clock::time_point;

  static constexpr bool is_steady = true;

  static time_point now() noexcept { return now_; }

  /// Runs what can run without time passing.
  static void settle(asio::io_context& context) {
    context.restart();
    do next_ = time_point::max();
    while (context.poll() != 0);
  }

  /// Moves on to the next moment at which a timer is due, but not beyond `limit`, and lets that
  /// settle. False if there is no such moment.
  static bool step(asio::io_context& context, time_point limit) {
    settle(context);
    if (next_ > limit) return false;
    now_ = std::max(now_, next_);
    settle(context);
    return true;
  }

  /// Lets `d` pass; every timer that falls due on the way sees its own moment.
  static void advance(asio::io_context& context, duration d) {
    const auto until = now_ + d;
    while (step(context, until)) {
    }
    now_ = until;
    settle(context);
  }

 private:
  friend struct asio::wait_traits<manual_clock>;

  inline static time_point now_{std::chrono::hours(1)};
  inline static time_point next_ = time_point::max();
};

}  // namespace parley::test

namespace asio {

/// How long Asio sleeps for a virtual timer: not at all. That the earliest timer is asked about
/// whenever the reactor has looked is how the clock knows where to go next.
template <>
struct wait_traits<parley::test::manual_clock> {
  using clock = parley::test::manual_clock;

  static clock::duration to_wait_duration(const clock::duration& d) {
    // Far away means never; to add it to now would overflow.
    if (d < std::chrono::hours(24 * 365)) clock::next_ = std::min(clock::next_, clock::now_ + d);
    return clock::duration::zero();
  }
  static clock::duration to_wait_duration(const clock::time_point& t) {
    return to_wait_duration(t - clock::now());
  }
};

}  // namespace asio
