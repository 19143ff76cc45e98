#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <parley/detail/asio.hpp>
#include <parley/detail/conversation.hpp>
#include <parley/detail/loop.hpp>
#include <parley/detail/timer.hpp>
#include <parley/error.hpp>
#include <parley/identity.hpp>
#include <parley/message.hpp>
#include <parley/options.hpp>
#include <parley/protocols.hpp>
#include <parley/stats.hpp>

namespace parley {

/// How a conversation stands.
enum class state {
  connected,  ///< a connection carries it
  away,       ///< its connection broke and the next one is awaited; `send` and `receive` go on
  ended,      ///< for the `reason()`
};

/// One side of a conversation: what a program sends to and receives from.
///
/// Made by `dial` and by a listener; the same type on both sides. Messages arrive whole, in order,
/// once, over as many connections as it takes. When the handle goes, the conversation is ended at
/// once (`abort`); say `close` before.
///
///   co_await peer.send("hello");
///   while (auto message = co_await peer.receive())
///     std::cout << parley::printable(message->body) << '\n';
///
/// Calls that fail throw `std::system_error`, or set `ec` in the forms that take one. Every wait
/// can be cancelled without harm. Not safe for sharing between threads: call on its executor only.
template <typename Stream, typename Protocol = session, typename Clock = std::chrono::steady_clock>
class basic_peer {
 public:
  using stream_type = Stream;
  using protocol_type = Protocol;
  using clock_type = Clock;
  using conversation_type = detail::conversation<Stream, Protocol, Clock>;

  basic_peer() = default;
  explicit basic_peer(std::shared_ptr<conversation_type> c) noexcept
      : conversation_(std::move(c)) {}
  basic_peer(const basic_peer&) = delete;
  basic_peer& operator=(const basic_peer&) = delete;
  basic_peer(basic_peer&&) noexcept = default;
  basic_peer& operator=(basic_peer&& other) noexcept {
    if (conversation_ && this != &other)
      conversation_->drop();  // first: who waits here looks at it
    conversation_ = std::move(other.conversation_);
    return *this;
  }
  ~basic_peer() {
    if (conversation_) conversation_->drop();
  }

  // --- sending ---------------------------------------------------------------------------------

  /// Completes when the message is queued; waits while the outbox is full. `body` must stay valid
  /// until then. Errors: `message_too_large`, `closed`, `bad_tag`, `not_utf8`, `embedded_newline`,
  /// or the reason for which the conversation has ended. Cancelled, nothing was queued.
  asio::awaitable<receipt> send(std::string_view body, tag_type tag = 0) {
    return send_or_tell(body, tag, nullptr);
  }
  asio::awaitable<receipt> send(std::string_view body, tag_type tag, std::error_code& ec) {
    return send_or_tell(body, tag, &ec);
  }

  /// Queues the message now or not at all. The receipt is `last_receipt()`.
  [[nodiscard]] send_result try_send(std::string_view body, tag_type tag = 0) {
    // The short way is for the program's loop, the long one for a call.
    return conversation_->push_behind(body, tag) ? send_result::queued
                                                 : conversation_->push(body, tag);
  }

  /// Of the message queued last; there must be one.
  [[nodiscard]] receipt last_receipt() const noexcept { return {next_sequence() - 1}; }

  /// Completes when the peer's program is done with the message (plain lines: when the stream has
  /// taken it): true; or false when the conversation ends before.
  asio::awaitable<bool> delivered(receipt r) {
    conversation_->flush();
    while (!conversation_->ended() && conversation_->protocol().acknowledged() <= r.sequence)
      co_await conversation_->progressed().wait();
    co_return conversation_->protocol().acknowledged() > r.sequence;
  }

  /// How many messages, from the first on, the peer's program is known to be done with.
  [[nodiscard]] std::uint64_t delivered_count() const noexcept {
    return std::min(conversation_->protocol().acknowledged(), next_sequence());
  }

  /// Completes when more has been delivered than `count`, or the conversation has ended.
  asio::awaitable<void> delivered_beyond(std::uint64_t count) {
    while (!conversation_->ended() && delivered_count() <= count)
      co_await conversation_->progressed().wait();
  }

