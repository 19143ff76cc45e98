#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <parley/error.hpp>
#include <parley/options.hpp>
#include <parley/protocol/chunks.hpp>
#include <parley/protocol/frame.hpp>
#include <parley/protocol/outbox.hpp>
#include <parley/protocols.hpp>

#include "support/bytes.hpp"
#include "support/decisions.hpp"
#include "support/onlooker.hpp"
#include "support/pair_plan.hpp"
#include "support/random.hpp"
#include "support/wire.hpp"

namespace parley::test {

namespace frame = protocol::frame;

/// Two sessions on a wire in memory that breaks, with programs that talk both ways at once.
///
///   program ─ push ─▶ session ─ write ─▶ wire ─ read ─▶ session ─ take ─▶ program
///                                        slices, delays, cuts
///
/// Reads and writes are begun and ended in separate steps, as those of a stream are, and everything
/// else happens in between. A cut takes what is behind it, in each direction on its own; each side
/// notices at once, later, or never, until time or the next connection tells it. What happens,
/// when, and what is said follows from plan and decisions alone. After every step the invariants of
/// `check` are held against a model of what must arrive.
///
///   session_pair run(pair_plan(seed), decisions(seed));
///   CHECK(run.play() == session_pair::kept);   // or which rule was broken, at which step
class session_pair {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  static constexpr std::string_view kept = "all rules kept";

  /// What happened, so that a test can see that it did.
  struct tally {
    std::uint64_t messages = 0;    ///< heard, on both sides
    std::uint64_t cuts = 0;        ///< connections that broke
    std::uint64_t welcomed = 0;    ///< connections on which the greetings were exchanged
    std::uint64_t replayed = 0;    ///< frames that one more connection took
    std::uint64_t superseded = 0;  ///< connections that the listener gave up for the next one
    std::uint64_t stale = 0;       ///< hellos that came after that of a later attempt
    std::uint64_t silences = 0;    ///< connections that were given up because nothing came
    std::uint64_t goodbyes_lost =
        0;                          ///< dialers that were, and had not heard the listener's goodbye
    std::uint64_t refused_end = 0;  ///< dialers that were told that all was over
  };

  session_pair(const pair_plan& plan, decisions source)
      : plan_(plan), rng_(source), sides_{side(plan.settings[0], 0), side(plan.settings[1], 1)} {}

  /// Plays the conversation from the first hello to the end: `kept`, or which rule was broken.
  [[nodiscard]] std::string play() {
    try {
      while (!over()) {
        if (++steps_ > most_steps()) fail("the conversation does not end");
        step();
        if (dies_now()) return die(), std::string(kept);
      }
      check_end();
    } catch (const broken_rule& e) {
      return "step " + std::to_string(steps_) + ", " + e.what();
    }
    return std::string(kept);
  }

  [[nodiscard]] std::uint64_t steps() const noexcept { return steps_; }

  [[nodiscard]] tally counts() const {
    tally t = tally_;
    for (const side& s : sides_) {
      t.messages += s.heard;
      t.replayed += s.talk.statistics().sent_again;
    }
    t.welcomed = sides_[0].talk.statistics().connections;
    return t;
  }

 private:
  struct broken_rule : std::runtime_error {
    using std::runtime_error::runtime_error;
  };

  /// What one side has told on one connection, as the wire has seen it.
  struct told {
    onlooker reader;
    bool greeted = false;
    bool acked = false;      ///< a control frame has followed
    bool refused = false;    ///< that it ends at once
    std::uint64_t next = 0;  ///< by its greeting
    std::uint64_t highest_ack = 0;
    std::optional<std::uint64_t> following;  ///< the number that its next message must have
  };

  /// From one hello on. Both sides may be on it, or one, or none any more.
  struct connection {
    explicit connection(std::uint32_t number) : attempt(number) {}

    std::uint32_t attempt;
    std::array<wire, 2> from;  ///< by the side that writes: the dialer is 0
    std::array<told, 2> tells;
    std::array<time_point, 2> noticed{time_point::max(), time_point::max()};
    bool broken = false;
    std::string hello;  ///< what the listener has read of it
  };

