#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include <parley/big_endian.hpp>
#include <parley/error.hpp>
#include <parley/invitation.hpp>
#include <parley/message.hpp>
#include <parley/options.hpp>
#include <parley/utf8.hpp>

/// The wire format of parley/1 (DESIGN section 5): constants, encoding, decoding. No state, no I/O.
///
///      0          3      4                     4 + length
///      ├── length ┼ type ┼──── body ───────────┤     all numbers big-endian
///
/// `length` counts what follows the first four bytes, so the body alone.
namespace parley::frame {

enum class type : std::uint8_t {
  hello = 0x01,
  welcome = 0x02,
  refuse = 0x03,
  ack = 0x04,
  ping = 0x05,
  pong = 0x06,
  bye = 0x07,
  skippable = 0x40,  ///< 0x40 to 0x7f: later versions' extras, skipped when unknown
  message = 0x80,    ///< plus the tag
};

inline constexpr std::uint8_t protocol_version = 1;
inline constexpr std::string_view magic = "parley";
inline constexpr std::size_t header_size = 4;
inline constexpr std::size_t max_control_body = 512;  ///< anything but a message
inline constexpr std::size_t max_text = 128;          ///< a refusal's text
inline constexpr std::size_t hello_size = 90;         ///< body without the name
inline constexpr std::size_t welcome_size = 48;       ///< body without the name
inline constexpr std::size_t refuse_size = 9;         ///< body without the text
inline constexpr std::size_t number_size = 8;         ///< body of ack and bye
inline constexpr std::size_t ping_size = 16;          ///< body of ping and pong
inline constexpr std::uint64_t unknown_position = ~std::uint64_t{0};

using session_id = std::array<unsigned char, 16>;

// --- frames ----------------------------------------------------------------------------------

struct header {
  std::size_t length = 0;  ///< of the body
  std::uint8_t type = 0;

