#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include <parley/credentials.hpp>
#include <parley/detail/asio.hpp>
#include <parley/detail/invitation_proof.hpp>
#include <parley/detail/tls_context.hpp>
#include <parley/detail/tls_errors.hpp>
#include <parley/detail/tls_wire.hpp>
#include <parley/endpoint.hpp>
#include <parley/identity.hpp>
#include <parley/invitation.hpp>

// Needs OpenSSL 3.0 or newer, like all that includes tls.hpp.
namespace parley::detail {

/// A socket with mutual TLS 1.3 on it (RFC 8446): both sides show a certificate, and neither looks
/// at anything but the key in it.
///
/// No tickets, no resumption, no early data, ALPN `parley/1` (RFC 7301) required. A stream for
/// `basic_peer`; after any error it is of no more use. Not safe for sharing between threads.
class tls_stream {
 public:
  using executor_type = any_socket::executor_type;
  using lowest_layer_type = any_socket::lowest_layer_type;
  /// How a read or a write that is awaited tells its error.
  using completion = asio::redirect_error_t<asio::use_awaitable_t<>>;
  static constexpr auto wait_read = any_socket::wait_read;
  static constexpr auto wait_write = any_socket::wait_write;

  /// `s` is connected. Nothing is sent, and little memory taken, before `handshake`.
  tls_stream(any_socket s, std::shared_ptr<tls_context> how)
      : state_(std::make_unique<state>(std::move(s), std::move(how))) {}

  /// Completes when both sides have shown who they are: no error; or why the other may not be here.
  /// As the server: the client may still refuse. As the client: the server may.
  /// Errors: `errc::not_tls` to `errc::tls_refused`, the system's, OpenSSL's.
  asio::awaitable<std::error_code> handshake() {
    state& s = *state_;
    s.begin();
    std::error_code ec;
    for (int r = 0; !ec;) {
      ERR_clear_error();
      if (r = SSL_do_handshake(s.tls.get()); r == 1) break;
      ec = s.wire.why(s.tls.get(), r);
      if (ec != asio::error::would_block) break;
      const auto what = SSL_want_write(s.tls.get()) != 0 ? wait_write : wait_read;
      co_await s.socket.async_wait(what, asio::redirect_error(asio::use_awaitable, ec));
    }
    if (s.seen.failed) co_return s.seen.failed;
    if (ec) co_return tls_error(ec);
    co_return s.how->check(s.tls.get(), s.seen);
  }

  /// As the client, after the handshake: its hello is to prove that it was invited. Throws
  /// `std::runtime_error`.
  void prove(const invitation_secret& secret) {
    state_->proof = detail::prove(secret, native_handle(), peer(), state_->how->me().id());
  }
  [[nodiscard]] const protocol::frame::invitation_proof& proof() const noexcept {
    return state_->proof;
  }

  /// Who is at the other end; after a handshake without error.
  [[nodiscard]] const identity& peer() const noexcept { return *state_->seen.peer; }
  /// Whose certificate came, if any did, although the handshake may have failed over it: it need
  /// not be whose it is.
  [[nodiscard]] const std::optional<identity>& shown() const noexcept { return state_->seen.peer; }
  /// As OpenSSL calls it, such as `TLS_AES_256_GCM_SHA384`; after the handshake.
  [[nodiscard]] std::string_view cipher() const {
    return SSL_get_cipher_name(state_->tls.get());  // lives as long as OpenSSL
  }
  /// The OpenSSL object; after the handshake.
  [[nodiscard]] SSL* native_handle() const noexcept { return state_->tls.get(); }

  // --- an Asio stream --------------------------------------------------------------------------

  [[nodiscard]] executor_type get_executor() { return state_->socket.get_executor(); }
  [[nodiscard]] any_socket& lowest_layer() noexcept { return state_->socket; }
  [[nodiscard]] endpoint remote_endpoint(std::error_code& ec) const {
    return state_->socket.remote_endpoint(ec);
  }

  /// Ends the output of the socket below.
  void shutdown(any_socket::shutdown_type what, std::error_code& ec) {
    state_->socket.shutdown(what, ec);
  }

  /// It never blocks.
  [[nodiscard]] bool non_blocking() const { return state_->socket.non_blocking(); }
  void non_blocking(bool on, std::error_code& ec) { state_->socket.non_blocking(on, ec); }
  template <typename Option>
  void set_option(const Option& o, std::error_code& ec) {
    state_->socket.set_option(o, ec);
  }

  /// Completes when there may be more to read, or room to write.
  template <typename Token>
  auto async_wait(any_socket::wait_type what, Token&& done) {
    return asio::async_initiate<Token, void(std::error_code)>(
        [this, what](auto handler) {
          // What has been decrypted is no longer in the socket, which need never be readable again.
          if (what == wait_read && state_->more)
            asio::post(get_executor(),
                       [h = std::move(handler)]() mutable { h(std::error_code{}); });
          else
            state_->socket.async_wait(what, std::move(handler));
        },
        done);
  }

