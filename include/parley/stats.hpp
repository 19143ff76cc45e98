#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace parley {

/// What a conversation counts as it goes.
struct tally {
  std::uint64_t sent_again = 0;   ///< messages given to one more connection, each time counted
  std::uint32_t connections = 0;  ///< 1 after the first; each more is a reconnect

  std::chrono::nanoseconds round_trip_last{0};  ///< all three are 0 until a ping came back
  std::chrono::nanoseconds round_trip_min{0};
  std::chrono::nanoseconds round_trip_smoothed{0};  ///< RFC 6298: 7/8 old + 1/8 new

  void add_round_trip(std::chrono::nanoseconds sample) noexcept {
    const bool first = round_trip_last.count() == 0;
    round_trip_last = sample;
    round_trip_min = first || sample < round_trip_min ? sample : round_trip_min;
    round_trip_smoothed = first ? sample : (round_trip_smoothed * 7 + sample) / 8;
  }
};

/// What a conversation has come to so far.
struct stats : tally {
  std::uint64_t messages_sent = 0;      ///< queued by this side's program
  std::uint64_t bytes_sent = 0;         ///< of those messages' bodies
  std::uint64_t messages_received = 0;  ///< handed to this side's program
  std::uint64_t bytes_received = 0;     ///< of those messages' bodies
  std::uint64_t unacknowledged = 0;  ///< of these: the peer's program is not known to be done with
  std::uint64_t unsent = 0;          ///< of these: no byte was ever given to a connection
  std::size_t memory = 0;            ///< bytes held in the outbox and the inbox
};

}  // namespace parley
