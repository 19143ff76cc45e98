#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include <parley/identity.hpp>
#include <parley/protocol/checked_base32.hpp>

namespace parley {

/// 128 random bits that let in whoever knows them, once.
using invitation_secret = std::array<unsigned char, 16>;

/// What a listener's owner passes on, over a way that nobody else reads, to one who is to come.
struct invitation {
  identity listener;
  invitation_secret secret{};
  std::string address;  ///< where the listener is; its form is the programs' affair
  friend bool operator==(const invitation&, const invitation&) = default;
};

namespace detail {
inline constexpr std::string_view invitation_mark = "parley:";
}

/// One word: `parley:IDENTITY.SECRET@ADDRESS`.
[[nodiscard]] inline std::string to_string(const invitation& i) {
  return std::string(detail::invitation_mark) + to_string(i.listener) + "." +
         protocol::checked_base32::encode(i.secret) + "@" + i.address;
}

/// Reads what `to_string` wrote. None: it is not one, or it was mistyped.
[[nodiscard]] inline std::optional<invitation> parse_invitation(std::string_view text) {
  if (!text.starts_with(detail::invitation_mark)) return std::nullopt;
  text.remove_prefix(detail::invitation_mark.size());
  const auto at = text.find('@');
  const auto dot = text.substr(0, at).find('.');
  if (at == text.npos || dot == text.npos || at + 1 == text.size()) return std::nullopt;
  const auto who = parse_identity(text.substr(0, dot));
  invitation i;
  if (!who || !protocol::checked_base32::decode(text.substr(dot + 1, at - dot - 1), i.secret))
    return std::nullopt;
  i.listener = *who;
  i.address = text.substr(at + 1);
  return i;
}

}  // namespace parley
