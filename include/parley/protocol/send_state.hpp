#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <parley/message.hpp>
#include <parley/options.hpp>
#include <parley/protocol/chunks.hpp>
#include <parley/protocol/frame.hpp>
#include <parley/protocol/outbox.hpp>
#include <parley/stats.hpp>

namespace parley::protocol {

/// What this side's program has said: numbered, kept until the peer's program is done with it.
///
///      0 … acknowledged │ given to a connection │ queued …          goodbye
///      delivered          unknown                 not sent
///
/// Below each stands what becomes of a message if the conversation ends now. The goodbye has a
/// number like a message. Not safe for sharing between threads.
class send_state {
 public:
  /// `limit` is how many bytes of frames may be unacknowledged; `spare` must outlive it.
  explicit send_state(std::size_t limit, spares* spare = nullptr) noexcept
      : log_(limit, 0, spare) {}

  /// Queues a message whole, or not at all; `longest` is the longest body that both sides take.
  [[nodiscard]] send_result push(std::string_view body, tag_type tag, std::size_t longest) {
    if (push_behind(body, tag, longest)) return send_result::queued;
    if (said_goodbye_) return send_result::closed;
    if (tag >= tag_count) return send_result::unfit;
    if (body.size() > longest) return send_result::too_large;
    const std::size_t size = message_overhead + body.size();
    if (!log_.fits(size)) return send_result::full;
    put(log_.append(size), body, tag);
    return send_result::queued;
  }

  /// The same where nothing is in the way, and no chunk gets full; false: ask `push`.
  [[nodiscard]] bool push_behind(std::string_view body, tag_type tag, std::size_t longest) {
    if (said_goodbye_ || tag >= tag_count || body.size() > longest) return false;
    const std::size_t size = message_overhead + body.size();
    if (!log_.fits_behind(size)) return false;
    put(log_.append_behind(size), body, tag);
    return true;
  }

  /// Queues the goodbye; nothing comes after it.
  void finish() {
    if (said_goodbye_) return;
    said_goodbye_ = true;
    const auto sequence = log_.end();
    frame::put_number(log_.append(frame::number_frame_size), frame::type::bye, sequence);
  }

  /// A connection begins whose peer has received everything before `next`; returns how many
  /// messages will be sent again.
  std::uint64_t resume(std::uint64_t next) noexcept {
    const bool goodbye_was_sent = said_goodbye_ && log_.unsent() == log_.end();
    const auto again = log_.rewind(next);
    return again - (goodbye_was_sent && again != 0 ? 1 : 0);
  }

  /// Whether nothing will be said any more, and the peer's program is done with all of it.
  [[nodiscard]] bool over() const noexcept { return said_goodbye_ && log_.base() == log_.end(); }

  /// The same, but that the goodbye itself may be on its way.
  [[nodiscard]] bool messages_over() const noexcept {
    return said_goodbye_ && log_.base() + 1 >= log_.end();
  }

  /// The number of the next message; so many have been queued.
  [[nodiscard]] std::uint64_t next_sequence() const noexcept {
    return log_.end() - (said_goodbye_ ? 1 : 0);
  }

  void count(stats& s) const noexcept {
    s.messages_sent = next_sequence();
    const std::size_t goodbye = said_goodbye_ ? frame::number_frame_size : 0;
    s.bytes_sent = log_.end_position() - goodbye - message_overhead * s.messages_sent;
    s.unacknowledged = s.messages_sent - std::min(log_.base(), s.messages_sent);
    s.unsent = s.messages_sent - std::min(log_.unsent(), s.messages_sent);
  }

  [[nodiscard]] outbox& log() noexcept { return log_; }
  [[nodiscard]] const outbox& log() const noexcept { return log_; }

 private:
  /// Writes the frame that was queued last.
  void put(char* to, std::string_view body, tag_type tag) noexcept {
    frame::put_message(to, log_.end() - 1, tag, body);
  }

  outbox log_;
  bool said_goodbye_ = false;
};

}  // namespace parley::protocol
