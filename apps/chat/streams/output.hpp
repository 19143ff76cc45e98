#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#include <parley/detail/asio.hpp>

#include "chat/streams/readiness.hpp"

namespace chat {

/// Writes text to a descriptor, in order, without ever blocking the thread on a slow reader.
///
/// What the descriptor does not take now is kept and written when it does: with `write` the caller
/// waits for that, with `put` it does not and must look at `held`. After an error nothing more is
/// written. Used on one thread.
///
///   const bool written = co_await out.write("hello\n");
///   if (!written) complain(out.error());
class output {
 public:
  output(const asio::any_io_executor& e, int fd) : state_(std::make_shared<state>(e, fd)) {}
  output(const output&) = delete;
  output& operator=(const output&) = delete;
  ~output() { abandon(); }

  /// Completes with true when `text` and all before it has been written; with false when it cannot
  /// be, for `error()`, or was abandoned. Only what does not fit now is copied.
  asio::awaitable<bool> write(std::string_view text) {
    put(text);
    if (held() != 0) co_await drained();
    co_return !error();
  }

  /// Writes what fits now and keeps the rest.
  void put(std::string_view text) {
    if (error()) return;
    if (held() == 0) text.remove_prefix(state_->attempt(text));
    state_->pending += text;
    state_->push(state_);
  }

  /// Completes when nothing is held any more.
  asio::awaitable<void> drained() {
    const auto self = state_;
    std::error_code moved;  // the timer never fires; it is cancelled to wake who waits
    while (!self->pending.empty())
      co_await self->changed.async_wait(asio::redirect_error(asio::use_awaitable, moved));
  }

  /// Bytes that wait for the reader.
  [[nodiscard]] std::size_t held() const noexcept { return state_->pending.size() - state_->done; }

  /// Why writing has ended; EPIPE where the reader is gone.
  [[nodiscard]] std::error_code error() const noexcept { return state_->error; }

  /// Gives up what is held, and writes nothing more.
  void abandon() { state_->fail(std::make_error_code(std::errc::operation_canceled)); }

 private:
  /// Shared with the handler that waits for the reader, which may be queued when the object goes.
  struct state {
    state(const asio::any_io_executor& e, int standard)
        : own(reopen_terminal(standard, O_WRONLY)),
          fd(own < 0 ? standard : own),
          most(most_at_once(fd, own)),
          writable(e, fd, readiness::to::write),
          changed(e, asio::steady_timer::time_point::max()) {
      struct stat s{};
      is_socket = ::fstat(fd, &s) == 0 && S_ISSOCK(s.st_mode);
    }
    state(const state&) = delete;
    state& operator=(const state&) = delete;
    ~state() {
      if (own >= 0) ::close(own);
    }

    /// How many bytes a descriptor that is ready takes without blocking: POSIX promises a pipe's
    /// PIPE_BUF; a terminal that could not be reopened gets short lines; files take all.
    static std::size_t most_at_once(int fd, int own) {
      constexpr std::size_t short_line = 80;
      struct stat s{};
      if (own >= 0 || (::fstat(fd, &s) == 0 && (S_ISREG(s.st_mode) || S_ISSOCK(s.st_mode))))
        return SSIZE_MAX;
      return ::isatty(fd) != 0 ? short_line : PIPE_BUF;
    }

    /// Writes as much as is taken now and returns how much that was.
    std::size_t attempt(std::string_view text) {
      std::size_t taken = 0;
      if (most == PIPE_BUF && fills_pipes) taken = fill(text);
      while (taken < text.size() && !error && writable.now()) {
        const auto part = text.substr(taken, most);
        const auto n = is_socket ? ::send(fd, part.data(), part.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                                 : ::write(fd, part.data(), part.size());
        if (n >= 0)
          taken += static_cast<std::size_t>(n);
        else if (errno == EAGAIN)
          break;
        else if (errno != EINTR)
          fail(std::error_code(errno, std::generic_category()));
      }
      return taken;
    }

    /// Fills a pipe that blocks without being blocked, in one call, where the kernel can
    /// (Linux 6.5).
    std::size_t fill(std::string_view text) {
      iovec whole{const_cast<char*>(text.data()), text.size()};  // NOLINT: it is only read
      const auto n = ::pwritev2(fd, &whole, 1, -1, RWF_NOWAIT);
      if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL)) fills_pipes = false;
      return n < 0 ? 0 : static_cast<std::size_t>(n);  // why not, the usual way will tell
    }

    /// Writes what is pending, now or whenever the reader makes room.
    static void push(const std::shared_ptr<state>& s) {
      if (s->waiting || s->pending.empty()) return;
      s->done += s->attempt(std::string_view(s->pending).substr(s->done));
      if (s->error || s->done == s->pending.size()) return s->clear();
      if (s->done > s->pending.size() / 2) s->forget_done();
      s->waiting = true;
      s->writable.async_wait([s](std::error_code) {
        s->waiting = false;
        s->writable.disarm();
        push(s);
      });
    }

    void forget_done() {
      pending.erase(0, done);
      done = 0;
    }

    void clear() {
      pending.clear();
      done = 0;
      changed.cancel();
    }

    void fail(std::error_code why) {
      if (!error) error = why;
      clear();
      writable.cancel();
    }

    int own;  ///< a description of our own, if the descriptor is a terminal
    int fd;
    std::size_t most;
    bool is_socket = false;
    bool fills_pipes = true;  ///< as far as is known
    readiness writable;
    asio::steady_timer changed;
    std::string pending;
    std::size_t done = 0;  ///< of the pending bytes: written
    bool waiting = false;
    std::error_code error;
  };

  std::shared_ptr<state> state_;
};

}  // namespace chat
