#pragma once

#include <array>
#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/redirect_error.hpp>
#include <asio/socket_base.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <parley/detail/read_hello.hpp>
#include <parley/detail/session_registry.hpp>
#include <parley/detail/spawn.hpp>
#include <parley/options.hpp>
#include <parley/peer.hpp>
#include <parley/protocol/frame.hpp>
#include <parley/protocols.hpp>

#include "support/manual_clock.hpp"

namespace parley::test {

namespace frame = protocol::frame;

/// A listener for streams of any kind, in virtual time: it reads what a caller says first and
/// leaves the rest to the session registry that `parley::listener` has as well.
template <typename Stream>
class pipe_listener {
  using registry = detail::session_registry<basic_peer<Stream, session, manual_clock>>;

 public:
  using peer_type = basic_peer<Stream, session, manual_clock>;

  pipe_listener(const asio::any_io_executor& e, options o)
      : executor_(e),
        timeout_(o.handshake_timeout),
        registry_(std::make_shared<registry>(e, std::make_shared<const options>(std::move(o)))) {}

  /// Somebody has connected.
  void call(Stream s) {
    auto caller = std::make_shared<Stream>(std::move(s));
    detail::spawn(executor_, greet(registry_, std::move(caller), manual_clock::now() + timeout_));
  }

  /// Completes with the next conversation.
  asio::awaitable<peer_type> accept() { return registry_->next_peer(); }

 private:
  static asio::awaitable<void> greet(std::shared_ptr<registry> r, std::shared_ptr<Stream> s,
                                     manual_clock::time_point until) {
    const auto executor = co_await asio::this_coro::executor;
    manual_clock::timer deadline(executor, until);
    deadline.async_wait([s](std::error_code ec) {
      if (!ec) s->close(ec);
    });
    detail::received_hello said;
    co_await read_hello(s, said);
    std::error_code ec;  // the caller may be gone
    if (said.failed) co_return s->close(ec);
    co_await r->make_way(said.hello, std::nullopt);
    const auto refused = r->admit(said.hello, *s);
    if (!refused) co_return;
    const std::string last = frame::encode(*refused);
    co_await asio::async_write(*s, asio::buffer(last),
                               asio::redirect_error(asio::use_awaitable, ec));
    s->shutdown(asio::socket_base::shutdown_send, ec);
    std::array<char, 512> rest;
    while (!ec)
      co_await s->async_read_some(asio::buffer(rest),
                                  asio::redirect_error(asio::use_awaitable, ec));
  }

  static asio::awaitable<void> read_hello(std::shared_ptr<Stream> s, detail::received_hello& out) {
    std::size_t have = 0;
    std::size_t size = out.bytes.size();
    while (have < size) {
      std::error_code ec;
      have += co_await s->async_read_some(
          asio::buffer(out.bytes.data() + have, out.bytes.size() - have),
          asio::redirect_error(asio::use_awaitable, ec));
      out.failed = detail::check_hello({out.bytes.data(), have}, size);
      if (!out.failed && have < size) out.failed = ec;
      if (out.failed) co_return;
    }
    const std::string_view said(out.bytes.data(), size);
    if (const auto bad = frame::decode(said.substr(frame::header_size), out.hello))
      out.failed = *bad;
  }

  asio::any_io_executor executor_;
  std::chrono::milliseconds timeout_;
  std::shared_ptr<registry> registry_;
};

}  // namespace parley::test
