// Any answers to a dialer, attempt after attempt: what is no welcome to this hello harms nothing,
// so that an honest listener after them gets every message and every answer arrives. Each answer
// begins with a byte that makes it any bytes, or the right welcome with some of its bytes changed.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <parley/protocol/frame.hpp>
#include <parley/protocols.hpp>

#include "input.hpp"
#include "support/feed.hpp"

namespace {

using parley::fuzz::demand;
namespace frame = parley::protocol::frame;
using namespace parley::test;

constexpr frame::session_id id{1};
constexpr std::array<std::string_view, 3> said{"one", "two", "three"};

parley::options small_limits() {
  parley::options o;
  o.max_message = 1000;
  o.window = 4000;
  o.outbox = 4000;
  return o;
}

/// The welcome of a listener that has heard nothing yet.
std::string welcome_to(const frame::hello& h) {
  frame::welcome w;
  w.session = h.session;
  w.attempt = h.attempt;
  w.window = 4000;
  w.max_message = 1000;
  w.heartbeat_ms = 5000;
  w.name = "somebody";
  return encode(w);
}

std::string answer_to(const frame::hello& h, parley::fuzz::input& in) {
  const std::size_t kind = in.byte();
  if (kind < 128) return std::string(in.bytes(kind * 4));
  std::string right = welcome_to(h);
  for (std::size_t n = kind % 8; n > 0; --n) {
    char& changed = right[in.byte() % right.size()];
    changed = static_cast<char>(changed ^ static_cast<char>(in.byte()));
  }
  return right.append(in.bytes(kind % 128 / 8 * 8));  // and what may follow
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  parley::fuzz::input in(data, size);
  const auto limits = small_limits();
  parley::session dialer(limits, id);
  for (const auto text : said) demand(dialer.push(text, 0) == parley::send_result::queued);
  auto now = start;
  while (!in.empty()) {
    dialer.dial(now);
    const auto hello = drain(dialer, now);
    const auto answer = answer_to(hello_in(hello), in);
    const std::size_t slice = 1 + in.byte();
    const auto ec = feed(dialer, answer, now, slice);
    demand(dialer.peer_name().size() <= parley::max_name && parley::is_utf8(dialer.peer_name()));
    demand(dialer.refusal().size() <= frame::max_text);
    demand(dialer.acknowledged() <= said.size());
    if (dialer.statistics().connections != 0) {  // this was a listener, and may end as it likes
      const auto head = frame::read_header(answer);
      frame::welcome w;
      demand(head.is(frame::type::welcome));
      demand(!frame::decode(answer.substr(frame::header_size, head.length), w));
      demand(w.session == id && w.attempt == hello_in(hello).attempt);
      demand(w.next == 0 && w.base == 0);  // nothing was sent before, on any connection
      (void)drain(dialer, now);
      (void)take_all(dialer, now);
      dialer.detach();
      return 0;
    }
    demand(!dialer.connected() && dialer.acknowledged() == 0 && !dialer.readable());
    if (!ec) {
      demand(dialer.commit_end() && !dialer.wants_write());
      now = dialer.due();
      demand(dialer.tick(now) == parley::errc::handshake_timeout);
    }
    now += std::chrono::seconds(1);
    dialer.detach();
  }

  parley::session listener(limits, id);
  greet(dialer, listener, now);
  demand(listener.push("answer", 0) == parley::send_result::queued &&
         !exchange(dialer, listener, now));
  const auto heard = take_all(listener, now);
  demand(std::equal(heard.begin(), heard.end(), said.begin(), said.end()));
  demand(take_all(dialer, now).size() == 1);
  return 0;
}
