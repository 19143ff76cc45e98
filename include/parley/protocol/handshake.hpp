#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <parley/error.hpp>
#include <parley/message.hpp>
#include <parley/options.hpp>
#include <parley/protocol/greeting.hpp>

namespace parley::protocol {

/// How far this side of a conversation has come; what a greeting tells the peer.
struct positions {
  std::uint64_t next = 0;    ///< first sequence number not yet received
  std::uint64_t base = 0;    ///< oldest of ours still held
  std::uint64_t unsent = 0;  ///< first of ours that the peer certainly has not
};

/// The greetings of one session, and what the two sides know of each other from them.
///
///   dialer                                               listener
///   dial() ──────── hello (attempt, positions) ────────▶ check(), take_hello()
///   take_welcome() ◀── welcome (attempt, positions) ──── welcome()
///   take_refusal() ◀── refuse (reason) ─────────────────
///
/// Each side checks the other's positions against its own; a refusal changes nothing.
/// Not safe for sharing between threads.
class handshake {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  handshake(const options& o, const frame::session_id& id)
      : id_(id),
        name_(keep(o.name)),  // NOLINT(clang-analyzer-cplusplus.NewDeleteLeaks): goes with this
        window_(static_cast<std::uint32_t>(o.window)),
        max_message_(static_cast<std::uint32_t>(o.max_message)),
        heartbeat_(o.heartbeat),
        timeout_(o.handshake_timeout) {}

  /// As the dialer: the hello of the next attempt; the answer is due in `handshake_timeout`.
  [[nodiscard]] std::string dial(const positions& here, time_point now,
                                 const frame::invitation_proof& proof = {}) {
    ++attempt_;
    due_ = now + timeout_;
    frame::hello h;
    introduce(h, here);
    h.welcomed = welcomed_;
    h.proof = proof;
    return frame::encode(h);
  }

  /// As the listener: why a hello for this session is to be refused, which changes nothing.
  [[nodiscard]] std::optional<refuse_reason> check(const frame::hello& h,
                                                   const positions& here) const noexcept {
    if (h.attempt <= attempt_) return refuse_reason::stale_attempt;
    // Another process welcomed it: this one was made by an older hello that came late.
    if (h.welcomed > attempt_) return refuse_reason::unknown_session;
    if (!fit(h, here)) return refuse_reason::position;
    if (!same_limits(h)) return refuse_reason::malformed;
    return std::nullopt;
  }

  /// As the listener: takes a hello that was checked. After that `welcome` is owed.
  void take_hello(const frame::hello& h) {
    listens_ = true;
    attempt_ = h.attempt;
    adopt(h);
  }

  /// As the listener: the answer to the hello that was taken.
  [[nodiscard]] std::string welcome(const positions& here) const {
    frame::welcome w;
    introduce(w, here);
    return frame::encode(w);
  }

  /// As the dialer: takes the body of a welcome. Errors: `malformed_frame`, `wrong_session`.
  [[nodiscard]] std::optional<errc> take_welcome(std::string_view body, const positions& here) {
    frame::welcome w;
    if (const auto bad = frame::decode(body, w)) return bad;
    if (w.session != id_ || w.attempt != attempt_ || !fit(w, here) || !same_limits(w))
      return errc::wrong_session;
    welcomed_ = attempt_;
    adopt(w);
    return std::nullopt;
  }

  /// Takes a refusal; returns it as an error.
  [[nodiscard]] errc take_refusal(const frame::refusal& r) {
    refusal_ = keep(r.text);
    return to_errc(r.reason);
  }

  /// As the dialer: when the answer must have come.
  [[nodiscard]] time_point due() const noexcept { return due_; }

  /// The connection has ended.
  void hang_up() noexcept { done_ = false; }

  /// Whether the greetings of this connection have been exchanged.
  [[nodiscard]] bool done() const noexcept { return done_; }

  /// The first sequence number that the peer had not received when it greeted.
  [[nodiscard]] std::uint64_t peer_next() const noexcept { return peer_next_; }

  /// Whether this side is the listener.
  [[nodiscard]] bool listens() const noexcept { return listens_; }

  [[nodiscard]] const frame::session_id& id() const noexcept { return id_; }
  [[nodiscard]] std::uint32_t attempt() const noexcept { return attempt_; }
  [[nodiscard]] std::string_view peer_name() const noexcept { return text_of(peer_name_); }
  [[nodiscard]] std::string_view refusal() const noexcept { return text_of(refusal_); }

  /// Bytes that the peer takes unreleased; 0 before it has said so.
  [[nodiscard]] std::uint32_t peer_window() const noexcept { return peer_window_; }
  /// The longest body, in bytes, that this side takes.
  [[nodiscard]] std::uint32_t max_incoming() const noexcept { return max_message_; }
  /// The longest body, in bytes, that both sides take.
  [[nodiscard]] std::uint32_t max_outgoing() const noexcept { return max_outgoing_; }
  /// The smaller of both sides' intervals, so that both notice a dead link as soon.
  [[nodiscard]] std::chrono::milliseconds heartbeat() const noexcept {
    return std::min(heartbeat_, peer_heartbeat_);
  }

 private:
  /// Most conversations have none, and there may be many of them.
  using rare_text = std::unique_ptr<const std::string>;

  static rare_text keep(std::string_view text) {
    return text.empty() ? nullptr : std::make_unique<const std::string>(text);
  }
  static std::string_view text_of(const rare_text& t) noexcept {
    return t ? std::string_view(*t) : std::string_view();
  }

  void introduce(frame::greeting& g, const positions& here) const noexcept {
    g.session = id_;
    g.attempt = attempt_;
    g.next = here.next;
    g.base = here.base;
    g.window = window_;
    g.max_message = max_message_;
    g.heartbeat_ms = static_cast<std::uint16_t>(heartbeat_.count());
    g.name = text_of(name_);
  }

  /// Whether the peer's positions can be: it has what we no longer hold, and holds what we lack.
  [[nodiscard]] static bool fit(const frame::greeting& g, const positions& here) noexcept {
    return g.next >= here.base && g.next <= here.unsent && g.base <= here.next;
  }

  /// What a peer takes it takes all through the conversation: what is queued was measured by that.
  [[nodiscard]] bool same_limits(const frame::greeting& g) const noexcept {
    return !ever_ ||
           (g.window == peer_window_ && std::min(max_message_, g.max_message) == max_outgoing_);
  }

  void adopt(const frame::greeting& g) {
    peer_next_ = g.next;
    peer_window_ = g.window;
    max_outgoing_ = std::min(max_message_, g.max_message);
    peer_heartbeat_ = std::chrono::milliseconds(g.heartbeat_ms);
    peer_name_ = keep(g.name);
    done_ = ever_ = true;
  }

  // this side
  frame::session_id id_;
  rare_text name_;
  std::uint32_t window_;
  std::uint32_t max_message_;
  std::chrono::milliseconds heartbeat_;
  std::chrono::milliseconds timeout_;

  // the peer, as its greeting said
  rare_text peer_name_;
  rare_text refusal_;
  std::uint64_t peer_next_ = 0;
  std::uint32_t peer_window_ = 0;
  std::uint32_t max_outgoing_ = max_message_;
  std::chrono::milliseconds peer_heartbeat_{0};

  std::uint32_t attempt_ = 0;
  std::uint32_t welcomed_ = 0;  ///< as the dialer: the last attempt that was
  time_point due_{};
  bool listens_ = false;
  bool done_ = false;  ///< on this connection
  bool ever_ = false;  ///< on any connection of this session
};

}  // namespace parley::protocol
