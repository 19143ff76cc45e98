#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <string_view>
#include <utility>

#include "contender.hpp"
#include "peer_work.hpp"
#include "stopwatch.hpp"

namespace bench {

/// A connected end for coroutines: one may send while another one receives. `Channel::library` says
/// what standalone Asio and Boost's have by different names, see `standalone_asio`.
template <typename Channel>
concept awaitable_channel = requires(Channel& c, std::string_view body) {
  // Complete when the two ends may begin, as the one that has listened or the one that has called.
  { c.meet_client() } -> std::same_as<typename Channel::library::template task<void>>;
  { c.meet_server() } -> std::same_as<typename Channel::library::template task<void>>;
  // Completes when the body is no longer needed and there is room for another.
  { c.send(body) } -> std::same_as<typename Channel::library::template task<void>>;
  // Completes with the next message, good until the one after it.
  { c.receive() } -> std::same_as<typename Channel::library::template task<std::string_view>>;
  c.finish();  // no more will be sent
  c.get_executor();
};

/// Lets a coroutine sleep until another one wakes it, as Asio's own examples do it: by a timer that
/// never expires. For one thread. Look at the state before and after; being woken says nothing.
///
///   while (queue.empty()) co_await queued.wait();
template <typename Library>
class wakeup {
 public:
  template <typename Executor>
  explicit wakeup(const Executor& e) : timer_(e, std::chrono::steady_clock::time_point::max()) {}

  [[nodiscard]] auto wait() {
    asleep_ = true;
    return Library::until_cancelled(timer_);
  }
  void wake() {
    if (std::exchange(asleep_, false)) timer_.cancel();
  }

 private:
  typename Library::timer timer_;
  bool asleep_ = false;
};

/// One end's work over such a channel.
///
///   awaitable_work work(channel, t);
///   const figures seen = co_await work.call();
template <awaitable_channel Channel>
class awaitable_work {
 public:
  using library = typename Channel::library;
  template <typename T>
  using task = typename library::template task<T>;

  awaitable_work(Channel& channel, const trial& t)
      : channel_(channel), trial_(t), messages_(t), arrived_(channel.get_executor()) {}

  task<void> serve() {
    switch (trial_.what) {
      case work::ping_pong:
      case work::echo: co_await send_back_until(trial_.count); co_return;
      case work::one_way: co_await receive_until(trial_.count); break;
      case work::both_ways:
        co_await library::both(send_until(trial_.count), receive_until(trial_.count));
        break;
    }
    co_await send_until(messages_.sent() + 1);  // the receipt
  }

  task<figures> call() {
    stopwatch watch(trial_);
    switch (trial_.what) {
      case work::ping_pong: co_await ping_on(watch); break;
      case work::one_way:
        co_await send_until(trial_.count);
        co_await receive_until(1);
        break;
      case work::both_ways:
        co_await library::both(send_until(trial_.count), receive_until(trial_.count + 1));
        break;
      case work::echo:
        co_await library::both(send_outstanding(), receive_until(trial_.count));
        break;
    }
    co_return watch.stop();
  }

 private:
  task<void> send_until(std::uint64_t count) {
    while (messages_.sent() < count) {
      co_await channel_.send(messages_.next());
      messages_.count_sent();
    }
  }
  task<void> receive_until(std::uint64_t count) {
    while (messages_.received() < count) {
      const std::string_view body = co_await channel_.receive();
      messages_.count_received(body);
      arrived_.wake();
    }
  }
  task<void> send_back_until(std::uint64_t count) {
    while (messages_.received() < count) {
      const std::string_view body = co_await channel_.receive();
      messages_.count_received(body);
      co_await channel_.send(body);
    }
  }

  task<void> ping() {
    co_await send_until(messages_.sent() + 1);
    co_await receive_until(messages_.received() + 1);
  }
  task<void> ping_on(stopwatch& watch) {
    while (messages_.received() < trial_.count) {
      co_await ping();
      watch.turn();
    }
  }

  /// Sends whenever fewer than the trial says are under way. Beside the receiving, not in turn with
  /// it: two ends that both wait to write would wait forever.
  task<void> send_outstanding() {
    while (messages_.sent() < trial_.count) {
      const auto end = std::min(messages_.received() + trial_.outstanding, trial_.count);
      co_await send_until(end);
      while (messages_.sent() == messages_.received() + trial_.outstanding)
        co_await arrived_.wait();
    }
  }

  Channel& channel_;
  const trial& trial_;
  numbered_messages messages_;
  wakeup<library> arrived_;
};

}  // namespace bench
