#pragma once

#include <array>
#include <cstddef>

#include "model/state.hpp"

namespace parley::model {

/// How a design departs from parley's; each departure is a mistake that somebody could make.
struct design {
  bool acks_on_arrival = false;        ///< an ack says what has come, not what was released
  bool never_supersedes = false;       ///< a connection that was replaced is still listened to
  bool numbers_implied = false;        ///< no numbers on the wire: each side counts
  bool drops_oldest = false;           ///< a full outbox makes room
  bool listener_chooses_id = false;    ///< the dialer knows the id once it has been welcomed
  bool recreates_silently = false;     ///< a session that nobody knows is begun anew
  bool accepts_stale = false;          ///< an older attempt is as good as a newer
  bool cleans_up_late = false;         ///< the end of a superseded connection detaches the session
  bool greeting_acknowledges = false;  ///< `next` of a greeting moves the base
  bool acks_once = false;              ///< an ack given on an earlier connection is not repeated
  bool cursor_stays = false;           ///< on resuming, writing goes on where it had stopped
  bool settles_early = false;          ///< its own goodbye need not be acknowledged
  bool settled_stays_away = false;     ///< a dialer that has learnt all does not dial again
  bool trusts_any_end = false;         ///< to such a dialer every end of stream is a good one
  bool hides_last_welcome = false;     ///< a hello says only whether there was any
};

/// How large a run is.
struct scenario {
  std::array<number, 2> messages{1, 1};  ///< of dialer and listener before the goodbye, at most 3
  number connections = 3;                ///< at most `most_connections`
  number outbox = 0;  ///< items that a program finds room for; 0: all are queued from the start
  bool listener_speaks = true;  ///< otherwise it does not even say goodbye, and nothing can end
  bool restart = true;
  bool expiry = true;
  bool giving_up = true;
  /// A hello that the old process never read is read by the new one. TCP alone cannot do that: the
  /// connection dies with the process. Something between the two that holds bytes back can.
  bool hello_outlives_restart = false;
  bool programs_only = false;  ///< only rules that show in what programs are handed and told
};

/// One atomic step. Steps of a side have it in `index`, steps on a connection that.
struct action {
  enum class kind : number {
    says,
    writes,
    acks,
    takes,
    dials,
    dialer_reads,
    dialer_leaves,
    dialer_finishes,
    gives_up,
    listener_reads,
    listener_leaves,
    expires,
    restarts
  };
  kind what;
  number index;
};

[[nodiscard]] inline number goodbye_of(const scenario& bounds, who w) {
  return bounds.messages[static_cast<std::size_t>(w)];
}

[[nodiscard]] inline number end_of(const scenario& bounds, who w) {
  return static_cast<number>(goodbye_of(bounds, w) + 1);
}

}  // namespace parley::model
