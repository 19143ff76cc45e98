#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>

#include <parley/error.hpp>
#include <parley/message.hpp>
#include <parley/protocol/chunks.hpp>
#include <parley/protocol/frame.hpp>
#include <parley/protocol/greeting.hpp>
#include <parley/protocol/inbox.hpp>
#include <parley/protocol/token_bucket.hpp>
#include <parley/stats.hpp>

namespace parley::protocol {

/// What the peer has sent: its order, its limits, its release to the program, and the acks owed.
///
///      0 … released │ held │ arrived, not asked for │ next …          final
///      acknowledged   the program looks at it                          the peer's goodbye
///
/// The goodbye has a number like a message; it is released when the program asks after the last
/// message. Not safe for sharing between threads.
class receive_state {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  /// An ack that no write has taken along goes out alone after this.
  static constexpr std::chrono::milliseconds ack_delay{1};

  /// `window` is how many bytes of frames the program may leave unreleased; `spare` must outlive
  /// it.
  explicit receive_state(std::size_t window, spares* spare = nullptr) noexcept
      : inbox_(spare), window_(window), urgent_at_(window / 4) {}

  // --- from the stream -------------------------------------------------------------------------

  [[nodiscard]] inbox& bytes() noexcept { return inbox_; }
  [[nodiscard]] const inbox& bytes() const noexcept { return inbox_; }

  /// Where to read into; never empty.
  [[nodiscard]] std::span<char> prepare() { return inbox_.prepare(begun_size_); }

  /// `n` bytes, perhaps none, have been read there.
  void commit(std::size_t n) noexcept { inbox_.commit(n); }

  /// Takes in the whole messages at the front of what has begun, as far as they are what should
  /// come next; `next_frame` looks at what is left. Most bytes of a busy stream need no more.
  void run_of_messages(std::size_t max_message) noexcept {
    if (final_) return;
    const auto begun = inbox_.begun();
    const std::size_t most = std::min(begun.size(), room());
    std::size_t taken = 0;
    while (most - taken >= message_overhead) {
      const auto head = frame::read_header(begun.substr(taken));
      if (head.size() > most - taken || !frame::is_sound_message(head, max_message)) break;
      if (frame::get<8>(begun.data() + taken + frame::header_size) != next_) break;
      taken += head.size();
      ++next_;
    }
    accepted_bytes_ += taken;
    if (taken != 0) inbox_.mark_whole(taken);
  }

  /// The head of the frame that has begun, once the frame is whole. None: it is not yet, or it can
  /// not be, for which `bad` says why, before any memory is taken for it. `greeted`: the frame is
  /// part of the conversation, not the answer to a hello.
  [[nodiscard]] std::optional<frame::header> next_frame(bool greeted, std::size_t max_message,
                                                        std::error_code& bad) noexcept {
    begun_size_ = 0;
    const auto begun = inbox_.begun();
    if (begun.size() < frame::header_size) return std::nullopt;
    const auto head = frame::read_header(begun);
    const auto odd = greeted ? frame::check(head, max_message) : frame::check_answer(head);
    if (odd) bad = *odd;
    if (!odd && head.is_message() && begun.size() >= message_overhead) bad = check(head);
    if (bad || (head.is_message() && begun.size() < message_overhead)) return std::nullopt;
    if (begun.size() >= head.size()) return head;
    begun_size_ = head.size();
    return std::nullopt;
  }

  /// Whether the message may come whose first `message_overhead` bytes, at least, have begun.
  /// Errors: `sequence_gap`, `after_goodbye`, `window_exceeded`.
  [[nodiscard]] std::error_code check(const frame::header& h) const noexcept {
    const auto sequence = frame::get<8>(inbox_.begun().data() + frame::header_size);
    if (const auto ec = expect(sequence)) return ec;
    return sequence == next_ && h.size() > room() ? make_error_code(errc::window_exceeded)
                                                  : std::error_code{};
  }

  /// The message at the front of `bytes().begun()` is whole; it was checked. A repeat is dropped.
  void message(const frame::header& h) noexcept {
    const auto sequence = frame::get<8>(inbox_.begun().data() + frame::header_size);
    if (sequence < next_) return inbox_.drop(h.size());
    accepted_bytes_ += h.size();
    ++next_;
    inbox_.mark_whole(h.size());
  }

  /// The peer says goodbye. Errors: `sequence_gap`, `after_goodbye`, `frame_flood`.
  [[nodiscard]] std::error_code bye(std::uint64_t sequence, time_point now) noexcept {
    if (const auto ec = expect(sequence)) return ec;
    if (sequence < next_) return idle(now);
    final_ = next_++;
    return {};
  }

  /// A frame has come that brings nothing, see `token_bucket`. Errors: `frame_flood`.
  [[nodiscard]] std::error_code idle(time_point now) noexcept { return idle_.spend(now); }

  /// The connection has ended: what had begun to arrive will be sent again.
  void rewind() noexcept {
    begun_size_ = 0;
    inbox_.drop(inbox_.begun().size());
    inbox_.rest();
  }

