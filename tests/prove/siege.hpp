#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "support/process.hpp"

namespace parley::test {

/// An address of this machine: all of 127.0.0.0/8 is.
[[nodiscard]] inline std::uint32_t local_address(std::uint32_t number) {
  return (std::uint32_t{127} << 24U | std::uint32_t{1} << 16U) + 1 + number;  // 127.1.0.1 and up
}

/// Connects from that address to a port of this machine. Does not block.
[[nodiscard]] inline descriptor connect_from(std::uint32_t address, std::uint16_t port) {
  descriptor s(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;  // the port is chosen when it is known where to, so that there are enough
  ::setsockopt(s.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(address);
  if (!s || ::bind(s.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0)
    throw std::system_error(errno, std::generic_category(), "bind");
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(s.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 &&
      errno != EINPROGRESS)
    throw std::system_error(errno, std::generic_category(), "connect");
  return s;
}

/// Sockets that want a door to be busy with them: each says one byte of its words now and then, or
/// nothing at all, and never goes by itself.
class siege {
 public:
  struct manners {
    std::size_t count = 0;
    bool from_everywhere = false;  ///< each from an address of its own, not all from one
    bool again = false;            ///< who is sent away comes back with the next step
    std::string words;             ///< a byte a step; empty: silent
  };

  siege(std::uint16_t port, manners m)
      : port_(port), manners_(std::move(m)), callers_(manners_.count) {
    for (std::size_t i = 0; i < callers_.size(); ++i) call(i);
  }

  /// Everybody says his next byte, and who was sent away is noticed.
  void step() {
    for (std::size_t i = 0; i < callers_.size(); ++i) {
      caller& c = callers_[i];
      if (!c.socket && manners_.again) call(i);
      if (!c.socket) continue;
      if (c.said < manners_.words.size()) {
        const auto byte = manners_.words.substr(c.said, 1);
        if (::send(c.socket.get(), byte.data(), 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1) ++c.said;
      }
      if (!is_gone(c)) continue;
      c.socket.close();
      ++sent_away_;
    }
  }

  /// Nobody comes back any more.
  void relent() noexcept { manners_.again = false; }

  /// How many the door still holds.
  [[nodiscard]] std::size_t inside() const noexcept {
    std::size_t n = 0;
    for (const auto& c : callers_) n += c.socket ? 1U : 0U;
    return n;
  }
  [[nodiscard]] std::size_t calls() const noexcept { return calls_; }
  [[nodiscard]] std::size_t sent_away() const noexcept { return sent_away_; }

 private:
  struct caller {
    descriptor socket;
    std::size_t said = 0;
  };

  void call(std::size_t i) {
    const auto number = manners_.from_everywhere ? static_cast<std::uint32_t>(i) : 0;
    callers_[i] = {connect_from(local_address(number), port_), 0};
    ++calls_;
  }

  /// What the door says to him is read, so that only its end counts.
  static bool is_gone(const caller& c) {
    std::array<char, 512> answer;
    ssize_t n = 1;
    while (n > 0) n = ::recv(c.socket.get(), answer.data(), answer.size(), MSG_DONTWAIT);
    return n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
  }

  std::uint16_t port_;
  manners manners_;
  std::vector<caller> callers_;
  std::size_t calls_ = 0;
  std::size_t sent_away_ = 0;
};

}  // namespace parley::test
