#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include <parley/detail/asio.hpp>

namespace parley::detail {

template <typename Clock>
class alarms;

/// What rings when its time has come, once; then it must be set again.
template <typename Clock>
class alarm {
 public:
  using time_point = typename Clock::time_point;

  alarm() = default;
  alarm(const alarm&) = delete;
  alarm& operator=(const alarm&) = delete;

  /// When it rings; never, if it is not set.
  [[nodiscard]] time_point rings_at() const noexcept { return at_; }

 protected:
  ~alarm() = default;

 private:
  friend class alarms<Clock>;
  virtual void ring() = 0;

  time_point at_ = time_point::max();
  std::size_t place_ = 0;
};

/// Many alarms with one timer: a timer for each would cost a conversation 350 bytes.
///
/// A heap, the next to ring at its front. Shared by those who have alarms in it; all calls on its
/// executor, which is also where they ring.
template <typename Clock>
class alarms : public std::enable_shared_from_this<alarms<Clock>> {
 public:
  using time_point = typename Clock::time_point;

  explicit alarms(const asio::any_io_executor& e) : timer_(e), executor_(e) {}

  [[nodiscard]] const asio::any_io_executor& executor() const noexcept { return executor_; }

  /// From now on `a` rings at `at`. It must be unset before it goes.
  void set(alarm<Clock>& a, time_point at) {
    if (!is_set(a)) {
      a.place_ = heap_.size();
      heap_.push_back(&a);
    }
    a.at_ = at;
    sink(rise(a.place_));
    watch();
  }

  void unset(alarm<Clock>& a) {
    if (!is_set(a)) return;
    const std::size_t hole = a.place_;
    place(hole, *heap_.back());
    heap_.pop_back();
    if (hole < heap_.size()) sink(rise(hole));
    a.at_ = time_point::max();
    if (heap_.empty()) stop_watching();  // so that nobody waits for nothing
  }

 private:
  [[nodiscard]] bool is_set(const alarm<Clock>& a) const noexcept {
    return a.place_ < heap_.size() && heap_[a.place_] == &a;
  }

  // --- the heap --------------------------------------------------------------------------------

  void place(std::size_t at, alarm<Clock>& a) noexcept {
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

  /// Makes the timer fire in time for the next alarm. One that was moved back finds it firing
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
      a.ring();
    }
    watch();
  }

  asio::basic_waitable_timer<Clock> timer_;
  asio::any_io_executor executor_;
  std::vector<alarm<Clock>*> heap_;
  time_point watched_ = time_point::max();  ///< when the timer fires
};

}  // namespace parley::detail