  // --- receiving -------------------------------------------------------------------------------

  /// Completes with the next message, or with none when the peer has said goodbye. The view is
  /// valid until the next call, which also releases it and so acknowledges it. One call at a time.
  /// Where more has arrived than the program can deal with, everybody else gets a turn in between.
  /// Errors: the reason for which the conversation ended; what arrived before is handed out first.
  asio::awaitable<std::optional<message>> receive() { return receive_or_tell(nullptr); }
  asio::awaitable<std::optional<message>> receive(std::error_code& ec) {
    return receive_or_tell(&ec);
  }

  /// The next message if it has arrived; otherwise what was queued is written. A program that calls
  /// nothing else while there is more keeps everybody else on its executor waiting.
  [[nodiscard]] std::optional<message> try_receive() {
    // One expression: a message that is copied just after it was made waits for the store buffer.
    return conversation_->has_next() ? conversation_->take_next() : conversation_->take();
  }

  // --- the end ---------------------------------------------------------------------------------

  /// Says goodbye after what is queued: `send` is over, `receive` goes on.
  void finish() { conversation_->finish(); }

  /// Says goodbye and completes when everything is acknowledged both ways, when the conversation
  /// has ended, or after `patience`; then the connection is closed. The message received last
  /// counts as dealt with (`abort` instead, if it is not), later ones stay unreceived.
  /// Returns how many of ours the peer's program is not known to be done with.
  asio::awaitable<std::uint64_t> close(std::chrono::milliseconds patience) {
    const auto self = conversation_;
    const auto deadline = Clock::now() + patience;
    detail::timer<Clock> alarm(self->executor(), deadline);
    alarm.async_wait([self](std::error_code) { self->progressed().notify(); });
    self->finish();
    while (!self->ended() && Clock::now() < deadline) {
      if (!self->protocol().readable()) (void)self->take();  // the peer's goodbye may stand next
      if (!self->ended()) co_await self->progressed().wait();
    }
    self->abort();
    co_return statistics().unacknowledged;
  }

  /// The same with the patience of `options::goodbye_timeout`.
  asio::awaitable<std::uint64_t> close() {
    return close(conversation_->settings().goodbye_timeout);
  }

  /// Ends the conversation at once; what was not acknowledged stays so.
  void abort() { conversation_->abort(); }

  // --- what is known ---------------------------------------------------------------------------

  /// Whether this is one side of a conversation, not an empty or moved-from handle.
  [[nodiscard]] explicit operator bool() const noexcept { return conversation_ != nullptr; }
  [[nodiscard]] parley::state state() const noexcept {
    if (ended()) return parley::state::ended;
    return conversation_->protocol().connected() ? parley::state::connected : parley::state::away;
  }
  /// Whether the conversation has ended, for the `reason()`; none: both sides said goodbye.
  [[nodiscard]] bool ended() const noexcept { return conversation_->ended(); }
  [[nodiscard]] std::error_code reason() const noexcept { return conversation_->reason(); }
  /// Whether the peer has said goodbye and everything before it was received.
  [[nodiscard]] bool at_end() const noexcept { return conversation_->protocol().at_end(); }

  [[nodiscard]] stats statistics() const noexcept { return conversation_->protocol().statistics(); }
  /// As the peer introduced itself, not made printable; valid as long as the handle.
  [[nodiscard]] std::string_view name() const noexcept {
    return conversation_->protocol().peer_name();
  }
  /// Who the peer is; none over streams that do not know, such as plain sockets.
  [[nodiscard]] std::optional<parley::identity> identity() const { return conversation_->peer(); }
  /// Where the peer is, as `to_string(endpoint)` writes it; empty once the connection has ended.
  [[nodiscard]] std::string address() const { return conversation_->remote(); }
  /// What the connection is encrypted with, as OpenSSL calls it; empty if it is not.
  [[nodiscard]] std::string_view cipher() const noexcept { return conversation_->cipher(); }
  /// Asks for a round trip; `statistics()` has it when the answer is back.
  void ping() { conversation_->ping(); }
  /// A dialer that pauses before its next attempt makes it now.
  void hurry() { conversation_->hurry(); }
  /// Writes what is queued, for a program that does not come back to wait here soon.
  void flush() { conversation_->flush(); }