  /// One session, its program, its stream, and what is known of all three.
  struct side {
    side(const options& o, std::size_t number) : talk(o, frame::session_id{1}), key(number) {}

    session talk;
    std::size_t key;                 ///< tells the two sides' messages apart
    std::shared_ptr<connection> on;  ///< what carries the session now

    // what the program has said
    std::uint64_t said = 0;
    std::string next;  ///< what it says as soon as there is room
    bool next_is_made = false;
    bool finished = false;
    std::deque<std::size_t> unacknowledged;  ///< sizes of frames, from `acknowledged` on
    std::size_t unacknowledged_bytes = 0;
    std::uint64_t acknowledged = 0;
    std::uint64_t bytes_said = 0;

    // what the program has heard
    std::uint64_t heard = 0;
    std::uint64_t released = 0;  ///< numbers that the program is done with, the goodbye's too
    std::string_view held;

    // what the stream does
    bool writing = false;
    bool reading = false;
    std::optional<std::size_t> taken;  ///< bytes that the stream has taken of the write
    protocol::gather batch;
    std::string batch_bytes;  ///< as it was when the write began
    std::span<char> room;

    // the end
    time_point lingers =
        time_point::max();  ///< all is said: until when it waits for the peer's end
    bool over = false;      ///< no further connection is made, or taken
    bool dead = false;

    [[nodiscard]] bool is_dialer() const noexcept { return key == 0; }
    /// The number behind the last that was said.
    [[nodiscard]] std::uint64_t end() const noexcept { return said + (finished ? 1 : 0); }
  };

  [[noreturn]] static void fail(const std::string& what) { throw broken_rule(what); }
  static void demand(bool holds, const char* what) {
    if (!holds) fail(what);
  }
  [[noreturn]] static void fail(std::error_code ec, const char* where) {
    fail(std::string(where) + ": " + ec.message());
  }

  /// Far above what any run has taken.
  [[nodiscard]] std::uint64_t most_steps() const { return 10'000'000 + 2000 * plan_.messages; }

  [[nodiscard]] const options& settings(const side& s) const { return plan_.settings[s.key]; }
  [[nodiscard]] side& peer_of(const side& s) { return sides_[1 - s.key]; }
  [[nodiscard]] const side& peer_of(const side& s) const { return sides_[1 - s.key]; }
  [[nodiscard]] wire& input_of(const side& s) { return s.on->from[1 - s.key]; }

  [[nodiscard]] time_point in_up_to(std::uint64_t us) {
    return now_ + std::chrono::microseconds(rng_.below(us + 1));
  }

  // --- the messages, made anew from their numbers wherever they are needed ----------------------

  [[nodiscard]] std::uint64_t key_of(const side& s, std::uint64_t sequence) const {
    return plan_.texts + sequence * 2 + s.key;
  }

  [[nodiscard]] std::string body_of(const side& s, std::uint64_t sequence) const {
    random rng(key_of(s, sequence));
    const std::size_t most = rng.once_in(plan_.long_ones)
                                 ? plan_.largest_body + 1
                                 : std::min<std::size_t>(plan_.largest_body + 1, 64);
    return pattern(key_of(s, sequence), rng.below(most));
  }

  [[nodiscard]] static tag_type tag_of(std::uint64_t sequence) {
    return static_cast<tag_type>(sequence % tag_count);
  }

  // --- the conversation --------------------------------------------------------------------------

  enum class action { speak, listen, begin_write, write, end_write, begin_read, end_read, call };
  static constexpr unsigned actions = 8;

