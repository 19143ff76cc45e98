#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <parley/protocol/frame.hpp>
#include <parley/protocol/outbox.hpp>
#include <parley/protocols.hpp>

#include "support/bytes.hpp"

/// What a conversation does to a protocol, without a stream and without a clock.
namespace parley::test {

namespace frame = protocol::frame;

using time_point = std::chrono::steady_clock::time_point;

/// Some moment; that it is not 0 shows where a test, or the code, forgets to say when.
inline constexpr time_point start{std::chrono::hours(1)};

inline constexpr std::size_t whole = static_cast<std::size_t>(-1);

/// Lets `bytes` arrive, at most `slice` at once, up to the first error.
template <typename Protocol>
std::error_code feed(Protocol& p, std::string_view bytes, time_point now = start,
                     std::size_t slice = whole) {
  while (!bytes.empty()) {
    const auto room = p.prepare_read();
    if (room.empty()) throw std::logic_error("no room to read into");
    const std::size_t n = std::min({room.size(), bytes.size(), slice});
    std::memcpy(room.data(), bytes.data(), n);
    bytes.remove_prefix(n);
    if (const auto ec = p.commit_read(n, now)) return ec;
  }
  p.rest();
  return {};
}

/// What one write would take now; nothing is committed.
template <typename Protocol>
std::string prepared(Protocol& p, time_point now = start) {
  protocol::gather batch;
  p.prepare_write(batch, now);
  return joined(batch.pieces());
}

/// Everything that wants to be written now; a write takes at most `slice` bytes.
template <typename Protocol>
std::string drain(Protocol& p, time_point now = start, std::size_t slice = whole) {
  std::string out;
  while (p.wants_write()) {
    const auto bytes = prepared(p, now).substr(0, slice);
    if (bytes.empty()) throw std::logic_error("wants to write and has nothing");
    p.commit_write(bytes.size(), now);
    out += bytes;
  }
  return out;
}

/// Takes all messages that are there; their bodies.
template <typename Protocol>
std::vector<std::string> take_all(Protocol& p, time_point now = start) {
  std::vector<std::string> out;
  while (const auto m = p.take(now)) out.emplace_back(m->body);
  return out;
}

/// The first frame of `bytes`, which is a hello; `h.name` points into `bytes`.
inline frame::hello hello_in(std::string_view bytes) {
  frame::hello h;
  if (bytes.size() < frame::header_size || frame::decode(bytes.substr(frame::header_size), h))
    throw std::logic_error("no hello");
  return h;
}

/// Carries what both sides write to the other until neither has anything to write at `now`.
template <typename Protocol>
std::error_code exchange(Protocol& a, Protocol& b, time_point now = start) {
  while (a.wants_write() || b.wants_write()) {
    if (const auto ec = feed(b, drain(a, now), now)) return ec;
    if (const auto ec = feed(a, drain(b, now), now)) return ec;
  }
  return {};
}

/// Exchanges the greetings of a new conversation.
inline void greet(session& dialer, session& listener, time_point now = start) {
  dialer.dial(now);
  const auto hello = drain(dialer, now);
  if (listener.answer(hello_in(hello), now)) throw std::logic_error("the hello was refused");
  if (exchange(dialer, listener, now)) throw std::logic_error("the greetings failed");
}

/// Lets time pass up to `end`: wakes each side when it is due and carries what they write, at once.
inline std::error_code pass(session& a, session& b, time_point& now, time_point end) {
  for (;;) {
    const auto next = std::min({a.due(), b.due(), end});
    now = std::max(now, next);
    for (session* s : {&a, &b})
      if (now >= s->due())
        if (const auto ec = s->tick(now)) return ec;
    if (const auto ec = exchange(a, b, now)) return ec;
    if (std::min(a.due(), b.due()) <= now) throw std::logic_error("a session stays due");
    if (now >= end) return {};
  }
}

}  // namespace parley::test
