#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>

#include "model/design.hpp"
#include "model/rules.hpp"
#include "model/state.hpp"

namespace parley::model {

/// The handshake and the two cursors, step by step, with everything that a network and a listener's
/// crash can do in between.
///
///   program ─ says ─▶ outbox ─ writes ─▶ channel ─ reads ─▶ inbox ─ takes ─▶ program
///                       ▲                                      │
///                       └──── reads ◀── channel ◀── acks ◀─────┘ what the program is done with
///
/// A broken connection is modelled by its effects: either side leaves it at any moment, for
/// whatever reason, and from then on what the other writes is lost. The other may read what was
/// under way, as far as it likes and as late as it likes, before it leaves too. That covers cuts of
/// one direction or both, with any frames lost from any point on, half-open connections, and
/// heartbeats that were too impatient.
///
/// Only leaving a connection first, giving up, expiry and restart are faults; everything else is
/// what healthy sides do. There is always one connection in reserve behind the last fault, so that
/// the bound on connections never looks like a design that hangs.
///
/// Left out: bytes (a frame is whole or not there), windows (the number of messages is the bound),
/// heartbeats, versions, tombstones that are forgotten, a dialer that restarts (it picks a new id,
/// so nothing connects it to the old session), and more than one session.
class model {
 public:
  model(const design& d, const scenario& bounds) : design_(d), bounds_(bounds) {}

  [[nodiscard]] state initial() const {
    state s{};
    start(s.at(who::dialer), who::dialer);
    return s;
  }

  /// Calls `visit(action, state)` for each step that can be made from `s`.
  template <typename Visit>
  void each_step(const state& s, Visit visit) const {
    using enum action::kind;
    for (const auto what : {says, writes, acks, takes})
      for (number w = 0; w < 2; ++w) try_step(s, {what, w}, visit);
    for (const auto what : {dials, dialer_reads, dialer_leaves, dialer_finishes, gives_up, expires})
      try_step(s, {what, 0}, visit);
    for (number c = 0; c < s.dialled; ++c) {
      try_step(s, {listener_reads, c}, visit);
      try_step(s, {listener_leaves, c}, visit);
    }
    try_step(s, {restarts, 0}, visit);
  }

  /// Whether the environment made this step, rather than one of the two sides.
  [[nodiscard]] static bool is_fault(const state& before, action a) {
    using enum action::kind;
    switch (a.what) {
      case dialer_leaves: return !has_heard_the_end(before);
      case listener_leaves:
        return before.dialer_on(a.index) || !before.connections[a.index].to_listener.empty();
      case gives_up:
      case expires:
      case restarts: return true;
      default: return false;
    }
  }

 private:
  template <typename Visit>
  void try_step(const state& s, action a, Visit& visit) const {
    state after = s;
    if (!make(after, a)) return;
    if (after.session == session_phase::attached && is_over(after)) finish(after);
    if (after.broken == rule::kept) after.broken = broken_rule(bounds_, after);
    visit(a, after);
  }

  /// False if this step cannot be made now.
  [[nodiscard]] bool make(state& s, action a) const {
    using enum action::kind;
    const auto w = static_cast<who>(a.index);
    switch (a.what) {
      case says: return say(s, w);
      case writes: return write(s, w);
      case acks: return acknowledge(s, w);
      case takes: return take(s, w);
      case dials: return dial(s);
      case dialer_reads: return dialer_read(s);
      case dialer_leaves: return dialer_leave(s);
      case dialer_finishes: return dialer_finish(s);
      case gives_up: return give_up(s);
      case listener_reads: return listener_read(s, a.index);
      case listener_leaves: return listener_leave(s, a.index);
      case expires: return expire(s);
      case restarts: return restart(s);
    }
    return false;
  }

  // --- the programs ------------------------------------------------------------------------------

  void start(side& x, who w) const {
    x = {};
    const bool speaks = w == who::dialer || bounds_.listener_speaks;
    if (bounds_.outbox == 0 && speaks) x.said = end_of(bounds_, w);
  }

