#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <parley/error.hpp>
#include <parley/options.hpp>
#include <parley/protocol/big_endian.hpp>
#include <parley/protocol/frame.hpp>
#include <parley/utf8.hpp>

// The greetings of parley/1 (docs/wire.md): hello, welcome and refusal. No state, no I/O.
namespace parley::protocol::frame {

inline constexpr std::uint8_t protocol_version = 1;
inline constexpr std::string_view magic = "parley";
inline constexpr std::size_t hello_size = 90;    ///< body without the name
inline constexpr std::size_t welcome_size = 48;  ///< body without the name
inline constexpr std::uint64_t unknown_position = ~std::uint64_t{0};

using session_id = std::array<unsigned char, 16>;

/// That the dialer knows the secret of an invitation: an HMAC over what only this connection has.
/// All zero: nothing is claimed.
using invitation_proof = std::array<unsigned char, 32>;

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

struct refusal {
  refuse_reason reason = refuse_reason::malformed;
  std::uint64_t next = unknown_position;  ///< the listener's position, where it is known
  std::string_view text{};                ///< points into the frame that was decoded
};

namespace greetings {

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

}  // namespace greetings

/// Why a frame with this header cannot be a hello, the first frame that a listener reads.
[[nodiscard]] constexpr std::optional<errc> check_hello(const header& h) {
  if (!h.is(type::hello)) {
    // Any other frame of parley's comes too early; anything else is not parley at all.
    const bool early = h.is_known() && h.length <= max_control_body;
    return early ? errc::unexpected_frame : errc::not_parley;
  }
  if (h.length == 0) return errc::empty_frame;
  return h.length > max_control_body ? std::optional(errc::frame_too_large) : std::nullopt;
}

/// Why a frame with this header cannot be the answer to a hello, which is a welcome or a refusal.
[[nodiscard]] constexpr std::optional<errc> check_answer(const header& h) {
  if (h.length == 0) return errc::empty_frame;
  if (!h.is(type::welcome) && !h.is(type::refuse))
    return h.length > max_control_body ? errc::not_parley : errc::unexpected_frame;
  return h.length > max_control_body ? std::optional(errc::frame_too_large) : std::nullopt;
}

[[nodiscard]] inline std::string encode(const hello& h) {
  std::string out(header_size + hello_size + h.name.size(), '\0');
  put_header(out.data(), out.size() - header_size, static_cast<std::uint8_t>(type::hello));
  char* to = std::copy(magic.begin(), magic.end(), out.data() + header_size);
  *to++ = static_cast<char>(h.version_min);
  *to++ = static_cast<char>(h.version_max);
  put<4>(to, h.welcomed);
  to = std::copy(h.proof.begin(), h.proof.end(), to + 4);
  greetings::put_greeting(to, h);
  return out;
}

[[nodiscard]] inline std::string encode(const welcome& w) {
  std::string out(header_size + welcome_size + w.name.size(), '\0');
  put_header(out.data(), out.size() - header_size, static_cast<std::uint8_t>(type::welcome));
  out[header_size] = static_cast<char>(w.chosen);
  greetings::put_greeting(out.data() + header_size + 2, w);
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
  greetings::get_greeting(body.data() + 12 + h.proof.size(), body.size() - hello_size, h);
  if (!greetings::plausible(h)) return errc::malformed_frame;
  return std::nullopt;
}

/// Decodes a welcome's body. Errors: `malformed_frame`.
[[nodiscard]] constexpr std::optional<errc> decode(std::string_view body, welcome& w) noexcept {
  if (body.size() < welcome_size || body.size() > welcome_size + max_name)
    return errc::malformed_frame;
  w.chosen = static_cast<std::uint8_t>(static_cast<unsigned char>(body[0]));
  greetings::get_greeting(body.data() + 2, body.size() - welcome_size, w);
  if (w.chosen != protocol_version || !greetings::plausible(w)) return errc::malformed_frame;
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

}  // namespace parley::protocol::frame
