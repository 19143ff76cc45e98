#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include <parley/detail/asio.hpp>
#include <parley/detail/random.hpp>
#include <parley/detail/stream.hpp>
#include <parley/detail/wakeup.hpp>
#include <parley/error.hpp>
#include <parley/options.hpp>
#include <parley/printable.hpp>
#include <parley/protocol/backoff.hpp>

namespace parley::detail {

/// Whether an attempt has failed on this machine: it cost nobody else anything.
[[nodiscard]] inline bool failed_here(std::error_code ec) noexcept {
  return ec == asio::error::network_unreachable || ec == asio::error::network_down ||
         ec == asio::error::host_unreachable ||
         ec == std::error_code(EADDRNOTAVAIL, asio::error::get_system_category());
}

/// Makes the connections of one conversation, one after the other, until it has ended.
///
///   const auto d = std::make_shared<dialer<…>>(std::move(connect), conversation);
///   spawn(executor, d->run(d));
///
/// Used on the conversation's executor.
template <typename Stream, typename Connector, typename Clock, typename Conversation>
class dialer : public std::enable_shared_from_this<dialer<Stream, Connector, Clock, Conversation>> {
 public:
  dialer(Connector how, std::shared_ptr<Conversation> c)
      : connect_(std::move(how)),
        conversation_(std::move(c)),
        give_up_(Clock::now() + settings().wait_for) {}

  /// Completes when the conversation has ended. Never throws.
  static asio::awaitable<void> run(std::shared_ptr<dialer> self) {
    while (!self->conversation_->ended()) co_await self->connection();
  }

  /// Throws what the last attempt failed with.
  [[noreturn]] void rethrow() const {
    if (thrown_) std::rethrow_exception(thrown_);
    throw std::system_error(conversation_->reason(),
                            printable(conversation_->protocol().refusal()));
  }

 private:
  using time_point = typename Clock::time_point;

  /// A connection that lived so long was healthy.
  static constexpr std::chrono::seconds health{10};
  /// The longest pause after an attempt that did not get beyond this machine.
  static constexpr std::chrono::milliseconds local_pause{200};

  /// What a connector gives, or why it does not. Shared with it: it may outlive the conversation,
  /// for a resolver cannot be interrupted.
  struct result {
    std::optional<Stream> stream;
    std::error_code why;
    std::exception_ptr thrown;
    bool done = false;
    asio::cancellation_signal cancel;
  };

  /// Seeded, so that many who lose their listener at once do not come back at once.
  [[nodiscard]] protocol::backoff& pauses() {
    if (pauses_) return *pauses_;
    std::uint32_t seed = 0;
    fill_randomly_on<Clock>(&seed, sizeof seed);
    return pauses_.emplace(settings().retry_most, seed);
  }

  /// Whether no message can be lost any more: then only the peer may not know that all is well.
  [[nodiscard]] bool settled() const { return conversation_->protocol().settled(); }

  [[nodiscard]] const options& settings() const noexcept { return conversation_->settings(); }

  /// Grows with every message that is acknowledged or handed out.
  [[nodiscard]] std::uint64_t moved() const {
    return conversation_->protocol().acknowledged() +
           conversation_->protocol().statistics().messages_received;
  }

  /// One connection, and what comes after it: the end, or a pause.
  asio::awaitable<void> connection() {
    const auto begun = Clock::now();
    const auto before = moved();
    const std::error_code why = co_await attempt();
    if (conversation_->ended()) co_return;
    if (carried_) judge(begun, before);
    if (is_over(why)) co_return conversation_->conclude(why);
    const auto delay = pause(why, begun);
    const auto what = carried_ ? event::kind::lost : event::kind::failed;
    conversation_->tell({.what = what, .reason = why, .delay = delay});
    (void)co_await conversation_->unattended(conversation_->epoch(), delay);
  }

