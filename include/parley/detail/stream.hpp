#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <string>
#include <system_error>

#include <parley/detail/asio.hpp>
#include <parley/endpoint.hpp>
#include <parley/outbox.hpp>

namespace parley::detail {

/// A stream that can be read and written at once, without a completion handler, and waited for: a
/// plain socket. Anything else (TLS, a stream in memory) is read and written asynchronously.
template <typename Stream>
concept pollable = requires(Stream& s, std::error_code& ec) {
  s.non_blocking(true, ec);
  s.async_wait(Stream::wait_read, asio::use_awaitable);
};

/// A stream that can end its output and still read.
template <typename Stream>
concept half_closable =
    requires(Stream& s, std::error_code& ec) { s.shutdown(asio::socket_base::shutdown_send, ec); };

/// The pieces of a write, as Asio takes them.
class write_buffers {
 public:
  using value_type = asio::const_buffer;
  using const_iterator = const asio::const_buffer*;

  explicit write_buffers(const gather& g) noexcept {
    for (const auto piece : g.pieces()) buffers_[count_++] = {piece.data(), piece.size()};
  }
  [[nodiscard]] const_iterator begin() const noexcept { return buffers_.data(); }
  [[nodiscard]] const_iterator end() const noexcept { return buffers_.data() + count_; }

 private:
  std::array<asio::const_buffer, gather::most> buffers_{};
  std::size_t count_ = 0;
};

/// Makes a fresh stream fit for the loops: plain sockets do not block and do not delay small
/// writes (RFC 896 would, against the peer's delayed acks).
template <typename Stream>
void prepare_stream(Stream& s) {
  std::error_code ignored;  // a Unix socket knows no delay; a dead one will say so when it is read
  if constexpr (pollable<Stream>) {
    s.non_blocking(true, ignored);
    s.set_option(asio::ip::tcp::no_delay(true), ignored);
  }
}

/// Where the other end is; empty for streams that have no address.
template <typename Stream>
[[nodiscard]] std::string remote_of(const Stream& s) {
  if constexpr (requires { to_string(s.remote_endpoint()); }) {
    std::error_code gone;
    const auto e = s.remote_endpoint(gone);
    if (!gone) return to_string(e);
  }
  return {};
}

template <typename Stream>
void end_output(Stream& s) {
  std::error_code ignored;  // not connected any more: the reads will say so
  if constexpr (half_closable<Stream>) s.shutdown(asio::socket_base::shutdown_send, ignored);
}

template <typename Stream>
void close_stream(Stream& s) {
  std::error_code ignored;  // nothing can be done about a close that fails
  if constexpr (requires { s.lowest_layer().close(ignored); })
    s.lowest_layer().close(ignored);
  else
    s.close(ignored);
}

}  // namespace parley::detail
