#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <system_error>
#include <utility>

#include <asio/posix/stream_descriptor.hpp>

#include <parley/detail/asio.hpp>

namespace chat {

/// Opens a terminal once more, or returns -1: that description is ours alone and may be
/// non-blocking. A terminal is the only kind of descriptor that says "ready" and then blocks: in
/// the middle of a write, and in a read when Ctrl-C has flushed what there was.
inline int reopen_terminal(int standard, int access) {
  std::array<char, PATH_MAX> name{};
  if (::ttyname_r(standard, name.data(), name.size()) != 0) return -1;
  return ::open(name.data(), access | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
}

/// Tells when a descriptor can be read, or written, without ever changing it.
///
/// stdin, stdout and stderr are shared with other processes: to make them non-blocking, as Asio
/// does with what it is given, would surprise the shell. So they are watched through an epoll
/// instance, which is a descriptor of our own that Asio may treat as it likes. Files and the like,
/// which cannot be watched, are ready at any time. One wait at a time; used on one thread.
///
///   while (!stdin_ready.now()) co_await stdin_ready.wait();
class readiness {
 public:
  enum class to { read, write };

  /// `fd` must stay open as long as this lives.
  readiness(const asio::any_io_executor& e, int fd, to what)
      : fd_(fd), what_(what), watch_(e, open_watch()) {
    epoll_event none{};
    watched_ = ::epoll_ctl(watch_.native_handle(), EPOLL_CTL_ADD, fd_, &none) == 0;
  }

  /// Whether it is ready now. The end of input and a reader that is gone count: a read or a write
  /// will tell.
  [[nodiscard]] bool now() const noexcept {
    if (!watched_) return true;
    pollfd p{fd_, static_cast<short>(what_ == to::read ? POLLIN : POLLOUT), 0};
    int known = ::poll(&p, 1, 0);
    while (known < 0 && errno == EINTR) known = ::poll(&p, 1, 0);  // a signal, even without a wait
    return known != 0;
  }

  /// Calls `done(ec)` once it may be ready, or was cancelled; that should `disarm`.
  template <typename Handler>
  void async_wait(Handler&& done) {
    arm();
    watch_.async_wait(asio::posix::stream_descriptor::wait_read, std::forward<Handler>(done));
  }

  /// Completes once it may be ready, or was cancelled.
  [[nodiscard]] asio::awaitable<void> wait() {
    std::error_code cancelled;
    arm();
    co_await watch_.async_wait(asio::posix::stream_descriptor::wait_read,
                               asio::redirect_error(asio::use_awaitable, cancelled));
    disarm();
  }

  /// Takes the event, so that the descriptor does not wake anybody while nobody wants it.
  void disarm() noexcept {
    epoll_event taken{};
    ::epoll_wait(watch_.native_handle(), &taken, 1, 0);
  }

  void cancel() {
    std::error_code ignored;  // there may be nothing to cancel
    watch_.cancel(ignored);
  }

 private:
  static int open_watch() {
    const int watch = ::epoll_create1(EPOLL_CLOEXEC);
    if (watch < 0) throw std::system_error(errno, std::system_category(), "epoll_create1");
    return watch;
  }

  void arm() noexcept {
    epoll_event wanted{};
    wanted.events = (what_ == to::read ? EPOLLIN : EPOLLOUT) | EPOLLONESHOT;
    ::epoll_ctl(watch_.native_handle(), EPOLL_CTL_MOD, fd_, &wanted);
  }

  int fd_;
  to what_;
  asio::posix::stream_descriptor watch_;
  bool watched_ = false;
};

}  // namespace chat