  /// One of the things that can be done now, by either side; what cannot be is passed over, so that
  /// no step is idle unless all are.
  void step() {
    const auto roll = static_cast<unsigned>(rng_.below(256));  // one byte of a script
    const unsigned high = roll / 16;
    now_ += std::chrono::microseconds(high);
    const bool in_vain = high == 0;
    side* acted = &sides_[roll % 2];
    for (unsigned n = 0; n < 2 * actions; ++n) {
      const unsigned at = (roll + n * (2 * high + 1)) % (2 * actions);  // an odd stride meets all
      side& s = sides_[at % 2];
      if (!can(s, action{static_cast<int>(at / 2)}, in_vain)) continue;
      act(s, action{static_cast<int>(at / 2)});
      acted = &s;
      break;
    }
    watch(*acted);
    skip_silence();
    check(sides_[0], sides_[1]);
    check(sides_[1], sides_[0]);
  }

  /// Whether it changes anything, or is worth a try although it should not.
  [[nodiscard]] bool can(const side& s, action a, bool in_vain) {
    switch (a) {
      case action::speak: return !s.finished;
      case action::listen:
        return s.talk.readable() || s.released < s.heard ||
               (s.talk.at_end() && s.released == s.heard);
      case action::begin_write: return s.on && !s.writing && s.talk.wants_write();
      case action::write: return s.writing && !s.taken;
      case action::end_write: return s.taken.has_value();
      case action::begin_read: return s.on && !s.reading;
      case action::end_read: return s.reading && (in_vain || arrives_at(input_of(s)));
      case action::call: break;
    }
    if (s.on && in_vain) return true;  // time passes: a tick that is not due
    if (s.is_dialer()) return !s.on && !s.over && now_ >= dials_at_;
    return std::any_of(callers_.begin(), callers_.end(), [this](const auto& c) {
      return arrives_at(c->from[0]) || c->from[0].is_silent();
    });
  }

  [[nodiscard]] bool arrives_at(wire& w) const { return !w.arrived(now_).empty() || w.at_end(); }

  void act(side& s, action a) {
    switch (a) {
      case action::speak: return speak(s);
      case action::listen: return listen(s);
      case action::begin_write: return begin_write(s);
      case action::write: return write(s);
      case action::end_write: return end_write(s);
      case action::begin_read: return begin_read(s);
      case action::end_read: return end_read(s);
      case action::call: break;
    }
    if (s.is_dialer()) return s.on ? tick(s) : dial();
    if (s.on && rng_.once_in(4)) tick(s);
    answer();
  }

  /// The program says something, or goodbye once all is said.
  void speak(side& s) {
    if (rng_.once_in(100)) s.talk.ping();
    for (auto n = rng_.between(1, 8); n > 0 && s.said < plan_.messages; --n) {
      if (!s.next_is_made) s.next = body_of(s, s.said);
      s.next_is_made = true;
      const std::size_t size = message_overhead + s.next.size();
      const auto result = s.talk.push(s.next, tag_of(s.said));
      const bool nothing_held = s.unacknowledged.empty() && !s.writing;
      if (result != send_result::queued) {
        demand(result == send_result::full, "a message was not queued, and the outbox is not full");
        demand(!nothing_held, "the outbox is empty and full");
        // Without a connection there is no write that acknowledged frames are kept for; and more
        // than a chunk may be full before its limit, as frames do not straddle two.
        const bool exact = !s.on && settings(s).outbox <= protocol::chunk_size;
        demand(!exact || s.unacknowledged_bytes + size > settings(s).outbox,
               "2: the outbox holds what was acknowledged");
        return;
      }
      demand(s.unacknowledged_bytes + size <= settings(s).outbox, "the outbox exceeds its limit");
      s.unacknowledged.push_back(size);
      s.unacknowledged_bytes += size;
      s.bytes_said += s.next.size();
      ++s.said;
      s.next_is_made = false;
    }
    if (s.said == plan_.messages && !s.finished && rng_.once_in(4)) {
      s.talk.finish();
      s.finished = true;
      s.unacknowledged.push_back(message_overhead);
      s.unacknowledged_bytes += message_overhead;
    }
  }

