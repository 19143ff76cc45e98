#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <parley/chunks.hpp>
#include <parley/frame.hpp>
#include <parley/options.hpp>
#include <parley/outbox.hpp>
#include <parley/session.hpp>

#include "support/bytes.hpp"
#include "support/random.hpp"

namespace parley::test {

/// What one run of a session pair is like.
struct pair_plan {
  std::array<options, 2> settings;
  std::uint64_t messages = 1000;    ///< from each side
  std::size_t largest_body = 1000;  ///< most bodies are short, one in twenty is up to that
  std::size_t slice = 4096;         ///< most bytes that one read or write takes
  std::uint64_t delay_us = 1000;    ///< most time that bytes spend on the wire
  std::uint64_t laziness = 4;       ///< a program takes its messages once in so many steps

  /// A plan for each seed, from one byte at a time to 200,000 at once. There are `count` messages,
  /// and fewer where each of them takes many steps.
  explicit pair_plan(std::uint64_t seed, std::uint64_t count = 1000) : messages(count) {
    random rng(seed);
    constexpr std::array<std::size_t, 6> slices{1, 13, 500, 4096, 65'536, 200'000};
    slice = slices[rng.below(slices.size())];
    largest_body = slice < 500 ? 200 : std::size_t{1} << rng.between(5, 15);
    if (slice > 65'536 && rng.once_in(4)) largest_body = 200'000;  // longer than a chunk
    if (slice == 1 || largest_body > 100 * slice || largest_body > 65'536) messages = count / 10;
    delay_us = rng.once_in(3) ? 0 : std::uint64_t{1} << rng.below(17);  // up to 65 ms
    laziness = rng.once_in(2) ? 1 : rng.between(2, 20);
    for (options& o : settings) {
      o.max_message = largest_body + rng.below(100);
      const std::size_t least = o.max_message + message_overhead;
      o.window = rng.once_in(3) ? least : least + rng.below(64 * 1024);
      o.outbox = rng.once_in(3) ? least : least + rng.below(256 * 1024);
      o.heartbeat = std::chrono::milliseconds(rng.between(200, 2000));
    }
  }
};

/// Two sessions on a wire in memory, with programs that talk both ways at once.
///
///   program ─ push ─▶ session ─ write ─▶ wire (slices, delay) ─ read ─▶ session ─ take ─▶ program
///
/// Reads and writes are begun and ended in separate steps, as those of a stream are, and everything
/// else happens in between. What happens, when, and what is said follows from plan and seed alone.
/// After every step the invariants of DESIGN section 6 are held against a model of what must
/// arrive.
///
///   session_pair run(pair_plan(seed), seed);
///   CHECK(run.play() == session_pair::kept);   // or which rule was broken, at which step
class session_pair {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  static constexpr std::string_view kept = "all rules kept";

  session_pair(const pair_plan& plan, std::uint64_t seed)
      : plan_(plan), rng_(seed), sides_{side(plan.settings[0], 0), side(plan.settings[1], 1)} {}

  /// Plays the conversation from the hello to the end: `kept`, or which rule was broken.
  [[nodiscard]] std::string play() {
    try {
      greet();
      while (!over()) {
        if (++steps_ > most_steps()) fail("the conversation does not end");
        step();
      }
      check_end();
    } catch (const broken_rule& e) {
      return "step " + std::to_string(steps_) + ", " + e.what();
    }
    return std::string(kept);
  }

  [[nodiscard]] std::uint64_t steps() const noexcept { return steps_; }

 private:
  struct broken_rule : std::runtime_error {
    using std::runtime_error::runtime_error;
  };

  /// Bytes on their way, each with the moment at which it can be read.
  class wire {
   public:
    void send(std::string_view bytes, time_point arrives) {
      if (bytes.empty()) return;
      bytes_.append(bytes);
      sent_ += bytes.size();
      if (!marks_.empty()) arrives = std::max(arrives, marks_.back().second);
      marks_.emplace_back(sent_, arrives);
    }

    /// What can be read at `now`.
    [[nodiscard]] std::string_view arrived(time_point now) {
      while (!marks_.empty() && marks_.front().second <= now) {
        arrived_ = marks_.front().first;
        marks_.pop_front();
      }
      return std::string_view(bytes_).substr(at_, static_cast<std::size_t>(arrived_ - read_));
    }

    void take(std::size_t n) {
      read_ += n;
      at_ += n;
      constexpr std::size_t worth_moving = 65'536;
      if (at_ > worth_moving && at_ > bytes_.size() / 2) bytes_.erase(0, std::exchange(at_, 0));
    }

    [[nodiscard]] time_point next_arrival() const noexcept {
      return marks_.empty() ? time_point::max() : marks_.front().second;
    }

   private:
    std::string bytes_;
    std::size_t at_ = 0;  ///< of `bytes_`, what is read
    std::uint64_t sent_ = 0, arrived_ = 0, read_ = 0;
    std::deque<std::pair<std::uint64_t, time_point>> marks_;
  };

  /// One session, its program, its stream, and what is known of all three.
  struct side {
    side(const options& o, std::uint64_t number) : talk(o, frame::session_id{1}), key(number) {}

    session talk;
    std::uint64_t key;  ///< tells the two sides' messages apart
    wire out;

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
    gather batch;
    std::string batch_bytes;  ///< as it was when the write began
    std::span<char> room;
  };

  [[noreturn]] static void fail(const std::string& what) { throw broken_rule(what); }
  static void demand(bool holds, const char* what) {
    if (!holds) fail(what);
  }
  static void demand(std::error_code ec, const char* where) {
    if (ec) fail(std::string(where) + ": " + ec.message());
  }

  /// Far above what any run has taken.
  [[nodiscard]] std::uint64_t most_steps() const { return 10'000'000; }

  // --- the messages, made anew from their numbers wherever they are needed ----------------------

  [[nodiscard]] std::uint64_t key_of(const side& s, std::uint64_t sequence) const {
    return sequence * 2 + s.key;
  }

  [[nodiscard]] std::string body_of(const side& s, std::uint64_t sequence) const {
    random rng(key_of(s, sequence));
    const std::size_t most = rng.once_in(20) ? plan_.largest_body + 1
                                             : std::min<std::size_t>(plan_.largest_body + 1, 64);
    return pattern(key_of(s, sequence), rng.below(most));
  }

  [[nodiscard]] static tag_type tag_of(std::uint64_t sequence) {
    return static_cast<tag_type>(sequence % tag_count);
  }

  // --- the conversation --------------------------------------------------------------------------

  void greet() {
    side& dialer = sides_[0];
    dialer.talk.dial(now_);
    gather g;
    dialer.talk.prepare_write(g, now_);
    const auto bytes = joined(g.pieces());
    dialer.talk.commit_write(bytes.size(), now_);
    frame::hello h;
    demand(!frame::decode(std::string_view(bytes).substr(frame::header_size), h), "no hello");
    demand(!sides_[1].talk.accept(h, now_), "the hello was refused");
  }

  void step() {
    now_ += std::chrono::microseconds(rng_.below(20));
    side& s = sides_[rng_.below(2)];
    side& other = &s == sides_.data() ? sides_[1] : sides_[0];
    switch (rng_.below(7)) {
      case 0: speak(s); break;
      case 1: listen(s, other); break;
      case 2: begin_write(s); break;
      case 3: write(s); break;
      case 4: end_write(s); break;
      case 5: begin_read(s); break;
      case 6: end_read(s, other); break;
    }
    watch(s);
    skip_silence();
    check(sides_[0], sides_[1]);
    check(sides_[1], sides_[0]);
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
      if (result != admission::queued) {
        demand(result == admission::full, "a message was not queued, and the outbox is not full");
        demand(!nothing_held, "the outbox is empty and full");
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
  void listen(side& s, const side& other) {
    if (plan_.laziness > 1 && !rng_.once_in(plan_.laziness)) return;
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
      demand(m->sequence == s.heard, "a message is missing, repeated, or out of order");
      demand(s.heard < other.said, "a message arrived that was never said");
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
    if (s.writing || !s.talk.wants_write()) return;
    s.batch = {};
    s.talk.prepare_write(s.batch, now_);
    demand(!s.batch.empty(), "a session wants to write and has nothing");
    s.batch_bytes = front_of(s.batch);
    s.writing = true;
  }

  /// As much of a write as the stream may take of it.
  [[nodiscard]] std::string front_of(const gather& batch) const {
    std::string out;
    for (const auto piece : batch.pieces()) out += piece.substr(0, plan_.slice - out.size());
    return out;
  }

  /// The stream takes bytes; the session is told later, perhaps after the peer has acknowledged.
  void write(side& s) {
    if (!s.writing || s.taken) return;
    const std::size_t most = s.batch_bytes.size();
    s.taken = rng_.once_in(2) ? most : rng_.below(most + 1);  // perhaps none
    s.out.send(std::string_view(s.batch_bytes).substr(0, *s.taken),
               now_ + std::chrono::microseconds(rng_.below(plan_.delay_us + 1)));
  }

  void end_write(side& s) {
    if (!s.writing || !s.taken) return;
    demand(front_of(s.batch) == s.batch_bytes, "bytes changed while they were written");
    s.talk.commit_write(*s.taken, now_);
    s.taken.reset();
    s.writing = false;
  }

  void begin_read(side& s) {
    if (s.reading) return;
    s.room = s.talk.prepare_read();
    demand(!s.room.empty(), "there is no room to read into");
    s.reading = true;
  }

  void end_read(side& s, side& other) {
    if (!s.reading) return;
    const auto arrived = other.out.arrived(now_);
    if (arrived.empty() && !rng_.once_in(20)) return;
    const std::size_t most = std::min({arrived.size(), plan_.slice, s.room.size()});
    const std::size_t n =
        rng_.once_in(2) ? most : std::min<std::size_t>(most, rng_.below(most + 1));
    if (n != 0) std::memcpy(s.room.data(), arrived.data(), n);
    other.out.take(n);
    s.reading = false;
    demand(s.talk.commit_read(n, now_), "reading");
    note_acks(s, other);
  }

  void note_acks(side& s, const side& other) {
    const auto next = s.talk.acknowledged();
    demand(next >= s.acknowledged, "an ack was taken back");
    demand(next <= other.released, "acknowledged, and the program is not done with it");
    for (; s.acknowledged < next; ++s.acknowledged) {
      s.unacknowledged_bytes -= s.unacknowledged.front();
      s.unacknowledged.pop_front();
    }
  }

  void watch(side& s) {
    if (now_ >= s.talk.due() || rng_.once_in(500)) demand(s.talk.tick(now_), "time");
  }

  /// Where nobody can do anything, time goes on to where somebody can.
  void skip_silence() {
    time_point next = time_point::max();
    for (side& s : sides_) {
      if (s.writing || s.talk.wants_write() || s.talk.readable()) return;
      if (!s.finished && s.unacknowledged.empty()) return;
      if (!s.out.arrived(now_).empty()) return;
      next = std::min({next, s.talk.due(), s.out.next_arrival()});
    }
    now_ = std::max(now_, next);
    for (side& s : sides_) watch(s);
  }

  [[nodiscard]] bool over() const {
    return sides_[0].talk.output_done() && sides_[1].talk.output_done();
  }

  // --- the rules ---------------------------------------------------------------------------------

  /// Numbers are those of DESIGN section 6.
  void check(const side& s, const side& other) const {
    const auto base = s.talk.acknowledged();
    const auto end = s.said + (s.finished ? 1 : 0);
    demand(base <= other.released && other.released <= end, "1: base <= peer's next <= end");
    demand(s.talk.next_sequence() == s.said, "2: the outbox ends with what was said last");
    demand(base + s.unacknowledged.size() == end,
           "2: the outbox begins with what is unacknowledged");
    demand(other.heard <= s.said, "3: more was handed out than was said");
    demand(s.talk.statistics().memory <= most_memory(s), "9: more memory than allowed");
  }

  [[nodiscard]] std::size_t most_memory(const side& s) const {
    const auto& o = settings(s);
    // Each box: what its limit speaks of, doubled in the inbox because a message that a full chunk
    // cuts moves to the next; the chunk in use and the spare one; a frame that begins.
    return o.outbox + 2 * o.window + 6 * chunk_size + 2 * (o.max_message + message_overhead);
  }

  void check_end() {
    for (side& s : sides_) {
      side& other = &s == sides_.data() ? sides_[1] : sides_[0];
      demand(s.heard == other.said && s.said == plan_.messages, "3: not all was handed out");
      demand(s.talk.at_end(), "the goodbye was not reached");
      demand(s.talk.commit_end(), "the end of the stream");
      const auto known = s.talk.statistics();
      demand(known.unacknowledged == 0 && known.unsent == 0, "10: not all was acknowledged");
      demand(known.messages_sent == s.said && known.bytes_sent == s.bytes_said, "sent, miscounted");
      demand(known.messages_received == s.heard, "received, miscounted");
      demand(known.bytes_received == other.bytes_said, "received bytes, miscounted");
    }
  }

  [[nodiscard]] const options& settings(const side& s) const { return plan_.settings[s.key]; }

  pair_plan plan_;
  random rng_;
  std::array<side, 2> sides_;
  time_point now_{std::chrono::hours(1)};
  std::uint64_t steps_ = 0;
};

}  // namespace parley::test
