#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "model/design.hpp"
#include "model/state.hpp"

namespace parley::model {

// What a trace says of steps and states.

[[nodiscard]] inline std::string_view name_of(rule r) {
  switch (r) {
    case rule::kept: return "all rules kept";
    case rule::handed_out_in_order: return "a program is handed 0, 1, 2 and so on of its session";
    case rule::handed_out_once: return "no message is handed out again after a restart";
    case rule::delivered_is_released: return "what counts as delivered was released";
    case rule::not_sent_is_not_handed_out: return "what counts as not sent was not handed out";
    case rule::superseded_changes_nothing: return "a superseded connection changes nothing";
    case rule::newest_attempt_wins:
      return "only a connection that its dialer has left is superseded";
    case rule::first_is_next: return "the first message after a handshake is the peer's next";
    case rule::positions_fit: return "base <= the peer's next <= end";
    case rule::can_end: return "every conversation can end";
    case rule::can_end_well: return "without crash, expiry or giving up all is handed out";
  }
  return "?";
}

[[nodiscard]] inline std::string_view name_of(who w) {
  return w == who::dialer ? "dialer" : "listener";
}

[[nodiscard]] inline std::string_view name_of(refusal r) {
  switch (r) {
    case refusal::unknown_session: return "unknown session";
    case refusal::expired: return "expired";
    case refusal::ended: return "ended";
    case refusal::stale_attempt: return "stale attempt";
    case refusal::position: return "position";
  }
  return "?";
}

[[nodiscard]] inline std::string_view name_of(session_phase p) {
  switch (p) {
    case session_phase::none: return "no session";
    case session_phase::attached: return "attached";
    case session_phase::away: return "away";
    case session_phase::ended_well: return "ended well";
    case session_phase::expired: return "expired";
  }
  return "?";
}

[[nodiscard]] inline std::string_view name_of(dialer_phase p) {
  switch (p) {
    case dialer_phase::idle: return "between connections";
    case dialer_phase::greeting: return "greeting";
    case dialer_phase::connected: return "connected";
    case dialer_phase::ended_well: return "ended well";
    case dialer_phase::failed: return "failed";
  }
  return "?";
}

[[nodiscard]] inline std::string text_of(const frame& f) {
  const auto named = [](std::string_view name, int n) {
    return std::string(name) + " " + std::to_string(n);
  };
  const std::string positions = named(", next", f.next) + named(", base", f.base) + ")";
  switch (f.kind) {
    case frame_kind::none: return "nothing";
    case frame_kind::hello:
      return named("hello(attempt", f.mark) + named(", welcomed", f.welcomed) + positions;
    case frame_kind::welcome: return named("welcome(attempt", f.mark) + positions;
    case frame_kind::refuse:
      return "refuse(" + std::string(name_of(static_cast<refusal>(f.mark))) +
             named(", next", f.next) + ")";
    case frame_kind::message: return named("item", f.what.sequence);
    case frame_kind::ack: return named("ack", f.next);
  }
  return "?";
}

/// What `a` does, as seen from the state before and after it.
[[nodiscard]] inline std::string text_of(const state& before, action a, const state& after) {
  using enum action::kind;
  const auto w = static_cast<who>(a.index);
  const auto index = static_cast<std::size_t>(a.index);
  const std::string side_name(index < 2 ? name_of(w) : "");
  const std::string on = " connection " + std::to_string(a.index + 1);
  switch (a.what) {
    case says: return side_name + " says item " + std::to_string(before.at(w).said);
    case writes: return side_name + " writes item " + std::to_string(before.at(w).cursor);
    case acks: return side_name + " writes ack " + std::to_string(after.at(w).told);
    case takes:
      if (after.at(w).taken == before.at(w).taken) return side_name + "'s program waits for more";
      return side_name + "'s program takes item " + std::to_string(before.at(w).taken);
    case dials:
      return "dialer dials connection " + std::to_string(after.dialled) + ": " +
             text_of(after.connections[after.dialled - 1U].to_listener.front());
    case dialer_reads: return "dialer reads " + text_of(before.to_dialer.front());
    case dialer_leaves: return "dialer leaves connection " + std::to_string(before.dialled);
    case dialer_finishes: return "dialer reads the end of the connection";
    case gives_up: return "dialer gives up";
    case listener_reads:
      return "listener reads " + text_of(before.connections[index].to_listener.front()) + " on" +
             on;
    case listener_leaves: return "listener leaves" + on;
    case expires: return "listener's session expires";
    case restarts: return "listener restarts";
  }
  return "?";
}

[[nodiscard]] inline std::string text_of(const side& x) {
  return "base " + std::to_string(x.base) + ", cursor " + std::to_string(x.cursor) + ", said " +
         std::to_string(x.said) + ", next " + std::to_string(x.next) + ", taken " +
         std::to_string(x.taken) + ", released " + std::to_string(x.released);
}

[[nodiscard]] inline std::string text_of(const state& s) {
  return "dialer " + std::string(name_of(s.dialer)) + ": " + text_of(s.at(who::dialer)) +
         "\nlistener " + std::string(name_of(s.session)) + ": " + text_of(s.at(who::listener));
}

}  // namespace parley::model
