#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>

namespace parley {

/// Why a listener refuses a dialer; the number is the one on the wire.
enum class refuse_reason : std::uint8_t {
  version = 1,
  not_allowed = 2,
  busy = 3,
  unknown_session = 4,
  expired = 5,
  ended = 6,
  stale_attempt = 7,
  position = 8,
  malformed = 9,
};

namespace detail {
/// The error for a refusal: its number on the wire beyond that of the last other error, which is
/// 41.
[[nodiscard]] constexpr int refused(refuse_reason r) noexcept { return 41 + static_cast<int>(r); }
}  // namespace detail

/// What can go wrong between two peers, besides what the system reports itself.
// NOLINTNEXTLINE(readability-enum-initial-value): a refusal has the number that it has on the wire
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
  // A listener's refusals, as the dialer sees them.
  refused_version = detail::refused(refuse_reason::version),
  refused_not_allowed = detail::refused(refuse_reason::not_allowed),
  refused_busy = detail::refused(refuse_reason::busy),
  refused_unknown_session = detail::refused(refuse_reason::unknown_session),
  refused_expired = detail::refused(refuse_reason::expired),
  refused_ended = detail::refused(refuse_reason::ended),
  refused_stale_attempt = detail::refused(refuse_reason::stale_attempt),
  refused_position = detail::refused(refuse_reason::position),
  refused_malformed = detail::refused(refuse_reason::malformed),
};

/// The error that a dialer sees when it is refused for `r`.
[[nodiscard]] constexpr errc to_errc(refuse_reason r) noexcept {
  return static_cast<errc>(detail::refused(r));
}

namespace detail {

/// Whether another connection can mend an error.
enum class remedy { another_connection, none };

struct error_facts {
  errc error;
  remedy cure;
  const char* text;  ///< one clause, lower case, without a full stop
};

/// All that is known of each error, in their order.
inline constexpr auto error_table = [] {
  constexpr auto passing = remedy::another_connection, final = remedy::none;
  return std::to_array<error_facts>({
      {errc::closed, passing, "goodbye has been said, nothing more can be sent"},
      {errc::disconnected, passing, "the connection ended without a goodbye"},
      {errc::peer_silent, passing, "the peer has fallen silent"},
      {errc::handshake_timeout, passing,
       "no greeting in time (is it a parley peer, and not --plain?)"},
      {errc::no_greeting, passing, "the peer hung up without a greeting (is one side --plain?)"},
      {errc::connect_timeout, passing, "no connection in time"},
      {errc::aborted, final, "the conversation was ended at once"},
      {errc::ended_by_peer, final, "the peer ended the conversation at once"},
      {errc::turned_away, final, "the peer has turned this side away"},
      {errc::superseded, passing, "the peer came back over a new connection"},
      {errc::not_back, passing, "the peer did not come back in time"},
      {errc::crowded_out, passing, "it had not greeted, and there were too many like it"},
      {errc::message_too_large, passing, "the message is larger than the peer takes"},
      {errc::bad_tag, passing, "no such tag can be sent here"},
      {errc::not_utf8, passing, "the text is not valid UTF-8"},
      {errc::embedded_newline, passing, "a line cannot hold a line feed"},
      {errc::not_parley, final, "the peer does not speak parley/1 (is one side --plain?)"},
      {errc::framed_peer, final, "the peer is not --plain, this side is"},
      {errc::empty_frame, passing, "the peer sent a frame of length zero"},
      {errc::frame_too_large, passing, "the peer sent a length over the limit"},
      {errc::malformed_frame, passing, "the peer sent a malformed frame"},
      {errc::unexpected_frame, passing, "the peer sent a frame that has no place here"},
      {errc::unknown_frame, passing, "the peer sent a frame of unknown type"},
      {errc::sequence_gap, passing, "the peer left out a message"},
      {errc::bad_ack, passing, "the peer acknowledged what was never sent"},
      {errc::window_exceeded, passing, "the peer sent more than the window allows"},
      {errc::after_goodbye, passing, "the peer sent a message after its goodbye"},
      {errc::frame_flood, passing, "the peer sent too many frames that say nothing"},
      {errc::line_too_long, passing, "the peer sent a line over the limit"},
      {errc::wrong_session, final, "the peer answered for another session"},
      {errc::not_tls, final, "the peer does not speak TLS (is it --plain?)"},
      {errc::tls_version, final, "the peer does not speak TLS 1.3"},
      {errc::wrong_protocol, final, "the peer speaks TLS, but not for parley/1"},
      {errc::no_certificate, final, "the peer did not show who it is"},
      {errc::many_certificates, final, "the peer showed more than one certificate"},
      {errc::bad_certificate, final, "the peer's certificate is not of parley's kind"},
      {errc::certificate_expired, final, "the peer's certificate is not valid now"},
      {errc::own_identity, final, "the peer shows this side's own identity"},
      {errc::wrong_identity, final, "the peer is not who it should be"},
      {errc::unknown_identity, final, "the peer is nobody who is known here"},
      {errc::tls_refused, final, "the peer does not accept this side's certificate"},
      {errc::refused_version, final, "refused: no common protocol version"},
      {errc::refused_not_allowed, final, "refused: not allowed"},
      {errc::refused_busy, passing, "refused: busy with another conversation"},
      {errc::refused_unknown_session, final, "refused: the peer does not know this session"},
      {errc::refused_expired, final, "refused: the session has expired"},
      {errc::refused_ended, final, "refused: the conversation has ended"},
      {errc::refused_stale_attempt, final, "refused: a newer attempt exists"},
      {errc::refused_position, final, "refused: the positions do not fit"},
      {errc::refused_malformed, final, "refused: the greeting was malformed"},
  });
}();

/// What is known of `e`; null if it is no error of parley's.
[[nodiscard]] constexpr const error_facts* facts_of(int e) noexcept {
  return e < 1 || e > static_cast<int>(error_table.size())
             ? nullptr
             : &error_table[static_cast<std::size_t>(e - 1)];
}

static_assert(static_cast<int>(errc::tls_refused) == refused(refuse_reason{}),
              "the refusals come right behind the last other error");
static_assert(std::ranges::all_of(error_table, [](const error_facts& f) {
  return facts_of(static_cast<int>(f.error)) == &f;
}));

}  // namespace detail

/// The text of `e`: one clause, lower case, without a full stop.
[[nodiscard]] constexpr const char* describe(errc e) noexcept {
  const auto* const facts = detail::facts_of(static_cast<int>(e));
  return facts != nullptr ? facts->text : "unknown error";
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
  const auto* const facts = detail::facts_of(ec.value());
  return facts != nullptr && facts->cure == detail::remedy::none;
}

}  // namespace parley

template <>
struct std::is_error_code_enum<parley::errc> : std::true_type {};
