// Any text of a peer's, alone and next to another: a terminal is never driven by it, nothing in it
// is hidden or turns the direction of reading, and no line of it can be taken for one of the
// program's.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <parley/printable.hpp>
#include <parley/utf8.hpp>

#include "input.hpp"
#include "support/vt500.hpp"

namespace {

using parley::newlines;
using parley::printable;
using parley::fuzz::demand;
using parley::test::vt500;

/// What a terminal must not be made to show, of what has no effect on its state.
bool deceives(char32_t c) {
  constexpr std::u32string_view marks =
      U"\u00ad\u061c\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e"
      U"\u2060\u2066\u2067\u2068\u2069\ufeff";
  return marks.find(c) != marks.npos;
}

vt500 shown(std::string_view text) {
  demand(parley::is_utf8(text));
  vt500 terminal;
  terminal.feed(text);
  demand(terminal.harmless());
  demand(std::none_of(terminal.printed().begin(), terminal.printed().end(), deceives));
  return terminal;
}

void check(std::string_view text) {
  const std::string line = printable(text);
  demand(shown(line).line_feeds() == 0);
  demand(line.size() <= 4 * text.size());
  demand(printable(line) == line);  // there is nothing left to do

  const std::string lines = printable(text, newlines::continued);
  const auto feeds = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  demand(shown(lines).line_feeds() == feeds);
  demand(lines.size() <= 5 * text.size());
  for (auto at = lines.find('\n'); at != lines.npos; at = lines.find('\n', at + 1))
    demand(std::string_view(lines).substr(at + 1).starts_with(parley::continuation));

  const bool plain =
      std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
  if (plain) demand(line == text && lines == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  parley::fuzz::input in(data, size);
  const std::size_t cut = in.byte();
  const auto whole = in.rest();
  const auto first = in.bytes(cut);
  check(whole);
  check(first);
  check(in.rest());
  shown(printable(first) + printable(in.rest()));  // neither completes what the other begins
  return 0;
}
