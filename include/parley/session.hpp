#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <parley/arrivals.hpp>
#include <parley/control.hpp>
#include <parley/error.hpp>
#include <parley/frame.hpp>
#include <parley/handshake.hpp>
#include <parley/heartbeat.hpp>
#include <parley/message.hpp>
#include <parley/options.hpp>
#include <parley/outbox.hpp>
#include <parley/stats.hpp>

namespace parley {

/// The framed protocol, parley/1: handshake, order, acknowledgement, windows, heartbeat, goodbye.
///
/// Knows no stream and no clock: whoever carries it reads into `prepare_read`, writes what
/// `prepare_write` gives, and calls `tick` when `due` has come; `now` is steady time.
/// A message is released, and with that acknowledged, when the program comes back for the next.
///
///   session dialer(options, id), listener(options, id);
///   dialer.dial(now);                    // now dialer owes a hello
///   listener.accept(hello, now);         // now listener owes a welcome
///
/// Not safe for sharing between threads.
class session {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  /// Reading never waits for the program: the window bounds what can come.
  static constexpr bool reading_can_stop = false;

  session(const options& o, const frame::session_id& id)
      : handshake_(o, id),
        handshake_timeout_(o.handshake_timeout),
        outbox_(o.outbox),
        arrivals_(o.window) {}

  // --- a connection begins ---------------------------------------------------------------------

  /// As the dialer: begins the next attempt; a hello is owed.
  void dial(time_point now) {
    begin(now);
    control_.begin(handshake_.dial(here()), arrivals_.released());
  }

  /// As the listener: takes the hello of the dialer whose session this is; a welcome is owed.
  /// A refusal leaves the session as it was.
  [[nodiscard]] std::optional<frame::refuse_reason> accept(const frame::hello& h, time_point now) {
    if (const auto refused = handshake_.accept(h, here())) return refused;
    begin(now);
    connect(now);
    control_.begin(handshake_.welcome(here()), arrivals_.released());
    return std::nullopt;
  }

  // --- what the program does -------------------------------------------------------------------

  /// Queues a message whole, or not at all.
  [[nodiscard]] admission push(std::string_view body, tag_type tag) {
    if (said_goodbye_) return admission::closed;
    if (tag >= tag_count) return admission::unfit;
    if (body.size() > handshake_.max_outgoing()) return admission::too_large;
    const std::size_t size = message_overhead + body.size();
    if (!outbox_.fits(size)) return admission::full;
    const auto sequence = outbox_.end();
    frame::put_message(outbox_.append(size), sequence, tag, body);
    stats_.bytes_sent += body.size();
    return admission::queued;
  }

  /// Why `push` called a message unfit.
  [[nodiscard]] static errc unfit(std::string_view) noexcept { return errc::bad_tag; }

  /// Releases the message taken last; then the next one, if it has arrived.
  [[nodiscard]] std::optional<message> take(time_point now) { return arrivals_.take(now, stats_); }

  /// Whether `take` would find a message.
  [[nodiscard]] bool readable() const noexcept { return arrivals_.readable(); }

  /// Whether the peer has said goodbye and everything before it was taken.
  [[nodiscard]] bool at_end() const noexcept { return arrivals_.at_end(); }

  /// Says goodbye: nothing more can be queued, what is queued still goes out.
  void finish() {
    if (said_goodbye_) return;
    said_goodbye_ = true;
    const auto sequence = outbox_.end();
    frame::put_number(outbox_.append(message_overhead), frame::type::bye, sequence);
  }

  /// Asks for a round trip; `statistics()` has its time when the answer is back.
  void ping() noexcept { heartbeat_.ask(); }

  /// The first sequence number that the peer's program is not known to be done with.
  [[nodiscard]] std::uint64_t acknowledged() const noexcept { return outbox_.base(); }

  /// The number of the next message; so many have been queued.
  [[nodiscard]] std::uint64_t next_sequence() const noexcept {
    return outbox_.end() - (said_goodbye_ ? 1 : 0);
  }

  [[nodiscard]] stats statistics() const noexcept {
    const std::uint64_t messages = next_sequence();
    stats s = stats_;
    s.messages_sent = messages;
    s.unacknowledged = messages - std::min(outbox_.base(), messages);
    s.unsent = messages - std::min(outbox_.unsent(), messages);
    s.memory = outbox_.allocated() + arrivals_.bytes().allocated();
    return s;
  }

  [[nodiscard]] const frame::session_id& id() const noexcept { return handshake_.id(); }
  /// As the peer introduced itself: bytes from outside, at most `max_name` of valid UTF-8.
  [[nodiscard]] std::string_view peer_name() const noexcept { return handshake_.peer_name(); }
  /// What the peer said when it refused, at most `frame::max_text` bytes; empty otherwise.
  [[nodiscard]] std::string_view refusal() const noexcept { return handshake_.refusal(); }

  // --- what the receive loop does --------------------------------------------------------------

  /// Whether greetings have been exchanged.
  [[nodiscard]] bool connected() const noexcept { return handshake_.done(); }

  /// Whether a read should wait for input before it takes memory for it.
  [[nodiscard]] bool idle() const noexcept { return arrivals_.bytes().idle(); }

  /// Where to read into; never empty: the window bounds what can come, so reading never stops.
  [[nodiscard]] std::span<char> prepare_read() { return arrivals_.bytes().prepare(begun_size_); }

