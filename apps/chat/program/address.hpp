#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <parley/printable.hpp>

#include "chat/program/outcome.hpp"

namespace chat {

inline constexpr std::uint16_t default_port = 7117;
inline constexpr std::string_view unix_prefix = "unix:";

/// Where a server is, as a person writes it: a host and a port, or the path of a Unix socket.
struct address {
  std::string host;          ///< a name or a number; for a Unix socket its path
  std::uint16_t port = 0;    ///< 0 for a Unix socket
  bool port_stated = false;  ///< and not the default

  [[nodiscard]] bool is_unix() const noexcept { return port == 0; }
};

/// `host`, `host:port`, `[v6]:port`, or `unix:/path`: the form that `parse_address` reads. With
/// `omit` the port is left out where it is that one.
[[nodiscard]] inline std::string to_string(const address& a, std::uint16_t omit = 0) {
  if (a.is_unix()) return std::string(unix_prefix) + a.host;
  if (a.port == omit) return a.host;
  const bool v6 = a.host.find(':') != a.host.npos;
  return (v6 ? "[" + a.host + "]" : a.host) + ":" + std::to_string(a.port);
}

/// Reads what `to_string` writes, and a bare IPv6 address. Throws `usage_error`.
[[nodiscard]] inline address parse_address(std::string_view text, std::uint16_t port) {
  const auto bad = [text](const char* why) {
    std::string what = "'";  // by itself: GCC 12 sees an overlap in `"'" + …` (its bug 105651)
    what += parley::printable(text);
    return usage_error(what + "' is no address: " + why +
                       "; write HOST, HOST:PORT, [IPV6]:PORT or unix:/path");
  };
  if (text.starts_with(unix_prefix)) {
    if (text.size() == unix_prefix.size()) throw bad("the path is missing");
    return {std::string(text.substr(unix_prefix.size())), 0, false};
  }
  std::string_view host = text;
  std::optional<std::string_view> number;
  const auto colon = text.find(':');
  if (text.starts_with('[')) {
    const auto closing = text.find(']');
    if (closing == text.npos) throw bad("']' is missing");
    host = text.substr(1, closing - 1);
    const auto rest = text.substr(closing + 1);
    if (!rest.empty() && !rest.starts_with(':')) throw bad("a port begins with ':'");
    if (!rest.empty()) number = rest.substr(1);
  } else if (colon != text.npos && colon == text.rfind(':')) {  // more of them: a bare IPv6 address
    host = text.substr(0, colon);
    number = text.substr(colon + 1);
  }
  if (host.empty()) throw bad("the host is missing");
  for (const char c : host)
    if (static_cast<unsigned char>(c) <= ' ' || c == '\x7f') throw bad("a host has no blanks");
  if (number) {
    const auto end = number->data() + number->size();
    const auto [at, ec] = std::from_chars(number->data(), end, port);
    if (ec != std::errc() || at != end || port == 0) throw bad("a port is a number, 1 to 65535");
  }
  return {std::string(host), port, number.has_value()};
}

}  // namespace chat
