#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

#include <parley/identity.hpp>

namespace parley {

/// What a peer tells its program about the connection, in order, on the peer's executor.
struct event {
  enum class kind {
    connecting,   ///< a dialer's attempt begins
    connected,    ///< the conversation can begin; `detail` is the peer's name
    rejected,     ///< input from the peer was refused, the conversation goes on
    turned_away,  ///< a listener sent a caller away; `detail` says who
    lost,         ///< the connection broke; the conversation waits for the next, see `delay`
    failed,       ///< a dialer's attempt came to nothing; the next one begins after `delay`
    resumed,      ///< a new connection carries the conversation on; see `again`
    ended,        ///< the conversation is over; no `reason`: both have said goodbye
  };
  kind what;
  std::error_code reason{};   ///< why; empty where nothing went wrong
  std::string_view detail{};  ///< bytes from outside, not made printable; valid during the call
  std::uint32_t attempt = 0;  ///< counts the attempts to connect of one conversation, from 1
  std::chrono::milliseconds delay{0};  ///< to a dialer's next attempt; a listener waits so long
  std::uint64_t again = 0;             ///< messages of this side that are sent again
  std::optional<identity> who{};       ///< whom a listener sent away, if it was shown
};

}  // namespace parley
