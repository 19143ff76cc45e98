#pragma once

#include <system_error>
#include <utility>

#include <parley/detail/asio.hpp>
#include <parley/detail/spawn.hpp>

#include <asio/io_context.hpp>
#include <asio/ip/address_v4.hpp>

namespace bench {

/// Standalone Asio, for work that is written once for it and for Boost's.
struct standalone_asio {
  template <typename T>
  using task = asio::awaitable<T>;
  using context = asio::io_context;
  using tcp = asio::ip::tcp;
  using address_v4 = asio::ip::address_v4;
  using timer = asio::steady_timer;

  /// What it throws leaves through `run()`.
  static void spawn(context& c, task<void> work) {
    parley::detail::spawn(c.get_executor(), std::move(work));
  }

  /// Completes when both have; throws what one of them throws, which ends the other.
  static task<void> both(task<void> one, task<void> other) {
    using namespace asio::experimental::awaitable_operators;
    co_await (std::move(one) && std::move(other));
  }

  static task<void> until_cancelled(timer& t) {
    std::error_code cancelled;  // what else could it say
    co_await t.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  }
};

}  // namespace bench
