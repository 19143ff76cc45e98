#pragma once

#include <string>
#include <utility>

#include <parley/connect.hpp>
#include <parley/detail/asio.hpp>
#include <parley/endpoint.hpp>

#include "chat/program/address.hpp"

namespace chat {

/// Connects to an address of either kind: what `parley::dial` asks for.
struct connector {
  address to;

  asio::awaitable<parley::any_socket> operator()() const { return connect(to); }

 private:
  static asio::awaitable<parley::any_socket> connect(address to) {
    if (to.is_unix()) {
      const parley::unix_connector local{std::move(to.host)};
      co_return co_await local();
    }
    const parley::tcp_connector remote{std::move(to.host), std::to_string(to.port)};
    co_return co_await remote();
  }
};

}  // namespace chat
