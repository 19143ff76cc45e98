#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include <parley/error.hpp>
#include <parley/message.hpp>
#include <parley/options.hpp>
#include <parley/protocol/chunks.hpp>
#include <parley/protocol/control.hpp>
#include <parley/protocol/greeting.hpp>
#include <parley/protocol/handshake.hpp>
#include <parley/protocol/heartbeat.hpp>
#include <parley/protocol/outbox.hpp>
#include <parley/protocol/receive_state.hpp>
#include <parley/protocol/send_state.hpp>
#include <parley/stats.hpp>

namespace parley::protocol {

/// The framed protocol, parley/1: handshake, order, acknowledgement, windows, heartbeat, goodbye.
///
/// Knows no stream and no clock: whoever carries it reads into `prepare_read`, writes what
/// `prepare_write` gives, and calls `tick` when `due` has come; `now` is steady time.
/// A message is released, and with that acknowledged, when the program comes back for the next.
/// Outlives its connections: each goes on where the peer's greeting says that it stands.
/// Not safe for sharing between threads.
class session {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  static constexpr bool reading_can_stop = false;  // the window bounds what can come
  static constexpr bool resumable = true;          // a conversation outlives its connection

  /// `spare`, if any, must outlive it.
  session(const options& o, const frame::session_id& id, spares* spare = nullptr)
      : handshake_(o, id), sending_(o.outbox, spare), receiving_(o.window, spare) {}

  // --- a connection begins, and ends -----------------------------------------------------------

  /// As the dialer: begins the next attempt; a hello is owed. No connection may be under way.
  void dial(time_point now, const frame::invitation_proof& proof = {}) {
    control_.begin(handshake_.dial(here(), now, proof));
  }
  /// As the listener: why the hello of the dialer whose session this is must be refused.
  [[nodiscard]] std::optional<refuse_reason> check(const frame::hello& h) const noexcept {
    return handshake_.check(h, here());
  }
  /// As the listener: takes such a hello; a welcome is owed. No connection may be under way, as
  /// what it still brings would come between. A refusal leaves the session as it was.
  [[nodiscard]] std::optional<refuse_reason> answer(const frame::hello& h, time_point now) {
    if (const auto refused = check(h)) return refused;
    handshake_.take_hello(h);
    connect(now);
    control_.begin(handshake_.welcome(here()));
    return std::nullopt;
  }
  /// The connection has ended; nothing is read or written until the next begins.
  void detach() noexcept {
    handshake_.hang_up();
    receiving_.rewind();
    log().abandon_batch();
    trim();
  }
  /// Owes the peer the word that this side ends it all at once. False: no frame can be written now.
  [[nodiscard]] bool abandon() {
    if (!connected() || !control_.empty() || !log().between_batches()) return false;
    control_.part(released());
    return true;
  }

  // --- what the program does -------------------------------------------------------------------

  /// Queues a message whole, or not at all.
  [[nodiscard]] send_result push(std::string_view body, tag_type tag) {
    const auto a = sending_.push(body, tag, handshake_.max_outgoing());
    // The peer waits for a quarter of its window, and keeps what it looks at (see receive_state).
    if (a == send_result::full && log().limit() < handshake_.peer_window() / 2)
      heartbeat_.ask_once();
    return a;
  }
  /// The same if it fits right behind the last one and nothing else is to be done; or not at all.
  [[nodiscard]] bool push_behind(std::string_view body, tag_type tag) {
    return sending_.push_behind(body, tag, handshake_.max_outgoing());
  }
  /// Why `push` called a message unfit.
  [[nodiscard]] static errc unfit(std::string_view) noexcept { return errc::bad_tag; }
  /// Releases the message taken last; then the next one, if it has arrived.
  [[nodiscard]] std::optional<message> take(time_point now) { return receiving_.take(now); }
  /// Whether the next one is right there, and taking it has nothing more to it; and takes it.
  [[nodiscard]] bool has_next() const noexcept { return receiving_.has_next(); }
  [[nodiscard]] message take_next() noexcept { return receiving_.take_next(); }
  /// Whether `take` would find a message.
  [[nodiscard]] bool readable() const noexcept { return receiving_.readable(); }
  /// Whether the peer has said goodbye and all before it was taken.
  [[nodiscard]] bool at_end() const noexcept { return receiving_.at_end(); }
  /// Says goodbye: nothing more can be queued, what is queued still goes out.
  void finish() { sending_.finish(); }
  /// Asks for a round trip; `statistics()` has its time when the answer is back.
  void ping() noexcept { heartbeat_.ask(); }
  /// The first sequence number that the peer's program is not known to be done with.
  [[nodiscard]] std::uint64_t acknowledged() const noexcept { return log().base(); }
  /// The number of the next message; so many have been queued.
  [[nodiscard]] std::uint64_t next_sequence() const noexcept { return sending_.next_sequence(); }
  [[nodiscard]] stats statistics() const noexcept {
    stats s{tally_};
    sending_.count(s);
    receiving_.count(s);
    s.memory = log().allocated() + receiving_.bytes().allocated();
    return s;
  }
  /// The first number that this side's program is not done with.
  [[nodiscard]] std::uint64_t released() const noexcept { return receiving_.released(); }
  /// How many messages, of those that an earlier connection took, this one had to send again.
  [[nodiscard]] std::uint64_t again() const noexcept { return again_; }
  [[nodiscard]] const frame::session_id& id() const noexcept { return handshake_.id(); }
  /// As the peer introduced itself: bytes from outside, at most `max_name` of valid UTF-8.
  [[nodiscard]] std::string_view peer_name() const noexcept { return handshake_.peer_name(); }
  /// What the peer said when it refused, at most `frame::max_text` bytes; empty otherwise.
  [[nodiscard]] std::string_view refusal() const noexcept { return handshake_.refusal(); }

