#pragma once

#include <string>
#include <system_error>

namespace parley {

/// What can go wrong between two peers, besides what the system reports itself.
enum class errc {
  // The conversation.
  closed = 1,         ///< nothing can be sent: this side has said goodbye
  disconnected,       ///< the connection ended without a goodbye
  peer_silent,        ///< nothing heard for 2.5 heartbeats
  handshake_timeout,  ///< no welcome, or no hello, in time
  no_greeting,        ///< the peer hung up before it had greeted
  connect_timeout,    ///< no connection in time
  aborted,            ///< this side ended the conversation at once
  ended_by_peer,      ///< the peer ended the conversation at once
  turned_away,        ///< a listener of plain lines does not want this side; its line says why
  superseded,         ///< the peer came back over a new connection before this one had ended
  not_back,           ///< the peer did not come back within `resume_for`
  crowded_out,        ///< a caller made room for others, for it had not greeted yet
  // What a program asks for.
  message_too_large,  ///< longer than this side's or the peer's `max_message`
  bad_tag,            ///< 0 to 63 are the program's; a plain line has no tag but 0
  not_utf8,           ///< a line is not valid UTF-8 (RFC 3629)
  embedded_newline,   ///< a line cannot hold a line feed
  // What a peer did wrong: each ends its connection.
  not_parley,        ///< the first bytes are no parley greeting
  framed_peer,       ///< a framed greeting, or TLS, arrived where plain lines are spoken
  empty_frame,       ///< a length of zero where the frame has a body
  frame_too_large,   ///< a length over the limit of its phase
  malformed_frame,   ///< a body whose size or content does not fit its type
  unexpected_frame,  ///< a frame that has no place in this phase
  unknown_frame,     ///< a type that is neither known nor skippable
  sequence_gap,      ///< a sequence number beyond the next one
  bad_ack,           ///< acknowledges what was never sent, or takes an ack back
  window_exceeded,   ///< more unreleased bytes than this side's window
  after_goodbye,     ///< a message after the goodbye
  frame_flood,       ///< control frames without end that bring nothing
  line_too_long,     ///< a line longer than `max_message`
  wrong_session,     ///< a welcome that is not the answer to this hello
  // TLS: each ends the connection before anything is said.
  not_tls,              ///< what came is no TLS
  tls_version,          ///< no TLS 1.3
  wrong_protocol,       ///< TLS, but not for `parley/1` (ALPN, RFC 7301)
  no_certificate,       ///< the peer has not shown who it is
  many_certificates,    ///< exactly one is taken
  bad_certificate,      ///< not one with an Ed25519 key, or not a sound one
  certificate_expired,  ///< or not valid yet
  own_identity,         ///< the peer shows this side's own identity
  wrong_identity,       ///< the peer is not who it should be
  unknown_identity,     ///< the peer is nobody who is known
  tls_refused,          ///< the peer does not accept this side's certificate
  // A listener's refusals, as the dialer sees them (`refuse_reason`, same order).
  refused_version,
  refused_not_allowed,
  refused_busy,
  refused_unknown_session,
  refused_expired,
  refused_ended,
  refused_stale_attempt,
  refused_position,
  refused_malformed,
};

/// The text of `e`: one clause, lower case, without a full stop.
[[nodiscard]] inline const char* describe(errc e) noexcept {
  switch (e) {
    case errc::closed: return "goodbye has been said, nothing more can be sent";
    case errc::disconnected: return "the connection ended without a goodbye";
    case errc::peer_silent: return "the peer has fallen silent";
    case errc::handshake_timeout:
      return "no greeting in time (is it a parley peer, and not --plain?)";
    case errc::no_greeting: return "the peer hung up without a greeting (is one side --plain?)";
    case errc::connect_timeout: return "no connection in time";
    case errc::aborted: return "the conversation was ended at once";
    case errc::ended_by_peer: return "the peer ended the conversation at once";
    case errc::turned_away: return "the peer has turned this side away";
    case errc::superseded: return "the peer came back over a new connection";
    case errc::not_back: return "the peer did not come back in time";
    case errc::crowded_out: return "it had not greeted, and there were too many like it";
    case errc::message_too_large: return "the message is larger than the peer takes";
    case errc::bad_tag: return "no such tag can be sent here";
    case errc::not_utf8: return "the text is not valid UTF-8";
    case errc::embedded_newline: return "a line cannot hold a line feed";
    case errc::not_parley: return "the peer does not speak parley/1 (is one side --plain?)";
    case errc::framed_peer: return "the peer is not --plain, this side is";
    case errc::empty_frame: return "the peer sent a frame of length zero";
    case errc::frame_too_large: return "the peer sent a length over the limit";
    case errc::malformed_frame: return "the peer sent a malformed frame";
    case errc::unexpected_frame: return "the peer sent a frame that has no place here";
    case errc::unknown_frame: return "the peer sent a frame of unknown type";
    case errc::sequence_gap: return "the peer left out a message";
    case errc::bad_ack: return "the peer acknowledged what was never sent";
    case errc::window_exceeded: return "the peer sent more than the window allows";
    case errc::after_goodbye: return "the peer sent a message after its goodbye";
    case errc::frame_flood: return "the peer sent too many frames that say nothing";
    case errc::line_too_long: return "the peer sent a line over the limit";
    case errc::wrong_session: return "the peer answered for another session";
    case errc::not_tls: return "the peer does not speak TLS (is it --plain?)";
    case errc::tls_version: return "the peer does not speak TLS 1.3";
    case errc::wrong_protocol: return "the peer speaks TLS, but not for parley/1";
    case errc::no_certificate: return "the peer did not show who it is";
    case errc::many_certificates: return "the peer showed more than one certificate";
    case errc::bad_certificate: return "the peer's certificate is not of parley's kind";
    case errc::certificate_expired: return "the peer's certificate is not valid now";
    case errc::own_identity: return "the peer shows this side's own identity";
    case errc::wrong_identity: return "the peer is not who it should be";
    case errc::unknown_identity: return "the peer is nobody who is known here";
    case errc::tls_refused: return "the peer does not accept this side's certificate";
    case errc::refused_version: return "refused: no common protocol version";
    case errc::refused_not_allowed: return "refused: not allowed";
    case errc::refused_busy: return "refused: busy with another conversation";
    case errc::refused_unknown_session: return "refused: the peer does not know this session";
    case errc::refused_expired: return "refused: the session has expired";
    case errc::refused_ended: return "refused: the conversation has ended";
    case errc::refused_stale_attempt: return "refused: a newer attempt exists";
    case errc::refused_position: return "refused: the positions do not fit";
    case errc::refused_malformed: return "refused: the greeting was malformed";
  }
  return "unknown error";
}

/// The category of `errc`; one object for the whole program.
[[nodiscard]] inline const std::error_category& error_category() noexcept {
  struct category final : std::error_category {
    [[nodiscard]] const char* name() const noexcept override { return "parley"; }
    [[nodiscard]] std::string message(int value) const override {
      return describe(static_cast<errc>(value));
    }
  };
  static const category instance;
  return instance;
}

[[nodiscard]] inline std::error_code make_error_code(errc e) noexcept {
  return {static_cast<int>(e), error_category()};
}

/// Whether no further connection can mend this: the peer, or this side, wants the conversation no
/// more, or does not know it. Everything else passes, as far as anybody can tell.
[[nodiscard]] inline bool is_final(std::error_code ec) noexcept {
  if (ec.category() != error_category()) return false;
  switch (static_cast<errc>(ec.value())) {
    case errc::aborted:
    case errc::ended_by_peer:
    case errc::turned_away:
    case errc::not_parley:
    case errc::framed_peer:
    case errc::wrong_session:
    case errc::not_tls:
    case errc::tls_version:
    case errc::wrong_protocol:
    case errc::no_certificate:
    case errc::many_certificates:
    case errc::bad_certificate:
    case errc::certificate_expired:
    case errc::own_identity:
    case errc::wrong_identity:
    case errc::unknown_identity:
    case errc::tls_refused:
    case errc::refused_version:
    case errc::refused_not_allowed:
    case errc::refused_unknown_session:
    case errc::refused_expired:
    case errc::refused_ended:
    case errc::refused_stale_attempt:
    case errc::refused_position:
    case errc::refused_malformed: return true;
    default: return false;
  }
}

}  // namespace parley

template <>
struct std::is_error_code_enum<parley::errc> : std::true_type {};
