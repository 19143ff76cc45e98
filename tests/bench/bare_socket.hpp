#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>

#include "contender.hpp"
#include "support/process.hpp"

namespace bench {

using parley::test::descriptor;

/// Throws what a system call left in `errno` where it failed.
template <typename Result>
Result must(Result r, const char* what) {
  if (r < 0) throw std::system_error(errno, std::generic_category(), what);
  return r;
}

[[nodiscard]] inline sockaddr_in loopback_port(std::uint16_t port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return to;
}

inline void send_without_delay(int fd) {
  const int yes = 1;
  must(::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes), "TCP_NODELAY");
}

[[nodiscard]] inline descriptor make_tcp_socket() {
  return descriptor(must(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
}

/// Listens on a port of its own, announces it, and accepts one caller.
[[nodiscard]] inline descriptor accept_one(const announce& say) {
  const descriptor door = make_tcp_socket();
  sockaddr_in here = loopback_port(0);
  socklen_t size = sizeof here;
  auto* const address = reinterpret_cast<sockaddr*>(&here);
  must(::bind(door.get(), address, size), "bind");
  must(::listen(door.get(), 1), "listen");
  must(::getsockname(door.get(), address, &size), "getsockname");
  say(std::to_string(ntohs(here.sin_port)));
  descriptor caller(must(::accept4(door.get(), nullptr, nullptr, SOCK_CLOEXEC), "accept"));
  send_without_delay(caller.get());
  return caller;
}

/// Connects to what `accept_one` has announced.
[[nodiscard]] inline descriptor connect_to(const std::string& address) {
  std::uint16_t port = 0;
  std::from_chars(address.data(), address.data() + address.size(), port);
  descriptor fd = make_tcp_socket();
  const sockaddr_in to = loopback_port(port);
  must(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), "connect");
  send_without_delay(fd.get());
  return fd;
}

/// Reads what there is; the socket blocks, or is known to be readable. Throws at the end.
[[nodiscard]] inline std::size_t receive_some(int fd, std::span<char> room) {
  const ssize_t n = must(::recv(fd, room.data(), room.size(), 0), "recv");
  if (n == 0) throw std::runtime_error("the other side hung up");
  return static_cast<std::size_t>(n);
}

}  // namespace bench
