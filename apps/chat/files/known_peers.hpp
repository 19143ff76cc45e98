#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <parley/identity.hpp>

namespace chat {

/// One line of a list of peers: who it is, and where, or what one calls it.
struct known_peer {
  std::string address;  ///< may be empty in a list of who may come
  parley::identity id;
  std::size_t line = 0;  ///< where it stands, from 1
  friend bool operator==(const known_peer&, const known_peer&) = default;
};

/// A list of peers as a file has it: `IDENTITY ADDRESS` a line; blank lines, and those that begin
/// with `#`, say nothing.
struct peer_list {
  std::vector<known_peer> peers;
  std::size_t bad_line = 0;  ///< the first line that makes no sense; 0: none

  /// The first entry for an address.
  [[nodiscard]] const known_peer* find(std::string_view address) const {
    const auto at = std::find_if(peers.begin(), peers.end(),
                                 [&](const known_peer& p) { return p.address == address; });
    return at == peers.end() ? nullptr : &*at;
  }
  /// Whether it stands anywhere in the list.
  [[nodiscard]] bool has(const parley::identity& id) const {
    return std::any_of(peers.begin(), peers.end(), [&](const known_peer& p) { return p.id == id; });
  }
};

/// One line of such a list, with its line feed. An address with a line feed has no line.
[[nodiscard]] inline std::string to_line(const parley::identity& id, std::string_view address) {
  return to_string(id) + (address.empty() ? "" : " ") + std::string(address) + "\n";
}

/// Reads such a list. Nothing stands for a line that makes no sense: who takes it for missing would
/// take a stranger for new.
[[nodiscard]] inline peer_list parse_peers(std::string_view text) {
  constexpr std::string_view blanks = " \t\r";
  peer_list list;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto last = line.find_last_not_of(blanks);
    line = line.substr(0, last == line.npos ? 0 : last + 1);
    line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
    if (line.empty() || line.starts_with('#')) continue;
    const auto space = std::min(line.find_first_of(blanks), line.size());
    const auto id = parley::parse_identity(line.substr(0, space));
    if (!id) {
      list.bad_line = number;
      break;
    }
    line.remove_prefix(space);
    line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
    list.peers.push_back({std::string(line), *id, number});
  }
  return list;
}

}  // namespace chat
