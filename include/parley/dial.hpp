#pragma once

#include <concepts>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include <parley/connect.hpp>
#include <parley/detail/asio.hpp>
#include <parley/detail/dialer.hpp>
#include <parley/detail/random.hpp>
#include <parley/detail/spawn.hpp>
#include <parley/detail/wakeup.hpp>
#include <parley/options.hpp>
#include <parley/peer.hpp>
#include <parley/protocol/greeting.hpp>
#include <parley/protocols.hpp>

namespace parley {

namespace detail {

template <typename Awaitable>
struct awaited;
template <typename T, typename Executor>
struct awaited<asio::awaitable<T, Executor>> {
  using type = T;
};

/// The stream that a connector makes.
template <typename Connector>
using stream_of = typename awaited<std::invoke_result_t<Connector&>>::type;

/// 16 random bytes: nobody else's session can be met by chance.
template <typename Clock>
[[nodiscard]] protocol::frame::session_id make_session_id() {
  protocol::frame::session_id id;
  fill_randomly_on<Clock>(id.data(), id.size());
  return id;
}

/// A conversation that has not begun.
template <typename Clock, typename Conversation>
[[nodiscard]] std::shared_ptr<Conversation> make_dialing(const asio::any_io_executor& e,
                                                         std::shared_ptr<const options> o) {
  if constexpr (std::constructible_from<typename Conversation::protocol_type, const options&,
                                        const protocol::frame::session_id&>)
    return std::make_shared<Conversation>(e, std::move(o), make_session_id<Clock>());
  else
    return std::make_shared<Conversation>(e, std::move(o));
}

}  // namespace detail

/// Something that makes a connected stream each time it is called: `asio::awaitable<Stream>()`.
template <typename Connector>
concept connector = requires { typename detail::stream_of<Connector>; };

/// Completes when the listener has welcomed this side. After that, and before it for
/// `options::wait_for`, a connection that fails or breaks is made again as long as
/// `options::resume_for` allows; `options::on_event` tells. Throws `std::system_error`: the
/// connector's error, `errc::refused_…`, `handshake_timeout`, or what the listener did wrong.
///
///   auto plain = co_await parley::dial<parley::lines>(parley::tcp_connector{"localhost", "7117"});
template <typename Protocol = session, typename Clock = std::chrono::steady_clock,
          connector Connector>
asio::awaitable<basic_peer<detail::stream_of<Connector>, Protocol, Clock>> dial(Connector connect,
                                                                                options o = {}) {
  using stream = detail::stream_of<Connector>;
  using peer_type = basic_peer<stream, Protocol, Clock>;
  using conversation_type = typename peer_type::conversation_type;
  validate(o);
  const auto executor = co_await asio::this_coro::executor;
  const auto conversation = detail::make_dialing<Clock, conversation_type>(
      executor, std::make_shared<const options>(std::move(o)));
  peer_type side(conversation);  // aborts if anything below throws
  const auto dialer = std::make_shared<detail::dialer<stream, Connector, Clock, conversation_type>>(
      std::move(connect), conversation);
  detail::spawn(executor, dialer->run(dialer));
  detail::wakeup::waiter here(conversation->changed());
  while (!conversation->begun() && !conversation->ended()) co_await here.notified();
  if (!conversation->begun()) dialer->rethrow();
  co_return side;
}

/// Dials a TCP address; tries all that `host` has, IPv6 and IPv4.
inline asio::awaitable<peer> dial(std::string host, std::string service, options o = {}) {
  const auto timeout = o.connect_timeout;
  return dial(tcp_connector{std::move(host), std::move(service), timeout}, std::move(o));
}

}  // namespace parley