  /// The first sequence number not yet received.
  [[nodiscard]] std::uint64_t next() const noexcept { return next_; }

  // --- to the program --------------------------------------------------------------------------

  /// Releases what was taken last; then the next message, if it is there.
  [[nodiscard]] std::optional<parley::message> take(time_point now) noexcept {
    if (has_next()) return take_next();
    if (held_size_ != 0) release(now);
    const auto whole = inbox_.next();
    held_size_ = 0;
    if (!whole.empty()) return hold(whole);
    if (final_ && released_ == *final_) release_goodbye(now);
    return std::nullopt;
  }

  /// Whether a message stands right behind the one taken last, and releasing that one changes
  /// nothing about the acks owed: so most messages of a busy stream are taken.
  [[nodiscard]] bool has_next() const noexcept {
    return ack_owed_ && !inbox_.run().empty() && released_bytes_ + held_size_ < urgent_at_;
  }
  /// Takes it.
  [[nodiscard]] parley::message take_next() noexcept {
    ++released_;
    released_bytes_ += held_size_;
    return hold(inbox_.run());
  }

  /// What was handed to the program.
  void count(stats& s) const noexcept {
    s.messages_received = released_ + (held_size_ != 0 ? 1 : 0) - (over() ? 1 : 0);
    s.bytes_received = released_bytes_ + held_size_ - message_overhead * s.messages_received;
  }

  [[nodiscard]] bool readable() const noexcept { return !inbox_.whole().empty(); }

  /// Whether the goodbye stands next, or was already reached.
  [[nodiscard]] bool at_end() const noexcept { return final_ && !readable(); }

  /// Whether the program has reached the goodbye.
  [[nodiscard]] bool over() const noexcept { return final_ && released_ > *final_; }

  // --- acknowledgements ------------------------------------------------------------------------

  /// The first sequence number that the program is not done with: what an ack says.
  [[nodiscard]] std::uint64_t released() const noexcept { return released_; }
  [[nodiscard]] bool owes_ack() const noexcept { return ack_owed_; }
  /// Whether the ack owed is worth a write of its own.
  [[nodiscard]] bool ack_urgent() const noexcept { return ack_urgent_; }
  /// When it will be; never if none is owed, or if it is already.
  [[nodiscard]] time_point ack_due() const noexcept {
    return ack_owed_ && !ack_urgent_ ? ack_due_ : time_point::max();
  }

  void tick(time_point now) noexcept { ack_urgent_ |= ack_owed_ && now >= ack_due_; }

  /// A new connection begins: whether the last one took the last ack along is not known.
  void repeat_ack() noexcept { ack_owed_ = ack_urgent_ = released_ != 0; }

  /// An ack has been encoded.
  void ack_given() noexcept {
    ack_owed_ = ack_urgent_ = false;
    urgent_at_ = released_bytes_ + window_ / 4;
  }

 private:
  /// Errors for a number that cannot come next; a lower one is a repeat and no error.
  [[nodiscard]] std::error_code expect(std::uint64_t sequence) const noexcept {
    if (sequence > next_) return errc::sequence_gap;
    if (final_ && sequence == next_) return errc::after_goodbye;
    return {};
  }

  /// How many bytes of frames the window has left.
  [[nodiscard]] std::size_t room() const noexcept {
    return window_ - static_cast<std::size_t>(accepted_bytes_ - released_bytes_);
  }

  /// Hands out the message at the front of `whole`.
  [[nodiscard]] parley::message hold(std::string_view whole) noexcept {
    const auto head = frame::read_header(whole);
    held_size_ = head.size();
    inbox_.take(held_size_);
    return {
        {whole.data() + message_overhead, held_size_ - message_overhead}, head.tag(), released_};
  }

  void release(time_point now) noexcept {
    ++released_;
    released_bytes_ += held_size_;
    if (!ack_owed_) owe_ack(now);
    if (released_bytes_ >= urgent_at_) ack_urgent_ = true;
  }

  void release_goodbye(time_point now) noexcept {
    ++released_;
    owe_ack(now);
    ack_urgent_ = true;  // the peer waits for nothing else
  }

  void owe_ack(time_point now) noexcept {
    ack_owed_ = true;
    ack_due_ = now + ack_delay;
  }

  inbox inbox_;
  std::size_t window_;
  std::uint64_t next_ = 0;
  std::uint64_t released_ = 0;
  std::optional<std::uint64_t> final_;
  std::uint64_t accepted_bytes_ = 0;  ///< of message frames, since the session began
  std::uint64_t released_bytes_ = 0;  ///< of these
  std::uint64_t urgent_at_;           ///< send an ack at once when `released_bytes_` reaches this
  std::size_t begun_size_ = 0;        ///< of the frame that has begun to arrive; 0: not known
  std::size_t held_size_ = 0;         ///< of the frame that the program looks at; 0: none
  bool ack_owed_ = false, ack_urgent_ = false;
  time_point ack_due_{};
  token_bucket idle_;
};

}  // namespace parley::protocol
