#pragma once

#include <array>
#include <string>
#include <string_view>
#include <system_error>

#include <parley/detail/asio.hpp>
#include <parley/detail/pending_accepts.hpp>
#include <parley/detail/stream.hpp>
#include <parley/endpoint.hpp>
#include <parley/error.hpp>
#include <parley/protocol/greeting.hpp>

namespace parley::detail {

namespace frame = protocol::frame;

/// What a caller said first: a hello, or why it is none.
struct received_hello {
  frame::hello hello;
  std::error_code failed;
  std::array<char, frame::header_size + frame::max_control_body> bytes;  ///< `hello.name` is here
};

/// Whether `bytes`, the start of what a caller sent, can become a hello; its size once it is known.
[[nodiscard]] inline std::error_code check_hello(std::string_view bytes, std::size_t& size) {
  if (bytes.size() < frame::header_size) return {};
  const auto head = frame::read_header(bytes);
  if (const auto bad = frame::check_hello(head)) return *bad;
  size = head.size();
  // A dialer says hello and waits: more is out of place.
  return bytes.size() > size ? make_error_code(errc::unexpected_frame) : std::error_code{};
}

/// Whether the caller has hung up or was dropped; what it has sent does not matter.
[[nodiscard]] inline bool has_hung_up(any_socket& s) {
  char next = 0;
  std::error_code ec;
  s.receive(asio::buffer(&next, 1), asio::socket_base::message_peek, ec);
  return ec && ec != asio::error::would_block && ec != asio::error::try_again;
}

/// Reads the hello of a caller from its stream into `out`; completes with it, with an error, or
/// when the caller is dropped.
template <typename Stream>
asio::awaitable<void> read_hello(pending_accept& c, Stream& from, received_hello& out) {
  std::size_t have = 0;
  std::size_t size = out.bytes.size();
  while (have < size) {
    std::error_code ec;
    have += co_await from.async_read_some(
        asio::buffer(out.bytes.data() + have, out.bytes.size() - have),
        asio::redirect_error(asio::use_awaitable, ec));
    out.failed = c.ended ? c.ended : check_hello({out.bytes.data(), have}, size);
    if (out.failed) co_return;
    if (ec) {
      ec = meaning_of<Stream>(ec);
      out.failed = ec == asio::error::eof ? make_error_code(errc::no_greeting) : ec;
      co_return;
    }
    if (have < size) c.enter(pending_accept::stage::greeting);
  }
  const std::string_view body(out.bytes.data() + frame::header_size, size - frame::header_size);
  if (const auto bad = frame::decode(body, out.hello)) out.failed = *bad;
}

/// Says `last` to a caller who is sent away, and lets it read that until it closes the connection
/// or is dropped.
template <typename Stream>
asio::awaitable<void> say_last(pending_accept& c, Stream& to, std::string last) {
  c.enter(pending_accept::stage::leaving);
  std::error_code ec;  // the caller may be gone: then nobody has to be told
  // At most a frame, on a fresh connection: the stream takes it in one or the caller goes without.
  co_await to.async_write_some(asio::buffer(last), asio::redirect_error(asio::use_awaitable, ec));
  to.shutdown(asio::socket_base::shutdown_send, ec);
  std::array<char, 512> rest;
  while (!ec)
    co_await to.async_read_some(asio::buffer(rest), asio::redirect_error(asio::use_awaitable, ec));
}

}  // namespace parley::detail
