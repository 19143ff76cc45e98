#pragma once

#include <memory>

#include <parley/detail/asio.hpp>
#include <parley/detail/timer_queue.hpp>
#include <parley/protocol/chunks.hpp>

namespace parley::detail {

/// What the conversations on one executor share.
template <typename Clock>
struct executor_state {
  explicit executor_state(const asio::any_io_executor& e)
      : timers(std::make_shared<timer_queue<Clock>>(e)) {}

  std::shared_ptr<timer_queue<Clock>> timers;
  protocol::spares spares;
};

}  // namespace parley::detail
