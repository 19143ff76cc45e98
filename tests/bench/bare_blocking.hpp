#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "bare_frames.hpp"
#include "bare_socket.hpp"
#include "contender.hpp"
#include "numbered.hpp"
#include "stopwatch.hpp"

namespace bench {

/// A blocking socket that frames go over.
class blocking_stream {
 public:
  blocking_stream(descriptor fd, const trial& t) : fd_(std::move(fd)), in_(t.size), out_(t.size) {}

  void add(std::string_view body) { out_.add(body); }
  [[nodiscard]] bool has_room(std::size_t body) const noexcept { return out_.has_room(body); }

  /// Returns when the system has taken it all.
  void flush() {
    while (!out_.empty()) {
      const auto bytes = out_.unwritten();
      const ssize_t n = must(::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), "send");
      out_.commit(static_cast<std::size_t>(n));
    }
  }

  /// The next message, valid until the next call.
  [[nodiscard]] std::string_view receive() {
    for (;;) {
      if (const auto body = in_.next()) return *body;
      in_.commit(receive_some(fd_.get(), in_.room()));
    }
  }

 private:
  descriptor fd_;
  incoming_frames in_;
  outgoing_frames out_;
};

/// Blocking sockets. A write for each message, or (batched) one for as many as a buffer holds.
class bare_blocking final : public contender {
 public:
  enum class writes { each, batched };
  explicit bare_blocking(writes w) noexcept : writes_(w) {}

  [[nodiscard]] std::string name() const override {
    return writes_ == writes::each ? "bare blocking" : "bare batched";
  }
  [[nodiscard]] bool takes(const trial& t) const override {
    return t.what == work::one_way || (t.what == work::ping_pong && writes_ == writes::each);
  }

  void serve(const trial& t, const announce& say) override {
    blocking_stream s(accept_one(say), t);
    for (std::uint64_t n = 0; n < t.count; ++n) {
      const std::string_view body = s.receive();
      check_message(body, n, t);
      if (t.what == work::ping_pong) s.add(body), s.flush();
    }
    if (t.what == work::one_way) say_last(s, 0, t);
  }

  figures call(const trial& t, const std::string& address) override {
    blocking_stream s(connect_to(address), t);
    return t.what == work::ping_pong ? ping_pong(s, t) : stream(s, t);
  }

 private:
  static void say_last(blocking_stream& s, std::uint64_t number, const trial& t) {
    std::string body = make_body(t);
    number_message(body.data(), number);
    s.add(body);
    s.flush();
  }

  static figures ping_pong(blocking_stream& s, const trial& t) {
    std::string body = make_body(t);
    stopwatch time(t);
    for (std::uint64_t n = 0; n < t.count; ++n) {
      number_message(body.data(), n);
      s.add(body);
      s.flush();
      check_message(s.receive(), n, t);
      time.turn();
    }
    return time.stop();
  }

  figures stream(blocking_stream& s, const trial& t) const {
    std::string body = make_body(t);
    stopwatch time(t);
    for (std::uint64_t n = 0; n < t.count; ++n) {
      number_message(body.data(), n);
      s.add(body);
      if (writes_ == writes::each || !s.has_room(t.size)) s.flush();
    }
    s.flush();
    check_message(s.receive(), 0, t);
    return time.stop();
  }

  writes writes_;
};

}  // namespace bench
