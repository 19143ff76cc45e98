// What happens once, at the end. What each line passes through stands in the header, in line.

#include "chat/streams/input.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <system_error>

#include <parley/detail/asio.hpp>

namespace chat {

asio::awaitable<input::remainder> input::drain(std::chrono::milliseconds patience) {
  using namespace asio::experimental::awaitable_operators;
  using clock = std::chrono::steady_clock;
  constexpr int writers_most = 5;  // times the patience: somebody may write for ever
  const auto until = clock::now() + patience * writers_most;
  clock::duration left_to_wait = patience;
  asio::steady_timer timer(executor_);
  std::error_code waited;
  std::uint64_t lines = 0;
  while (!ended_ && can_drain() &&
         (is_file() || (left_to_wait.count() > 0 && clock::now() < until))) {
    if (readable_.now()) {
      for (; find(); pop()) ++lines;
      read();
      co_await asio::post(executor_, asio::use_awaitable);
    } else {
      const auto since = clock::now();
      timer.expires_after(left_to_wait);
      co_await (readable_.wait() ||
                timer.async_wait(asio::redirect_error(asio::use_awaitable, waited)));
      left_to_wait -= clock::now() - since;
    }
  }
  auto left = ahead();
  left.lines += lines;
  co_return left;
}

bool input::is_file() const noexcept {
  struct stat s{};
  return ::fstat(fd_, &s) == 0 && S_ISREG(s.st_mode);
}

/// What is typed after the end of a conversation is meant for the shell.
bool input::can_drain() const noexcept { return ::isatty(fd_) == 0; }

}  // namespace chat
