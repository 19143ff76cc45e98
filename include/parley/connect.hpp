#pragma once

#include <chrono>
#include <string>
#include <system_error>
#include <utility>

#include <parley/detail/asio.hpp>
#include <parley/endpoint.hpp>
#include <parley/error.hpp>

namespace parley {

namespace detail {

/// Completes when `s` is connected, or with an error: the system's, or `connect_timeout`.
inline asio::awaitable<std::error_code> connect(any_socket& s, endpoint to,
                                                std::chrono::milliseconds timeout) {
  using namespace asio::experimental::awaitable_operators;
  std::error_code failed;
  std::error_code waited;
  asio::steady_timer deadline(s.get_executor(), timeout);
  co_await (s.async_connect(to, asio::redirect_error(asio::use_awaitable, failed)) ||
            deadline.async_wait(asio::redirect_error(asio::use_awaitable, waited)));
  // Asio watches a socket that has connected for writing ever after, which costs an epoll_wait per
  // message: it is registered anew.
  if (!failed) s = any_socket(s.get_executor(), to.protocol(), s.release());
  co_return failed && !waited ? make_error_code(errc::connect_timeout) : failed;
}

}  // namespace detail

/// Makes a connected TCP stream: resolves the host anew, then tries all its addresses in the
/// resolver's order, IPv6 and IPv4, each with its own deadline.
///
///   parley::tcp_connector connector{"example.org", "7117"};
struct tcp_connector {
  std::string host;
  std::string service;  ///< a port number or a service's name
  std::chrono::milliseconds timeout{5000};

  /// Throws `std::system_error`: the resolver's, or that of the last address tried.
  asio::awaitable<any_socket> operator()() const { return connect(*this); }

 private:
  static asio::awaitable<any_socket> connect(tcp_connector to) {
    const auto executor = co_await asio::this_coro::executor;
    asio::ip::tcp::resolver resolver(executor);
    std::error_code failed;
    const auto found = co_await resolver.async_resolve(
        to.host, to.service, asio::redirect_error(asio::use_awaitable, failed));
    for (const auto& entry : found) {
      any_socket s(executor);
      failed = co_await detail::connect(s, entry.endpoint(), to.timeout);
      if (!failed) co_return s;
    }
    throw std::system_error(failed, to.host + " port " + to.service);
  }
};

/// Makes a connected Unix stream.
struct unix_connector {
  std::string path;
  std::chrono::milliseconds timeout{5000};

  asio::awaitable<any_socket> operator()() const { return connect(*this); }

 private:
  static asio::awaitable<any_socket> connect(unix_connector to) {
    any_socket s(co_await asio::this_coro::executor);
    const endpoint at = asio::local::stream_protocol::endpoint(to.path);
    if (const auto failed = co_await detail::connect(s, at, to.timeout))
      throw std::system_error(failed, to.path);
    co_return s;
  }
};

}  // namespace parley