  // --- what the receive loop does --------------------------------------------------------------

  /// Whether greetings have been exchanged.
  [[nodiscard]] bool connected() const noexcept { return handshake_.done(); }
  /// Where to read into; never empty: the window bounds what can come, so reading never stops.
  [[nodiscard]] std::span<char> prepare_read() { return receiving_.prepare(); }
  /// `n` bytes, perhaps none, have been read. An error ends the connection.
  [[nodiscard]] std::error_code commit_read(std::size_t n, time_point now) {
    receiving_.commit(n);
    if (n != 0) heartbeat_.heard(now);
    const auto longest = handshake_.max_incoming();
    std::error_code bad;
    while (!bad) {
      if (connected()) receiving_.run_of_messages(longest);
      const auto head = receiving_.next_frame(connected(), longest, bad);
      if (!head) break;
      head->is_message() ? receiving_.message(*head) : void(bad = handle(*head, now));
    }
    return bad;
  }
  /// No read is under way or follows soon.
  void rest() noexcept {
    receiving_.bytes().rest();
    std::exchange(quiet_, false) ? trim() : log().trim();
  }
  /// The stream has ended. No error if all has been said.
  [[nodiscard]] std::error_code commit_end() const noexcept {
    if (output_done()) return {};
    return connected() ? errc::disconnected : errc::no_greeting;
  }
  /// Input refused without ending the conversation: there is none in this protocol.
  [[nodiscard]] static std::optional<errc> rejection() noexcept { return std::nullopt; }

  // --- what the send loop does -----------------------------------------------------------------

  /// Whether there is something to write now; an ack alone waits until it is due.
  [[nodiscard]] bool wants_write() const noexcept {
    if (!control_.empty()) return true;
    return connected() && (heartbeat_.owes() || receiving_.ack_urgent() || owes_last_word() ||
                           log().writable(handshake_.peer_window()));
  }
  /// Whether an ack is owed, urgent or not.
  [[nodiscard]] bool owes_ack() const noexcept { return receiving_.owes_ack(); }
  /// Whether what is owed cannot wait until the program has no more to take.
  [[nodiscard]] bool urgent() const noexcept { return receiving_.ack_urgent(); }
  /// Whether as much is queued as one write takes, so that there is no use in waiting for more.
  [[nodiscard]] bool batch_is_full() const noexcept { return log().has_full_chunk(); }
  /// What to write now: the control frames owed, then a batch of the outbox.
  void prepare_write(gather& out, time_point now) {
    if (connected() && control_.empty() && log().between_batches()) {
      control_.encode(receiving_, heartbeat_, now);
      if (owes_last_word()) control_.part(released());
    }
    out.add(control_.rest());
    if (connected()) log().prepare(out, handshake_.peer_window());
  }
  /// `n` bytes of that have been written.
  void commit_write(std::size_t n, time_point now) noexcept {
    if (n != 0) heartbeat_.said(now);
    if (const std::size_t rest = n - control_.commit(n); rest != 0) log().commit(rest);
  }
  /// Whether nothing will ever be written again.
  [[nodiscard]] bool output_done() const noexcept {
    return agreed() && control_.parted() && control_.empty() && control_.told() == released();
  }
  /// Whether all is complete, and the peer has said that it is.
  [[nodiscard]] bool agreed() const noexcept { return complete() && control_.peer_parted(); }
  /// Whether both goodbyes are said and everything is acknowledged that this side has said.
  [[nodiscard]] bool complete() const noexcept { return sending_.over() && receiving_.over(); }
  /// The same, but our own goodbye may be lost: no message can be.
  [[nodiscard]] bool settled() const noexcept {
    return sending_.messages_over() && receiving_.over();
  }

