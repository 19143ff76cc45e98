#pragma once

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <parley/tls.hpp>

#include "support/by_hand.hpp"
#include "support/run.hpp"
#include "tls/foreign_tls.hpp"

namespace parley::test {

namespace frame = protocol::frame;

[[nodiscard]] inline std::shared_ptr<const credentials> new_credentials() {
  return std::make_shared<const credentials>(credentials::make());
}

/// A TLS listener that notes whom it sends away, and lets in whom its host names.
class tls_host {
 public:
  explicit tls_host(options o = {}, admission_check admits = {},
                    std::shared_ptr<invitations> guests = nullptr)
      : listener(context.get_executor(), noting(std::move(o)),
                 tls_security(me, std::move(admits), std::move(guests))) {
    listener.listen("127.0.0.1", 0);
  }

  [[nodiscard]] asio::ip::tcp::endpoint at() const {
    return {asio::ip::address_v4::loopback(), parley::port_of(listener.endpoints().front())};
  }
  [[nodiscard]] asio::ip::tcp::socket connect() {
    asio::ip::tcp::socket s(context);
    s.connect(at());
    return s;
  }
  [[nodiscard]] auto connector(std::shared_ptr<const credentials> who, identity expected,
                               std::optional<invitation_secret> invited = std::nullopt) const {
    return tls_connector<tcp_connector>({"127.0.0.1", std::to_string(at().port())}, std::move(who),
                                        only(expected), invited);
  }

  /// That nobody was let in, and one was sent away, why.
  void check_turned_away(std::error_code why) {
    run_until(context, [&] { return !turned_away.empty(); });
    CHECK(turned_away == std::vector<std::error_code>{why});
    check_nobody_in();
  }
  void check_nobody_in() {
    listener.close();
    auto next = launch(context, listener.accept());
    run_until(context, [&] { return next.done(); });
    CHECK_THROWS_AS(next.get(), std::system_error);
  }

  asio::io_context context;  // first: it must outlive all that waits on it
  std::vector<std::error_code> turned_away;
  std::shared_ptr<const credentials> me = new_credentials();
  tls_listener listener;

 private:
  options noting(options o) {
    o.on_event = [this](const event& e) {
      if (e.what == event::kind::turned_away) turned_away.push_back(e.reason);
    };
    return o;
  }
};

/// Of the first attempt of a session, or of the one after that of which the welcome was read.
inline std::string hello(std::uint8_t session = 7, std::uint32_t welcomed = 0) {
  frame::hello h;
  h.session.fill(session);
  h.attempt = welcomed + 1;
  h.welcomed = welcomed;
  h.window = 1 << 20;
  h.max_message = 1 << 16;
  h.heartbeat_ms = 5000;
  return frame::encode(h);
}

/// Shakes hands and says a good hello, as an honest caller does.
inline asio::awaitable<void> say_hello(foreign_stream& tls, std::string bytes = hello()) {
  co_await tls.async_handshake(foreign_stream::client, asio::use_awaitable);
  co_await asio::async_write(tls, asio::buffer(bytes), asio::use_awaitable);
}

/// Shakes hands as that context says, then sends `bytes` and listens to the end; what it heard.
inline asio::awaitable<std::string> visit(asio::ip::tcp::socket s, foreign_context& as,
                                          std::string bytes, std::error_code& failed) {
  foreign_stream tls(std::move(s), as);
  co_await tls.async_handshake(foreign_stream::client,
                               asio::redirect_error(asio::use_awaitable, failed));
  if (failed) co_return "";
  co_await say(tls, std::move(bytes));
  co_return co_await hear_all(tls);
}

}  // namespace parley::test
