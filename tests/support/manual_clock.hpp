#pragma once

#include <algorithm>
#include <asio/any_io_executor.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/dispatch.hpp>
#include <asio/error.hpp>
#include <asio/execution_context.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace parley::test {

/// What waits on one context for a moment of virtual time: no reactor, so no system call.
///
/// A wait completes through a posted handler, or is destroyed with its context.
class manual_waits : public asio::execution_context::service {
 public:
  using key_type = manual_waits;
  using time_point = std::chrono::steady_clock::time_point;
  /// Which wait: when it is over, and its number among all.
  using key = std::pair<time_point, std::uint64_t>;
  // Looked up by Asio under this name.
  inline static asio::execution_context::id id;  // NOLINT(readability-identifier-naming)

  explicit manual_waits(asio::execution_context& c) : service(c) {}
  void shutdown() override {
    const auto dying = std::exchange(waits_, {});  // what goes with a handler may cancel others
  }

  template <typename Handler>
  key add(time_point at, const asio::any_io_executor& e, Handler h) {
    const key k{at, ++last_};
    auto slot = asio::get_associated_cancellation_slot(h);
    if (slot.is_connected())
      slot.assign([this, k](asio::cancellation_type) { end(k, asio::error::operation_aborted); });
    waits_.emplace(k, std::make_unique<wait_of<Handler>>(e, std::move(h)));
    return k;
  }

  /// Ends a wait, if it is still there.
  void end(const key& k, std::error_code ec) {
    const auto found = waits_.find(k);
    if (found == waits_.end()) return;
    const auto ended = std::move(found->second);
    waits_.erase(found);
    ended->complete(ec);
  }

  /// When the next wait is over.
  [[nodiscard]] time_point next() const noexcept {
    return waits_.empty() ? time_point::max() : waits_.begin()->first.first;
  }

  /// Ends what is over at `now`, in the order of the moments.
  void pass(time_point now) {
    while (next() <= now) end(waits_.begin()->first, {});
  }

 private:
  struct wait {
    wait() = default;
    wait(const wait&) = delete;
    wait& operator=(const wait&) = delete;
    virtual ~wait() = default;
    virtual void complete(std::error_code ec) = 0;
  };

  template <typename Handler>
  struct wait_of final : wait {
    wait_of(asio::any_io_executor e, Handler h) : context(std::move(e)), handler(std::move(h)) {}
    void complete(std::error_code ec) override {
      auto slot = asio::get_associated_cancellation_slot(handler);
      if (slot.is_connected()) slot.clear();
      asio::post(context, [h = std::move(handler), ec]() mutable {
        const auto own = asio::get_associated_executor(h);  // the system's, if it has none: in line
        asio::dispatch(own, [h = std::move(h), ec]() mutable { std::move(h)(ec); });
      });
    }

    asio::any_io_executor context;
    Handler handler;
  };

  std::map<key, std::unique_ptr<wait>> waits_;
  std::uint64_t last_ = 0;
};

/// Virtual time: it stands still until a test moves it, so hours pass in microseconds and every run
/// is the same. One clock for the whole process, on the same scale as steady time; it only goes on.
///
///   manual_clock::timer timer(executor, manual_clock::now() + 1h);
///   manual_clock::advance(context, 2h);                        // the timer has fired after one
class manual_clock {
 public:
  using duration = std::chrono::steady_clock::duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::steady_clock::time_point;

  static constexpr bool is_steady = true;

  /// As Asio's timers, on this clock; what takes a clock uses it (see detail/timer.hpp).
  class timer {
   public:
    explicit timer(asio::any_io_executor e, time_point at = time_point::max())
        : executor_(std::move(e)),
          waits_(asio::use_service<manual_waits>(asio::query(executor_, asio::execution::context))),
          at_(at) {}
    timer(const timer&) = delete;
    timer& operator=(const timer&) = delete;
    ~timer() { cancel(); }

    [[nodiscard]] const asio::any_io_executor& get_executor() const noexcept { return executor_; }

    void expires_at(time_point at) {
      cancel();
      at_ = at;
    }

    void cancel() {
      for (const auto& k : std::exchange(pending_, {}))
        waits_.end(k, asio::error::operation_aborted);
    }

    /// Completes when the time has come, or with `operation_aborted`.
    template <typename Token>
    auto async_wait(Token&& token) {
      return asio::async_initiate<Token, void(std::error_code)>(
          [this](auto handler) {
            pending_.push_back(waits_.add(at_, executor_, std::move(handler)));
          },
          token);
    }

   private:
    asio::any_io_executor executor_;
    manual_waits& waits_;
    time_point at_;
    std::vector<manual_waits::key> pending_;  ///< not yet over, as far as this object knows
  };

  static time_point now() noexcept { return now_; }

  /// The same bytes in every run.
  static void fill_randomly(void* to, std::size_t bytes) {
    auto* const at = static_cast<unsigned char*>(to);
    for (std::size_t i = 0; i < bytes; ++i) at[i] = static_cast<unsigned char>(random_() >> 8U);
  }

  /// Runs what can run without time passing.
  static void settle(asio::io_context& context) {
    context.restart();
    asio::use_service<manual_waits>(context).pass(now_);
    while (context.poll() != 0) asio::use_service<manual_waits>(context).pass(now_);
  }

  /// Moves on to the next moment at which a timer is due, but not beyond `limit`, and lets that
  /// settle. False if there is no such moment.
  static bool step(asio::io_context& context, time_point limit) {
    settle(context);
    const auto next = asio::use_service<manual_waits>(context).next();
    if (next > limit) return false;
    now_ = std::max(now_, next);
    settle(context);
    return true;
  }

  /// Lets `d` pass; every timer that falls due on the way sees its own moment.
  static void advance(asio::io_context& context, duration d) {
    const auto until = now_ + d;
    while (step(context, until)) {
    }
    now_ = until;
    settle(context);
  }

 private:
  inline static time_point now_{std::chrono::hours(1)};
  inline static std::minstd_rand random_{1};
};

}  // namespace parley::test