  /// The program takes messages: all, or one, as its plan says.
  void listen(side& s) {
    if (plan_.laziness > 1 && !rng_.once_in(plan_.laziness)) return;
    const side& other = peer_of(s);
    for (auto n = rng_.between(1, plan_.laziness == 1 ? 64 : 3); n > 0; --n) {
      check_held(s, other);
      s.released = std::max(s.released, s.heard);
      const bool expected = s.talk.readable();
      const auto m = s.talk.take(now_);
      demand(m.has_value() == expected, "readable() and take() do not agree");
      s.held = {};
      if (!m) {
        if (s.talk.at_end()) s.released = s.heard + 1;  // the goodbye's number
        return;
      }
      demand(m->sequence == s.heard, "3: a message is missing, repeated, or out of order");
      demand(s.heard < other.said, "3: a message arrived that was never said");
      demand(m->tag == tag_of(s.heard), "a tag has changed");
      demand(m->body == body_of(other, s.heard), "a message has changed on its way");
      s.held = m->body;
      ++s.heard;
    }
  }

  void check_held(const side& s, const side& other) const {
    if (s.heard <= s.released) return;
    demand(s.held == body_of(other, s.heard - 1), "a message changed while the program held it");
  }

  void begin_write(side& s) {
    if (!s.on || s.writing || !s.talk.wants_write()) return;
    if (s.lingers != time_point::max()) return lose(s);  // its output has ended
    s.batch = {};
    s.talk.prepare_write(s.batch, now_);
    demand(!s.batch.empty(), "a session wants to write and has nothing");
    s.batch_bytes = front_of(s.batch);
    s.writing = true;
  }

  /// As much of a write as the stream may take of it.
  [[nodiscard]] std::string front_of(const protocol::gather& batch) const {
    std::string out;
    for (const auto piece : batch.pieces()) out += piece.substr(0, plan_.slice - out.size());
    return out;
  }

  /// The stream takes bytes; the session is told later, perhaps after the peer has acknowledged.
  void write(side& s) {
    if (!s.writing || s.taken) return;
    const std::size_t most = s.batch_bytes.size();
    s.taken = rng_.once_in(2) ? most : rng_.below(most + 1);  // perhaps none
    connection& c = *s.on;
    const bool late = !s.talk.connected() && plan_.cuts != 0 && rng_.once_in(20);  // a hello
    carry(s, c, std::string_view(s.batch_bytes).substr(0, *s.taken),
          in_up_to(late ? late_us : plan_.delay_us));
  }

  void carry(const side& s, connection& c, std::string_view bytes, time_point arrives) {
    told& t = c.tells[s.key];
    t.reader.watch(bytes, [&](const frame::header& head, std::string_view body) {
      if (!t.greeted)
        see_greeting(s, c, head, body);
      else
        see(s, c, head, body);
    });
    c.from[s.key].send(bytes, arrives);
    if (c.from[s.key].is_cut()) cut(c, s.key);
  }

  void end_write(side& s) {
    if (!s.writing || !s.taken) return;
    demand(front_of(s.batch) == s.batch_bytes, "bytes changed while they were written");
    s.talk.commit_write(*s.taken, now_);
    s.taken.reset();
    s.writing = false;
  }

  void begin_read(side& s) {
    if (!s.on || s.reading) return;
    s.room = s.talk.prepare_read();
    demand(!s.room.empty(), "there is no room to read into");
    s.reading = true;
  }

  void end_read(side& s) {
    if (!s.reading) return;
    wire& input = input_of(s);
    const auto arrived = input.arrived(now_);
    if (arrived.empty() && input.at_end()) return hear_end(s);
    const std::size_t most = std::min({arrived.size(), plan_.slice, s.room.size()});
    const std::size_t n =
        rng_.once_in(2) ? most : std::min<std::size_t>(most, rng_.below(most + 1));
    if (n != 0) std::memcpy(s.room.data(), arrived.data(), n);
    input.take(n);
    s.reading = false;
    const auto ec = s.talk.commit_read(n, now_);
    if (s.is_dialer() && s.talk.connected()) welcomed_ = s.on->attempt;
    note_acks(s);
    if (ec) return hear_error(s, ec);
    if (input.arrived(now_).empty()) s.talk.rest();
  }

