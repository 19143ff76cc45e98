#pragma once

#include <optional>
#include <system_error>
#include <utility>

#include <parley/detail/asio.hpp>
#include <parley/options.hpp>

#include "chat/conversation/reachable.hpp"
#include "chat/conversation/talk.hpp"
#include "chat/program/outcome.hpp"
#include "chat/program/server_settings.hpp"
#include "chat/screen/console.hpp"
#include "chat/screen/explain.hpp"

namespace chat {

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

/// Completes with the next caller, or with none when this side is to leave.
template <typename Listener>
asio::awaitable<void> greet(Listener& door, console& here,
                            std::optional<typename Listener::peer_type>& caller) {
  here.leaving.whenever([&door] { door.close(); });
  try {
    caller = co_await door.accept();
  } catch (const std::system_error&) {
    caller.reset();  // the door was closed, there is no other reason
  }
  here.leaving.whenever(nullptr);
  here.in.interrupt();
}

/// Waits for callers at an open door, and talks to one after the other.
template <typename Listener>
asio::awaitable<exit_status> serve(Listener& door, console& here, const server_settings& s) {
  const auto then = s.once ? afterwards::exits : afterwards::waits_for_the_next;
  for (;;) {
    std::optional<typename Listener::peer_type> caller;
    here.in.resume();
    co_await here.pass_time_until(greet(door, here, caller));
    if (!caller) co_return exit_status::delivered;
    const chat::outcome outcome = co_await talk(std::move(*caller), here, s, then);
    if (s.once || here.leaving.asked() || outcome.broken_streams) co_return outcome.status();
    here.show().note("waiting for the next caller");
  }
}

inline parley::options door_options(const console& here, const server_settings& s) {
  auto o = here.peer_options(s);
  o.max_peers = 1;
  return o;
}

}  // namespace chat