  [[nodiscard]] const asio::any_io_executor& get_executor() const noexcept {
    return conversation_->executor();
  }

 private:
  [[nodiscard]] std::uint64_t next_sequence() const noexcept {
    return conversation_->protocol().next_sequence();
  }

  /// `send`, which throws where `told` is null.
  asio::awaitable<receipt> send_or_tell(std::string_view body, tag_type tag,
                                        std::error_code* told) {
    // Nearly always; an error code alone costs a call into the standard library.
    if (try_send(body, tag) == send_result::queued) {
      if (told) told->clear();
      co_return last_receipt();
    }
    std::error_code ec;
    receipt r;
    while (!queue(body, tag, r, ec)) co_await conversation_->progressed().wait();
    tell(ec, told);
    co_return r;
  }

  /// `receive`, which throws where `told` is null.
  asio::awaitable<std::optional<message>> receive_or_tell(std::error_code* told) {
    if (in_a_row_ >= turn && overruns()) {
      const auto c = conversation_;  // this object may go while others have their turn
      co_await asio::post(c->executor(), asio::use_awaitable);
      if (c->dropped()) {
        tell(errc::aborted, told);
        co_return std::nullopt;
      }
    }
    auto m = try_receive();
    if (m) {  // as often as the program is slower than its peer
      in_a_row_ += least_weight + m->body.size();
      if (told) told->clear();
      co_return m;
    }
    std::error_code ec;
    detail::wakeup::waiter here(conversation_->arrived());
    while (!next(m, ec)) co_await here.notified();
    tell(ec, told);
    co_return m;
  }

  /// Hands an error on in the way that was asked for.
  static void tell(std::error_code ec, std::error_code* told) {
    if (told)
      *told = ec;
    else if (ec)
      throw std::system_error(ec);
  }

  /// Whether `send` is done: queued, or an error. If not, there is no room now.
  [[nodiscard]] bool queue(std::string_view body, tag_type tag, receipt& r, std::error_code& ec) {
    r = {next_sequence()};
    ec.clear();
    auto answer = conversation_->push(body, tag);
    if (answer == send_result::full) {
      conversation_->flush();  // which may itself make room
      answer = conversation_->push(body, tag);
    }
    switch (answer) {
      case send_result::queued: break;
      case send_result::full: return false;
      case send_result::too_large: ec = errc::message_too_large; break;
      case send_result::unfit: ec = Protocol::unfit(body); break;
      case send_result::closed:
        ec = conversation_->ended() && conversation_->reason() ? conversation_->reason()
                                                               : errc::closed;
        break;
    }
    return true;
  }

  /// Whether the program is so slow that others on the executor must get their turn, the loops
  /// above all, for which heartbeats, acks and what the program says are waiting.
  [[nodiscard]] bool overruns() {
    in_a_row_ = 0;
    const auto now = Clock::now();
    const bool over = now - std::max(turn_begun_, conversation_->last_look()) > detail::slow;
    if (over) turn_begun_ = now;
    return over;
  }

  /// Whether `receive` is done: a message, the peer's goodbye, or an error.
  [[nodiscard]] bool next(std::optional<message>& m, std::error_code& ec) {
    ec.clear();
    m = conversation_->take();
    if (m || conversation_->protocol().at_end()) return true;
    if (conversation_->ended()) ec = conversation_->reason();
    return conversation_->ended();
  }

  // Half a read, so that reading gets ahead of a slow program; 128 messages at most.
  static constexpr std::size_t turn = std::size_t{32} << 10U, least_weight = 256;

  std::shared_ptr<conversation_type> conversation_;
  std::size_t in_a_row_ = 0;  ///< bytes received since the clock was looked at
  typename Clock::time_point turn_begun_{};
};

/// A peer over TCP or a Unix socket.
using peer = basic_peer<asio::generic::stream_protocol::socket>;

}  // namespace parley