  void note_acks(side& s) {
    const auto next = s.talk.acknowledged();
    demand(next >= s.acknowledged, "an ack was taken back");
    demand(next <= peer_of(s).released, "4: acknowledged, and the program is not done with it");
    for (; s.acknowledged < next; ++s.acknowledged) {
      s.unacknowledged_bytes -= s.unacknowledged.front();
      s.unacknowledged.pop_front();
    }
  }

  // --- connections -------------------------------------------------------------------------------

  /// As a dialer does: the next attempt, if it is time.
  void dial() {
    side& s = sides_[0];
    if (s.on || s.over || now_ < dials_at_) return;
    s.on = std::make_shared<connection>(++attempts_);
    for (wire& w : s.on->from)
      if (tally_.cuts < plan_.cuts) w.cut_after(next_life());
    s.talk.dial(now_);
    callers_.push_back(s.on);
  }

  /// How many bytes get through one direction of the next connection: now and then not even the
  /// greeting, else so many that the messages and the cuts come to their ends together.
  [[nodiscard]] std::uint64_t next_life() {
    if (rng_.once_in(5)) return rng_.below(greeting_bytes);
    const side& slower = sides_[0].heard < sides_[1].heard ? sides_[0] : sides_[1];
    const side& other = peer_of(slower);
    const auto size = message_overhead + other.bytes_said / (other.said + 1);
    const auto mean = (plan_.messages - slower.heard) * size / (plan_.cuts - tally_.cuts);
    return rng_.below(greeting_bytes + 2 * mean);
  }

  /// As a listener does: hears a little more of what one of those says who have called.
  void answer() {
    if (callers_.empty()) return;
    const std::size_t i = rng_.below(callers_.size());
    const auto c = callers_[i];
    wire& in = c->from[0];
    const auto arrived = in.arrived(now_).substr(0, plan_.slice);
    c->hello.append(arrived);
    in.take(arrived.size());
    const bool complete = c->hello.size() >= frame::header_size &&
                          c->hello.size() >= frame::read_header(c->hello).size();
    if (!complete && !in.is_silent()) return;
    callers_.erase(callers_.begin() + static_cast<std::ptrdiff_t>(i));
    if (complete) admit(c);
  }

  void admit(const std::shared_ptr<connection>& c) {
    side& s = sides_[1];
    frame::hello h;
    demand(!frame::decode(std::string_view(c->hello).substr(frame::header_size), h), "no hello");
    if (s.over) return refuse(*c, refuse_reason::ended);
    const auto refused = s.talk.check(h);
    if (h.attempt <= accepted_) {
      demand(refused == refuse_reason::stale_attempt, "5: a stale hello was not refused");
      demand(sides_[0].on != c, "5: the newest attempt came too late");
      ++tally_.stale;
      return refuse(*c, *refused);
    }
    if (refused) fail(make_error_code(to_errc(*refused)), "the newest hello");
    if (s.on) {
      ++tally_.superseded;
      lose(s);
      if (s.over) return refuse(*c, refuse_reason::ended);
    }
    if (c->from[0].at_end()) return;  // the caller has hung up
    demand(!s.talk.answer(h, now_), "a hello was refused that was good before");
    accepted_ = h.attempt;
    s.on = c;
    if (plan_.cuts != 0 && rng_.once_in(10)) repeat(*c);
  }

  /// The hello comes again, as if somebody had recorded it; nobody waits for the answer.
  void repeat(const connection& c) {
    const auto copy = std::make_shared<connection>(c.attempt);
    copy->from[0].send(c.hello, in_up_to(late_us));
    copy->from[0].end();
    callers_.push_back(copy);
  }

  void refuse(connection& c, refuse_reason why) {
    const side& s = sides_[1];
    c.from[1].send(frame::encode(frame::refusal{why, s.talk.released(), {}}),
                   in_up_to(plan_.delay_us));
    c.from[1].end();
    if (c.from[1].is_cut()) cut(c, 1);
  }

