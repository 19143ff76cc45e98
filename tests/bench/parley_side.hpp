#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <parley/detail/asio.hpp>
#include <parley/message.hpp>
#include <parley/run_spinning.hpp>

#include <asio/io_context.hpp>

#include "contender.hpp"
#include "numbered.hpp"
#include "parley_contender.hpp"
#include "stopwatch.hpp"

namespace bench {

/// One side of a trial over a `parley::peer`, or another `Peer`: the coroutines that send and
/// receive its messages.
///
/// The loops hold `try_` calls and waits in one body because a coroutine for each message is what
/// the style `tries` is there to avoid.
template <typename Peer>
class side {
  using style = parley_use::style;

 public:
  side(Peer p, const trial& t, style s)
      : peer_(std::move(p)), trial_(t), style_(s), body_(make_body(t)) {}

  /// Sends the messages from number `sent()` until there are so many.
  asio::awaitable<void> send_until(std::uint64_t count) {
    for (; sent_ < count; ++sent_) {
      number_message(body_.data(), sent_);
      if (style_ == style::awaits || peer_.try_send(body_) != parley::send_result::queued)
        co_await peer_.send(body_);
    }
  }

  asio::awaitable<void> receive_until(std::uint64_t count) {
    while (received_ < count) {
      if (style_ == style::tries) take_until(count);
      if (received_ < count) check(co_await peer_.receive());
    }
  }

  /// Answers each message by itself.
  asio::awaitable<void> echo() {
    while (received_ < trial_.count) {
      std::optional<parley::message> m;
      if (trial_.what == work::echo) m = peer_.try_receive();
      if (!m) m = co_await peer_.receive();
      check(m);
      if (peer_.try_send(m->body) != parley::send_result::queued) co_await peer_.send(m->body);
    }
  }

  /// Sends and waits for the echo, so many times.
  asio::awaitable<figures> ping_pong() {
    stopwatch time(trial_);
    while (received_ < trial_.count) {
      co_await send_until(sent_ + 1);
      check(co_await peer_.receive());
      time.turn();
    }
    co_return time.stop();
  }

  /// Keeps as many messages under way as the trial says.
  asio::awaitable<figures> keep_under_way() {
    stopwatch time(trial_);
    co_await send_until(std::min(trial_.outstanding, trial_.count));
    while (received_ < trial_.count) {
      auto m = peer_.try_receive();
      if (!m) m = co_await peer_.receive();
      check(m);
      if (sent_ == trial_.count) continue;
      number_message(body_.data(), sent_++);
      if (peer_.try_send(body_) != parley::send_result::queued) co_await peer_.send(body_);
    }
    co_return time.stop();
  }

  /// Completes when all is delivered both ways.
  asio::awaitable<void> close() {
    const std::uint64_t undelivered = co_await peer_.close(patience);
    if (undelivered != 0) throw std::runtime_error("not all was delivered");
  }

 private:
  static constexpr std::chrono::seconds patience{10};

  /// Takes what has arrived, but no more than that many in all.
  void take_until(std::uint64_t count) {
    while (received_ < count) {
      const auto m = peer_.try_receive();
      if (!m) return;
      check(m);
    }
  }

  void check(const std::optional<parley::message>& m) {
    if (!m) throw std::runtime_error("the other side said goodbye");
    check_message(m->body, received_++, trial_);
  }

  Peer peer_;
  trial trial_;
  style style_;
  std::string body_;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
};

/// The server's whole work.
template <typename Peer>
asio::awaitable<void> serve_trial(side<Peer>& here, const trial& t) {
  using namespace asio::experimental::awaitable_operators;
  switch (t.what) {
    case work::ping_pong:
    case work::echo: co_await here.echo(); break;
    case work::one_way:
      co_await here.receive_until(t.count);
      co_await here.send_until(1);
      break;
    case work::both_ways:
      co_await (here.send_until(t.count) && here.receive_until(t.count));
      co_await here.send_until(t.count + 1);
      break;
  }
  co_await here.close();
}

template <typename Peer>
asio::awaitable<figures> stream(side<Peer>& here, const trial& t) {
  using namespace asio::experimental::awaitable_operators;
  const std::uint64_t from_server = t.what == work::one_way ? 1 : t.count + 1;
  stopwatch time(t);
  co_await (here.send_until(t.count) && here.receive_until(from_server));
  co_return time.stop();
}

/// The client's.
template <typename Peer>
asio::awaitable<figures> call_trial(side<Peer>& here, const trial& t) {
  figures seen;
  switch (t.what) {
    case work::ping_pong: seen = co_await here.ping_pong(); break;
    case work::echo: seen = co_await here.keep_under_way(); break;
    case work::one_way:
    case work::both_ways: seen = co_await stream(here, t); break;
  }
  co_await here.close();
  co_return seen;
}

/// Runs one end until its work is done and all connections are closed; throws what that throws.
inline void run_parley(asio::awaitable<void> work, std::chrono::microseconds spinning_for = {}) {
  asio::io_context io(1);
  std::exception_ptr failed;
  const auto done = [&](std::exception_ptr thrown) {
    failed = std::move(thrown);
    if (failed) io.stop();
  };
  asio::co_spawn(io, std::move(work), done);
  if (spinning_for.count() != 0)
    parley::run_spinning(io, spinning_for);
  else
    io.run();
  if (failed) std::rethrow_exception(failed);
}

}  // namespace bench
