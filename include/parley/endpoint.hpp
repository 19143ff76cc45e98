#pragma once

#include <cstring>
#include <string>

#include <parley/detail/asio.hpp>

namespace parley {

/// Where a socket is: an IPv4 or IPv6 address with a port, or the path of a Unix socket.
using endpoint = asio::generic::stream_protocol::endpoint;

/// A TCP or Unix socket, or one that accepts them.
using any_socket = asio::generic::stream_protocol::socket;
using any_acceptor = asio::basic_socket_acceptor<asio::generic::stream_protocol>;

namespace detail {
/// The specific endpoint that `e` holds; `e` must be of its family.
template <typename Specific>
[[nodiscard]] Specific endpoint_cast(const endpoint& e) {
  Specific specific;
  specific.resize(e.size());
  std::memcpy(specific.data(), e.data(), e.size());
  specific.resize(e.size());  // again: a path's size is taken from its bytes
  return specific;
}

[[nodiscard]] inline bool is_ip(const endpoint& e) {
  const int family = e.protocol().family();
  return family == asio::ip::tcp::v4().family() || family == asio::ip::tcp::v6().family();
}
}  // namespace detail

/// The port of an IP endpoint; 0 for any other.
[[nodiscard]] inline unsigned short port_of(const endpoint& e) {
  return detail::is_ip(e) ? detail::endpoint_cast<asio::ip::tcp::endpoint>(e).port() : 0;
}

/// `192.0.2.1:7117`, `[2001:db8::1]:7117` or `unix:/path`. An IPv4 address that an IPv6 socket
/// shows as `::ffff:192.0.2.1` (RFC 4291, 2.5.5.2) is shown as IPv4.
[[nodiscard]] inline std::string to_string(const endpoint& e) {
  if (!detail::is_ip(e)) {
    const std::string path =
        detail::endpoint_cast<asio::local::stream_protocol::endpoint>(e).path();
    return path.empty() ? "unix socket" : "unix:" + path;
  }
  const auto ip = detail::endpoint_cast<asio::ip::tcp::endpoint>(e);
  const std::string port = ":" + std::to_string(ip.port());
  const auto& address = ip.address();
  if (address.is_v4()) return address.to_string() + port;
  if (const auto v6 = address.to_v6(); v6.is_v4_mapped())
    return asio::ip::make_address_v4(asio::ip::v4_mapped, v6).to_string() + port;
  // Appended: of a literal before a string GCC 12 warns falsely at -O3 (its bug 105651).
  std::string text = "[";
  text += address.to_string();
  text += "]";
  return text + port;
}

}  // namespace parley