  /// One direction has reached its last byte; the other has not much longer.
  void cut(connection& c, std::size_t from) {
    if (std::exchange(c.broken, true)) return;
    ++tally_.cuts;
    if (!rng_.once_in(3)) c.from[1 - from].cut_after(rng_.once_in(2) ? 0 : rng_.below(200));
    for (time_point& t : c.noticed) {
      switch (rng_.below(3)) {
        case 0: t = now_; break;
        case 1: t = in_up_to(50'000); break;
        default: break;  // never: time will tell, or the next connection
      }
    }
  }

  /// The connection has ended for this side, which gives it up in the middle of whatever it does.
  void hang_up(side& s) {
    if (s.writing && s.taken && rng_.once_in(2)) end_write(s);
    if (s.reading && rng_.once_in(2))
      std::memset(s.room.data(), 0x55, std::min(s.room.size(), most_scribbled));
    s.writing = s.reading = false;
    s.taken.reset();
    s.talk.detach();
    s.on->from[s.key].end();
    s.on.reset();
    s.lingers = time_point::max();
  }

  /// The same, and what a dialer or a listener does then.
  void lose(side& s) {
    hang_up(s);
    if (s.is_dialer())
      dials_at_ = in_up_to(plan_.pause_us);
    else
      s.over = s.talk.agreed() || (s.talk.complete() && rng_.once_in(2));  // its time is up
  }

  void hear_end(side& s) {
    s.reading = false;
    const bool all_was_said = !s.talk.commit_end();
    demand(all_was_said == s.talk.output_done(), "an end is good if, and only if, all was said");
    lose(s);
    s.over = s.over || all_was_said;
  }

  void hear_error(side& s, std::error_code ec) {
    const side& other = peer_of(s);
    const bool ended = ec == errc::refused_ended && other.over;
    const bool died = ec == errc::ended_by_peer && other.dead;
    if (!ended && !died) fail(ec, "reading");
    hang_up(s);
    s.over = true;
    if (!ended) return;
    ++tally_.refused_end;
    demand(s.talk.settled(), "the dialer is told that all is over, and it is not");
  }

  /// What time and the network do to one side.
  void watch(side& s) {
    if (!s.on) return;
    if (now_ >= s.on->noticed[s.key] && (rng_.once_in(3) || input_of(s).arrived(now_).empty()))
      return lose(s);  // what has arrived, and was not read, is gone
    if (now_ >= s.lingers) return lose(s);
    if (now_ >= s.talk.due()) tick(s);
    if (s.on && s.talk.output_done() && !s.writing && s.lingers == time_point::max()) {
      s.on->from[s.key].end();
      s.lingers = now_ + std::chrono::seconds(1);
    }
  }

  void tick(side& s) {
    if (const auto ec = s.talk.tick(now_)) time_out(s, ec);
  }

  void time_out(side& s, std::error_code ec) {
    const bool alone = s.on->broken || peer_of(s).on != s.on;
    if (ec == errc::peer_silent ? !alone : ec != errc::handshake_timeout) fail(ec, "time");
    ++tally_.silences;
    lose(s);
  }

  /// Where nobody can do anything, time goes on to where somebody can.
  void skip_silence() {
    time_point next = time_point::max();
    for (side& s : sides_) {
      if (s.talk.readable() || (!s.finished && s.unacknowledged.empty())) return;
      if (!s.on) continue;
      if (s.writing || s.talk.wants_write() || !input_of(s).arrived(now_).empty()) return;
      if (input_of(s).at_end()) return;
      next = std::min(
          {next, s.talk.due(), input_of(s).next_arrival(), s.on->noticed[s.key], s.lingers});
    }
    for (const auto& c : callers_) {
      if (!c->from[0].arrived(now_).empty() || c->from[0].is_silent()) return;
      next = std::min(next, c->from[0].next_arrival());
    }
    if (!sides_[0].on && !sides_[0].over) next = std::min(next, dials_at_);
    if (next == time_point::max()) return;
    check_silence(next);
    now_ = std::max(now_, next);
    for (side& s : sides_) watch(s);
  }

  [[nodiscard]] bool over() const {
    const side& listener = sides_[1];
    return sides_[0].over && !listener.on && (listener.over || callers_.empty());
  }

  // --- the rules ---------------------------------------------------------------------------------

  void see_greeting(const side& s, connection& c, const frame::header& head,
                    std::string_view body) {
    told& t = c.tells[s.key];
    frame::hello h;
    frame::welcome w;
    if (s.is_dialer()) {
      demand(head.is(frame::type::hello) && !frame::decode(body, h),
             "a dialer begins with a hello");
      demand(h.welcomed == welcomed_, "a hello names another welcome than the last");
    } else {
      demand(head.is(frame::type::welcome) && !frame::decode(body, w), "no welcome");
    }
    const frame::greeting& g = s.is_dialer() ? static_cast<const frame::greeting&>(h) : w;
    demand(g.attempt == c.attempt, "a greeting is of another attempt");
    demand(g.next >= s.heard && g.next <= peer_of(s).end(), "a greeting's next cannot be");
    demand(g.base == s.acknowledged, "a greeting's base is not what was acknowledged");
    t.greeted = true;
    t.next = g.next;
  }

  void see(const side& s, connection& c, const frame::header& head, std::string_view body) {
    told& t = c.tells[s.key];
    const told& other = c.tells[1 - s.key];
    const auto number = frame::get<8>(body.data());
    if (head.is_message() || head.is(frame::type::bye)) {
      demand(other.greeted, "a message before the peer has greeted");
      if (!t.following) demand(number == other.next, "7: the first message is not the peer's next");
      if (t.following) demand(number == *t.following, "7: a message is left out, or comes twice");
      demand(number < s.end(), "2: a message was written that was never said");
      demand(head.is_message() == (number < s.said), "the goodbye is not the last");
      t.following = number + 1;
    } else if (head.is(frame::type::refuse)) {
      const bool last_word = s.talk.complete() && (!s.is_dialer() || s.talk.agreed());
      demand(last_word || s.dead, "a session ends at once that was not told to");
      demand(frame::get<8>(body.data() + 1) == s.released, "a last word that is not true");
      t.refused = true;
    } else {
      const bool ack = head.is(frame::type::ack);
      demand(ack || head.is(frame::type::ping) || head.is(frame::type::pong), "an odd frame");
      const auto next = ack ? number : frame::get<8>(body.data() + frame::number_size);
      demand(next <= s.released, "4: an ack of what the program is not done with");
      demand(next >= t.highest_ack, "an ack takes one back");
      demand(t.acked || ack || next == 0, "a new connection does not repeat the ack");
      t.highest_ack = next;
      t.acked = true;
    }
  }

  /// The invariants: 1. base <= peer's next as last heard <= end. 2. The outbox holds exactly
  /// [base, end). 3. What was handed out is 0, 1, 2 … with no gap and no repeat. 8. Every message
  /// is delivered, not sent or unknown, one of them. 9. Memory is bounded. 10. With a healthy link
  /// all is acknowledged once there is silence.
  void check(const side& s, const side& other) const {
    const auto base = s.talk.acknowledged();
    demand(base <= other.released && other.released <= s.end(), "1: base <= peer's next <= end");
    demand(s.talk.next_sequence() == s.said, "2: the outbox ends with what was said last");
    demand(base + s.unacknowledged.size() == s.end(),
           "2: the outbox begins with what is unacknowledged");
    demand(other.heard <= s.said, "3: more was handed out than was said");
    const auto known = s.talk.statistics();
    demand(known.memory <= most_memory(s), "9: more memory than allowed");
    check_fates(s, other, known);
  }

  /// What would become of every message of `s`, were this the end: one of three, and truly so.
  void check_fates(const side& s, const side& other, const stats& known) const {
    const auto delivered = std::min(s.talk.acknowledged(), s.said);
    demand(known.messages_sent == s.said && delivered + known.unacknowledged == s.said,
           "8: a message has no fate, or two");
    demand(known.unsent <= known.unacknowledged, "8: a message was not sent, and delivered");
    demand(delivered <= other.released, "8: delivered, and the program is not done with it");
    demand(other.heard <= s.said - known.unsent, "8: not sent, and handed out");
  }

  /// Nobody has anything to do before `next`.
  void check_silence(time_point next) const {
    const side& s = sides_[0];
    const bool healthy = s.on && s.on == sides_[1].on && !s.on->broken && s.talk.connected();
    if (!healthy || !s.on->from[0].empty() || !s.on->from[1].empty()) return;
    if (next <= now_ + protocol::receive_state::ack_delay) return;
    for (const side& each : sides_) {
      const auto done = std::min(each.heard + (each.talk.at_end() ? 1 : 0), peer_of(each).end());
      if (each.released == done)
        demand(peer_of(each).acknowledged == done, "10: silence, and something is unacknowledged");
    }
  }

  [[nodiscard]] std::size_t most_memory(const side& s) const {
    const auto& o = settings(s);
    // Each box: what its limit speaks of, doubled in the inbox because a message that a full chunk
    // cuts moves to the next; the chunk in use and the spare one; a frame that begins.
    return o.outbox + 2 * o.window + 6 * protocol::chunk_size +
           2 * (o.max_message + message_overhead);
  }

  void check_end() const {
    for (const side& s : sides_) {
      const side& other = peer_of(s);
      demand(s.heard == other.said && s.said == plan_.messages, "3: not all was handed out");
      demand(s.talk.at_end(), "the goodbye was not reached");
      demand(s.talk.complete(), "one side does not know that all was delivered");
      const auto known = s.talk.statistics();
      demand(known.unacknowledged == 0 && known.unsent == 0, "10: not all was acknowledged");
      demand(known.messages_sent == s.said && known.bytes_sent == s.bytes_said, "sent, miscounted");
      demand(known.messages_received == s.heard, "received, miscounted");
      demand(known.bytes_received == other.bytes_said, "received bytes, miscounted");
    }
  }

  // --- an end in the middle ----------------------------------------------------------------------

  [[nodiscard]] bool dies_now() const {
    return plan_.dies_after != 0 && sides_[0].heard + sides_[1].heard >= plan_.dies_after;
  }

  /// One side dies, in silence or not; what the other knows of its own messages must be true.
  void die() {
    side& dead = sides_[rng_.below(2)];
    side& left = peer_of(dead);
    dead.dead = true;
    bool heard_it = false;
    if (dead.on) {
      finish_write(dead);
      const bool says_so = rng_.once_in(2) && dead.talk.abandon();
      while (says_so && !dead.on->tells[dead.key].refused) {
        begin_write(dead);
        finish_write(dead);
      }
      heard_it = says_so && dead.on == left.on && !dead.on->broken;
      hang_up(dead);
    }
    while (left.on && (!input_of(left).empty() || input_of(left).at_end())) {
      now_ += std::chrono::seconds(1);
      begin_read(left);
      end_read(left);
    }
    if (left.on) hang_up(left);
    check_fates(left, dead, left.talk.statistics());
    if (heard_it)
      demand(left.talk.acknowledged() == dead.talk.released(), "8: the last word was not heeded");
  }

  void finish_write(side& s) {
    while (s.writing) {
      write(s);
      end_write(s);
    }
  }

  static constexpr std::uint64_t late_us = 6'000'000;  ///< longer than a dialer waits for an answer
  static constexpr std::uint64_t greeting_bytes = 150;  ///< more than a greeting and an ack
  static constexpr std::size_t most_scribbled = 64;

  pair_plan plan_;
  decisions rng_;
  std::array<side, 2> sides_;
  std::vector<std::shared_ptr<connection>>
      callers_;  ///< whose hello the listener has not heard yet
  time_point now_{std::chrono::hours(1)};
  time_point dials_at_{};
  std::uint32_t attempts_ = 0;
  std::uint32_t accepted_ = 0;  ///< the newest attempt that the listener has taken
  std::uint32_t welcomed_ = 0;  ///< the last attempt whose welcome the dialer has read
  std::uint64_t steps_ = 0;
  tally tally_;
};

}  // namespace parley::test