  /// One connection, from the first try to its end; why it ended.
  asio::awaitable<std::error_code> attempt() {
    carried_ = false;
    conversation_->next_attempt();
    conversation_->tell({.what = event::kind::connecting});
    const auto made = connect();
    wakeup::waiter here(conversation_->changed());
    while (!made->done && !conversation_->ended()) co_await here.notified();
    if (!made->done) made->cancel.emit(asio::cancellation_type::terminal);
    if (conversation_->ended()) made->stream.reset();
    thrown_ = made->thrown;
    if (!made->stream) co_return made->why;
    // The conversation is with whom it began with.
    const auto before = conversation_->peer();
    if (before && before != peer_of(*made->stream)) co_return errc::wrong_identity;
    const auto connections = conversation_->protocol().statistics().connections;
    if constexpr (proving<Stream, typename Conversation::protocol_type>)
      conversation_->protocol().dial(Clock::now(), made->stream->proof());
    else
      conversation_->protocol().dial(Clock::now());
    conversation_->attach(std::move(*made->stream));
    const auto why = co_await conversation_->run();
    carried_ = conversation_->protocol().statistics().connections != connections;
    co_return why;
  }

  /// Begins to connect; `conversation::changed` tells when that is done.
  std::shared_ptr<result> connect() {
    const auto made = std::make_shared<result>();
    // A slot lives until its handler is called, and Asio 1.30 posts that call where `fill` never
    // waited: the handler keeps it.
    asio::co_spawn(
        conversation_->executor(), fill(this->shared_from_this(), made),
        asio::bind_cancellation_slot(made->cancel.slot(), [made](const std::exception_ptr&) {}));
    return made;
  }

  static asio::awaitable<void> fill(std::shared_ptr<dialer> self, std::shared_ptr<result> made) {
    try {
      made->stream.emplace(co_await self->connect_());
    } catch (const std::system_error& e) {
      made->why = e.code();
      made->thrown = std::current_exception();
    } catch (...) {  // no network's fault, and nothing that would pass
      made->why = errc::aborted;
      made->thrown = std::current_exception();
    }
    made->done = true;
    self->conversation_->changed().notify();
  }

  /// The connection has ended: it may have been good enough to begin the count of failures anew.
  void judge(time_point begun, std::uint64_t before) {
    const auto now = Clock::now();
    const bool healthy = now - begun >= health;
    if (healthy) pauses().healthy();
    if (moved() != before) pauses().progressed();
    const auto patience = settled() ? std::min(settings().goodbye_timeout, settings().resume_for)
                                    : settings().resume_for;
    if (healthy || moved() != before || !was_carried_) give_up_ = now + patience;
    if (settled()) give_up_ = std::min<time_point>(give_up_, now + patience);
    was_carried_ = true;
  }

  /// Whether another attempt makes no sense.
  [[nodiscard]] bool is_over(std::error_code why) const {
    if (!why || is_final(why)) return true;
    if (conversation_->begun() && !Conversation::protocol_type::resumable) return true;
    if (settled() && why == asio::error::connection_refused) return true;
    return Clock::now() >= give_up_;
  }

  /// How long to wait now: the pause is counted from the beginning of the attempt that failed.
  [[nodiscard]] std::chrono::milliseconds pause(std::error_code why, time_point begun) {
    auto length = pauses().next();
    if (failed_here(why)) length = std::min(length, local_pause);
    const auto rest = std::min(begun + length, give_up_) - Clock::now();
    return std::max(std::chrono::ceil<std::chrono::milliseconds>(rest),
                    std::chrono::milliseconds(0));
  }

  Connector connect_;
  std::shared_ptr<Conversation> conversation_;
  std::optional<protocol::backoff> pauses_;  ///< most conversations need none
  time_point give_up_;
  std::exception_ptr thrown_;  ///< by the connector, last
  bool carried_ = false;       ///< the last attempt became a connection that was welcomed
  bool was_carried_ = false;   ///< any attempt did
};

}  // namespace parley::detail
