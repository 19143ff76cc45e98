#pragma once

#include <optional>
#include <system_error>
#include <utility>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include <parley/detail/asio.hpp>
#include <parley/dial.hpp>
#include <parley/options.hpp>

#include "address.hpp"
#include "departure.hpp"

namespace chat {

/// Dials; a departure in the meantime cancels that. Completes with the peer, or with none: then
/// `why` says why, and the caller keeps that until then.
template <typename Protocol>
asio::awaitable<std::optional<parley::basic_peer<parley::any_socket, Protocol>>> dial(
    address to, departure& leaving, parley::options options, std::error_code& why) {
  std::optional<parley::basic_peer<parley::any_socket, Protocol>> peer;
  asio::cancellation_signal cancel;
  leaving.whenever([&cancel] { cancel.emit(asio::cancellation_type::terminal); });
  try {
    const auto executor = co_await asio::this_coro::executor;
    const connector connect{std::move(to)};
    auto dialing = parley::dial<Protocol>(connect, std::move(options));
    peer =
        co_await asio::co_spawn(executor, std::move(dialing),
                                asio::bind_cancellation_slot(cancel.slot(), asio::use_awaitable));
  } catch (const std::system_error& e) {
    why = e.code();
  }
  leaving.whenever(nullptr);
  co_return peer;
}

}  // namespace chat