  // --- what the watchdog does ------------------------------------------------------------------

  /// When `tick` must be called next.
  [[nodiscard]] time_point due() const noexcept {
    return connected() ? std::min(heartbeat_.due(), receiving_.ack_due()) : handshake_.due();
  }
  /// Time has passed. An error ends the connection.
  [[nodiscard]] std::error_code tick(time_point now) {
    if (now < due()) return {};
    if (!connected()) return errc::handshake_timeout;
    receiving_.tick(now);
    if (now >= heartbeat_.due()) trim();
    return heartbeat_.tick(now);
  }

 private:
  /// Greetings have been exchanged.
  void connect(time_point now) noexcept {
    heartbeat_.begin(handshake_.heartbeat(), now);
    again_ = sending_.resume(handshake_.peer_next());
    receiving_.repeat_ack();
    tally_.sent_again += again_;
    ++tally_.connections;
  }

  /// In a silence, ours or the peer's: an idle conversation holds no memory, and needs none.
  void trim() noexcept {
    receiving_.bytes().trim();
    log().trim();
    control_.trim();
    log().drop_spares();
  }

  [[nodiscard]] positions here() const noexcept {
    return {receiving_.next(), log().base(), log().unsent()};
  }

  /// The whole control frame at the front of what has begun.
  [[nodiscard]] std::error_code handle(const frame::header& h, time_point now) {
    const auto body = receiving_.bytes().begun().substr(frame::header_size, h.length);
    if (connected() || h.is(frame::type::refuse)) {
      if (const auto bad = obey(h, body, now)) return bad;
    } else if (const auto bad = handshake_.take_welcome(body, here())) {
      return *bad;
    } else {
      connect(now);
      quiet_ = true;  // most who have dialed wait now
    }
    receiving_.bytes().drop(h.size());
    return {};
  }

  [[nodiscard]] std::error_code obey(const frame::header& h, std::string_view body,
                                     time_point now) {
    using frame::type;
    if (h.is(type::refuse)) return refused(body);
    if (h.is_skippable()) return receiving_.idle(now);
    const auto number = frame::get<8>(body.data());
    if (h.is(type::bye)) return receiving_.bye(number, now);
    const bool beat = heartbeat_.hear(h, number, now, tally_);
    quiet_ = !h.is(type::ack);
    const auto next = h.is(type::ack) ? number : frame::get<8>(body.data() + frame::number_size);
    const bool news = beat || next > log().base();
    if (!log().acknowledge(next)) return errc::bad_ack;
    return news ? std::error_code{} : receiving_.idle(now);
  }
  /// When all is complete the listener says so, then the dialer: a stream's end says nothing.
  [[nodiscard]] bool owes_last_word() const noexcept {
    return complete() && !control_.parted() && (handshake_.listens() || agreed());
  }
  /// The peer goes on with this no more; what it says besides is how far its program has come.
  [[nodiscard]] std::error_code refused(std::string_view body) {
    frame::refusal r;
    if (const auto bad = frame::decode(body, r)) return *bad;
    (void)log().acknowledge(r.next);  // "not known" is beyond all that was sent
    const errc why = handshake_.take_refusal(r);
    if (!connected()) return why;
    if (!complete()) return errc::ended_by_peer;
    control_.hear_parting();
    return {};
  }

  [[nodiscard]] outbox& log() noexcept { return sending_.log(); }
  [[nodiscard]] const outbox& log() const noexcept { return sending_.log(); }

  // the conversation
  handshake handshake_;
  send_state sending_;
  receive_state receiving_;
  tally tally_;

  // the connection
  heartbeat heartbeat_;
  std::uint64_t again_ = 0;
  bool quiet_ = false;  ///< a ping or a pong has just come: the peer has nothing better to say
  control control_;
};

}  // namespace parley::protocol
