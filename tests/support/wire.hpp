#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

namespace parley::test {

/// One direction of a connection in memory: bytes on their way, each with the moment at which it
/// can be read, and perhaps a place behind which everything vanishes.
class wire {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  /// Takes `bytes`, which can be read from `arrives` on but never before what was sent earlier.
  void send(std::string_view bytes, time_point arrives) {
    const auto through = std::min<std::uint64_t>(bytes.size(), limit_ - sent_);
    if (through == 0) return;
    bytes_.append(bytes.substr(0, static_cast<std::size_t>(through)));
    sent_ += through;
    if (!marks_.empty()) arrives = std::max(arrives, marks_.back().second);
    marks_.emplace_back(sent_, arrives);
  }

  /// What is sent after `n` more bytes vanishes, and so does the end.
  void cut_after(std::uint64_t n) noexcept { limit_ = std::min(limit_, sent_ + n); }
  [[nodiscard]] bool is_cut() const noexcept { return sent_ == limit_; }

  /// Nothing more is sent; who has read everything reads that.
  void end() noexcept { ended_ = true; }

  /// What can be read at `now`.
  [[nodiscard]] std::string_view arrived(time_point now) {
    while (!marks_.empty() && marks_.front().second <= now) {
      arrived_ = marks_.front().first;
      marks_.pop_front();
    }
    return std::string_view(bytes_).substr(at_, static_cast<std::size_t>(arrived_ - read_));
  }

  void take(std::size_t n) {
    read_ += n;
    at_ += n;
    constexpr std::size_t worth_moving = 65'536;
    if (at_ > worth_moving && at_ > bytes_.size() / 2) bytes_.erase(0, std::exchange(at_, 0));
  }

  /// Whether nothing is on its way, and nothing waits to be read.
  [[nodiscard]] bool empty() const noexcept { return read_ == sent_; }
  /// Whether the reader reads the end now.
  [[nodiscard]] bool at_end() const noexcept { return ended_ && !is_cut() && empty(); }
  /// Whether nothing will ever be read any more.
  [[nodiscard]] bool is_silent() const noexcept { return (ended_ || is_cut()) && empty(); }

  [[nodiscard]] time_point next_arrival() const noexcept {
    return marks_.empty() ? time_point::max() : marks_.front().second;
  }

 private:
  std::string bytes_;
  std::size_t at_ = 0;  ///< of `bytes_`, what is read
  std::uint64_t sent_ = 0, arrived_ = 0, read_ = 0;
  std::uint64_t limit_ = std::numeric_limits<std::uint64_t>::max();
  bool ended_ = false;
  std::deque<std::pair<std::uint64_t, time_point>> marks_;
};

}  // namespace parley::test
