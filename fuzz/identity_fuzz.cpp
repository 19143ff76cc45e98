// Any text: what is read as an identity is written as that text again, but for case and separators.
// Any digest: it is read back, and not if one character of it is mistyped.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <parley/identity.hpp>

#include "input.hpp"

namespace {

using parley::fuzz::demand;

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Without dashes and blanks, in capitals.
std::string bare(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (c != '-' && c != ' ') out += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  parley::fuzz::input in(data, size);
  if (const auto read = parley::parse_identity(in.rest())) {
    demand(bare(to_string(*read)) == bare(in.rest()));
    demand(to_string(*read).starts_with(short_form(*read)));
  }

  const std::size_t place = in.byte();
  const std::size_t other = in.byte();
  parley::identity id;
  for (auto& byte : id.digest) byte = in.byte();
  std::string text = to_string(id);
  demand(parley::parse_identity(text) == id);
  std::string typed = bare(text);
  demand(typed.size() == 56 && typed.find_first_not_of(alphabet) == typed.npos);
  demand(parley::parse_identity(typed) == id);
  char& c = typed[place % typed.size()];
  c = alphabet[(alphabet.find(c) + 1 + other % 31) % 32];
  demand(!parley::parse_identity(typed));
  return 0;
}
