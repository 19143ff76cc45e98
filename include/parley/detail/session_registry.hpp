#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <system_error>
#include <type_traits>
#include <utility>

#include <parley/detail/asio.hpp>
#include <parley/detail/connection_observer.hpp>
#include <parley/detail/executor_state.hpp>
#include <parley/detail/session_table.hpp>
#include <parley/detail/spawn.hpp>
#include <parley/detail/stream.hpp>
#include <parley/detail/wakeup.hpp>
#include <parley/error.hpp>
#include <parley/options.hpp>
#include <parley/protocol/greeting.hpp>

namespace parley::detail {

namespace frame = protocol::frame;

/// Where the connections of a listener become conversations, or go on with one; it hands out
/// `Peer`, a `basic_peer`, for each.
///
///   hello ──▶ make_way() ──▶ admit() ─┬─▶ refusal
///                                     ├─▶ a new conversation ──▶ next_peer()
///                                     └─▶ the one that lost its connection
///
/// Shared with the coroutines that carry the conversations. Used on one executor.
template <typename Peer>
class session_registry final : public connection_observer<typename Peer::conversation_type>,
                               public std::enable_shared_from_this<session_registry<Peer>> {
  using Stream = typename Peer::stream_type;
  using Protocol = typename Peer::protocol_type;
  using Clock = typename Peer::clock_type;

 public:
  using conversation_type = typename Peer::conversation_type;

  session_registry(const asio::any_io_executor& e, std::shared_ptr<const options> o)
      : executor_(e),
        settings_(std::move(o)),
        executor_state_(std::make_shared<executor_state<Clock>>(e)),
        table_(settings_->resume_for),
        changed_(e) {}

  [[nodiscard]] bool is_open() const noexcept { return open_; }
  /// Whether there is no room for one more conversation.
  [[nodiscard]] bool is_full() const noexcept { return peers_ >= settings_->max_peers; }

  /// Completes with the next peer; with `operation_aborted`, thrown, once this is closed.
  asio::awaitable<Peer> next_peer() {
    const auto self = this->shared_from_this();
    while (open_ && ready_.empty()) co_await changed_.wait();
    if (ready_.empty()) throw std::system_error(asio::error::operation_aborted);
    Peer next = std::move(ready_.front());
    ready_.pop_front();
    co_return next;
  }

  /// Aborts what was not handed out, and ends what waits for a connection: there will be none.
  void close() {
    const auto self = this->shared_from_this();
    open_ = false;
    ready_.clear();
    if constexpr (resumable) table_.each([](conversation_type& c) { c.hurry(); });
    changed_.notify();
  }

  /// Completes when no connection stands in the way of this hello. The last one may not have
  /// noticed yet that it is dead; nothing that it still brings may come between the positions and
  /// the answer to them, so it has to be gone before.
  asio::awaitable<void> make_way(frame::hello h, std::optional<identity> who) {
    const auto known = find(h.session, who);
    while (known && known->attached() && !known->protocol().check(h)) co_await known->supersede();
  }

  /// Hands the caller's connection to the conversation that it goes on with, or to a new one; or
  /// says why not, and leaves it. After `make_way`, with nothing in between.
  [[nodiscard]] std::optional<frame::refusal> admit(const frame::hello& h, Stream& s) {
    using frame::refusal;
    if (h.version_min > frame::protocol_version || h.version_max < frame::protocol_version)
      return refusal{.reason = refuse_reason::version, .text = "this side speaks parley/1"};
    auto c = find(h.session, peer_of(s));
    const bool known = c != nullptr;
    if (!known && table_.find(h.session)) return refusal{.reason = refuse_reason::unknown_session};
    if (const auto over = table_.over(h.session, Clock::now())) return over;
    if (!known && h.welcomed != 0) return refusal{.reason = refuse_reason::unknown_session};
    if (!known && is_full()) {
      doubt(peer_of(s));
      return refusal{.reason = refuse_reason::busy};
    }
    if (!known) c = std::make_shared<conversation_type>(executor_state_, settings_, h.session);
    if (c->ended()) return refusal{refuse_reason::ended, c->protocol().released(), {}};
    if (const auto bad = c->protocol().answer(h, Clock::now()))
      return refusal{*bad, c->protocol().released(), {}};
    if (!known) table_.add(c);
    attach(std::move(c), std::move(s), known);
    return std::nullopt;
  }

  /// Begins a conversation with a caller of whom no greeting is expected.
  void admit(Stream s) {
    auto c = std::make_shared<conversation_type>(executor_state_, settings_);
    c->protocol().answer(Clock::now());
    attach(std::move(c), std::move(s), false);
  }

 private:
  static constexpr bool resumable = Protocol::resumable;
  struct nothing {
    explicit nothing(std::chrono::milliseconds) noexcept {}
  };

  /// The conversation with that session id, if it is that peer's: nobody else can go on with it.
  [[nodiscard]] std::shared_ptr<conversation_type> find(const frame::session_id& id,
                                                        const std::optional<identity>& who) const {
    auto c = table_.find(id);
    return c && c->peer() == who ? c : nullptr;
  }

  /// A connection begins, the first one of `c` or not.
  void attach(std::shared_ptr<conversation_type> c, Stream s, bool known) {
    c->next_attempt();
    c->attach(std::move(s));
    const auto self = this->shared_from_this();
    if (!known) {
      ++peers_;
      ready_.emplace_back(c);
      changed_.notify();
    }
    c->run_for(self);
  }

  /// Sees a conversation to its end, or through the time until its next connection.
  void connection_over(std::shared_ptr<conversation_type> c, std::error_code why) override {
    if (is_over(*c, why)) return bury(*c, why);
    const auto patience = patience_for(*c);
    c->tell({.what = event::kind::lost, .reason = why, .delay = patience});
    const auto epoch = c->epoch();  // now: the next connection may be there before the coroutine
    spawn(executor_, await_return(this->shared_from_this(), std::move(c), epoch, why, patience));
  }

  static asio::awaitable<void> await_return(std::shared_ptr<session_registry> self,
                                            std::shared_ptr<conversation_type> c,
                                            std::uint32_t epoch, std::error_code why,
                                            std::chrono::milliseconds patience) {
    const bool back = co_await is_back(self, c, epoch, patience);
    if (!back) self->bury(*c, self->open_ ? make_error_code(errc::not_back) : why);
  }

  /// Completes with whether another connection than that of `epoch` is there: when it is, or when
  /// there will be none.
  static asio::awaitable<bool> is_back(std::shared_ptr<session_registry> self,
                                       std::shared_ptr<conversation_type> c, std::uint32_t epoch,
                                       std::chrono::milliseconds patience) {
    const auto until = Clock::now() + patience;
    while (self->open_ && !c->ended() && c->epoch() == epoch && Clock::now() < until)
      (void)co_await c->unattended(epoch, until - Clock::now());
    co_return c->epoch() != epoch;
  }

  /// There is no room for a peer that begins a conversation. If another one waits for that peer,
  /// its program may have been killed and know nothing of it any more. If it still runs it can be
  /// reached now, and is back within the longest pause between two attempts and the attempt.
  void doubt(const std::optional<identity>& who) {
    if (!who) return;
    table_.each([this, &who](conversation_type& c) {
      if (c.peer() != who || c.attached() || !doubted_.insert(c.protocol().id()).second) return;
      const auto patience = 2 * settings_->retry_most;
      const auto epoch = c.epoch();  // now, as in `connection_over`
      spawn(executor_, give_up(this->shared_from_this(), c.shared_from_this(), epoch, patience));
    });
  }

  static asio::awaitable<void> give_up(std::shared_ptr<session_registry> self,
                                       std::shared_ptr<conversation_type> c, std::uint32_t epoch,
                                       std::chrono::milliseconds patience) {
    const bool back = co_await is_back(self, c, epoch, patience);
    self->doubted_.erase(c->protocol().id());
    if (!back && self->open_) c->conclude(errc::not_back);  // whoever awaits its return buries it
  }

  void bury(conversation_type& c, std::error_code why) {
    c.conclude(why);
    if constexpr (resumable) table_.bury(c, Clock::now());
    --peers_;
  }

  /// Whether no further connection can carry on a conversation whose last one ended with `why`.
  [[nodiscard]] bool is_over(const conversation_type& c, std::error_code why) const {
    return !resumable || !open_ || settings_->resume_for.count() == 0 || c.ended() || !why ||
           is_final(why) || c.protocol().agreed();
  }

  /// How long it may wait for its next connection. Where all is complete that is only to hear that
  /// the peer knows it too: who asks later finds a tombstone, as long as there is this process.
  [[nodiscard]] std::chrono::milliseconds patience_for(const conversation_type& c) const {
    return c.protocol().complete() ? std::min(settings_->resume_for, settings_->goodbye_timeout)
                                   : settings_->resume_for;
  }

  asio::any_io_executor executor_;
  std::shared_ptr<const options> settings_;
  std::shared_ptr<executor_state<Clock>> executor_state_;
  std::conditional_t<resumable, session_table<conversation_type>, nothing> table_;
  std::set<frame::session_id> doubted_;  ///< of these the peer may know nothing any more
  std::deque<Peer> ready_;
  wakeup changed_;
  std::size_t peers_ = 0;  ///< conversations that have not ended
  bool open_ = true;
};

}  // namespace parley::detail
