#pragma once

#include <charconv>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <parley/detail/asio.hpp>
#include <parley/detail/happy_eyeballs.hpp>
#include <parley/endpoint.hpp>

namespace parley {

/// Makes a connected TCP stream: resolves the host anew, then tries all its addresses, IPv6 and
/// IPv4, each with its own deadline; the one that answers first is taken (RFC 8305).
///
///   parley::tcp_connector connector{"example.org", "7117"};
struct tcp_connector {
  std::string host;
  std::string service;  ///< a port number or a service's name
  std::chrono::milliseconds timeout{5000};

  /// Throws `std::system_error`: the resolver's, or that of the last address to fail.
  asio::awaitable<any_socket> operator()() const { return connect(*this); }

 private:
  /// An address and a port in figures need no resolver, which has a thread of its own.
  static std::optional<asio::ip::tcp::endpoint> numeric(const tcp_connector& to) {
    std::error_code bad;
    const auto address = asio::ip::make_address(to.host, bad);
    std::uint16_t port = 0;
    const char* const end = to.service.data() + to.service.size();
    const auto [at, odd] = std::from_chars(to.service.data(), end, port);
    if (bad || odd != std::errc() || at != end) return std::nullopt;
    return asio::ip::tcp::endpoint(address, port);
  }

  static asio::awaitable<any_socket> connect(tcp_connector to) {
    const auto executor = co_await asio::this_coro::executor;
    std::error_code failed;
    std::vector<endpoint> all;
    if (const auto known = numeric(to)) {
      all.emplace_back(*known);
    } else {
      asio::ip::tcp::resolver resolver(executor);
      const auto found = co_await resolver.async_resolve(
          to.host, to.service, asio::redirect_error(asio::use_awaitable, failed));
      for (const auto& entry : found) all.emplace_back(entry.endpoint());
    }
    if (!all.empty()) {
      const auto attempt =
          std::make_shared<detail::happy_eyeballs>(executor, std::move(all), to.timeout);
      auto s = co_await attempt->run(failed);
      if (s) co_return std::move(*s);
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
    const auto executor = co_await asio::this_coro::executor;
    const std::vector<endpoint> at{asio::local::stream_protocol::endpoint(to.path)};
    const auto attempt = std::make_shared<detail::happy_eyeballs>(executor, at, to.timeout);
    std::error_code failed;
    auto s = co_await attempt->run(failed);
    if (!s) throw std::system_error(failed, to.path);
    co_return std::move(*s);
  }
};

}  // namespace parley
