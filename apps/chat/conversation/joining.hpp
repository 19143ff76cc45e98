#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include <parley/detail/asio.hpp>
#include <parley/invitation.hpp>
#include <parley/printable.hpp>
#include <parley/protocols.hpp>
#include <parley/tls.hpp>

#include "chat/conversation/connector.hpp"
#include "chat/conversation/conversation.hpp"
#include "chat/conversation/dialing.hpp"
#include "chat/files/acquaintances.hpp"
#include "chat/files/own_files.hpp"
#include "chat/files/own_identity.hpp"
#include "chat/program/address.hpp"
#include "chat/program/outcome.hpp"
#include "chat/program/settings.hpp"
#include "chat/screen/console.hpp"
#include "chat/screen/explain.hpp"

namespace chat {

/// What the client's command line says.
struct client_settings : settings {
  chat::address server;
  std::string wait;     ///< seconds; empty: not at all
  std::string peer_id;  ///< whom to take for the server; empty: whom it was before
  std::string invite;   ///< an invitation, or where one is
  bool strict = false;

  /// How long to go on trying until there is a server.
  [[nodiscard]] std::chrono::milliseconds wait_for() const {
    if (wait.empty()) return std::chrono::milliseconds(0);
    if (wait == unstated) return std::chrono::hours(24 * 365);
    return seconds_in("--wait", wait);
  }
};

/// What this side is to prove, and what the server must be.
struct terms {
  own_identity me;
  acquaintances known;
  std::optional<parley::invitation_secret> invited;
};

/// The terms for joining that server.
[[nodiscard]] inline terms terms_for(const client_settings& s,
                                     const std::optional<parley::invitation>& invitation) {
  std::optional<parley::identity> pinned;
  std::string by = "--peer-id";
  if (!s.peer_id.empty()) {
    pinned = parley::parse_identity(s.peer_id);
    if (!pinned)
      throw usage_error("--peer-id: '" + parley::printable(s.peer_id) +
                        "' is no identity, or was mistyped");
  }
  std::optional<parley::invitation_secret> secret;
  if (invitation) {
    if (pinned && *pinned != invitation->listener)
      throw usage_error("--peer-id contradicts the invitation");
    if (!pinned) by = "the invitation";
    pinned = invitation->listener;
    secret = invitation->secret;
  }
  return {load_identity(s.program), acquaintances(s.server, pinned, by, s.strict), secret};
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
  conversation talk(std::move(*peer), here, s, afterwards::exits);
  const chat::outcome outcome = co_await talk.run();
  co_return outcome.status();
}

inline asio::awaitable<exit_status> join_plainly(console& here, const client_settings& s) {
  const auto explain = [](const no_peer& f) { return explain_no_connection(f.why); };
  const auto met = [](const auto&) {};
  chat::connector connect{s.server};
  co_return co_await join<parley::lines>(here, s, connect, explain, met);
}

inline asio::awaitable<exit_status> join_securely(console& here, const client_settings& s,
                                                  const terms& t) {
  here.me = t.me.id();
  if (t.me.made) here.show().introduce(t.me.id(), t.me.path);
  const auto explain = [&t](const no_peer& f) {
    if (const auto special = t.known.explain(f.why)) return *special;
    if (f.why == parley::errc::tls_refused)
      return reason_text(f.why) + "; whoever runs it can --allow " + to_string(t.me.id());
    return explain_no_connection(f.why) + (f.words.empty() ? "" : " (" + f.words + ")");
  };
  const auto met = [&](const auto& peer) {
    try {
      if (const auto news = t.known.met(*peer.identity())) here.show().tell(*news);
    } catch (const file_error& e) {
      here.show().error(std::string(e.what()) + "; the server will be new here next time too");
    }
  };
  const parley::tls_connector<chat::connector> connect(chat::connector{s.server}, t.me.key,
                                                       t.known.check(), t.invited);
  co_return co_await join<parley::session>(here, s, connect, explain, met);
}

/// The whole program. `t` where it is not to be plain.
inline asio::awaitable<exit_status> join(const client_settings& s, const terms* t) {
  console here(co_await asio::this_coro::executor, s);
  auto status = exit_status::internal;
  if (t == nullptr)
    status = co_await join_plainly(here, s);
  else
    status = co_await join_securely(here, s, *t);
  co_await here.settle();
  co_return status;
}

}  // namespace chat
