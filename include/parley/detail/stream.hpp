#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <parley/detail/asio.hpp>
#include <parley/endpoint.hpp>
#include <parley/identity.hpp>
#include <parley/protocol/gather.hpp>

namespace parley::detail {

/// A stream that can be read and written at once, without a completion handler, and waited for: a
/// plain socket. Anything else (TLS, a stream in memory) is read and written asynchronously.
template <typename Stream>
concept pollable = requires(Stream& s, std::error_code& ec) {
  s.non_blocking(true, ec);
  s.async_wait(Stream::wait_read, asio::use_awaitable);
};

/// A pollable stream of which a read can be under way before there is something to read.
template <typename Stream>
concept anticipatory =
    pollable<Stream> && requires(Stream& s, std::error_code& ec) { s.cancel(ec); };

/// A stream that can end its output and still read.
template <typename Stream>
concept half_closable =
    requires(Stream& s, std::error_code& ec) { s.shutdown(asio::socket_base::shutdown_send, ec); };

/// The pieces of a write, as Asio takes them.
class write_buffers {
 public:
  using value_type = asio::const_buffer;
  using const_iterator = const asio::const_buffer*;

  explicit write_buffers(const protocol::gather& g) noexcept {
    for (const auto piece : g.pieces()) buffers_[count_++] = {piece.data(), piece.size()};
  }
  [[nodiscard]] const_iterator begin() const noexcept { return buffers_.data(); }
  [[nodiscard]] const_iterator end() const noexcept { return buffers_.data() + count_; }

 private:
  std::array<asio::const_buffer, protocol::gather::most> buffers_{};
  std::size_t count_ = 0;
};

/// That a stream has or takes nothing now is no error.
inline void forgive_would_block(std::error_code& ec) noexcept {
  if (ec == asio::error::would_block || ec == asio::error::try_again) ec.clear();
}

/// Reads what a pollable stream has now.
template <typename Stream>
std::size_t read_at_once(Stream& s, std::span<char> into, std::error_code& ec) {
  const std::size_t n = s.read_some(asio::buffer(into.data(), into.size()), ec);
  forgive_would_block(ec);
  return n;
}

/// Writes as much of `g` as a pollable stream takes now. Several small pieces are made one: that
/// costs less than to gather them in the kernel.
template <typename Stream>
std::size_t write_at_once(Stream& s, const protocol::gather& g, std::error_code& ec) {
  constexpr std::size_t small = 1024;
  std::array<char, small> whole;
  const auto pieces = g.pieces();
  std::size_t n = 0;
  if (pieces.size() == 1) {
    n = s.write_some(asio::const_buffer(pieces[0].data(), pieces[0].size()), ec);
  } else if (g.size() <= small) {
    char* end = whole.data();
    for (const auto piece : pieces) end = std::copy(piece.begin(), piece.end(), end);
    n = s.write_some(asio::const_buffer(whole.data(), g.size()), ec);
  } else {
    n = s.write_some(write_buffers(g), ec);
  }
  forgive_would_block(ec);
  return n;
}

/// Whether the next read of a pollable stream is to be under way before there is something to read:
/// that is a call into the kernel less than to wait first, but memory is held for it meanwhile. So
/// only where a read has followed the other lately.
class anticipation {
 public:
  [[nodiscard]] bool worth_it() const noexcept { return reads_ == enough; }
  void read() noexcept {
    if (reads_ != enough) ++reads_;
    fresh_ = true;
  }
  /// Called now and then: whether nothing was read since the last time.
  [[nodiscard]] bool was_idle() noexcept {
    if (std::exchange(fresh_, false)) return false;
    reads_ = 0;
    return true;
  }

 private:
  static constexpr int enough = 8;
  int reads_ = 0;
  bool fresh_ = false;
};

/// For streams that cannot be read before there is something to read.
struct no_anticipation {
  [[nodiscard]] static bool worth_it() noexcept { return false; }
  static void read() noexcept {}
};
template <typename Stream>
using anticipation_of =
    std::conditional_t<anticipatory<Stream> || !pollable<Stream>, anticipation, no_anticipation>;

/// A stream that knows who is at the other end.
template <typename Stream>
concept identifying = requires(const Stream& s) {
  { s.peer() } -> std::convertible_to<identity>;
};

/// Who is at the other end of a stream; none if it does not know.
template <typename Stream>
[[nodiscard]] std::optional<identity> peer_of(const Stream& s) {
  if constexpr (identifying<Stream>) return s.peer();
  return std::nullopt;
}

/// Who has shown an identity at the other end, whether it may be here or not; none if nobody has.
template <typename Stream>
[[nodiscard]] std::optional<identity> shown_by(const Stream& s) {
  if constexpr (identifying<Stream>) return s.shown();
  return std::nullopt;
}

/// A stream that may prove an invitation, and a protocol that passes that on.
template <typename Stream, typename Protocol>
concept proving = requires(const Stream& s, Protocol& p, typename Protocol::time_point now) {
  p.dial(now, s.proof());
};

/// Who was at the other end of a conversation's first stream, and what the last one is encrypted
/// with, where streams know that.
template <typename Stream>
class acquaintance {
 public:
  void meet(const Stream&) noexcept {}
  [[nodiscard]] static std::optional<identity> get() noexcept { return std::nullopt; }
  [[nodiscard]] static std::string_view cipher() noexcept { return {}; }
};
template <identifying Stream>
class acquaintance<Stream> {
 public:
  void meet(const Stream& s) {
    if (!who_) who_ = s.peer();
    cipher_ = s.cipher();
  }
  [[nodiscard]] const std::optional<identity>& get() const noexcept { return who_; }
  [[nodiscard]] std::string_view cipher() const noexcept { return cipher_; }

 private:
  std::optional<identity> who_;
  std::string_view cipher_;
};

/// What an error of a stream says, where it takes the stream to know that.
template <typename Stream>
[[nodiscard]] std::error_code meaning_of(std::error_code ec) {
  if constexpr (requires { Stream::meaning_of(ec); }) return Stream::meaning_of(ec);
  return ec;
}

/// Makes a fresh stream fit for the loops: plain sockets do not block and do not delay small
/// writes (RFC 896 would, against the peer's delayed acks).
template <typename Stream>
void prepare_stream(Stream& s) {
  std::error_code ignored;  // a Unix socket knows no delay; a dead one will say so when it is read
  if constexpr (pollable<Stream>) {
    if (!s.non_blocking()) s.non_blocking(true, ignored);
    s.set_option(asio::ip::tcp::no_delay(true), ignored);
  } else if constexpr (requires { s.lowest_layer().set_option(asio::ip::tcp::no_delay(true)); }) {
    s.lowest_layer().set_option(asio::ip::tcp::no_delay(true), ignored);
  }
}

/// Where the other end is; empty for streams that have no address.
template <typename Stream>
[[nodiscard]] std::string remote_of(const Stream& s) {
  std::error_code gone;
  if constexpr (requires { to_string(s.remote_endpoint(gone)); }) {
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
