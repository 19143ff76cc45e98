#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>

#include <parley/error.hpp>
#include <parley/protocol/frame.hpp>
#include <parley/stats.hpp>

namespace parley::protocol {

/// Whether the peer is there: pings after one interval of silence, gives up after two and a half.
///
/// Any byte from the peer counts as life. Who has said nothing for an interval pings as well: a
/// peer that is busy with one long message hears that way that it gets through. Ping and pong are
/// flags that are owed, never queued frames, so a flood of pings grows nothing (CVE-2019-9512). Not
/// safe for sharing between threads.
class heartbeat {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  using duration = std::chrono::steady_clock::duration;

  /// A connection begins.
  void begin(duration interval, time_point now) noexcept {
    *this = heartbeat();
    interval_ = interval;
    last_heard_ = last_said_ = now;
  }

  /// Bytes have come from the peer.
  void heard(time_point now) noexcept {
    last_heard_ = now;
    probed_ = false;
  }

  /// Bytes have gone to the peer.
  void said(time_point now) noexcept { last_said_ = now; }

  /// When `tick` has something to do: a ping, or the verdict.
  [[nodiscard]] time_point due() const noexcept {
    return ping_owed_ ? patience_ends() : std::min(patience_ends(), last_said_ + interval_);
  }

  /// Errors: `peer_silent`.
  [[nodiscard]] std::error_code tick(time_point now) noexcept {
    if (now - last_said_ >= interval_) ping_owed_ = true;
    if (now < patience_ends()) return {};
    // Called so late, this process has slept itself (SIGSTOP, a closed lid): what the peer sent
    // meanwhile may be unread. It is asked once more before it is given up.
    const bool overslept = now - patience_ends() > interval_;
    if (overslept) last_heard_ = now - interval_;
    if (now - last_heard_ >= interval_ * 5 / 2) return errc::peer_silent;
    probed_ = ping_owed_ = true;
    return {};
  }

  /// A ping is owed to the peer, besides those that silence asks for: now, or once the one under
  /// way is answered. However often a program asks, it never has two under way, so that the peer
  /// cannot take it for a flood (see token_bucket).
  void ask() noexcept { (ping_out_ ? asked_ : ping_owed_) = true; }

  /// The same, if none is on its way already.
  void ask_once() noexcept { ping_owed_ = ping_owed_ || !ping_out_; }

  /// A ping or a pong has come. False: it brings nothing, see `token_bucket`; or it is neither.
  bool hear(const frame::header& h, std::uint64_t token, time_point now, tally& s) noexcept {
    if (h.is(frame::type::ping)) return ping(token);
    return h.is(frame::type::pong) && pong(token, now, s);
  }

  /// The peer has sent a ping: the latest token is owed back. False: an answer was owed already.
  bool ping(std::uint64_t token) noexcept {
    pong_token_ = token;
    return !std::exchange(pong_owed_, true);
  }

  /// The peer has answered. False: not the ping under way; an answer to an older one says nothing.
  bool pong(std::uint64_t token, time_point now, tally& s) noexcept {
    if (token != token_ || !ping_out_) return false;
    ping_out_ = false;
    ping_owed_ |= std::exchange(asked_, false);
    s.add_round_trip(now - ping_sent_);
    return true;
  }

  [[nodiscard]] bool owes() const noexcept { return ping_owed_ || pong_owed_; }

  /// Appends what is owed to `out`; both carry the acknowledgement `next`.
  void encode(std::string& out, std::uint64_t next, time_point now) {
    if (pong_owed_) append(out, frame::type::pong, pong_token_, next);
    if (ping_owed_) {
      append(out, frame::type::ping, ++token_, next);
      ping_sent_ = now;
      ping_out_ = true;
    }
    ping_owed_ = pong_owed_ = false;
  }

 private:
  /// Until when nothing need be heard before something is done about it.
  [[nodiscard]] time_point patience_ends() const noexcept {
    return last_heard_ + (probed_ ? interval_ * 5 / 2 : interval_);
  }

  static void append(std::string& out, frame::type t, std::uint64_t token, std::uint64_t next) {
    const auto at = out.size();
    out.resize(at + frame::ping_frame_size);
    frame::put_ping(out.data() + at, t, token, next);
  }

  duration interval_{};
  time_point last_heard_{};
  time_point last_said_{};
  time_point ping_sent_{};
  std::uint64_t token_ = 0;  ///< of the last ping sent
  std::uint64_t pong_token_ = 0;
  bool probed_ = false;    ///< a ping was asked for in this silence
  bool ping_out_ = false;  ///< a ping has no answer yet
  bool asked_ = false;     ///< and another one is wanted then
  bool ping_owed_ = false, pong_owed_ = false;
};

}  // namespace parley::protocol
