#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <string>

#include "model/design.hpp"
#include "model/explore.hpp"
#include "model/narrate.hpp"
#include "model/state.hpp"

namespace model_test {

// The design itself, without its code: whatever order things happen in, within the bounds given,
// every rule of rules.hpp is kept. Then each of the mistakes that
// such protocols are known for is planted, and must be found; a checker that finds none of them
// proves nothing. Some of them break a rule inside long before a program notices, so each is looked
// for twice, the second time with only the rules that a program can see broken.

namespace {

using parley::model::design;
using parley::model::dialer_phase;
using parley::model::explorer;
using parley::model::finding;
using parley::model::frame_kind;
using parley::model::name_of;
using parley::model::refusal;
using parley::model::rule;
using parley::model::scenario;
using parley::model::session_phase;
using parley::model::state;

#ifdef PARLEY_SANITIZED
constexpr bool sanitized = true;  // several times slower
#else
constexpr bool sanitized = false;
#endif

/// Everything that can happen, to short conversations.
scenario anything() {
  scenario s;
  s.hello_outlives_restart = true;
  return s;
}

/// Connections that break are all that happens.
scenario only_breaks() {
  scenario s;
  s.restart = s.expiry = s.giving_up = false;
  return s;
}

/// Explores all of it; at least so many states, lest the model has lost what it is to show.
explorer keeps_every_rule(const scenario& bounds, std::size_t at_least) {
  explorer all({}, bounds);
  const finding f = all.run();
  INFO(f.trace);
  CHECK(f.broken == rule::kept);
  WARN(f.states << " states");
  REQUIRE(f.states >= at_least);
  return all;
}

void finds(const design& mistake, scenario bounds, rule inside, rule seen_by_programs) {
  for (const bool programs_only : {false, true}) {
    bounds.programs_only = programs_only;
    const finding f = explorer(mistake, bounds).run();
    INFO(f.states << " states\n" << f.trace);
    CHECK(name_of(f.broken) == name_of(programs_only ? seen_by_programs : inside));
  }
}

void finds(const design& mistake, const scenario& bounds, rule broken) {
  finds(mistake, bounds, broken, broken);
}

bool both_ended_well(const state& s) {
  return s.dialer == dialer_phase::ended_well && s.session == session_phase::ended_well;
}

bool is_told(const state& s, refusal reason) {
  if (s.to_dialer.empty() || s.to_dialer.front().kind != frame_kind::refuse) return false;
  return s.to_dialer.front().mark == static_cast<parley::model::number>(reason);
}

}  // namespace

// --- the design ---------------------------------------------------------------------------------

TEST_CASE("every rule is kept, whatever happens to short conversations") {
  scenario bounds = anything();
  if (!sanitized) bounds.messages = {2, 2};
  const explorer all = keeps_every_rule(bounds, sanitized ? 250'000 : 2'500'000);

  // What must have happened somewhere, or the rules were kept by doing nothing.
  CHECK(all.count([](const state& s) { return both_ended_well(s) && !s.excused(); }) != 0);
  CHECK(all.count([](const state& s) { return both_ended_well(s) && s.attempt == 3; }) != 0);
  for (const auto reason : {refusal::unknown_session, refusal::expired, refusal::ended})
    CHECK(all.count([reason](const state& s) { return is_told(s, reason); }) != 0);

  // And what never happens: a dialer is refused for what its own listener can know.
  for (const auto reason : {refusal::stale_attempt, refusal::position})
    CHECK(all.count([reason](const state& s) { return is_told(s, reason); }) == 0);
}

TEST_CASE("every rule is kept, whatever happens to many connections") {
  scenario bounds = anything();
  if (sanitized) bounds.messages = {1, 0};
  bounds.connections = 4;
  (void)keeps_every_rule(bounds, sanitized ? 100'000 : 1'000'000);
}

TEST_CASE("every rule is kept, however often connections break") {
  scenario bounds = only_breaks();
  if (!sanitized) bounds.messages = {2, 2};
  bounds.connections = 4;
  const explorer all = keeps_every_rule(bounds, sanitized ? 50'000 : 2'000'000);
  CHECK(all.count([](const state& s) { return s.dialer == dialer_phase::failed; }) == 0);
}

TEST_CASE("every rule is kept where programs wait for room") {
  scenario bounds = anything();
  if (!sanitized) bounds.messages = {2, 2};
  bounds.outbox = 1;
  (void)keeps_every_rule(bounds, sanitized ? 10'000 : 250'000);
}

TEST_CASE("every rule is kept where one side only listens") {
  scenario bounds = anything();
  bounds.messages = {3, 0};
  if (sanitized) bounds.messages = {2, 0};
  (void)keeps_every_rule(bounds, sanitized ? 100'000 : 200'000);
}

// --- mistakes, planted --------------------------------------------------------------------------

TEST_CASE("found: an ack before the program is done") {
  finds({.acks_on_arrival = true}, {}, rule::delivered_is_released);
}

TEST_CASE("found: no fencing, with numbers that are only implied") {
  scenario bounds;
  bounds.giving_up = false;  // which has a shorter way to a broken rule, see below
  finds({.never_supersedes = true, .numbers_implied = true}, bounds,
        rule::superseded_changes_nothing, rule::handed_out_in_order);
}

TEST_CASE("found: no fencing") {
  // Explicit numbers keep the order. But the welcome has said what did not arrive, and then it
  // does.
  finds({.never_supersedes = true}, {}, rule::superseded_changes_nothing,
        rule::not_sent_is_not_handed_out);
}

TEST_CASE("harmless: numbers that are only implied, as long as there is fencing") {
  // A connection keeps its order, both greetings say where it begins, and no other is read: numbers
  // are on the wire so that each side can check the other's code.
  const finding f =
      explorer({.numbers_implied = true}, sanitized ? only_breaks() : anything()).run();
  INFO(f.trace);
  CHECK(f.broken == rule::kept);
}

TEST_CASE("found: the oldest dropped when the outbox is full") {
  scenario bounds;
  bounds.outbox = 1;
  finds({.drops_oldest = true}, bounds, rule::delivered_is_released);
}

TEST_CASE("found: ids chosen by the listener") {
  // The first welcome is lost, and with it the id: what the program says there arrives nowhere.
  finds({.listener_chooses_id = true}, only_breaks(), rule::can_end_well);
}

TEST_CASE("found: a session that nobody knows begun anew") {
  finds({.recreates_silently = true}, {}, rule::handed_out_in_order);
}

TEST_CASE("found: a session begun anew hands out again what its predecessor had") {
  scenario bounds;
  bounds.listener_speaks = false;  // what it says would show first: it is of another session
  bounds.giving_up = false;        // what the dialer then counts as not sent would, too
  finds({.recreates_silently = true}, bounds, rule::handed_out_once);
}

TEST_CASE("found: stale attempts accepted") {
  // The session leaves a dialer that is there for one that is not. Its cursor moves back with it,
  // to what the dialer lacked then, so that what was handed out since counts as not sent.
  finds({.accepts_stale = true}, {}, rule::newest_attempt_wins, rule::not_sent_is_not_handed_out);
}

TEST_CASE("found: a late clean-up of the old connection that detaches the new one") {
  finds({.cleans_up_late = true}, only_breaks(), rule::superseded_changes_nothing,
        rule::can_end_well);
}

TEST_CASE("found: the position in a greeting taken for an acknowledgement") {
  finds({.greeting_acknowledges = true}, {}, rule::delivered_is_released);
}

TEST_CASE("found: an ack that is not repeated after resuming") {
  finds({.acks_once = true}, only_breaks(), rule::can_end_well);
}

TEST_CASE("found: a cursor that is not moved back on resuming") {
  finds({.cursor_stays = true}, only_breaks(), rule::first_is_next, rule::can_end_well);
}

TEST_CASE("found: a listener that settles before its goodbye is acknowledged") {
  finds({.settles_early = true}, only_breaks(), rule::can_end_well);
}

TEST_CASE("found: a dialer that does not come back once it has learnt everything") {
  finds({.settled_stays_away = true}, only_breaks(), rule::can_end_well);
}

TEST_CASE("found: the end of a stream taken for the listener's agreement") {
  finds({.trusts_any_end = true}, only_breaks(), rule::can_end_well);
}

TEST_CASE("found: a hello that does not say which welcome it has read") {
  // A first hello that comes late makes the session again in a listener that was restarted, and
  // then nothing tells that this is not the session which the dialer was welcomed to.
  finds({.hides_last_welcome = true}, anything(), rule::handed_out_in_order);
}

TEST_CASE("a trace tells the whole way to the broken rule") {
  const finding f = explorer({.acks_on_arrival = true}, only_breaks()).run();
  CHECK(f.trace ==
        "1. dialer dials connection 1: hello(attempt 1, welcomed 0, next 0, base 0)\n"
        "2. listener reads hello(attempt 1, welcomed 0, next 0, base 0) on connection 1\n"
        "3. listener writes item 0\n"
        "4. dialer reads welcome(attempt 1, next 0, base 0)\n"
        "5. dialer reads item 0\n"
        "6. dialer writes ack 1\n"
        "7. listener reads ack 1 on connection 1\n"
        "dialer connected: base 0, cursor 0, said 2, next 1, taken 0, released 0\n"
        "listener attached: base 1, cursor 1, said 2, next 0, taken 0, released 0\n"
        "what counts as delivered was released: broken");
}

}  // namespace model_test
