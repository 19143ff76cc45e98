#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "bare_frames.hpp"
#include "bare_socket.hpp"
#include "contender.hpp"
#include "numbered.hpp"
#include "stopwatch.hpp"

namespace bench {

/// A non-blocking socket that frames go over, in a loop around `epoll_wait`.
///
/// Edge-triggered, as in every event loop that is meant to be fast: what the socket can do is known
/// here until a system call shows that it no longer can, and the kernel is told once.
class epoll_stream {
 public:
  /// Before it sleeps it looks for as long as `spin`, as `parley::run_spinning` does.
  epoll_stream(descriptor fd, const trial& t, std::chrono::microseconds spin)
      : spin_(spin),
        fd_(std::move(fd)),
        epoll_(must(::epoll_create1(EPOLL_CLOEXEC), "epoll_create")),
        in_(t.size, most),
        out_(t.size) {
    must(::fcntl(fd_.get(), F_SETFL, O_NONBLOCK), "O_NONBLOCK");
    epoll_event wanted{};
    wanted.events = EPOLLIN | EPOLLOUT | EPOLLET;
    must(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd_.get(), &wanted), "epoll_ctl");
  }

  void add(std::string_view body) { out_.add(body); }
  /// Whether another message belongs to the write that is being put together.
  [[nodiscard]] bool has_room(std::size_t body) const noexcept { return out_.has_room(body); }
  /// Whether the socket takes more, as far as is known.
  [[nodiscard]] bool is_writable() const noexcept { return writable_; }
  [[nodiscard]] bool all_written() const noexcept { return out_.empty(); }
  /// The next message that has arrived, valid until `read`.
  [[nodiscard]] std::optional<std::string_view> next() { return in_.next(); }

  /// Writes what the socket takes now.
  void write() {
    while (writable_ && !out_.empty()) {
      const auto bytes = out_.unwritten();
      const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n < 0 && errno == EAGAIN)
        writable_ = false;
      else
        out_.commit(static_cast<std::size_t>(must(n, "send")));
    }
  }

  /// Reads once, where there may be something to read.
  void look() {
    readable_ = true;
    read();
  }

  /// Reads once, where there is something to read.
  void read() {
    if (!readable_) return;
    const auto room = in_.room();
    const ssize_t n = ::recv(fd_.get(), room.data(), room.size(), 0);
    readable_ = n == static_cast<ssize_t>(room.size());  // else that was all
    if (n < 0 && errno == EAGAIN) return;
    if (must(n, "recv") == 0) throw std::runtime_error("the other side hung up");
    in_.commit(static_cast<std::size_t>(n));
  }

  /// Waits until the socket can do more than it could.
  void wait() {
    epoll_event event{};
    if (!spin(event)) poll(event, forever);
    if ((event.events & ~EPOLLOUT) != 0) readable_ = true;  // an end or an error is read, too
    if ((event.events & EPOLLOUT) != 0) writable_ = true;
  }

  /// Waits where there is nothing to read, and reads: then more may have arrived, or there may be
  /// room to write.
  void turn() {
    if (!readable_) wait();
    read();
  }

  /// Returns when all is written.
  void finish() {
    for (write(); !all_written(); write()) wait();
  }

 private:
  /// More than one batch: what came during a write is read in one go, a quarter faster both ways.
  static constexpr std::size_t most = std::size_t{128} << 10U;

  static constexpr int forever = -1;

  /// Whether anything has happened within that time.
  bool poll(epoll_event& event, int timeout_ms) const {
    return must(::epoll_wait(epoll_.get(), &event, 1, timeout_ms), "epoll_wait") != 0;
  }

  /// Whether anything has happened while it spun. Between two looks the core is offered to whoever
  /// else wants it.
  [[nodiscard]] bool spin(epoll_event& event) const {
    if (spin_.count() == 0) return false;
    const auto end = std::chrono::steady_clock::now() + spin_;
    while (!poll(event, 0)) {
      if (std::chrono::steady_clock::now() >= end) return false;
      ::sched_yield();
    }
    return true;
  }

  std::chrono::microseconds spin_;
  descriptor fd_;
  descriptor epoll_;
  incoming_frames in_;
  outgoing_frames out_;
  bool readable_ = false;
  bool writable_ = true;
};

/// Sockets and `epoll`, one thread, and nothing else: what a conversation costs at least. One that
/// spins does only what waits for answers.
class bare_epoll final : public contender {
 public:
  explicit bare_epoll(std::chrono::microseconds spin = {}) noexcept : spin_(spin) {}

  [[nodiscard]] std::string name() const override {
    return spin_.count() == 0 ? "bare epoll" : "bare, spinning";
  }
  [[nodiscard]] bool takes(const trial& t) const override {
    return spin_.count() == 0 || t.what == work::ping_pong || t.what == work::echo;
  }

  void serve(const trial& t, const announce& say) override {
    epoll_stream s(accept_one(say), t, spin_);
    if (t.what == work::ping_pong || t.what == work::echo)
      echo(s, t);
    else
      stream(s, t, t.what == work::both_ways ? t.count : 0, t.count);
    if (t.what == work::one_way) say_last(s, 0, t);
    if (t.what == work::both_ways) say_last(s, t.count, t);
  }

  figures call(const trial& t, const std::string& address) override {
    epoll_stream s(connect_to(address), t, spin_);
    if (t.what == work::ping_pong || t.what == work::echo) return keep_under_way(s, t);
    stopwatch time(t);
    stream(s, t, t.count, t.what == work::both_ways ? t.count + 1 : 1);
    return time.stop();
  }

 private:
  static void say_last(epoll_stream& s, std::uint64_t number, const trial& t) {
    std::string body = make_body(t);
    number_message(body.data(), number);
    s.add(body);
    s.finish();
  }

  /// All that one read has brought is answered by one write.
  static void echo(epoll_stream& s, const trial& t) {
    for (std::uint64_t n = 0; n < t.count;) {
      s.write();
      s.turn();
      for (auto body = s.next(); body; body = s.next()) {
        check_message(*body, n++, t);
        s.add(*body);
      }
    }
    s.finish();
  }

  /// Keeps as many messages under way as the trial says: one, of a ping-pong.
  static figures keep_under_way(epoll_stream& s, const trial& t) {
    std::string body = make_body(t);
    std::uint64_t sent = 0;
    const auto send = [&] {
      number_message(body.data(), sent++);
      s.add(body);
    };
    stopwatch time(t);
    while (sent < std::min(t.outstanding, t.count)) send();
    for (std::uint64_t n = 0; n < t.count;) {
      s.write();
      s.turn();
      for (auto echo = s.next(); echo; echo = s.next()) {
        check_message(*echo, n++, t);
        if (t.what == work::ping_pong) time.turn();
        if (sent < t.count) send();
      }
    }
    return time.stop();
  }

  /// Sends and receives so many messages, at once: a batch out, and whatever has come meanwhile in.
  /// To look only when the socket takes no more would leave the other side waiting.
  static void stream(epoll_stream& s, const trial& t, std::uint64_t to_send,
                     std::uint64_t to_receive) {
    std::string body = make_body(t);
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    for (;;) {
      for (; s.is_writable() && sent < to_send && s.has_room(t.size); ++sent) {
        number_message(body.data(), sent);
        s.add(body);
      }
      s.write();
      for (auto come = s.next(); come; come = s.next()) check_message(*come, received++, t);
      const bool all_sent = sent == to_send && s.all_written();
      if (all_sent && received == to_receive) return;
      if (all_sent || !s.is_writable())
        s.turn();
      else
        s.look();
    }
  }

  std::chrono::microseconds spin_;
};

}  // namespace bench
