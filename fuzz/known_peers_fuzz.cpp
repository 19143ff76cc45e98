// Any file: what is read as a list of peers is the same when it is written and read again, and
// every line is an entry, a comment, blank, or the one at which reading ends.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "chat/files/known_peers.hpp"
#include "input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using parley::fuzz::demand;
  const std::string_view text = parley::fuzz::input(data, size).rest();
  const auto list = chat::parse_peers(text);
  const auto feeds = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  demand(list.bad_line <= feeds + 1);

  std::string written;
  std::size_t line = 0;
  for (const auto& p : list.peers) {
    demand(p.line > line && p.line <= feeds + 1 && (list.bad_line == 0 || p.line < list.bad_line));
    line = p.line;
    demand(list.has(p.id) && list.find(p.address) != nullptr);
    demand(text.find(p.address) != text.npos && p.address.find('\n') == p.address.npos);
    const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
    demand(p.address.empty() || (!blank(p.address.front()) && !blank(p.address.back())));
    written += chat::to_line(p.id, p.address);
  }
  const auto again = chat::parse_peers(written);
  demand(again.bad_line == 0);
  demand(std::equal(
      list.peers.begin(), list.peers.end(), again.peers.begin(), again.peers.end(),
      [](const auto& a, const auto& b) { return a.id == b.id && a.address == b.address; }));
  return 0;
}
