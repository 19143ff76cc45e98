#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string_view>
#include <type_traits>

namespace parley::model {

// A state of the model is a plain value without padding, so that equal states are equal bytes.
// What can no longer matter is set back to zero: fewer states are then different.

/// A sequence number, a position, an attempt: all are small here.
using number = std::uint8_t;

inline constexpr std::size_t most_items = 5;        ///< numbered frames of one side, and one more
inline constexpr std::size_t most_connections = 4;  ///< in one run
inline constexpr std::size_t most_frames = 3;       ///< under way in one direction

enum class who : number { dialer, listener };

[[nodiscard]] constexpr who other(who w) { return w == who::dialer ? who::listener : who::dialer; }

/// What a program said, told apart from everything else that any program says in a run. The
/// goodbye is an item like the others, the last one.
struct item {
  number sequence;
  number life;  ///< the listener's: of the session, counted from 1; the dialer's: 0
};

enum class frame_kind : number { none, hello, welcome, refuse, message, ack };

enum class refusal : number { unknown_session, expired, ended, stale_attempt, position };

struct frame {
  frame_kind kind;
  item what;        ///< message; of a welcome only the life, which is not on the wire
  number mark;      ///< greeting: the attempt; refuse: the reason
  number next;      ///< greeting, refuse, ack
  number base;      ///< greeting
  number welcomed;  ///< hello: the attempt of the last welcome, 0 for none

  [[nodiscard]] static frame hello(number attempt, number welcomed, number next, number base) {
    return {frame_kind::hello, {}, attempt, next, base, welcomed};
  }
  [[nodiscard]] static frame welcome(number life, number attempt, number next, number base) {
    return {frame_kind::welcome, {0, life}, attempt, next, base, 0};
  }
  [[nodiscard]] static frame refuse(refusal reason, number next) {
    return {frame_kind::refuse, {}, static_cast<number>(reason), next, 0, 0};
  }
  [[nodiscard]] static frame message(item what) { return {frame_kind::message, what, 0, 0, 0, 0}; }
  [[nodiscard]] static frame ack(number next) { return {frame_kind::ack, {}, 0, next, 0, 0}; }
};

/// Frames under way in one direction, in order.
struct channel {
  std::array<frame, most_frames> frames;
  number size;

  [[nodiscard]] bool empty() const { return size == 0; }
  [[nodiscard]] const frame& front() const { return frames[0]; }
  void push(const frame& f) { frames[size++] = f; }
  frame pop() {
    const frame first = frames[0];
    for (std::size_t i = 1; i < most_frames; ++i) frames[i - 1] = frames[i];
    frames[most_frames - 1] = {};
    --size;
    return first;
  }
};

/// One side's half of the session: the two cursors.
///
///   outbox   ░░░░░░│▓▓▓▓▓▓▓▓│▒▒▒▒▒▒▒│      inbox   ░░░░░░░░│▓▓▓▓▓▓│████████│
///                 base   cursor    said               released taken    next
///
/// `cursor` is the first item that the peer certainly does not have: never given to a stream, or
/// not received as the peer's last greeting said.
struct side {
  number base;
  number cursor;
  number said;
  number next;
  number taken;                       ///< items that the program was handed
  number released;                    ///< items that it is done with: all of those, or but the last
  number told;                        ///< the position in the last ack on this connection
  bool awaits_first;                  ///< no message has come since the greetings
  std::array<item, most_items> held;  ///< [taken, next)
};

/// What the listener has to do with a connection.
enum class line : number {
  none,
  ringing,     ///< its hello has not been read
  carrying,    ///< the session is attached to it
  superseded,  ///< another has taken its place, and its clean-up is still to come
  dropped,     ///< the listener has left it
  finished     ///< the listener has closed it after everything was said and acknowledged
};

struct connection {
  channel to_listener;
  line listener;
};

enum class dialer_phase : number { idle, greeting, connected, ended_well, failed };

/// `ended_well` and `expired` are tombstones.
enum class session_phase : number { none, attached, away, ended_well, expired };

/// The rules of the design, and what a broken one is called.
enum class rule : number {
  kept,
  handed_out_in_order,
  handed_out_once,
  delivered_is_released,
  not_sent_is_not_handed_out,
  superseded_changes_nothing,
  newest_attempt_wins,
  first_is_next,
  positions_fit,
  can_end,
  can_end_well
};

struct state {
  std::array<side, 2> sides;

  // the dialer
  dialer_phase dialer;
  number dialled;   ///< connections so far; the last is the dialer's, unless it has left that too
  number partner;   ///< the life of the session that first welcomed it, counted from 1; 0: none
  number welcomed;  ///< the attempt of the last welcome

  // the listener
  session_phase session;
  number attached;  ///< the connection, where there is one
  number attempt;   ///< of the hello accepted last
  number life;      ///< sessions made so far
  number taken_before_restart;
  number released_before_restart;

  // what the environment has done that excuses a bad end
  bool restarted;
  bool expired;
  bool gave_up;

  bool orphaned;  ///< a session was made whose id nobody knows

  std::array<connection, most_connections> connections;
  channel to_dialer;  ///< of the connection dialled last; the dialer never looks at another

  rule broken;

  [[nodiscard]] side& at(who w) { return sides[static_cast<std::size_t>(w)]; }
  [[nodiscard]] const side& at(who w) const { return sides[static_cast<std::size_t>(w)]; }

  /// Whether the dialer has not left this connection.
  [[nodiscard]] bool dialer_on(std::size_t c) const {
    return c + 1U == dialled &&
           (dialer == dialer_phase::greeting || dialer == dialer_phase::connected);
  }
  [[nodiscard]] bool dialer_is_done() const {
    return dialer == dialer_phase::ended_well || dialer == dialer_phase::failed;
  }
  [[nodiscard]] bool excused() const { return restarted || expired || gave_up; }
};

static_assert(std::has_unique_object_representations_v<state>);

[[nodiscard]] inline std::size_t hash_of(const state& s) {
  std::array<char, sizeof s> bytes;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  std::memcpy(bytes.data(), &s, sizeof s);
  return std::hash<std::string_view>{}(std::string_view(bytes.data(), bytes.size()));
}

[[nodiscard]] inline bool same(const state& a, const state& b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

}  // namespace parley::model
