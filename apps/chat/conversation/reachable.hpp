#pragma once

#include <ifaddrs.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <parley/detail/asio.hpp>
#include <parley/endpoint.hpp>
#include <parley/printable.hpp>

#include "chat/program/address.hpp"

namespace chat {

/// The addresses of this machine that others can reach it at, IPv4 first, without loopback and
/// without those that hold for one link only (RFC 3927, RFC 4291 2.5.6): these need a scope that
/// differs on every machine.
[[nodiscard]] inline std::vector<asio::ip::address> own_addresses() {
  ifaddrs* raw = nullptr;
  if (::getifaddrs(&raw) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> all(raw, &::freeifaddrs);
  std::vector<asio::ip::address> found;
  std::vector<asio::ip::address> v6_found;
  for (const ifaddrs* i = all.get(); i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr || (i->ifa_flags & IFF_UP) == 0U) continue;
    if (i->ifa_addr->sa_family == AF_INET) {
      sockaddr_in in{};
      std::memcpy(&in, i->ifa_addr, sizeof in);
      const asio::ip::address_v4 v4(ntohl(in.sin_addr.s_addr));
      if (!v4.is_loopback() && v4.to_uint() >> 16U != 0xa9fe) found.emplace_back(v4);
    } else if (i->ifa_addr->sa_family == AF_INET6) {
      sockaddr_in6 in{};
      std::memcpy(&in, i->ifa_addr, sizeof in);
      asio::ip::address_v6::bytes_type bytes;
      std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
      const asio::ip::address_v6 v6(bytes);
      if (!v6.is_loopback() && !v6.is_link_local()) v6_found.emplace_back(v6);
    }
  }
  found.insert(found.end(), v6_found.begin(), v6_found.end());
  return found;
}

/// Makes a listener listen on an address of this machine, on all for "", or on `unix:/path`.
template <typename Listener>
[[nodiscard]] std::error_code listen_on(Listener& listener, const std::string& where,
                                        std::uint16_t port) {
  try {
    if (where.starts_with(unix_prefix))
      listener.listen_unix(where.substr(unix_prefix.size()));
    else
      listener.listen(where, port);
  } catch (const std::system_error& e) {
    return e.code();
  }
  return {};
}

/// The same place, for the middle of a sentence.
[[nodiscard]] inline std::string place_text(const std::string& where, std::uint16_t port) {
  if (where.starts_with(unix_prefix)) return parley::printable(where);
  const std::string number = "port " + std::to_string(port);
  return where.empty() ? number : parley::printable(where) + ", " + number;
}

/// What a caller writes to reach a listener that is bound to `bound`.
[[nodiscard]] inline std::vector<address> reachable_at(const parley::endpoint& bound) {
  if (!parley::detail::is_ip(bound)) {
    const auto path = parley::to_string(bound).substr(unix_prefix.size());
    return {address{path, 0, false}};
  }
  const auto tcp = parley::detail::endpoint_cast<asio::ip::tcp::endpoint>(bound);
  if (!tcp.address().is_unspecified())
    return {address{tcp.address().to_string(), tcp.port(), false}};
  std::vector<address> all;
  for (const auto& a : own_addresses())
    if (a.is_v4() || tcp.address().is_v6()) all.push_back({a.to_string(), tcp.port(), false});
  if (all.empty()) all.push_back({"127.0.0.1", tcp.port(), false});
  return all;
}

}  // namespace chat