  /// `n` bytes, perhaps none, have been read. An error ends the connection.
  [[nodiscard]] std::error_code commit_read(std::size_t n, time_point now) {
    inbox& bytes = arrivals_.bytes();
    bytes.commit(n);
    if (n != 0) heartbeat_.heard(now);
    begun_size_ = 0;
    while (bytes.begun().size() >= frame::header_size) {
      const auto head = frame::read_header(bytes.begun());
      const auto bad =
          connected() ? frame::check(head, handshake_.max_incoming()) : frame::check_answer(head);
      if (bad) return *bad;
      if (head.is_message()) {
        if (bytes.begun().size() < message_overhead) return {};
        if (const auto ec = arrivals_.check(head)) return ec;
      }
      if (bytes.begun().size() < head.size()) {
        begun_size_ = head.size();
        return {};
      }
      if (head.is_message())
        arrivals_.message(head);
      else if (const auto ec = handle(head, now))
        return ec;
    }
    if (std::exchange(quiet_, false)) trim();
    return {};
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
    return connected() && (heartbeat_.owes() || arrivals_.ack_urgent() ||
                           outbox_.writable(handshake_.peer_window()));
  }

  /// Whether what is owed cannot wait until the program has no more to take.
  [[nodiscard]] bool urgent() const noexcept { return arrivals_.ack_urgent(); }

  /// Whether as much is queued as one write takes, so that there is no use in waiting for more.
  [[nodiscard]] bool batch_is_full() const noexcept { return outbox_.queued() >= chunk_size; }

  /// What to write now: the control frames owed, then a batch of the outbox.
  void prepare_write(gather& out, time_point now) {
    if (connected() && control_.empty() && outbox_.between_batches())
      control_.encode(arrivals_, heartbeat_, now);
    out.add(control_.rest());
    if (connected()) outbox_.prepare(out, handshake_.peer_window());
  }

  /// `n` bytes of that have been written.
  void commit_write(std::size_t n, time_point now) noexcept {
    if (n != 0) heartbeat_.said(now);
    if (const std::size_t rest = n - control_.commit(n); rest != 0) outbox_.commit(rest);
  }

  /// Whether nothing will ever be written again: both goodbyes are said, and each is acknowledged.
  [[nodiscard]] bool output_done() const noexcept {
    return said_goodbye_ && outbox_.base() == outbox_.end() && arrivals_.over() &&
           control_.told() == arrivals_.released();
  }

  // --- what the watchdog does ------------------------------------------------------------------

  /// When `tick` must be called next.
  [[nodiscard]] time_point due() const noexcept {
    if (!connected()) return handshake_deadline_;
    return std::min(heartbeat_.due(), arrivals_.ack_due());
  }

  /// Time has passed. An error ends the connection.
  [[nodiscard]] std::error_code tick(time_point now) {
    if (now < due()) return {};
    if (!connected()) return errc::handshake_timeout;
    arrivals_.tick(now);
    if (now >= heartbeat_.due()) trim();
    return heartbeat_.tick(now);
  }

 private:
  void begin(time_point now) {
    handshake_deadline_ = now + handshake_timeout_;
    begun_size_ = 0;
    arrivals_.rewind();
  }

  void connect(time_point now) noexcept {
    heartbeat_.begin(handshake_.heartbeat(), now);
    ++stats_.connections;
  }

  /// Called in a silence, ours or the peer's that pings: an idle conversation holds no memory.
  void trim() noexcept {
    arrivals_.bytes().trim();
    outbox_.trim();
  }

  [[nodiscard]] positions here() const noexcept {
    return {arrivals_.next(), outbox_.base(), outbox_.unsent()};
  }

  /// The whole control frame at the front of what has begun.
  [[nodiscard]] std::error_code handle(const frame::header& h, time_point now) {
    const auto body = arrivals_.bytes().begun().substr(frame::header_size, h.length);
    const auto ec = connected() ? obey(h, body, now) : answered(h, body, now);
    if (!ec) arrivals_.bytes().drop(h.size());
    return ec;
  }

  [[nodiscard]] std::error_code obey(const frame::header& h, std::string_view body,
                                     time_point now) {
    using frame::type;
    if (h.is_skippable()) return {};
    const auto number = frame::get<8>(body.data());
    if (h.is(type::bye)) return arrivals_.bye(number);
    if (h.is(type::ping)) heartbeat_.ping(number);
    if (h.is(type::pong)) heartbeat_.pong(number, now, stats_);
    quiet_ = !h.is(type::ack);
    const auto next = h.is(type::ack) ? number : frame::get<8>(body.data() + frame::number_size);
    return outbox_.acknowledge(next) ? std::error_code{} : make_error_code(errc::bad_ack);
  }

  /// The listener's answer to our hello.
  [[nodiscard]] std::error_code answered(const frame::header& h, std::string_view body,
                                         time_point now) {
    if (h.is(frame::type::refuse)) return handshake_.refused(body);
    if (const auto bad = handshake_.welcomed(body, here())) return *bad;
    connect(now);
    return {};
  }

  handshake handshake_;
  std::chrono::milliseconds handshake_timeout_;
  time_point handshake_deadline_{};

  // the conversation
  outbox outbox_;
  arrivals arrivals_;
  bool said_goodbye_ = false;
  stats stats_;

  // the connection
  heartbeat heartbeat_;
  std::size_t begun_size_ = 0;  ///< of the frame that has begun to arrive; 0: not known
  bool quiet_ = false;  ///< a ping or a pong has just come: the peer has nothing better to say
  control control_;
};

}  // namespace parley