  /// Completes with what has come, at least a byte, or with an error; the buffer must stay valid
  /// until then.
  asio::awaitable<std::size_t> async_read_some(asio::mutable_buffer into, completion done) {
    std::size_t n = 0;
    for (bool again = true; again;) {
      n = read_some(into, done.ec_);
      again = done.ec_ == asio::error::would_block;
      if (again)
        co_await async_wait(wait_read, asio::redirect_error(asio::use_awaitable, done.ec_));
      again = again && !done.ec_;
    }
    co_return n;
  }
  /// Completes when something was written, or with an error.
  asio::awaitable<std::size_t> async_write_some(asio::const_buffer from, completion done) {
    std::size_t n = 0;
    for (bool again = true; again;) {
      n = write_some(from, done.ec_);
      again = n == 0 && done.ec_ == asio::error::would_block;
      if (n != 0) done.ec_.clear();
      if (again)
        co_await async_wait(wait_write, asio::redirect_error(asio::use_awaitable, done.ec_));
      again = again && !done.ec_;
    }
    co_return n;
  }

  /// Reads until `into` is full or nothing more has come. Errors: `would_block`: nothing has.
  std::size_t read_some(asio::mutable_buffer into, std::error_code& ec) {
    state& s = *state_;
    std::size_t total = 0;
    ec.clear();
    for (s.more = true; s.more && !s.ended && total < into.size();) {
      ERR_clear_error();
      std::size_t n = 0;
      const int r = SSL_read_ex(s.tls.get(), static_cast<char*>(into.data()) + total,
                                into.size() - total, &n);
      total += n;
      if (r == 1) continue;
      const auto why = s.wire.why(s.tls.get(), r);
      s.more = why != asio::error::would_block;
      if (s.more) s.ended = why;
    }
    if (total == 0) ec = s.ended ? s.ended : make_error_code(asio::error::would_block);
    return total;
  }

  /// Writes what the socket takes, in records that are full, for costs are by the record. What was
  /// offered and not taken must be offered again, alone or with more behind it: the first record of
  /// it is made already. Errors: `would_block`: something was not taken.
  template <typename Buffers>
  std::size_t write_some(const Buffers& from, std::error_code& ec) {
    std::array<char, record> gathered;
    std::size_t total = 0;
    ec.clear();
    auto at = asio::buffer_sequence_begin(from);
    const auto end = asio::buffer_sequence_end(from);
    asio::const_buffer first;
    while (!ec) {
      while (first.size() == 0 && at != end) first = *at++;
      if (first.size() == 0) break;
      asio::const_buffer now = asio::buffer(first, record);
      if (now.size() < record && at != end) {
        asio::mutable_buffer room = asio::buffer(gathered);
        room += asio::buffer_copy(room, first);
        for (auto next = at; next != end && room.size() != 0; ++next)
          room += asio::buffer_copy(room, asio::const_buffer(*next));
        now = asio::buffer(gathered, record - room.size());
      }
      std::size_t n = write_record(now, ec);
      total += n;
      for (std::size_t step = 0; n != 0; n -= step) {
        while (first.size() == 0) first = *at++;
        step = std::min(n, first.size());
        first += step;
      }
    }
    return total;
  }

  /// What an error of a read or a write is to a conversation. That a stream ends is an end like any
  /// other, whether TLS said goodbye or not: goodbyes are parley's own.
  [[nodiscard]] static std::error_code meaning_of(std::error_code ec) {
    return ec == asio::error::eof ? ec : tls_error(ec);
  }

 private:
  static constexpr std::size_t record = 16'384;  // the longest, RFC 8446, 5.1

  std::size_t write_record(asio::const_buffer from, std::error_code& ec) {
    ERR_clear_error();
    std::size_t n = 0;
    const int r = SSL_write_ex(state_->tls.get(), from.data(), from.size(), &n);
    if (r != 1) ec = state_->wire.why(state_->tls.get(), r);
    return r == 1 ? n : 0;
  }

  struct state {
    state(any_socket s, std::shared_ptr<tls_context> h) : socket(std::move(s)), how(std::move(h)) {}

    void begin() {
      std::error_code gone;  // it says so when it is read
      socket.non_blocking(true, gone);
      tls.reset(SSL_new(how->native_handle()));
      if (!tls) throw_openssl("TLS cannot be set up");
      SSL* const t = tls.get();
      wire.carry(t);
      SSL_set_mode(t, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
      SSL_set_options(t, SSL_OP_IGNORE_UNEXPECTED_EOF);
      SSL_set_read_ahead(t, 1);
      how->begin(t, seen);
      how->is_server() ? SSL_set_accept_state(t) : SSL_set_connect_state(t);
    }

    any_socket socket;
    std::shared_ptr<tls_context> how;
    tls_seen seen;
    protocol::frame::invitation_proof proof{};
    tls_wire wire{socket};
    openssl_ptr<SSL, SSL_free> tls;
    std::error_code ended;  ///< why nothing more will be read; told after what came before it
    bool more = false;      ///< the last read did not come to the end of what is there
  };
  std::unique_ptr<state> state_;
};

}  // namespace parley::detail
