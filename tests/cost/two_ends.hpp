#pragma once

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <parley/dial.hpp>
#include <parley/listener.hpp>

#include "cost/signpost.hpp"
#include "support/process.hpp"

namespace parley::test {

/// Runs `work` on an event loop of its own until it is done and its connections are closed; what
/// hangs is a failure.
inline void run_alone(asio::awaitable<void> work) {
  asio::io_context io(1);
  asio::steady_timer deadline(io, patience);
  std::exception_ptr thrown;
  const auto done = [&](std::exception_ptr e) {
    thrown = std::move(e);
    deadline.cancel();
    if (thrown) io.stop();
  };
  asio::co_spawn(io, std::move(work), done);
  bool hangs = false;
  deadline.async_wait([&](std::error_code cancelled) {
    if (cancelled) return;
    hangs = true;
    io.stop();
  });
  io.run();
  if (thrown) std::rethrow_exception(thrown);
  if (hangs) throw std::runtime_error("hangs");
}

/// What an end says and hears. The peer is closed afterwards.
using talk = std::function<asio::awaitable<void>(peer&)>;

inline asio::awaitable<void> say_and_close(peer p, const talk& t) {
  co_await t(p);
  const std::uint64_t undelivered = co_await p.close();
  if (undelivered != 0) throw std::runtime_error("not all was delivered");
}

inline asio::awaitable<void> listen_and_talk(const signpost& where, const talk& t) {
  parley::listener door(co_await asio::this_coro::executor);
  door.listen("127.0.0.1", 0);
  where.tell(port_of(door.endpoints().front()));
  auto p = co_await door.accept();
  co_await say_and_close(std::move(p), t);
}

inline asio::awaitable<void> dial_and_talk(const signpost& where, const talk& t) {
  auto p = co_await parley::dial("127.0.0.1", std::to_string(where.read()));
  co_await say_and_close(std::move(p), t);
}

/// How a program sends and receives.
enum class style {
  tries,   ///< `try_send` and `try_receive`, and waits only where these say so
  awaits,  ///< one `co_await` for each message
};

[[nodiscard]] inline std::string_view to_string(style s) {
  return s == style::tries ? "by tries" : "by a co_await for each";
}

/// Messages of 32 bytes one way, as fast as they go. Each end calls `mark` when `warm_up` of them
/// are through, and again after `counted` more.
struct stream {
  style calls;
  std::uint64_t warm_up;
  std::uint64_t counted;
  std::function<void()> mark;
};

inline const std::string body(32, 'x');

inline asio::awaitable<void> send_stream(peer& p, const stream& s) {
  for (std::uint64_t i = 0; i < s.warm_up + s.counted; ++i) {
    if (i == s.warm_up) s.mark();
    if (s.calls == style::awaits || p.try_send(body) != send_result::queued) co_await p.send(body);
  }
  s.mark();
}

/// Work of a tenth of a microsecond or two, as a program does with a message, without the system.
inline void use_up_time() {
  static std::atomic<int> beats = 0;
  for (int i = 0; i < 20; ++i) beats.fetch_add(1);
}

/// As a machine with other things to do makes a program now and then: others get a turn then.
inline void dawdle() {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(1);
  while (std::chrono::steady_clock::now() < until) {
  }
}

/// The slower end, on any machine: a stream whose receiver waits for more is not saturated.
inline asio::awaitable<void> receive_stream(peer& p, const stream& s) {
  for (std::uint64_t i = 0; i < s.warm_up + s.counted; ++i) {
    if (i == s.warm_up) s.mark();
    std::optional<message> m;
    if (s.calls == style::tries) m = p.try_receive();
    if (!m) m = co_await p.receive();
    if (!m || m->body != body) throw std::runtime_error("a message is missing or is not as sent");
    use_up_time();
    if (i < s.warm_up && i % 10'000 == 0) dawdle();
  }
  s.mark();
}

}  // namespace parley::test
