// Any bytes in any slices: every valid line comes out as it went in, and nothing else does.

#include <algorithm>
#include <cstdint>
#include <string_view>

#include <parley/protocols.hpp>

#include "input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using parley::fuzz::demand;
  parley::options o;
  o.max_message = 100;
  o.window = 1000;
  parley::lines l(o);
  l.answer({});
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  bool open = true;
  const auto drain = [&l] {
    while (const auto m = l.take({})) {
      demand(m->body.size() <= 101 && parley::is_utf8(m->body));
      demand(m->body.find('\n') == m->body.npos);
    }
  };
  while (open && !rest.empty()) {
    if (l.full()) drain();
    const std::size_t slice = std::max<std::size_t>(1, static_cast<unsigned char>(rest[0]) % 64);
    rest.remove_prefix(1);
    const auto room = l.prepare_read();
    const std::size_t n = std::min({slice, rest.size(), room.size()});
    std::copy_n(rest.begin(), n, room.begin());
    rest.remove_prefix(n);
    open = !l.commit_read(n, {});
    while (l.rejection()) continue;
    if (slice % 3 == 0) l.rest();
    demand(l.statistics().memory <= o.window + 3 * parley::protocol::chunk_size);
  }
  if (open) (void)l.commit_end();
  drain();
  demand(!open || l.at_end());
  return 0;
}