  bool say(state& s, who w) const {
    side& x = s.at(w);
    if (w == who::listener && !is_alive(s)) return false;
    if (w == who::dialer && s.dialer_is_done()) return false;
    if (x.said == end_of(bounds_, w)) return false;
    if (x.said - x.base >= bounds_.outbox) {
      if (!design_.drops_oldest) return false;
      ++x.base;
      x.cursor = std::max(x.cursor, x.base);
    }
    ++x.said;
    return true;
  }

  /// The program comes for the next item, if there is one. What it was handed before is released.
  bool take(state& s, who w) const {
    side& x = s.at(w);
    const number before = x.released;
    x.released = x.taken;
    if (x.taken == x.next) return x.released != before;
    const item got = x.held[x.taken];
    x.held[x.taken++] = {};
    if (got.sequence + 1 != x.taken || got.life != life_expected_by(s, w))
      s.broken = rule::handed_out_in_order;
    if (w == who::listener && got.sequence < s.taken_before_restart)
      s.broken = rule::handed_out_once;
    if (has_taken_all(bounds_, s, w)) x.released = x.taken;  // nobody looks at a goodbye for long
    return true;
  }

  /// The dialer has one session in its life. A listener's program belongs to one life of a session,
  /// and it must be the one that first welcomed the dialer.
  [[nodiscard]] static number life_expected_by(const state& s, who w) {
    return w == who::listener ? number{0} : s.partner;
  }

  /// Nothing is left to learn: everything is acknowledged, and the goodbye was taken.
  [[nodiscard]] bool is_settled(const state& s, who w) const {
    const number enough = design_.settles_early ? goodbye_of(bounds_, w) : end_of(bounds_, w);
    return s.at(w).base >= enough && has_taken_all(bounds_, s, w);
  }

  // --- what both sides write and read ------------------------------------------------------------

  [[nodiscard]] bool can_write(const state& s, who w) const {
    if (w == who::dialer) return s.dialer == dialer_phase::connected;
    return s.session == session_phase::attached;
  }

  [[nodiscard]] bool write(state& s, who w) const {
    side& x = s.at(w);
    if (!can_write(s, w) || x.cursor == x.said) return false;
    const number life = w == who::dialer ? number{0} : s.life;
    if (!send(s, w, frame::message({x.cursor, life}))) return false;
    ++x.cursor;
    return true;
  }

  [[nodiscard]] number ack_of(const state& s, who w) const {
    return design_.acks_on_arrival ? s.at(w).next : s.at(w).released;
  }

  [[nodiscard]] bool acknowledge(state& s, who w) const {
    side& x = s.at(w);
    const number next = ack_of(s, w);
    if (!can_write(s, w) || next <= x.told) return false;
    if (!send(s, w, frame::ack(next))) return false;
    x.told = next;
    return true;
  }

  /// False if the channel is full. Nothing is left of what is written where nobody reads.
  [[nodiscard]] bool send(state& s, who w, const frame& f) const {
    if (w == who::listener && !s.dialer_on(s.attached)) return true;
    if (w == who::dialer && !is_open(s.connections[s.dialled - 1U].listener)) return true;
    channel& to = w == who::listener ? s.to_dialer : s.connections[s.dialled - 1U].to_listener;
    if (to.size == most_frames) return false;
    to.push(f);
    return true;
  }

  [[nodiscard]] static bool is_open(line l) {
    return l == line::ringing || l == line::carrying || l == line::superseded;
  }

  /// A frame after the greetings. False if it ends the connection.
  [[nodiscard]] bool obey(state& s, who w, const frame& f) const {
    side& x = s.at(w);
    if (f.kind == frame_kind::ack) {
      if (f.next > x.cursor) return false;
      x.base = std::max(x.base, f.next);
      return true;
    }
    if (f.kind != frame_kind::message) return false;
    const bool fits = design_.numbers_implied || f.what.sequence == x.next;
    if (x.awaits_first && !fits) note(s, rule::first_is_next);
    x.awaits_first = false;
    if (!fits) return f.what.sequence < x.next;
    if (x.next == most_items) return false;
    x.held[x.next++] = f.what;
    return true;
  }

