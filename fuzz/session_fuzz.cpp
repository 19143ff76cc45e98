// Any bytes, in any slices, from a peer: a session refuses them or takes them, and its memory stays
// within its limits. The first byte chooses the phase, each slice begins with a byte of its length.

#include <algorithm>
#include <cstdint>
#include <string_view>

#include <parley/protocols.hpp>

#include "input.hpp"

namespace {

using parley::fuzz::demand;
using time_point = parley::session::time_point;

parley::options small_limits() {
  parley::options o;
  o.max_message = 1000;
  o.window = 4000;
  o.outbox = 4000;
  return o;
}

/// Everything that the session wants to write goes nowhere.
void write_all(parley::session& s, time_point now) {
  while (s.wants_write()) {
    parley::protocol::gather batch;
    s.prepare_write(batch, now);
    if (batch.empty()) return;
    s.commit_write(batch.size(), now);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto limits = small_limits();
  parley::session s(limits, {});
  time_point now{};
  if (data[0] & 1) {
    s.dial(now);
  } else {
    parley::protocol::frame::hello h;
    h.attempt = 1;
    h.window = 4000;
    h.max_message = 1000;
    h.heartbeat_ms = 5000;
    demand(!s.answer(h, now));
    for (const std::string_view text : {"one", "two", "three"})
      demand(s.push(text, 0) == parley::send_result::queued);
  }
  write_all(s, now);

  std::uint64_t expected = 0;
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  while (!rest.empty()) {
    const std::size_t slice = std::max<std::size_t>(1, static_cast<unsigned char>(rest[0]));
    rest.remove_prefix(1);
    const auto room = s.prepare_read();
    demand(!room.empty());
    const std::size_t n = std::min({slice, rest.size(), room.size()});
    std::copy_n(rest.begin(), n, room.begin());
    rest.remove_prefix(n);
    now += std::chrono::milliseconds(1);
    if (s.commit_read(n, now)) break;
    demand(s.acknowledged() <= 3);
    // The bound on memory: a window, and a chunk more for each of what is held and what has begun.
    demand(s.statistics().memory <=
           limits.window + limits.outbox + 4 * parley::protocol::chunk_size);
    if (slice % 3 == 0) s.rest();
    if (slice % 2 == 0) continue;  // the program is slow
    while (const auto m = s.take(now)) demand(m->sequence == expected++);
    write_all(s, now);
  }
  while (const auto m = s.take(now)) demand(m->sequence == expected++);
  return 0;
}
