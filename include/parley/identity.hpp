#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include <parley/protocol/checked_base32.hpp>

namespace parley {

/// Who a peer is: SHA-256 over its public key, as its certificate has it (SubjectPublicKeyInfo,
/// RFC 5280, 4.1.2.7). Nobody else can show the same one.
struct identity {
  std::array<unsigned char, 32> digest{};
  friend bool operator==(const identity&, const identity&) = default;
};

/// 56 characters of base 32 in eight groups of seven; every 14th is a check character.
[[nodiscard]] inline std::string to_string(const identity& id) {
  return protocol::checked_base32::encode(id.digest);
}

/// As much of it as stands beside a name: the first group.
[[nodiscard]] inline std::string short_form(const identity& id) {
  return to_string(id).substr(0, 7);
}

/// Reads what `to_string` wrote, in either case, whatever dashes and blanks stand between. None: it
/// is not one, or a check character says that it was mistyped.
[[nodiscard]] inline std::optional<identity> parse_identity(std::string_view text) {
  identity id;
  return protocol::checked_base32::decode(text, id.digest) ? std::optional(id) : std::nullopt;
}

}  // namespace parley