  /// Whether the peer has what this side no longer holds, and holds what this side lacks.
  [[nodiscard]] static bool fit(const side& x, const frame& f) {
    return f.next >= x.base && f.next <= x.cursor && f.base <= x.next;
  }

  /// Goes on from where the peer is, on a new connection.
  void resume(side& x, const frame& greeting) const {
    if (!design_.cursor_stays) x.cursor = greeting.next;
    if (design_.greeting_acknowledges) x.base = greeting.next;
    if (!design_.acks_once) x.told = 0;
    x.awaits_first = true;
  }

  /// What a connection was told is of no use to the next.
  void forget_connection(side& x) const {
    if (!design_.acks_once) x.told = 0;
    x.awaits_first = false;
  }

  // --- the dialer --------------------------------------------------------------------------------

  [[nodiscard]] bool has_reserve(const state& s) const { return s.dialled < bounds_.connections; }

  [[nodiscard]] bool dial(state& s) const {
    if (s.dialer != dialer_phase::idle || !has_reserve(s)) return false;
    const side& x = s.at(who::dialer);
    connection& c = s.connections[s.dialled++];
    c.listener = line::ringing;
    c.to_listener.push(frame::hello(s.dialled, s.welcomed, x.next, x.base));
    s.dialer = dialer_phase::greeting;
    return true;
  }

  [[nodiscard]] bool dialer_read(state& s) const {
    if (s.to_dialer.empty()) return false;
    const frame f = s.to_dialer.pop();
    if (f.kind == frame_kind::refuse)
      refused(s, f);
    else if (s.dialer == dialer_phase::greeting)
      welcomed(s, f);
    else if (!obey(s, who::dialer, f))
      leave_as_dialer(s, dialer_phase::idle);
    return true;
  }

  void welcomed(state& s, const frame& f) const {
    side& x = s.at(who::dialer);
    if (f.kind != frame_kind::welcome || f.mark != s.dialled || !fit(x, f))
      return leave_as_dialer(s, dialer_phase::failed);
    resume(x, f);
    if (s.partner == 0) s.partner = f.what.life;
    s.welcomed = design_.hides_last_welcome ? number{1} : f.mark;
    s.dialer = dialer_phase::connected;
  }

  void refused(state& s, const frame& f) const {
    side& x = s.at(who::dialer);
    const auto reason = static_cast<refusal>(f.mark);
    if (reason == refusal::ended || reason == refusal::expired) x.base = std::max(x.base, f.next);
    end_as_dialer(s);
  }

  /// With an error, unless there is nothing left to learn.
  void end_as_dialer(state& s) const {
    const bool well = is_settled(s, who::dialer);
    leave_as_dialer(s, well ? dialer_phase::ended_well : dialer_phase::failed);
  }

  void leave_as_dialer(state& s, dialer_phase then) const {
    s.dialer = then;
    s.to_dialer = {};
    forget_connection(s.at(who::dialer));
    if (s.dialled == 0) return;
    connection& c = s.connections[s.dialled - 1U];
    if (!is_open(c.listener)) c.listener = line::dropped;
  }

  /// Whether the listener has left first, and the dialer has read everything before that.
  [[nodiscard]] static bool has_heard_the_end(const state& s) {
    return s.to_dialer.empty() && s.connections[s.dialled - 1U].listener == line::dropped;
  }

  /// The connection is broken, or seems to be. Even where nothing is left to learn, the listener
  /// may need another one to learn the same.
  [[nodiscard]] bool dialer_leave(state& s) const {
    if (s.dialled == 0 || !s.dialer_on(s.dialled - 1U)) return false;
    if (!has_reserve(s) && !has_heard_the_end(s)) return false;
    leave_as_dialer(s, is_enough(s) ? dialer_phase::ended_well : dialer_phase::idle);
    return true;
  }

