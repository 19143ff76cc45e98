#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include <parley/detail/asio.hpp>
#include <parley/detail/timer_queue.hpp>
#include <parley/detail/wakeup.hpp>
#include <parley/endpoint.hpp>
#include <parley/error.hpp>
#include <parley/options.hpp>

namespace parley::detail {

class pending_accepts;

/// A connection that was accepted and has not become a conversation, and the time it is given.
///
/// A timer that expires when that time is over. Used on one executor; `among` and the socket must
/// outlive it.
struct pending_accept final : queued_timer<std::chrono::steady_clock> {
  enum class stage { silent, greeting, leaving };

  inline pending_accept(pending_accepts& among, any_socket& s);
  pending_accept(const pending_accept&) = delete;
  pending_accept& operator=(const pending_accept&) = delete;
  inline ~pending_accept();

  /// The first bytes have come, or the last ones are on their way.
  inline void enter(stage next);

  /// Completes when those are gone who were dropped in the middle of their greeting, with all that
  /// was held for them: their sockets are closed at once, but a coroutine that hears of that takes
  /// its turn, and thousands may begin before. So before much memory is taken for this one.
  [[nodiscard]] inline asio::awaitable<void> others_gone() const;

  /// Ends whatever this side does with it.
  inline void drop(std::error_code why);

  /// For people.
  [[nodiscard]] std::string who() const {
    return from_.size() == 0 ? "somebody" : to_string(from_);
  }
  /// The same for all callers from one IP address; else empty.
  [[nodiscard]] std::string host() const {
    if (!is_ip(from_)) return {};
    const std::string at = to_string(from_);
    return at.substr(0, at.rfind(':'));
  }

  any_socket& socket;     ///< does not block
  std::error_code ended;  ///< why it was dropped

 private:
  friend class pending_accepts;
  struct link : ring_link {
    explicit link(pending_accept& c) noexcept : owner(c) {}
    pending_accept& owner;
  };
  void expired() override { drop(errc::handshake_timeout); }

  pending_accepts& among_;
  endpoint from_;
  std::string host_;  ///< once it is no longer silent
  stage stage_ = stage::silent;
  bool going_ = false;  ///< dropped in the middle of its greeting
  link link_{*this};
};

/// Those who wait at a listener's door, and how many of them it puts up with: where there are too
/// many of a kind the oldest goes. Who greets at once, as honest callers do, is never among them.
class pending_accepts {
 public:
  pending_accepts(const asio::any_io_executor& e, const options& o)
      : timers_(std::make_shared<timer_queue<std::chrono::steady_clock>>(e)), options_(o) {}

  /// Sends the oldest one away who has not said anything. False: there is none.
  bool drop_oldest_silent() { return drop_oldest(silent_); }

  void drop_all() {
    for (group* g : {&silent_, &greeting_, &leaving_})
      while (drop_oldest(*g)) {
      }
  }

 private:
  friend struct pending_accept;
  struct group {
    ring_link all;
    std::size_t size = 0;
  };

  static pending_accept& at(ring_link& l) noexcept {
    return static_cast<pending_accept::link&>(l).owner;
  }

  bool drop_oldest(group& g) {
    if (g.all.alone()) return false;
    drop(at(*g.all.next), g);
    return true;
  }

  static void drop(pending_accept& c, group& g) {
    leave(c, g);
    c.drop(errc::crowded_out);
  }

  static void leave(pending_accept& c, group& g) noexcept {
    if (c.link_.alone()) return;
    c.link_.leave();
    --g.size;
  }

  [[nodiscard]] group& of(pending_accept::stage s) noexcept {
    if (s == pending_accept::stage::silent) return silent_;
    return s == pending_accept::stage::greeting ? greeting_ : leaving_;
  }

  void join(pending_accept& c) {
    group& g = of(c.stage_);
    if (c.stage_ != pending_accept::stage::silent) make_room_for(c.host_ = c.host(), g);
    while (g.size >= (&g == &silent_ ? options_.max_silent : options_.max_handshakes))
      drop_oldest(g);
    c.link_.join(g.all);
    ++g.size;
  }

  /// One address has so many places, and its own oldest one makes room.
  void make_room_for(const std::string& host, group& g) const {
    if (host.empty()) return;
    std::size_t count = 0;
    pending_accept* oldest = nullptr;
    for (ring_link* l = g.all.next; l != &g.all; l = l->next) {
      if (at(*l).host_ != host) continue;
      if (count++ == 0) oldest = &at(*l);
    }
    if (count >= options_.max_per_address) drop(*oldest, g);
  }

  std::shared_ptr<timer_queue<std::chrono::steady_clock>> timers_;
  const options& options_;
  group silent_, greeting_, leaving_;
  std::size_t going_ = 0;  ///< of those who were dropped while greeting: not gone yet
};

inline pending_accept::pending_accept(pending_accepts& among, any_socket& s)
    : socket(s), among_(among) {
  std::error_code gone;  // it will say so when it is read
  socket.non_blocking(true, gone);
  from_ = socket.remote_endpoint(gone);
  among_.timers_->set(*this, std::chrono::steady_clock::now() + among_.options_.handshake_timeout);
  among_.join(*this);
}

inline pending_accept::~pending_accept() {
  if (going_) --among_.going_;
  among_.timers_->unset(*this);
  pending_accepts::leave(*this, among_.of(stage_));
}

inline asio::awaitable<void> pending_accept::others_gone() const {
  constexpr int most_turns = 8;  // two or three are enough, and nobody waits for one who is stuck
  for (int turn = 0; turn < most_turns && among_.going_ != 0 && !ended; ++turn)
    co_await asio::post(asio::use_awaitable);
}

inline void pending_accept::drop(std::error_code why) {
  if (stage_ == stage::greeting && !std::exchange(going_, true)) ++among_.going_;
  ended = why;
  std::error_code ignored;  // closed already: then there is nothing left to end
  socket.close(ignored);
  among_.timers_->unset(*this);
}

inline void pending_accept::enter(stage next) {
  if (next == stage_ || link_.alone()) return;
  pending_accepts::leave(*this, among_.of(stage_));
  stage_ = next;
  among_.join(*this);
}

}  // namespace parley::detail
