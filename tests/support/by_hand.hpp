#pragma once

#include <asio/awaitable.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>

#include <parley/endpoint.hpp>
#include <parley/protocol/frame.hpp>

/// What a test says and hears over a socket without the library's help.
namespace parley::test {

namespace frame = protocol::frame;

template <typename Stream>
asio::awaitable<void> say(Stream& s, std::string bytes) {
  std::error_code gone;  // who listens need not read to the end
  co_await asio::async_write(s, asio::buffer(bytes),
                             asio::redirect_error(asio::use_awaitable, gone));
}

/// Everything up to the end of the stream, however that comes.
template <typename Stream>
asio::awaitable<std::string> hear_all(Stream& s) {
  std::string all;
  std::string room(4096, '\0');
  std::error_code ec;
  while (!ec) {
    const auto n = co_await s.async_read_some(asio::buffer(room),
                                              asio::redirect_error(asio::use_awaitable, ec));
    all.append(room, 0, n);
  }
  co_return all;
}

inline asio::awaitable<std::string> hear_frame(any_socket& s) {
  std::string bytes(frame::header_size, '\0');
  co_await asio::async_read(s, asio::buffer(bytes), asio::use_awaitable);
  std::string body(frame::read_header(bytes).length, '\0');
  co_await asio::async_read(s, asio::buffer(body), asio::use_awaitable);
  co_return bytes + body;
}

/// The refusal that `bytes` are; its text points there.
[[nodiscard]] inline frame::refusal refusal_in(std::string_view bytes) {
  frame::refusal r;
  REQUIRE(bytes.size() > frame::header_size);
  REQUIRE(frame::read_header(bytes).is(frame::type::refuse));
  REQUIRE_FALSE(frame::decode(bytes.substr(frame::header_size), r));
  return r;
}

/// The welcome that `bytes` are; its name points there.
[[nodiscard]] inline frame::welcome welcome_in(std::string_view bytes) {
  frame::welcome w;
  REQUIRE(bytes.size() > frame::header_size);
  REQUIRE(frame::read_header(bytes).is(frame::type::welcome));
  REQUIRE_FALSE(frame::decode(bytes.substr(frame::header_size), w));
  return w;
}

}  // namespace parley::test