  /// Whether the dialer, by mistake, takes this for the end of the conversation.
  [[nodiscard]] bool is_enough(const state& s) const {
    if (!is_settled(s, who::dialer)) return false;
    if (design_.settled_stays_away) return true;
    return design_.trusts_any_end && has_heard_the_end(s) &&
           s.at(who::dialer).told >= s.at(who::dialer).released;
  }

  /// The listener has closed the connection in good order, and everything on it has been read.
  [[nodiscard]] bool dialer_finish(state& s) const {
    if (s.dialled == 0 || !s.dialer_on(s.dialled - 1U) || !s.to_dialer.empty()) return false;
    if (s.connections[s.dialled - 1U].listener != line::finished) return false;
    leave_as_dialer(s, is_settled(s, who::dialer) ? dialer_phase::ended_well : dialer_phase::idle);
    return true;
  }

  [[nodiscard]] bool give_up(state& s) const {
    if (!bounds_.giving_up || s.dialer_is_done()) return false;
    s.gave_up = true;
    end_as_dialer(s);
    return true;
  }

  // --- the listener ------------------------------------------------------------------------------

  [[nodiscard]] bool listener_read(state& s, number c) const {
    connection& from = s.connections[c];
    if (from.to_listener.empty() || !is_open(from.listener)) return false;
    if (from.listener == line::superseded && !design_.never_supersedes) return false;
    const side before = s.at(who::listener);
    const bool was_fenced = from.listener == line::superseded;
    const frame f = from.to_listener.pop();
    if (from.listener == line::ringing)
      answer(s, c, f);
    else if (!obey(s, who::listener, f))
      leave_as_listener(s, c);
    if (was_fenced && std::memcmp(&before, &s.at(who::listener), sizeof before) != 0)
      note(s, rule::superseded_changes_nothing);
    return true;
  }

  static void drop(state& s, number c) { s.connections[c] = {{}, line::dropped}; }

  /// A hello. No other step comes between the parts of this one.
  void answer(state& s, number c, const frame& hello) const {
    if (asks_for_id(hello) && s.session != session_phase::none) {
      s.orphaned = true;  // the older of the two attempts
      if (hello.mark < s.attempt) return drop(s, c);
    }
    if (may_make(s, hello)) make_session(s);
    if (const auto reason = reason_to_refuse(s, hello)) return refuse(s, c, *reason);
    attach(s, c, hello);
  }

  [[nodiscard]] std::optional<refusal> reason_to_refuse(const state& s, const frame& hello) const {
    if (s.session == session_phase::ended_well) return refusal::ended;
    if (s.session == session_phase::expired) return refusal::expired;
    if (s.session == session_phase::none) return refusal::unknown_session;
    if (is_just_made(s)) return std::nullopt;
    if (hello.welcomed > s.attempt) return refusal::unknown_session;
    if (hello.mark <= s.attempt && !design_.accepts_stale) return refusal::stale_attempt;
    if (!fit(s.at(who::listener), hello)) return refusal::position;
    return std::nullopt;
  }

  /// Where ids come from the listener, the first hello of each attempt makes a session.
  [[nodiscard]] bool asks_for_id(const frame& hello) const {
    return design_.listener_chooses_id && hello.welcomed == 0;
  }

  [[nodiscard]] bool may_make(const state& s, const frame& hello) const {
    if (asks_for_id(hello)) return true;
    const bool first = hello.welcomed == 0 && hello.next == 0 && hello.base == 0;
    return s.session == session_phase::none && (first || design_.recreates_silently);
  }

  void make_session(state& s) const {
    if (s.session == session_phase::attached) supersede(s);
    start(s.at(who::listener), who::listener);
    s.session = session_phase::away;
    s.attempt = 0;
    ++s.life;
  }

  /// Its positions are all 0, and those of the hello are no use unless they are too.
  [[nodiscard]] static bool is_just_made(const state& s) { return s.attempt == 0; }

