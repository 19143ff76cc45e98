#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <system_error>
#include <vector>

#include <parley/detail/asio.hpp>

#include "chat/streams/readiness.hpp"

namespace chat {

/// The lines of a descriptor, one at a time, as the bytes that they are.
///
///   buffer_   ░░░░░░░░│▓▓▓▓▓▓▓▓▓LF│▒▒▒▒▒▒▒▒▒▒▒▒▒│
///                   from_     end_ next_        to_
///            popped    the front     read ahead    room to read into
///
/// Only LF ends a line; a last line without one is a line. A line over the limit is skipped as it
/// is read and shows as `too_long`, so memory is bounded by the limit. What stands at the front
/// stays there until it is popped, also over an interruption. Used on one thread, by one coroutine.
///
///   for (bool more = co_await in.ready(); more; more = co_await in.ready()) {
///     use(in.front());
///     in.pop();
///   }
class input {
 public:
  struct line {
    std::string_view text;     ///< without its LF; valid until `pop`
    std::uint64_t number = 0;  ///< from 1
    bool too_long = false;     ///< then there is no text
  };

  /// Lines that were not popped.
  struct remainder {
    std::uint64_t lines = 0;
    bool all = false;  ///< the end was reached: there are no more than these
  };

  /// `longest` is how many bytes a line may have.
  input(const asio::any_io_executor& e, int fd, std::size_t longest)
      : own_(reopen_terminal(fd, O_RDONLY)),
        fd_(own_ < 0 ? fd : own_),
        longest_(longest),
        executor_(e),
        readable_(e, fd_, readiness::to::read),
        buffer_(chunk) {}
  input(const input&) = delete;
  input& operator=(const input&) = delete;
  ~input() {
    if (own_ >= 0) ::close(own_);
  }

  /// Completes with true when a line stands at the front; with false at the end of input, or once
  /// `interrupt` was called.
  asio::awaitable<bool> ready() {
    while (!interrupted_ && !find()) {
      if (ended_) co_return false;
      if (!readable_.now()) {
        co_await readable_.wait();
        continue;
      }
      read();
      // A file is always ready: without this nobody else would ever get a turn.
      if (++reads_ % reads_in_a_row == 0) co_await asio::post(executor_, asio::use_awaitable);
    }
    co_return !interrupted_;
  }

  /// Whether `ready` completes without waiting for more to read.
  [[nodiscard]] bool at_hand() noexcept { return find(); }

  /// There must be one.
  [[nodiscard]] line front() const noexcept {
    const bool too_long = skipping_ || end_ - from_ > longest_;
    const std::string_view text(buffer_.data() + from_, too_long ? 0 : end_ - from_);
    return {text, popped_ + 1, too_long};
  }

  void pop() noexcept {
    from_ = scanned_ = next_;
    found_ = skipping_ = false;
    ++popped_;
  }

  /// Ends a `ready` that is under way, and all that follow until `resume`.
  void interrupt() {
    interrupted_ = true;
    readable_.cancel();
  }
  void resume() noexcept { interrupted_ = false; }

  /// Whether all lines there ever were have been popped.
  [[nodiscard]] bool at_end() const noexcept { return ended_ && !found_ && from_ == to_; }
  /// Why no more could be read, if that was not the end.
  [[nodiscard]] std::error_code error() const noexcept { return error_; }

  /// Counts the lines that were read ahead.
  [[nodiscard]] remainder ahead() const noexcept {
    const auto at = buffer_.begin() + static_cast<std::ptrdiff_t>(from_);
    const auto end = buffer_.begin() + static_cast<std::ptrdiff_t>(to_);
    const bool begun = from_ == to_ ? skipping_ : *(end - 1) != '\n';
    return {static_cast<std::uint64_t>(std::count(at, end, '\n')) + (begun ? 1 : 0), ended_};
  }

  /// Reads on only to count the lines that are left, which are gone then: a file to its end, a pipe
  /// or a socket as long as something comes within `patience` in all; a terminal not at all.
  asio::awaitable<remainder> drain(std::chrono::milliseconds patience);

 private:
  static constexpr std::size_t chunk = std::size_t{64} << 10U;
  static constexpr unsigned reads_in_a_row = 16;

  /// Whether a whole line stands at the front now.
  [[nodiscard]] bool find() noexcept {
    if (found_) return true;
    const char* const begin = buffer_.data();
    const void* const lf = std::memchr(begin + scanned_, '\n', to_ - scanned_);
    if (lf != nullptr) {
      end_ = static_cast<std::size_t>(static_cast<const char*>(lf) - begin);
      next_ = end_ + 1;
      return found_ = true;
    }
    scanned_ = to_;
    if (to_ - from_ > longest_) {
      skipping_ = true;
      from_ = scanned_ = to_;
    }
    if (!ended_ || (from_ == to_ && !skipping_)) return false;
    end_ = next_ = to_;
    return found_ = true;
  }

  /// Reads once; it must be ready. Moves what is held only where there is no room behind it.
  void read() {
    if (from_ == to_) from_ = scanned_ = to_ = 0;
    if (buffer_.size() - to_ < chunk && from_ != 0) {
      std::copy(buffer_.data() + from_, buffer_.data() + to_, buffer_.data());
      scanned_ -= from_;
      to_ -= from_;
      from_ = 0;
    }
    if (buffer_.size() - to_ < chunk) buffer_.resize(to_ + chunk);
    // NOLINTNEXTLINE(clang-analyzer-unix.BlockInCriticalSection): Asio's mutex, and released
    const auto n = ::read(fd_, buffer_.data() + to_, chunk);
    if (n > 0) to_ += static_cast<std::size_t>(n);
    if (n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN))) return;
    // EIO is how a terminal says that it is gone: that is an end like any other.
    if (n < 0 && errno != EIO) error_.assign(errno, std::generic_category());
    ended_ = true;
  }

  [[nodiscard]] bool is_file() const noexcept;
  [[nodiscard]] bool can_drain() const noexcept;

  int own_;  ///< a description of our own, if the descriptor is a terminal
  int fd_;
  std::size_t longest_;
  asio::any_io_executor executor_;
  readiness readable_;
  std::vector<char> buffer_;
  std::size_t from_ = 0;     ///< of the front line, or of what has begun
  std::size_t scanned_ = 0;  ///< up to here there is no LF
  std::size_t end_ = 0;      ///< of the front line, without its LF
  std::size_t next_ = 0;     ///< behind its LF
  std::size_t to_ = 0;       ///< end of what was read
  std::uint64_t popped_ = 0;
  unsigned reads_ = 0;
  bool found_ = false;     ///< a line stands at the front
  bool skipping_ = false;  ///< the front line is too long, and its beginning is gone
  bool interrupted_ = false;
  bool ended_ = false;
  std::error_code error_;
};

}  // namespace chat
