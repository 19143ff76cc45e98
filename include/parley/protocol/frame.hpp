#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include <parley/error.hpp>
#include <parley/message.hpp>
#include <parley/options.hpp>
#include <parley/protocol/big_endian.hpp>

/// The wire format of parley/1 (docs/wire.md): constants, encoding, decoding. No state, no I/O.
///
///      0          3      4                     4 + length
///      ├── length ┼ type ┼──── body ───────────┤     all numbers big-endian
///
/// `length` counts what follows the first four bytes, so the body alone.
namespace parley::protocol::frame {

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

inline constexpr std::size_t header_size = 4;
inline constexpr std::size_t max_control_body = 512;  ///< anything but a message
inline constexpr std::size_t max_text = 128;          ///< a refusal's text
inline constexpr std::size_t refuse_size = 9;         ///< body without the text
inline constexpr std::size_t number_size = 8;         ///< body of ack and bye
inline constexpr std::size_t ping_size = 16;          ///< body of ping and pong
inline constexpr std::size_t number_frame_size = header_size + number_size;
inline constexpr std::size_t ping_frame_size = header_size + ping_size;

static_assert(message_overhead == header_size + number_size, "a header and a sequence number");

// --- frames ----------------------------------------------------------------------------------

struct header {
  std::size_t length = 0;  ///< of the body
  std::uint8_t type = 0;

  [[nodiscard]] constexpr std::size_t size() const noexcept { return header_size + length; }
  [[nodiscard]] constexpr bool is(frame::type t) const noexcept {
    return type == static_cast<std::uint8_t>(t);
  }
  [[nodiscard]] constexpr bool is_message() const noexcept { return type >= 0x80; }
  /// Whether it is a message, with whatever tag, or a control frame of parley/1.
  [[nodiscard]] constexpr bool is_known() const noexcept {
    return is_message() || (type != 0 && type <= static_cast<std::uint8_t>(frame::type::bye));
  }
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
/// What a greeting may be is in greeting.hpp.
[[nodiscard]] constexpr std::optional<errc> check(const header& h, std::size_t max_message) {
  if (h.is_skippable() && h.length <= max_control_body) return std::nullopt;
  if (h.length == 0) return errc::empty_frame;
  if (h.length > (h.is_message() ? number_size + max_message : max_control_body))
    return errc::frame_too_large;
  if (h.is_message()) {
    if (h.tag() >= tag_count) return errc::unknown_frame;
    return h.length < number_size ? std::optional(errc::malformed_frame) : std::nullopt;
  }
  if (!h.is_known()) return errc::unknown_frame;
  if (h.is(type::refuse)) {
    const bool sized = h.length >= refuse_size && h.length <= refuse_size + max_text;
    return sized ? std::nullopt : std::optional(errc::malformed_frame);
  }
  if (h.type < static_cast<std::uint8_t>(type::ack)) return errc::unexpected_frame;
  const bool probe = h.is(type::ping) || h.is(type::pong);
  return h.length != (probe ? ping_size : number_size) ? std::optional(errc::malformed_frame)
                                                       : std::nullopt;
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

/// Writes an ack or a bye: `number_frame_size` bytes.
constexpr void put_number(char* to, type t, std::uint64_t number) noexcept {
  put_header(to, number_size, static_cast<std::uint8_t>(t));
  put<8>(to + header_size, number);
}

/// Writes a ping or a pong: `ping_frame_size` bytes.
constexpr void put_ping(char* to, type t, std::uint64_t token, std::uint64_t next) noexcept {
  put_header(to, ping_size, static_cast<std::uint8_t>(t));
  put<8>(to + header_size, token);
  put<8>(to + header_size + 8, next);
}

}  // namespace parley::protocol::frame
