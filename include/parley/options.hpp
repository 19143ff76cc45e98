#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>

#include <parley/event.hpp>
#include <parley/utf8.hpp>

namespace parley {

/// The longest message that the wire format can carry: 2^24 - 1 less the sequence number.
inline constexpr std::size_t largest_message = (std::size_t{1} << 24) - 9;

/// Bytes that a message costs on the wire and in every limit beyond its body.
inline constexpr std::size_t message_overhead = 12;

/// The longest name of a peer, in bytes of UTF-8.
inline constexpr std::size_t max_name = 64;

/// Limits and times of one peer. All have defaults; `validate` is called once by whoever takes
/// them.
struct options {
  // A constructor, so that this is no aggregate: GCC 12 destroys an aggregate that is made inside a
  // `co_await` expression twice, and `dial(host, service)` makes one.
  options() = default;

  std::string name;  ///< how this side introduces itself, at most `max_name` bytes of UTF-8

  std::size_t max_message = std::size_t{1} << 20;  ///< longest body taken, bytes
  std::size_t window = std::size_t{4} << 20;       ///< unreleased bytes held for the program
  std::size_t outbox = std::size_t{4} << 20;       ///< unacknowledged bytes held for the peer

  std::chrono::milliseconds heartbeat{5000};  ///< silence before a ping; dead after 2.5 of them
  std::chrono::milliseconds connect_timeout{5000};    ///< for each address, absolute
  std::chrono::milliseconds handshake_timeout{5000};  ///< from connected to welcome, absolute
  std::chrono::milliseconds goodbye_timeout{5000};    ///< how long `close()` waits by default

  std::chrono::milliseconds resume_for{600'000};  ///< how long a broken conversation may wait for
                                                  ///< its next connection; 0: it ends at once
  std::chrono::milliseconds wait_for{
      0};  ///< how long `dial` goes on trying until the first welcome
  std::chrono::milliseconds retry_most{5000};  ///< longest pause between two attempts

  std::size_t max_peers = 4096;      ///< conversations of one listener at once; then *busy*
  std::size_t max_silent = 4096;     ///< callers of a listener who have said nothing yet
  std::size_t max_handshakes = 64;   ///< callers in the middle of their greeting
  std::size_t max_per_address = 16;  ///< of these, from one IP address; the oldest ones go first

  std::function<void(const event&)> on_event;  ///< may be empty; must not throw
};

/// Throws `std::invalid_argument`, with the field's name, if `o` cannot work.
inline void validate(const options& o) {
  const auto demand = [](bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(std::string("parley::options: ") + what);
  };
  demand(o.name.size() <= max_name && is_utf8(o.name), "name is over 64 bytes or not UTF-8");
  demand(o.max_message > 0 && o.max_message <= largest_message,
         "max_message must be 1 to 16,777,207 bytes");
  demand(o.window >= o.max_message + message_overhead && o.window <= UINT32_MAX,
         "window must hold the largest message and 12 bytes, and fit 32 bits");
  demand(o.outbox >= o.max_message + message_overhead,
         "outbox must hold the largest message and 12 bytes");
  demand(o.heartbeat.count() >= 10 && o.heartbeat.count() <= UINT16_MAX,
         "heartbeat must be 10 to 65,535 ms");
  demand(o.connect_timeout.count() > 0 && o.handshake_timeout.count() > 0 &&
             o.goodbye_timeout.count() > 0,
         "times must be positive");
  constexpr std::chrono::hours longest{24 * 365 * 10};  // to add it to now must not overflow
  for (const auto time : {o.resume_for, o.wait_for, o.retry_most})
    demand(time.count() >= 0 && time <= longest, "times must be 0 to ten years");
  demand(o.max_peers > 0 && o.max_silent > 0 && o.max_handshakes > 0 && o.max_per_address > 0,
         "a listener needs room for one peer");
}

}  // namespace parley