  void attach(state& s, number c, const frame& hello) const {
    if (s.session == session_phase::attached) supersede(s);
    side& x = s.at(who::listener);
    resume(x, is_just_made(s) ? frame{} : hello);
    s.session = session_phase::attached;
    s.attached = c;
    s.attempt = hello.mark;
    s.connections[c].listener = line::carrying;
    if (s.dialer_on(c)) s.to_dialer.push(frame::welcome(s.life, hello.mark, x.next, x.base));
  }

  /// From now on nothing that comes on the old connection is looked at.
  void supersede(state& s) const {
    if (s.dialer_on(s.attached)) note(s, rule::newest_attempt_wins);
    connection& old = s.connections[s.attached];
    if (!design_.never_supersedes) old.to_listener = {};
    old.listener =
        design_.never_supersedes || design_.cleans_up_late ? line::superseded : line::dropped;
    s.attached = 0;
  }

  void refuse(state& s, number c, refusal reason) const {
    const bool known = reason == refusal::ended || reason == refusal::expired;
    drop(s, c);
    if (!s.dialer_on(c)) return;
    s.to_dialer.push(frame::refuse(reason, known ? s.at(who::listener).released : number{0}));
  }

  /// The connection is broken, or seems to be, or what came on it cannot be.
  [[nodiscard]] bool listener_leave(state& s, number c) const {
    if (!is_open(s.connections[c].listener)) return false;
    if (s.dialer_on(c) && !has_reserve(s)) return false;
    leave_as_listener(s, c);
    return true;
  }

  void leave_as_listener(state& s, number c) const {
    const line was = s.connections[c].listener;
    drop(s, c);
    if (s.session != session_phase::attached) return;
    if (was == line::carrying) detach(s);
    if (was == line::superseded && design_.cleans_up_late) {
      s.connections[s.attached].listener =
          line::superseded;  // the dialer is left talking to nobody
      detach(s);
      note(s, rule::superseded_changes_nothing);
    }
  }

  /// A session that is settled waits for nobody: who asks is told how it ended.
  void detach(state& s) const {
    forget_connection(s.at(who::listener));
    s.attached = 0;
    s.session = is_settled(s, who::listener) ? session_phase::ended_well : session_phase::away;
  }

  /// Both goodbyes are said, and all is acknowledged each way.
  [[nodiscard]] bool is_over(const state& s) const {
    return s.at(who::listener).base == end_of(bounds_, who::listener) &&
           has_taken_all(bounds_, s, who::listener) &&
           s.at(who::listener).told >= ack_of(s, who::listener);
  }

  void finish(state& s) const {
    forget_connection(s.at(who::listener));
    s.connections[s.attached] = {{}, s.dialer_on(s.attached) ? line::finished : line::dropped};
    s.attached = 0;
    s.session = session_phase::ended_well;
  }

  [[nodiscard]] bool expire(state& s) const {
    if (!bounds_.expiry || s.session != session_phase::away) return false;
    s.session = session_phase::expired;
    s.expired = true;
    return true;
  }

  /// The process dies and another takes its place, which knows nothing.
  [[nodiscard]] bool restart(state& s) const {
    if (!bounds_.restart || s.restarted || !has_reserve(s)) return false;
    s.restarted = true;
    s.taken_before_restart = s.at(who::listener).taken;
    s.released_before_restart = s.at(who::listener).released;
    s.at(who::listener) = {};
    s.session = session_phase::none;
    s.attached = 0;
    s.attempt = 0;
    for (connection& c : s.connections) {
      if (c.listener == line::none) continue;
      if (c.listener == line::ringing && bounds_.hello_outlives_restart) continue;
      c = {{}, line::dropped};
    }
    return true;
  }

  /// A rule that looks inside was broken.
  void note(state& s, rule broken) const {
    if (!bounds_.programs_only && s.broken == rule::kept) s.broken = broken;
  }

  design design_;
  scenario bounds_;
};

}  // namespace parley::model
