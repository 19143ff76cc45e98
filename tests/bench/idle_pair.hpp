#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "crowd_loop.hpp"
#include "crowd_pair.hpp"
#include "resident.hpp"
#include "statistics.hpp"

namespace bench {

/// Whether the program waits for a message of each conversation, in a coroutine for each.
enum class stance { held, receiving };

inline constexpr std::chrono::milliseconds heartbeat{1000};
/// Until every conversation has had a ping, and has given back what it needed for its message.
inline constexpr std::chrono::milliseconds quiet = 5 * heartbeat / 2;

inline const std::string hello(32, 'x');
inline const std::string go = "go";

[[nodiscard]] inline parley::options crowd_options(std::size_t size) {
  parley::options o;
  o.heartbeat = heartbeat;
  o.max_peers = size;
  o.max_per_address = callers_at_once;
  return o;
}

/// The accepting side, whose memory is measured; `Ends` says how it listens, and with what it is
/// called. The first conversation is alone for a while: what
/// all share is allocated by then, and its echo is what the crowd's are compared with.
template <typename Ends>
class idle_server {
  using steady_clock = std::chrono::steady_clock;
  using peer = typename Ends::peer;

 public:
  idle_server(std::size_t size, stance s, report tell)
      : size_(size), stance_(s), tell_(std::move(tell)) {}

  void run(const std::string& host, const announce& where) {
    listener_.listen(host, 0);
    where(place::text_of(listener_.endpoints().front()));
    start(io_.get_executor(), measure());
    io_.run();
  }

 private:
  asio::awaitable<void> measure() {
    co_await take(1);
    const double echo_alone = co_await echo_time();
    const double before = resident_kib();
    const auto begun = steady_clock::now();
    co_await peers_.front().send(go);
    co_await take(size_);
    const std::chrono::duration<double, std::micro> set_up = steady_clock::now() - begun;
    co_await pass(quiet);
    const auto others = static_cast<double>(size_ - 1);
    const double each = (resident_kib() - before) / others;
    const double echo_of_many = co_await echo_time();
    for (const auto& p : peers_)
      if (p.state() != parley::state::connected) throw std::runtime_error("one was lost");
    const numbers all{each, set_up.count() / others, echo_alone, echo_of_many};
    tell_(all);
  }

  /// Until there are so many conversations, each with a message both ways.
  asio::awaitable<void> take(std::size_t count) {
    while (peers_.size() < count) {
      peers_.push_back(co_await listener_.accept());
      start(io_.get_executor(), greet(peers_.back()));
    }
    while (greeted_ < count) co_await pass(std::chrono::milliseconds(1));
  }

  asio::awaitable<void> greet(peer& p) {
    co_await p.send(hello);
    co_await p.receive();
    ++greeted_;
    if (stance_ == stance::receiving) co_await p.receive();
    if (stance_ == stance::held) (void)p.try_receive();  // done with the message
  }

  /// The median of echoes by one after the other; 0 where others wait for messages.
  asio::awaitable<double> echo_time() {
    constexpr std::size_t turns = 500;
    if (stance_ == stance::receiving) co_return 0;
    std::vector<double> times;
    for (std::size_t i = 0; i < turns; ++i) {
      auto& p = peers_[i * peers_.size() / turns];
      const auto begun = steady_clock::now();
      co_await p.send(hello);
      co_await p.receive();
      times.push_back(
          std::chrono::duration<double, std::micro>(steady_clock::now() - begun).count());
      (void)p.try_receive();
    }
    co_return median(times);
  }

  asio::awaitable<void> pass(std::chrono::milliseconds time) {
    asio::steady_timer timer(io_, time);
    co_await timer.async_wait(asio::use_awaitable);
  }

  std::size_t size_;
  stance stance_;
  report tell_;
  asio::io_context io_{1};
  typename Ends::listener listener_ = Ends::listen(io_.get_executor(), crowd_options(size_));
  std::deque<peer> peers_;
  std::size_t greeted_ = 0;
};

/// The other side: dials one, and the rest when that one is told to go; echoes.
template <typename Ends>
class idle_client {
  using peer = typename Ends::peer;

 public:
  idle_client(std::size_t size, const std::string& address)
      : size_(size), to_(place::of(address)) {}

  void run() {
    start(io_.get_executor(), first());
    io_.run();
  }

 private:
  asio::awaitable<void> first() {
    auto dialed = co_await Ends::dial(to_, crowd_options(size_));
    peer& p = peers_.emplace_back(std::move(dialed));
    while (const auto m = co_await p.receive()) {
      if (m->body == go)
        start(io_.get_executor(), rest());
      else
        co_await p.send(m->body);
    }
  }

  asio::awaitable<void> rest() {
    const auto one = [this](std::size_t) { return dial_one(); };
    parallel work(io_.get_executor(), size_ - 1, one);
    co_await work.run(callers_at_once);
  }

  asio::awaitable<void> dial_one() {
    auto dialed = co_await Ends::dial(to_, crowd_options(size_));
    start(io_.get_executor(), echo(peers_.emplace_back(std::move(dialed))));
  }

  std::size_t size_;
  place to_;
  asio::io_context io_{1};
  std::deque<peer> peers_;
};

/// KiB each, µs to set one up, and µs for an echo by the first while it was alone, and by all.
template <typename Ends>
[[nodiscard]] numbers run_idle_pair(std::size_t size, stance s) {
  crowd_pair pair;
  pair.measures = crowd_pair::end::server;
  const std::string host = loopback_address();
  pair.serve = [&](const announce& where, const report& tell) {
    idle_server<Ends>(size, s, tell).run(host, where);
  };
  pair.call = [&](const std::string& address, const report&) {
    idle_client<Ends>(size, address).run();
  };
  return run_pair(pair);
}

}  // namespace bench
