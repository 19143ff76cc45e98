#pragma once

#include <openssl/crypto.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>

#include <parley/connect.hpp>
#include <parley/credentials.hpp>
#include <parley/detail/asio.hpp>
#include <parley/detail/pending_accepts.hpp>
#include <parley/detail/read_hello.hpp>
#include <parley/detail/tls_context.hpp>
#include <parley/detail/tls_stream.hpp>
#include <parley/dial.hpp>
#include <parley/endpoint.hpp>
#include <parley/error.hpp>
#include <parley/identity.hpp>
#include <parley/invitation.hpp>
#include <parley/invitations.hpp>
#include <parley/listener.hpp>
#include <parley/peer.hpp>
#include <parley/protocol/greeting.hpp>

namespace parley {

/// Only that one.
[[nodiscard]] inline admission_check only(const identity& id) {
  return [id](const identity& other) {
    return CRYPTO_memcmp(id.digest.data(), other.digest.data(), id.digest.size()) == 0
               ? std::error_code{}
               : make_error_code(errc::wrong_identity);
  };
}

/// Makes a TLS stream to a listener, over a connection that `base` makes, for `dial`.
///
///   const auto me = std::make_shared<parley::credentials>(parley::credentials::make());
///   const parley::tcp_connector there{"192.0.2.7", "7117"};
///   parley::tls_connector to(there, me, parley::only(server));
///   auto peer = co_await parley::dial(to);
template <connector Base>
class tls_connector {
 public:
  /// `expects` is asked on each connection; `patience` is for the handshake, absolute. The listener
  /// that the first connection reached is the only one that later ones take for it. `invited`, if
  /// any, is proved to it.
  tls_connector(Base base, std::shared_ptr<const credentials> me, admission_check expects,
                std::optional<invitation_secret> invited = std::nullopt,
                std::chrono::milliseconds patience = std::chrono::milliseconds(5000))
      : base_(std::move(base)),
        how_(std::make_shared<detail::tls_context>(detail::tls_context::side::client, std::move(me),
                                                   std::move(expects))),
        invited_(invited),
        patience_(patience) {}

  /// Throws `std::system_error`.
  asio::awaitable<detail::tls_stream> operator()() const {
    return connect(base_, how_, invited_, patience_);
  }

 private:
  static asio::awaitable<detail::tls_stream> connect(Base base,
                                                     std::shared_ptr<detail::tls_context> how,
                                                     std::optional<invitation_secret> invited,
                                                     std::chrono::milliseconds patience) {
    using namespace asio::experimental::awaitable_operators;
    auto socket = co_await base();
    detail::tls_stream s(std::move(socket), std::move(how));
    asio::steady_timer alarm(s.get_executor(), patience);
    std::error_code waited;
    const auto first = co_await (
        s.handshake() || alarm.async_wait(asio::redirect_error(asio::use_awaitable, waited)));
    const auto* const bad = std::get_if<0>(&first);
    if (bad == nullptr) throw std::system_error(errc::handshake_timeout);
    if (*bad) throw std::system_error(*bad);
    if (invited) s.prove(*invited);
    co_return s;
  }

  Base base_;
  std::shared_ptr<detail::tls_context> how_;
  std::optional<invitation_secret> invited_;
  std::chrono::milliseconds patience_;
};

/// How a caller's socket becomes the stream of its conversation: by TLS. For `basic_listener`.
///
///   parley::tls_listener listener(executor, options, parley::tls_security(me, admits));
class tls_security {
 public:
  using stream_type = detail::tls_stream;

  /// `admits` is asked about each caller. Where there are `guests`, those whom it does not admit
  /// may prove that they were invited, and `admits` is to admit who did from then on.
  explicit tls_security(std::shared_ptr<const credentials> me, admission_check admits = {},
                        std::shared_ptr<invitations> guests = nullptr)
      : how_(std::make_shared<detail::tls_context>(detail::tls_context::side::server, std::move(me),
                                                   guests ? admission_check{} : admits)),
        admits_(std::move(admits)),
        guests_(std::move(guests)) {}

  [[nodiscard]] detail::tls_stream wrap(any_socket s) const { return {std::move(s), how_}; }
  [[nodiscard]] static any_socket& socket_of(detail::tls_stream& s) noexcept {
    return s.lowest_layer();
  }

  /// Completes when the caller has shown who it is, or with the reason why it is sent away. Nothing
  /// but the socket is held for a caller that is silent: TLS alone would take 20 KiB.
  static asio::awaitable<std::error_code> secure(detail::pending_accept& who,
                                                 detail::tls_stream& s) {
    std::error_code ec;
    co_await who.socket.async_wait(any_socket::wait_read,
                                   asio::redirect_error(asio::use_awaitable, ec));
    char first = 0;
    if (!ec) who.socket.receive(asio::buffer(&first, 1), asio::socket_base::message_peek, ec);
    if (who.ended) co_return who.ended;
    if (ec) co_return ec == asio::error::eof ? make_error_code(errc::no_greeting) : ec;
    who.enter(detail::pending_accept::stage::greeting);
    if (first != handshake_record) {
      co_await detail::say_last(who, who.socket, in_their_words(first));
      co_return errc::not_tls;
    }
    co_await who.others_gone();
    if (who.ended) co_return who.ended;
    const auto bad = co_await s.handshake();
    co_return who.ended ? who.ended : bad;
  }

  /// Why a caller who has shown who it is may not be here; after its hello.
  [[nodiscard]] std::optional<protocol::frame::refusal> refuses(
      const detail::tls_stream& s, const protocol::frame::hello& hello) const {
    using verdict = invitations::verdict;
    if (!guests_ || (admits_ && !admits_(s.peer()))) return std::nullopt;
    const auto v = guests_->redeem(hello.proof, s.native_handle(), how_->me().id(), s.peer(),
                                   std::chrono::system_clock::now());
    if (v == verdict::admitted) return std::nullopt;
    return protocol::frame::refusal{.reason = refuse_reason::not_allowed,
                                    .text = invitations::describe(v)};
  }

 private:
  static constexpr char handshake_record = 0x16;  // RFC 8446, 5.1

  /// For one who speaks without TLS, judged by the first byte: a frame, or a line of text.
  [[nodiscard]] static std::string in_their_words(char first) {
    return first == 0
               ? protocol::frame::encode(protocol::frame::refusal{
                     .reason = refuse_reason::not_allowed, .text = "this side speaks TLS only"})
               : "parley: this side speaks TLS only\n";
  }

  std::shared_ptr<detail::tls_context> how_;
  admission_check admits_;
  std::shared_ptr<invitations> guests_;
};

/// A listener whose callers come with TLS.
using tls_listener = basic_listener<session, std::chrono::steady_clock, tls_security>;
/// A peer over TLS.
using tls_peer = basic_peer<detail::tls_stream>;

}  // namespace parley
