#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "contender.hpp"

namespace bench {

/// How the two ends of a trial find each other over Asio's TCP, standalone or Boost's: `Library` is
/// as `standalone_asio`.
template <typename Library>
struct tcp_ends {
  using context = typename Library::context;
  using tcp = typename Library::tcp;
  using socket = typename tcp::socket;

  /// Listens on a port of its own, tells it, and accepts one caller.
  [[nodiscard]] static socket accept_one(context& io, const announce& tell) {
    typename tcp::acceptor acceptor(io, loopback(0));
    tell(std::to_string(acceptor.local_endpoint().port()));
    return without_delay(acceptor.accept());
  }

  /// Connects to the port that `accept_one` has told.
  [[nodiscard]] static socket connect_to(context& io, const std::string& port) {
    socket s(io);
    s.connect(loopback(static_cast<std::uint16_t>(std::stoul(port))));
    return without_delay(std::move(s));
  }

 private:
  [[nodiscard]] static typename tcp::endpoint loopback(std::uint16_t port) {
    return {Library::address_v4::loopback(), port};
  }

  [[nodiscard]] static socket without_delay(socket s) {
    s.set_option(typename tcp::no_delay(true));
    return s;
  }
};

}  // namespace bench
