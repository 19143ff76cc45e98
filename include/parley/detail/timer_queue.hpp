#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include <parley/detail/asio.hpp>
#include <parley/detail/timer.hpp>

namespace parley::detail {

template <typename Clock>
class timer_queue;

/// What expires when its time has come, once; then it must be set again.
template <typename Clock>
class queued_timer {
 public:
  using time_point = typename Clock::time_point;

  queued_timer() = default;
  queued_timer(const queued_timer&) = delete;
  queued_timer& operator=(const queued_timer&) = delete;

  /// When it expires; never, if it is not set.
  [[nodiscard]] time_point expires_at() const noexcept { return at_; }

 protected:
  ~queued_timer() = default;

 private:
  friend class timer_queue<Clock>;
  virtual void expired() = 0;

  time_point at_ = time_point::max();
  std::size_t place_ = 0;
};

/// Many timers on one of Asio's: one for each would cost a conversation 350 bytes.
///
/// A heap, the next to expire at its front. Shared by the owners of what is in it; all calls on its
/// executor, which is also where they expire.
template <typename Clock>
class timer_queue : public std::enable_shared_from_this<timer_queue<Clock>> {
 public:
  using time_point = typename Clock::time_point;

  explicit timer_queue(const asio::any_io_executor& e) : timer_(e), executor_(e) {}

  [[nodiscard]] const asio::any_io_executor& executor() const noexcept { return executor_; }

  /// From now on `a` expires at `at`. It must be unset before it goes.
  void set(queued_timer<Clock>& a, time_point at) {
    if (!is_set(a)) {
      a.place_ = heap_.size();
      heap_.push_back(&a);
    }
    a.at_ = at;
    sink(rise(a.place_));
    watch();
  }

  void unset(queued_timer<Clock>& a) {
    if (!is_set(a)) return;
    const std::size_t hole = a.place_;
    place(hole, *heap_.back());
    heap_.pop_back();
    if (hole < heap_.size()) sink(rise(hole));
    a.at_ = time_point::max();
    if (heap_.empty()) stop_watching();  // so that nobody waits for nothing
  }

 private:
  [[nodiscard]] bool is_set(const queued_timer<Clock>& a) const noexcept {
    return a.place_ < heap_.size() && heap_[a.place_] == &a;
  }

  // --- the heap --------------------------------------------------------------------------------

  void place(std::size_t at, queued_timer<Clock>& a) noexcept {
    heap_[at] = &a;
    a.place_ = at;
  }

  void exchange(std::size_t i, std::size_t j) noexcept {
    auto& first = *heap_[i];
    place(i, *heap_[j]);
    place(j, first);
  }

  [[nodiscard]] bool earlier(std::size_t i, std::size_t j) const noexcept {
    return heap_[i]->at_ < heap_[j]->at_;
  }

  /// Both return where what stood at `i` stands now.
  std::size_t rise(std::size_t i) noexcept {
    for (; i != 0 && earlier(i, (i - 1) / 2); i = (i - 1) / 2) exchange(i, (i - 1) / 2);
    return i;
  }
  std::size_t sink(std::size_t i) noexcept {
    for (;;) {
      std::size_t next = 2 * i + 1;
      if (next + 1 < heap_.size() && earlier(next + 1, next)) ++next;
      if (next >= heap_.size() || !earlier(next, i)) return i;
      exchange(i, next);
      i = next;
    }
  }

  // --- the timer -------------------------------------------------------------------------------

  /// Makes the timer fire in time for the next entry. One that was moved back finds it firing
  /// early.
  void watch() {
    if (heap_.empty() || heap_.front()->at_ >= watched_) return;
    watched_ = heap_.front()->at_;
    timer_.expires_at(watched_);
    timer_.async_wait([self = this->shared_from_this()](std::error_code moved) {
      if (!moved) self->fired();
    });
  }

  void stop_watching() {
    watched_ = time_point::max();
    timer_.cancel();
  }

  void fired() {
    watched_ = time_point::max();
    const auto now = Clock::now();
    // Whoever is due again at once gets its turn after all others.
    for (auto n = heap_.size(); n != 0 && !heap_.empty() && heap_.front()->at_ <= now; --n) {
      auto& a = *heap_.front();
      unset(a);
      a.expired();
    }
    watch();
  }

  timer<Clock> timer_;
  asio::any_io_executor executor_;
  std::vector<queued_timer<Clock>*> heap_;
  time_point watched_ = time_point::max();  ///< when the timer fires
};

}  // namespace parley::detail
