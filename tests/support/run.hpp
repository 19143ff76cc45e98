#pragma once

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "support/manual_clock.hpp"
#include "support/patience.hpp"

namespace parley::test {

/// Work that was started and will come to an end, with a result or an exception.
template <typename T>
class started {
  static constexpr bool empty = std::is_void_v<T>;
  using value = std::conditional_t<empty, std::monostate, T>;
  struct state {
    bool done = false;
    std::exception_ptr thrown;
    std::optional<value> result;
  };

 public:
  started(asio::io_context& context, asio::awaitable<T> work) {
    const auto s = state_;
    if constexpr (empty) {
      asio::co_spawn(context, std::move(work), [s](std::exception_ptr thrown) {
        s->done = true;
        s->thrown = std::move(thrown);
      });
    } else {
      asio::co_spawn(context, std::move(work), [s](std::exception_ptr thrown, T result) {
        s->done = true;
        s->thrown = std::move(thrown);
        if (!s->thrown) s->result.emplace(std::move(result));
      });
    }
  }

  [[nodiscard]] bool done() const noexcept { return state_->done; }

  /// Rethrows what the work threw, or gives what it returned; it must be done.
  T get() {
    if (state_->thrown) std::rethrow_exception(state_->thrown);
    if constexpr (!empty) return std::move(*state_->result);
  }

 private:
  std::shared_ptr<state> state_ = std::make_shared<state>();
};

/// Starts `work`; a `run` drives it.
template <typename T>
[[nodiscard]] started<T> launch(asio::io_context& context, asio::awaitable<T> work) {
  return started<T>(context, std::move(work));
}

/// Drives `context` until `done()` holds: what hangs is a failure, not a test that never ends.
template <typename Done>
void run_until(asio::io_context& context, Done done, std::chrono::milliseconds timeout = patience) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  context.restart();
  while (!done()) {
    if (context.run_one_until(deadline) != 0) continue;
    if (std::chrono::steady_clock::now() >= deadline) FAIL("hangs");
    FAIL("has nothing left to do, and is not done");
  }
}

/// Drives `context` until `work` is done; gives its result or rethrows what it threw.
template <typename T>
T run(asio::io_context& context, asio::awaitable<T> work,
      std::chrono::milliseconds timeout = patience) {
  started<T> s(context, std::move(work));
  run_until(context, [&] { return s.done(); }, timeout);
  return s.get();
}

/// Drives `context` until all of `work` is done, at once; rethrows what the first of them threw.
template <typename... T>
  requires(sizeof...(T) > 1)
void run(asio::io_context& context, asio::awaitable<T>... work) {
  std::tuple<started<T>...> all(started<T>(context, std::move(work))...);
  const auto each = [&](auto f) { std::apply([&](auto&... s) { (f(s), ...); }, all); };
  run_until(context, [&] {
    bool done = true;
    each([&](auto& s) { done = done && s.done(); });
    return done;
  });
  each([](auto& s) { (void)s.get(); });
}

/// The same in virtual time: where nothing can run, the clock goes on to the next timer, and what
/// takes longer than an hour of that hangs.
template <typename T>
T run_virtually(asio::io_context& context, asio::awaitable<T> work) {
  started<T> s(context, std::move(work));
  const auto limit = manual_clock::now() + std::chrono::hours(1);
  manual_clock::settle(context);
  while (!s.done())
    if (!manual_clock::step(context, limit)) FAIL("hangs");
  return s.get();
}

}  // namespace parley::test