  [[nodiscard]] constexpr std::size_t size() const noexcept { return header_size + length; }
  [[nodiscard]] constexpr bool is(frame::type t) const noexcept {
    return type == static_cast<std::uint8_t>(t);
  }
  [[nodiscard]] constexpr bool is_message() const noexcept { return type >= 0x80; }
  [[nodiscard]] constexpr bool is_skippable() const noexcept { return type >= 0x40 && type < 0x80; }
  /// Only of a message: its tag.
  [[nodiscard]] constexpr tag_type tag() const noexcept {
    return static_cast<tag_type>(type & 0x7f);
  }
};

/// The header in front of `bytes`, which are at least `header_size` long.
[[nodiscard]] constexpr header read_header(std::string_view bytes) noexcept {
  const auto both = get<4>(bytes.data());
  return {static_cast<std::size_t>(both >> 8), static_cast<std::uint8_t>(both)};
}

/// Whether that is a message that may come.
[[nodiscard]] constexpr bool is_sound_message(const header& h, std::size_t max_message) noexcept {
  // One comparison each: what is less than the subtrahend becomes a huge number.
  return static_cast<std::uint8_t>(h.type - 0x80) < tag_count &&
         h.length - number_size <= max_message;
}

/// Why a frame with this header cannot come in a conversation, before any memory is taken for it.
[[nodiscard]] constexpr std::optional<errc> check(const header& h, std::size_t max_message) {
  if (h.is_skippable() && h.length <= max_control_body) return std::nullopt;
  if (h.length == 0) return errc::empty_frame;
  if (h.length > (h.is_message() ? number_size + max_message : max_control_body))
    return errc::frame_too_large;
  if (h.is_message()) {
    if (h.tag() >= tag_count) return errc::unknown_frame;
    return h.length < number_size ? std::optional(errc::malformed_frame) : std::nullopt;
  }
  if (h.type == 0 || h.type > static_cast<std::uint8_t>(type::bye)) return errc::unknown_frame;
  if (h.is(type::refuse)) {
    const bool sized = h.length >= refuse_size && h.length <= refuse_size + max_text;
    return sized ? std::nullopt : std::optional(errc::malformed_frame);
  }
  if (h.type < static_cast<std::uint8_t>(type::ack)) return errc::unexpected_frame;
  const bool probe = h.is(type::ping) || h.is(type::pong);
  return h.length != (probe ? ping_size : number_size) ? std::optional(errc::malformed_frame)
                                                       : std::nullopt;
}

/// The same for the answer to a hello, which is a welcome or a refusal.
[[nodiscard]] constexpr std::optional<errc> check_answer(const header& h) {
  if (h.length == 0) return errc::empty_frame;
  if (!h.is(type::welcome) && !h.is(type::refuse))
    return h.length > max_control_body ? errc::not_parley : errc::unexpected_frame;
  return h.length > max_control_body ? std::optional(errc::frame_too_large) : std::nullopt;
}

constexpr void put_header(char* to, std::size_t length, std::uint8_t type) noexcept {
  put<4>(to, length << 8 | type);
}

/// Writes a message frame to `to`, which has room for `message_overhead + body.size()` bytes.
inline void put_message(char* to, std::uint64_t sequence, tag_type tag,
                        std::string_view body) noexcept {
  put_header(to, number_size + body.size(), static_cast<std::uint8_t>(0x80 + tag));
  put<8>(to + header_size, sequence);
  if (!body.empty()) std::memcpy(to + message_overhead, body.data(), body.size());
}

/// Writes an ack or a bye: `header_size + number_size` bytes.
constexpr void put_number(char* to, type t, std::uint64_t number) noexcept {
  put_header(to, number_size, static_cast<std::uint8_t>(t));
  put<8>(to + header_size, number);
}

/// Writes a ping or a pong: `header_size + ping_size` bytes.
constexpr void put_ping(char* to, type t, std::uint64_t token, std::uint64_t next) noexcept {
  put_header(to, ping_size, static_cast<std::uint8_t>(t));
  put<8>(to + header_size, token);
  put<8>(to + header_size + 8, next);
}

// --- greetings -------------------------------------------------------------------------------

/// What both greetings say: who, where in the conversation, and within which limits.
struct greeting {
  session_id session{};
  std::uint32_t attempt = 0;      ///< of the dialer; the answer repeats it
  std::uint64_t next = 0;         ///< first sequence number not yet received
  std::uint64_t base = 0;         ///< oldest sequence number still held
  std::uint32_t window = 0;       ///< bytes
  std::uint32_t max_message = 0;  ///< bytes
  std::uint16_t heartbeat_ms = 0;
  std::string_view name;  ///< points into the frame that was decoded
};

struct hello : greeting {
  std::uint8_t version_min = protocol_version;
  std::uint8_t version_max = protocol_version;
  std::uint32_t welcomed = 0;  ///< the last attempt whose welcome was read; 0: a new session
  invitation_proof proof{};    ///< all zero: the dialer comes without an invitation
};

struct welcome : greeting {
  std::uint8_t chosen = protocol_version;
};

/// Why a listener sends a caller away; the order is that of `errc::refused_…`.
enum class refuse_reason : std::uint8_t {
  version = 1,
  not_allowed,
  busy,
  unknown_session,
  expired,
  ended,
  stale_attempt,
  position,
  malformed
};

struct refusal {
  refuse_reason reason = refuse_reason::malformed;
  std::uint64_t next = unknown_position;  ///< the listener's position, where it is known
  std::string_view text{};                ///< points into the frame that was decoded
};

[[nodiscard]] constexpr errc to_errc(refuse_reason r) noexcept {
  return static_cast<errc>(static_cast<int>(errc::refused_version) + static_cast<int>(r) - 1);
}

namespace detail {

constexpr char* put_greeting(char* to, const greeting& g) noexcept {
  for (const unsigned char byte : g.session) *to++ = static_cast<char>(byte);
  put<4>(to, g.attempt);
  put<8>(to + 4, g.next);
  put<8>(to + 12, g.base);
  put<4>(to + 20, g.window);
  put<4>(to + 24, g.max_message);
  put<2>(to + 28, g.heartbeat_ms);
  to += 30;
  for (const char c : g.name)
    *to++ = c;  // GCC 14 warns of std::copy where it knows the name is empty
  return to;
}

/// `from` holds at least the fixed part, `name_size` bytes of name follow it.
constexpr void get_greeting(const char* from, std::size_t name_size, greeting& g) noexcept {
  for (unsigned char& byte : g.session) byte = static_cast<unsigned char>(*from++);
  g.attempt = static_cast<std::uint32_t>(get<4>(from));
  g.next = get<8>(from + 4);
  g.base = get<8>(from + 12);
  g.window = static_cast<std::uint32_t>(get<4>(from + 20));
  g.max_message = static_cast<std::uint32_t>(get<4>(from + 24));
  g.heartbeat_ms = static_cast<std::uint16_t>(get<2>(from + 28));
  g.name = {from + 30, name_size};
}

/// A limit that no message fits, or a name that is none, makes a greeting malformed.
[[nodiscard]] constexpr bool plausible(const greeting& g) noexcept {
  return g.max_message > 0 && g.max_message <= largest_message &&
         g.window >= g.max_message + message_overhead && g.heartbeat_ms >= 10 && is_utf8(g.name);
}

}  // namespace detail

[[nodiscard]] inline std::string encode(const hello& h) {
  std::string out(header_size + hello_size + h.name.size(), '\0');
  put_header(out.data(), out.size() - header_size, static_cast<std::uint8_t>(type::hello));
  char* to = std::copy(magic.begin(), magic.end(), out.data() + header_size);
  *to++ = static_cast<char>(h.version_min);
  *to++ = static_cast<char>(h.version_max);
  put<4>(to, h.welcomed);
  to = std::copy(h.proof.begin(), h.proof.end(), to + 4);
  detail::put_greeting(to, h);
  return out;
}

[[nodiscard]] inline std::string encode(const welcome& w) {
  std::string out(header_size + welcome_size + w.name.size(), '\0');
  put_header(out.data(), out.size() - header_size, static_cast<std::uint8_t>(type::welcome));
  out[header_size] = static_cast<char>(w.chosen);
  detail::put_greeting(out.data() + header_size + 2, w);
  return out;
}

/// A text over `max_text` is cut there.
[[nodiscard]] inline std::string encode(const refusal& r) {
  const auto text = r.text.substr(0, max_text);
  std::string out(header_size + refuse_size + text.size(), '\0');
  put_header(out.data(), out.size() - header_size, static_cast<std::uint8_t>(type::refuse));
  out[header_size] = static_cast<char>(r.reason);
  put<8>(out.data() + header_size + 1, r.next);
  std::copy(text.begin(), text.end(), out.data() + header_size + refuse_size);
  return out;
}

/// Decodes a hello's body. Errors: `not_parley` (the magic), `malformed_frame`. A version that this
/// side does not speak is no error here: the versions are set and the listener refuses.
[[nodiscard]] constexpr std::optional<errc> decode(std::string_view body, hello& h) noexcept {
  if (body.substr(0, magic.size()) != magic) return errc::not_parley;
  if (body.size() < magic.size() + 2) return errc::malformed_frame;
  h.version_min = static_cast<std::uint8_t>(static_cast<unsigned char>(body[6]));
  h.version_max = static_cast<std::uint8_t>(static_cast<unsigned char>(body[7]));
  if (h.version_min > h.version_max) return errc::malformed_frame;
  if (h.version_min > protocol_version || h.version_max < protocol_version) return std::nullopt;
  if (body.size() < hello_size || body.size() > hello_size + max_name) return errc::malformed_frame;
  h.welcomed = static_cast<std::uint32_t>(get<4>(body.data() + 8));
  for (std::size_t i = 0; i < h.proof.size(); ++i)
    h.proof[i] = static_cast<unsigned char>(body[12 + i]);
  detail::get_greeting(body.data() + 12 + h.proof.size(), body.size() - hello_size, h);
  if (!detail::plausible(h)) return errc::malformed_frame;
  return std::nullopt;
}

/// Decodes a welcome's body. Errors: `malformed_frame`.
[[nodiscard]] constexpr std::optional<errc> decode(std::string_view body, welcome& w) noexcept {
  if (body.size() < welcome_size || body.size() > welcome_size + max_name)
    return errc::malformed_frame;
  w.chosen = static_cast<std::uint8_t>(static_cast<unsigned char>(body[0]));
  detail::get_greeting(body.data() + 2, body.size() - welcome_size, w);
  if (w.chosen != protocol_version || !detail::plausible(w)) return errc::malformed_frame;
  return std::nullopt;
}

/// Decodes a refusal's body. Errors: `malformed_frame`.
[[nodiscard]] constexpr std::optional<errc> decode(std::string_view body, refusal& r) noexcept {
  if (body.size() < refuse_size || body.size() > refuse_size + max_text)
    return errc::malformed_frame;
  const auto reason = static_cast<unsigned char>(body[0]);
  if (reason < 1 || reason > static_cast<unsigned char>(refuse_reason::malformed))
    return errc::malformed_frame;
  r.reason = static_cast<refuse_reason>(reason);
  r.next = get<8>(body.data() + 1);
  r.text = body.substr(refuse_size);
  return std::nullopt;
}

}  // namespace parley::frame
