#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <string>
#include <system_error>
#include <utility>

#include <asio/io_context.hpp>

#include <parley/dial.hpp>
#include <parley/listener.hpp>

namespace bench {

/// What a crowd's coroutines end with: an exception leaves through `io.run()`.
inline void rethrow(std::exception_ptr thrown) {
  if (thrown) std::rethrow_exception(thrown);
}

inline void start(const asio::any_io_executor& e, asio::awaitable<void> work) {
  asio::co_spawn(e, std::move(work), rethrow);
}

/// Where a crowd's listener is, and how to get there: "127.0.0.1 40000".
struct place {
  std::string host;
  std::string port;

  [[nodiscard]] static place of(const std::string& text) {
    const auto space = text.find(' ');
    return {text.substr(0, space), text.substr(space + 1)};
  }
  [[nodiscard]] static std::string text_of(const parley::endpoint& e) {
    std::string text = parley::to_string(e);
    text[text.rfind(':')] = ' ';
    return text;
  }
};

/// Work of which so many pieces are done at a time: coroutines that each take the next piece.
///
///   parallel work(executor, 10'000, [&](std::size_t i) { return dial_one(i); });
///   co_await work.run(64);
template <typename Piece>
class parallel {
 public:
  parallel(const asio::any_io_executor& e, std::size_t pieces, Piece piece)
      : executor_(e), timer_(e), pieces_(pieces), piece_(std::move(piece)) {}

  asio::awaitable<void> run(std::size_t at_a_time) {
    timer_.expires_at(std::chrono::steady_clock::time_point::max());
    for (std::size_t i = 0; i < at_a_time; ++i) start(executor_, worker());
    std::error_code done;
    if (done_ < pieces_)
      co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, done));
  }

 private:
  asio::awaitable<void> worker() {
    while (next_ < pieces_) {
      co_await piece_(next_++);
      if (++done_ == pieces_) timer_.cancel();
    }
  }

  asio::any_io_executor executor_;
  asio::steady_timer timer_;
  std::size_t pieces_;
  Piece piece_;
  std::size_t next_ = 0;
  std::size_t done_ = 0;
};

/// Sends back whatever comes, until the other side has had enough: it goes without a goodbye.
template <typename Peer>
asio::awaitable<void> echo(Peer& p) {
  std::error_code gone;
  while (const auto m = co_await p.receive(gone)) co_await p.send(m->body, 0, gone);
}

/// Takes all callers and echoes; keeps the peers.
inline asio::awaitable<void> echo_to_all(parley::listener& listener,
                                         std::deque<parley::peer>& peers) {
  for (;;) {
    peers.push_back(co_await listener.accept());
    start(peers.back().get_executor(), echo(peers.back()));
  }
}

/// How many callers are on their way at once.
inline constexpr std::size_t callers_at_once = 64;

}  // namespace bench
