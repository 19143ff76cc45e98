#pragma once

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstddef>
#include <string_view>
#include <system_error>

#include <parley/message.hpp>
#include <parley/options.hpp>
#include <parley/protocol/frame.hpp>
#include <parley/protocols.hpp>

#include "support/feed.hpp"

namespace parley::test {

namespace frame = protocol::frame;

inline constexpr frame::session_id id{0xa, 0xb, 0xc};
inline constexpr std::size_t overhead = 12;  // of a message frame, docs/wire.md

inline const std::error_code no_error;

[[nodiscard]] inline options named(std::string_view name) {
  options o;
  o.name = name;
  return o;
}

inline void say(session& s, std::string_view body, tag_type tag = 0) {
  REQUIRE(s.push(body, tag) == send_result::queued);
}

/// Two sides of a conversation that has begun.
struct pair {
  session dialer;
  session listener;
  time_point now = start;

  explicit pair(const options& d = named("ann"), const options& l = named("bob"))
      : dialer(d, id), listener(l, id) {
    greet(dialer, listener, now);
  }

  std::error_code exchange() { return parley::test::exchange(dialer, listener, now); }
  std::error_code pass(std::chrono::nanoseconds time) {
    return parley::test::pass(dialer, listener, now, now + time);
  }

  /// The connection is gone; what was on its way is lost.
  void cut() {
    dialer.detach();
    listener.detach();
    now += std::chrono::seconds(1);
  }
  /// Another one has greeted; what it carries besides is yet to be exchanged.
  void reconnect() {
    dialer.dial(now);
    const auto hello = drain(dialer, now);
    REQUIRE(!listener.answer(hello_in(hello), now));
    const auto welcome = prepared(listener, now);
    const auto size = frame::read_header(welcome).size();
    listener.commit_write(size, now);
    REQUIRE(feed(dialer, welcome.substr(0, size), now) == no_error);
  }
  void resume() {
    cut();
    reconnect();
    REQUIRE(exchange() == no_error);
  }

  [[nodiscard]] bool done() const { return dialer.output_done() && listener.output_done(); }
};

}  // namespace parley::test
