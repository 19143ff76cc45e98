#pragma once

#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include <parley/detail/asio.hpp>
#include <parley/dial.hpp>
#include <parley/error.hpp>
#include <parley/options.hpp>
#include <parley/printable.hpp>

#include "chat/conversation/talk.hpp"
#include "chat/program/address.hpp"
#include "chat/program/client_settings.hpp"
#include "chat/program/outcome.hpp"
#include "chat/screen/console.hpp"
#include "chat/screen/explain.hpp"
#include "chat/streams/departure.hpp"

namespace chat {

/// Why nobody was joined.
struct no_peer {
  std::error_code why;
  std::string words;  ///< of the peer who refused; safe to show
};

/// Dials; a departure in the meantime cancels that. Completes with the peer, or with none: then
/// `failed` says why, and the caller keeps that until then.
template <typename Protocol, typename Connector>
asio::awaitable<std::optional<parley::basic_peer<parley::detail::stream_of<Connector>, Protocol>>>
dial(Connector connect, departure& leaving, parley::options options, no_peer& failed) {
  std::optional<parley::basic_peer<parley::detail::stream_of<Connector>, Protocol>> peer;
  asio::cancellation_signal cancel;
  leaving.whenever([&cancel] { cancel.emit(asio::cancellation_type::terminal); });
  try {
    const auto executor = co_await asio::this_coro::executor;
    auto dialing = parley::dial<Protocol>(std::move(connect), std::move(options));
    peer =
        co_await asio::co_spawn(executor, std::move(dialing),
                                asio::bind_cancellation_slot(cancel.slot(), asio::use_awaitable));
  } catch (const std::system_error& e) {
    failed.why = e.code();
    // The words of a refusal, or a place that is known already, stand before what the code says.
    const std::string what = e.what(), code = ": " + e.code().message();
    if (e.code().category() == parley::error_category() && what.ends_with(code))
      failed.words = what.substr(0, what.size() - code.size());
  }
  leaving.whenever(nullptr);
  co_return peer;
}

/// Talks to the server that `connect` reaches. `explain` says what is special about an error.
template <typename Protocol, typename Connector, typename Explain, typename Met>
asio::awaitable<exit_status> join(console& here, const client_settings& s, Connector connect,
                                  Explain explain, Met met) {
  here.show().connecting(s.server);
  auto options = here.peer_options(s);
  options.wait_for = s.wait_for();
  no_peer failed;
  auto peer = co_await chat::dial<Protocol>(std::move(connect), here.leaving, options, failed);
  if (!peer) {
    const std::string where = parley::printable(to_string(s.server));
    here.show().error("cannot join " + where + ": " + explain(failed));
    co_return status_of_failed_dial(failed.why);
  }
  met(*peer);
  const chat::outcome outcome = co_await talk(std::move(*peer), here, s, afterwards::exits);
  co_return outcome.status();
}

}  // namespace chat
