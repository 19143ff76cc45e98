// Any frames, cut anywhere: however the same bytes are split, the same messages come out, and the
// same byte is the first that is refused, for the same reason. And what is decoded is encoded as
// the same bytes again.
//
// The first bytes choose where the stream is cut. The rest is what is in it: each item begins with
// a byte that makes it a message in its right place, or bytes as they are.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <parley/protocol/chunks.hpp>
#include <parley/protocol/frame.hpp>
#include <parley/protocols.hpp>

#include "input.hpp"

namespace {

using parley::fuzz::demand;
namespace frame = parley::protocol::frame;

constexpr std::size_t longest_body = parley::protocol::chunk_size;
constexpr parley::session::time_point now{};

struct stream {
  std::string bytes;
  std::size_t dull = 0;  ///< so many at the front are a message: there is no error in it
};

std::string message(std::uint64_t sequence, unsigned tag, std::string_view body) {
  std::string out(parley::message_overhead + body.size(), '\0');
  frame::put_message(out.data(), sequence, static_cast<parley::tag_type>(tag), body);
  return out;
}

/// Perhaps a message that all but fills a chunk, so that what follows is cut by its end; then
/// items.
stream stream_of(parley::fuzz::input in) {
  stream out;
  std::uint64_t sequence = 0;
  const std::size_t left = in.byte();
  if (left < 64) {
    out.bytes = message(sequence++, 0, std::string(longest_body - 2 * left, 'x'));
    out.dull = out.bytes.size();
  }
  while (!in.empty()) {
    const unsigned item = in.byte();
    if (item < 128)
      out.bytes += message(sequence++, item % 64, in.bytes(item / 2));
    else
      out.bytes += in.bytes(item - 127);
  }
  return out;
}

/// A listener's session in the middle of a conversation, and all that it has handed out.
class receiver {
 public:
  explicit receiver(const parley::options& o) : session_(o, {}) {
    frame::hello h;
    h.attempt = 1;
    h.window = h.max_message + 100'000;
    h.max_message = 1000;
    h.heartbeat_ms = 5000;
    demand(!session_.answer(h, now));
  }

  /// Lets these bytes arrive; false: there is an error, now or before.
  bool feed(std::string_view bytes) {
    while (!bytes.empty() && !error) {
      const auto room = session_.prepare_read();
      demand(!room.empty());
      const std::size_t n = std::min(room.size(), bytes.size());
      std::copy_n(bytes.begin(), n, room.begin());
      bytes.remove_prefix(n);
      error = session_.commit_read(n, now);
    }
    return !error;
  }

  /// The program takes what is there.
  void take() {
    while (const auto m = session_.take(now))
      messages.push_back(message(m->sequence, m->tag, m->body));
  }

  void rest() { session_.rest(); }

  std::error_code error;
  std::vector<std::string> messages;  ///< as frames

 private:
  parley::session session_;
};

/// Byte by byte, up to the first that is refused: how many were not.
std::size_t feed_slowly(receiver& r, const stream& s) {
  std::size_t fed = s.dull;
  demand(r.feed(std::string_view(s.bytes).substr(0, fed)));
  while (fed < s.bytes.size() && r.feed({s.bytes.data() + fed, 1})) ++fed;
  r.take();
  return fed;
}

/// In slices of these sizes, one after the other, over and over; larger ones where it is dull.
void feed_cut(receiver& r, const stream& s, std::string_view sizes, std::size_t good,
              bool takes_at_once) {
  std::size_t fed = 0;
  for (std::size_t i = 0; fed < s.bytes.size(); ++i) {
    const std::size_t size = static_cast<unsigned char>(sizes[i % sizes.size()]);
    const std::size_t n =
        std::min((fed < s.dull ? longest_body / 64 : 1) * (1 + size), s.bytes.size() - fed);
    const bool taken = r.feed({s.bytes.data() + fed, n});
    demand(taken == (fed + n <= good));  // the same byte
    fed += n;
    if (takes_at_once) r.take();
    if (!taken) break;
    if (size % 4 == 0) r.rest();
  }
  r.take();
}

void check_splits(parley::fuzz::input in) {
  const unsigned kind = in.byte();
  const auto sizes = in.bytes(6);
  if (sizes.empty()) return;
  const bool takes_at_once = kind % 2 == 0;
  parley::options o;
  o.max_message = longest_body;
  // Where the program takes its messages at once its window is never full; else it may be.
  o.window = takes_at_once ? std::size_t{1} << 20U : longest_body + parley::message_overhead;
  const stream s = stream_of(in);

  receiver slow(o), fast(o);
  const std::size_t good = feed_slowly(slow, s);
  feed_cut(fast, s, sizes, good, takes_at_once);
  demand(slow.error == fast.error && slow.messages == fast.messages);
  std::size_t from = 0, total = 0;  // each message is what was sent, in order
  for (const auto& m : slow.messages) {
    from = s.bytes.find(m, from);
    demand(from != s.bytes.npos && from + m.size() <= good);
    from += m.size();
    total += m.size();
  }
  demand(takes_at_once || total <= o.window);
}

/// What can be decoded is encoded as it was.
template <typename Greeting>
void check_decoding(frame::type t, std::string_view body) {
  Greeting g;
  if (frame::decode(body, g)) return;
  if constexpr (requires { g.version_min; })
    if (g.version_min > frame::protocol_version || g.version_max < frame::protocol_version) return;
  std::string again = encode(g);
  const auto head = frame::read_header(again);
  demand(head.is(t) && head.size() == again.size());
  if constexpr (requires { g.chosen; })
    again[frame::header_size + 1] = body[1];  // of no meaning yet
  demand(std::string_view(again).substr(frame::header_size) == body);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const parley::fuzz::input in(data, size);
  check_decoding<frame::hello>(frame::type::hello, in.rest());
  check_decoding<frame::welcome>(frame::type::welcome, in.rest());
  check_decoding<frame::refusal>(frame::type::refuse, in.rest());
  check_splits(in);
  return 0;
}
