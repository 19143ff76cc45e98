#pragma once

#include <algorithm>

#include "model/design.hpp"
#include "model/state.hpp"

namespace parley::model {

// The rules that can be read off a state. Others show in a step, and `model` notes them there:
// the order in which programs are handed items, and what a superseded connection does. Whether
// every conversation can end shows only once all states are known, see `explorer`.
//
// That there is one attached connection at most needs no rule: a state has room for one.

[[nodiscard]] inline bool has_taken_all(const scenario& bounds, const state& s, who w) {
  return s.at(w).taken == end_of(bounds, other(w));
}

[[nodiscard]] inline bool is_alive(const state& s) {
  return s.session == session_phase::attached || s.session == session_phase::away;
}

/// The listener's session is the one that the dialer knows, or is about to know.
[[nodiscard]] inline bool is_same_session(const state& s) {
  return s.session != session_phase::none && (s.partner == 0 || s.partner == s.life);
}

/// Whether a side takes an item for delivered whose receiver was not done with it. Programs may
/// ask at any time, so this holds at any time.
[[nodiscard]] inline bool counts_too_much(const state& s) {
  const side& d = s.at(who::dialer);
  const side& l = s.at(who::listener);
  if (d.base > std::max(l.released, s.released_before_restart)) return true;
  return is_same_session(s) && l.base > d.released;
}

/// Whether a side, at its end, takes an item for not sent that was handed out.
[[nodiscard]] inline bool counts_too_little(const state& s) {
  const side& d = s.at(who::dialer);
  const side& l = s.at(who::listener);
  if (s.dialer_is_done() && std::max(l.taken, s.taken_before_restart) > d.cursor) return true;
  return is_same_session(s) && !is_alive(s) && d.taken > l.cursor;
}

[[nodiscard]] inline bool positions_agree(const state& s) {
  const side& d = s.at(who::dialer);
  const side& l = s.at(who::listener);
  return d.base <= l.next && l.next <= d.said && l.base <= d.next && d.next <= l.said;
}

[[nodiscard]] inline rule broken_rule(const scenario& bounds, const state& s) {
  if (counts_too_much(s)) return rule::delivered_is_released;
  if (counts_too_little(s)) return rule::not_sent_is_not_handed_out;
  if (!bounds.programs_only && is_same_session(s) && !positions_agree(s))
    return rule::positions_fit;
  return rule::kept;
}

/// Whether this is an end that nobody can complain of. After a crash, an expiry or giving up it is
/// enough that it is one.
[[nodiscard]] inline bool is_good_end(const scenario& bounds, const state& s) {
  if (s.excused()) return s.dialer_is_done() && s.session != session_phase::attached;
  return s.dialer == dialer_phase::ended_well && s.session == session_phase::ended_well &&
         has_taken_all(bounds, s, who::dialer) && has_taken_all(bounds, s, who::listener) &&
         !s.orphaned;
}

}  // namespace parley::model
