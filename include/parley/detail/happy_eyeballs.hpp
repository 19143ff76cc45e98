#pragma once

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include <parley/detail/asio.hpp>
#include <parley/detail/wakeup.hpp>
#include <parley/endpoint.hpp>
#include <parley/error.hpp>

namespace parley::detail {

/// Connects to whichever of several addresses answers first ("happy eyeballs", RFC 8305).
///
///   address 1   ●━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ timeout
///   address 2        ●━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ timeout
///   again                 ●━━━━●━━━━●━━━━●━━━━●━━━━ 1, 2, 1, 2 …
///                    └ a stagger, or at once when one fails
///
/// While none has answered they are tried again one by one: the system itself repeats a lost SYN
/// only after one, three and seven seconds (RFC 6298), and a link may return at any moment.
/// Shared with the handlers of its sockets. Used on one executor.
class happy_eyeballs : public std::enable_shared_from_this<happy_eyeballs> {
 public:
  using clock = std::chrono::steady_clock;

  /// RFC 8305, section 5: 250 ms is recommended, 100 ms the least.
  static constexpr std::chrono::milliseconds stagger{200};

  /// `timeout` is for each address.
  happy_eyeballs(const asio::any_io_executor& e, std::vector<endpoint> to,
                 std::chrono::milliseconds timeout)
      : executor_(e), to_(std::move(to)), timeout_(timeout), changed_(e), alarm_(e) {}

  /// Completes with a connected socket, or with none: then `failed` says why, and the caller keeps
  /// that until then. Cancelled, it closes all sockets. Once.
  asio::awaitable<std::optional<any_socket>> run(std::error_code& failed) {
    const auto self = shared_from_this();
    const closing at_the_end(*this);
    auto next = clock::now();
    while (!winner_ && !is_lost()) {
      if (clock::now() >= next || (!all_begun() && attempts_.empty())) {
        begin();
        next = clock::now() + stagger;
        continue;  // it may be over already
      }
      expire();
      wake_at(next);
      co_await changed_.wait();
    }
    failed = failed_;
    co_return std::move(winner_);
  }

 private:
  struct attempt {
    attempt(const asio::any_io_executor& e, endpoint at, clock::time_point until, bool repeats)
        : socket(e), to(std::move(at)), deadline(until), again(repeats) {}
    any_socket socket;
    endpoint to;
    clock::time_point deadline;
    bool again;  ///< its address has an older attempt
  };
  using place = std::list<attempt>::iterator;

  struct closing {
    explicit closing(happy_eyeballs& r) noexcept : all(r) {}
    closing(const closing&) = delete;
    closing& operator=(const closing&) = delete;
    ~closing() { all.close(); }
    happy_eyeballs& all;
  };

  [[nodiscard]] bool all_begun() const noexcept { return begun_ >= to_.size(); }
  /// Whether every address has had its time.
  [[nodiscard]] bool is_lost() const noexcept { return all_begun() && ended_ == to_.size(); }

  /// Begins the next attempt; of those that repeat, only the latest is kept up.
  void begin() {
    const bool again = all_begun();
    for (auto& a : attempts_)
      if (again && a.again) close(a);
    const auto& to = to_[begun_++ % to_.size()];
    attempts_.emplace_back(executor_, to, clock::now() + timeout_, again);
    const auto at = std::prev(attempts_.end());
    const auto ec = connect_at_once(at->socket, at->to);
    if (ec != asio::error::in_progress) return end(at, ec);
    const auto answered = [self = shared_from_this(), at](std::error_code aborted) {
      self->end(at, aborted ? aborted : self->outcome(*at));
    };
    at->socket.async_wait(any_socket::wait_write, answered);
  }

  /// Begins to connect. Who listens on the same machine has answered by the time of the second
  /// look; anybody else takes longer: `in_progress`.
  static std::error_code connect_at_once(any_socket& s, const endpoint& to) {
    std::error_code ec;
    s.open(to.protocol(), ec);
    if (!ec) s.non_blocking(true, ec);
    const auto size = static_cast<socklen_t>(to.size());
    for (int looks = 0; !ec && looks < 2; ++looks) {
      if (::connect(s.native_handle(), to.data(), size) == 0 || errno == EISCONN) return {};
      if (errno != EINPROGRESS && errno != EALREADY)
        ec = {errno, asio::error::get_system_category()};
    }
    return ec ? ec : asio::error::in_progress;
  }

  /// How an attempt that took its time has ended.
  std::error_code outcome(attempt& a) {
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(a.socket.native_handle(), SOL_SOCKET, SO_ERROR, &error, &size) != 0)
      error = errno;  // it was closed meanwhile
    if (error != 0) return {error, asio::error::get_system_category()};
    // Asio watches a socket for writing ever after, which costs an epoll_wait per message: it is
    // registered anew.
    a.socket = any_socket(executor_, a.to.protocol(), a.socket.release());
    return {};
  }

  void end(place at, std::error_code ec) {
    if (!ec && !winner_ && !closed_) {
      winner_ = std::move(at->socket);
    } else if (!at->again) {
      ++ended_;
      failed_ = clock::now() >= at->deadline ? make_error_code(errc::connect_timeout) : ec;
    }
    attempts_.erase(at);
    changed_.notify();
  }

  void expire() {
    const auto now = clock::now();
    for (auto& a : attempts_)
      if (now >= a.deadline) close(a);
  }

  void wake_at(clock::time_point next) {
    for (const auto& a : attempts_) next = std::min(next, a.deadline);
    alarm_.expires_at(next);
    alarm_.async_wait([self = shared_from_this()](std::error_code moved) {
      if (!moved) self->changed_.notify();
    });
  }

  static void close(attempt& a) {
    std::error_code ignored;  // its handler tells
    a.socket.close(ignored);
  }

  void close() {
    closed_ = true;
    for (auto& a : attempts_) close(a);
    alarm_.cancel();
  }

  asio::any_io_executor executor_;
  std::vector<endpoint> to_;
  std::chrono::milliseconds timeout_;
  wakeup changed_;
  asio::steady_timer alarm_;
  std::list<attempt> attempts_;
  std::optional<any_socket> winner_;
  std::error_code failed_;
  std::size_t begun_ = 0;  ///< attempts, repeated ones included
  std::size_t ended_ = 0;  ///< first attempts that came to nothing
  bool closed_ = false;
};

}  // namespace parley::detail
