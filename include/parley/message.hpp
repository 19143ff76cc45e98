#pragma once

#include <cstdint>
#include <string_view>

namespace parley {

/// What kind of message this is; 0 to 63 are the program's, the rest is kept for parley.
using tag_type = std::uint8_t;

/// The number of tags that a program may use.
inline constexpr tag_type tag_count = 64;

/// A message that has arrived: bytes with a tag, whole.
///
/// A view: `body` points into the receive buffer and is valid until the program asks for the next
/// message. Asking is also what tells the peer that this one has been dealt with.
struct message {
  std::string_view body;       ///< the bytes, in one piece
  tag_type tag = 0;            ///< as given to `send`
  std::uint64_t sequence = 0;  ///< 0 for the first message of the conversation
};

/// The number of a message that was queued: what `delivered` is asked with.
struct receipt {
  std::uint64_t sequence = 0;  ///< 0 for the first message of the conversation
  friend bool operator==(receipt, receipt) = default;
};

/// What became of a `try_send`, which never waits.
enum class send_result {
  queued,     ///< the message will go out
  full,       ///< the outbox has no room now; `send` would wait
  closed,     ///< goodbye has been said, or the conversation has ended
  too_large,  ///< over this side's or the peer's `max_message`
  unfit,      ///< cannot be said in this protocol: a reserved tag, a line that is no line
};

}  // namespace parley
