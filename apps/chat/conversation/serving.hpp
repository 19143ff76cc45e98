#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <parley/detail/asio.hpp>
#include <parley/listener.hpp>
#include <parley/options.hpp>
#include <parley/tls.hpp>

#include "chat/conversation/conversation.hpp"
#include "chat/conversation/lobby.hpp"
#include "chat/conversation/reachable.hpp"
#include "chat/files/guests.hpp"
#include "chat/files/own_identity.hpp"
#include "chat/program/outcome.hpp"
#include "chat/program/settings.hpp"
#include "chat/screen/console.hpp"
#include "chat/screen/explain.hpp"

namespace chat {

/// What the server's command line says.
struct server_settings : settings {
  std::string bind;  ///< an address of this machine or unix:/path; empty: all addresses
  bool once = false;
  std::vector<std::string> allow;  ///< identities, and files of them; empty: everybody
  std::string invite;              ///< for so many seconds; empty: nobody

  /// How long an invitation is good.
  [[nodiscard]] std::chrono::milliseconds invite_for() const {
    return invite == unstated ? std::chrono::hours(24) : seconds_in("--invite", invite);
  }
};

/// Opens the door and tells where it is. False: it cannot be opened, which was told.
template <typename Listener>
bool open_door(Listener& door, view& show, const server_settings& s) {
  if (const auto failed = listen_on(door, s.bind, s.port)) {
    show.error("cannot listen on " + place_text(s.bind, s.port) + ": " +
               explain_no_listening(failed));
    return false;
  }
  show.listening(reachable_at(door.endpoints().front()), s.plain ? "--plain " : "");
  return true;
}

/// Waits for callers at an open door, and talks to one after the other.
template <typename Listener>
asio::awaitable<exit_status> serve(Listener& door, console& here, const server_settings& s) {
  using namespace asio::experimental::awaitable_operators;
  const auto then = s.once ? afterwards::exits : afterwards::waits_for_the_next;
  for (;;) {
    std::optional<typename Listener::peer_type> caller;
    here.in.resume();
    co_await (greet(door, here, caller) && pass_time(here));
    if (!caller) co_return exit_status::delivered;
    conversation talk(std::move(*caller), here, s, then);
    const chat::outcome outcome = co_await talk.run();
    if (s.once || here.leaving.asked() || outcome.broken_streams) co_return outcome.status();
    here.show().note("waiting for the next caller");
  }
}

/// Invites one more to where the door is.
template <typename Listener>
void invite(const Listener& door, console& here, guests& who, const server_settings& s) {
  const auto until = std::chrono::system_clock::now() + s.invite_for();
  const auto at = reachable_at(door.endpoints().front()).front();
  const auto invitation = who.invite(*here.me, to_string(at), until);
  here.show().invitation(to_string(invitation), until);
}

inline parley::options door_options(const console& here, const server_settings& s) {
  auto o = here.peer_options(s);
  o.max_peers = 1;
  return o;
}

inline asio::awaitable<exit_status> serve_plainly(console& here, const server_settings& s) {
  parley::basic_listener<parley::lines> door(co_await asio::this_coro::executor,
                                             door_options(here, s));
  if (!open_door(door, here.show(), s)) co_return exit_status::unreachable;
  co_return co_await serve(door, here, s);
}

inline asio::awaitable<exit_status> serve_securely(console& here, const server_settings& s,
                                                   const own_identity& me, guests& who) {
  here.me = me.id();
  parley::tls_listener door(co_await asio::this_coro::executor, door_options(here, s),
                            parley::tls_security(me.key, who.check(), who.invitations()));
  if (!open_door(door, here.show(), s)) co_return exit_status::unreachable;
  here.show().introduce(me.id(), me.made ? me.path : "");
  who.whenever([&here](const std::string& what) { here.show().tell(what); });
  if (who.invites()) invite(door, here, who, s);
  co_return co_await serve(door, here, s);
}

/// The whole program. `me` and `who` where it is not to be plain.
inline asio::awaitable<exit_status> serve(const server_settings& s, const own_identity* me,
                                          guests* who) {
  console here(co_await asio::this_coro::executor, s);
  auto status = exit_status::internal;
  if (me == nullptr)
    status = co_await serve_plainly(here, s);
  else
    status = co_await serve_securely(here, s, *me, *who);
  co_await here.settle();
  co_return status;
}

}  // namespace chat
