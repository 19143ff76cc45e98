#pragma once

#include <parley/detail/asio.hpp>

namespace parley::detail {

template <typename Clock>
struct timer_on {
  using type = asio::basic_waitable_timer<Clock>;
};
template <typename Clock>
  requires requires { typename Clock::timer; }
struct timer_on<Clock> {
  using type = typename Clock::timer;
};

/// A timer on `Clock`: Asio's, or the one that the clock brings along as its member `timer`. A
/// virtual clock does, so that a conversation in memory makes no system call.
template <typename Clock>
using timer = typename timer_on<Clock>::type;

}  // namespace parley::detail
