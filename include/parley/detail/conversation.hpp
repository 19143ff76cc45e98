#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <parley/detail/asio.hpp>
#include <parley/detail/connection.hpp>
#include <parley/detail/connection_observer.hpp>
#include <parley/detail/executor_state.hpp>
#include <parley/detail/timer.hpp>
#include <parley/detail/timer_queue.hpp>
#include <parley/detail/wakeup.hpp>
#include <parley/error.hpp>
#include <parley/message.hpp>
#include <parley/options.hpp>

namespace parley::detail {

/// A conversation: a protocol, the connection that carries it now, and who waits for what.
///
///   attach(stream) ─▶ run() ─┬─▶ end(reason)                      all was said, or aborted
///        ▲                   └─▶ unattended() ─┬─▶ end(reason)        time is up
///        └─────────────────────────────────────┘
///
/// Whoever makes or accepts its connections drives it round: a dialer, or a listener.
/// What a program queues leaves in one write when the program goes to wait on the peer, when a
/// batch is full, or from one posted flush, whichever comes first.
/// Shared by the program's handle and by whoever runs it. Not safe for sharing between threads.
template <typename Stream, typename Protocol, typename Clock>
class conversation : public std::enable_shared_from_this<conversation<Stream, Protocol, Clock>> {
 public:
  using protocol_type = Protocol;

  /// What follows the options goes to the protocol's constructor.
  template <typename... Args>
  conversation(std::shared_ptr<executor_state<Clock>> shared, std::shared_ptr<const options> o,
               const Args&... args)
      : options_(std::move(o)),
        shared_(std::move(shared)),
        arrived_(executor()),
        progressed_(executor()),
        changed_(executor()),
        protocol_(*options_, args..., &shared_->spares) {}
  template <typename... Args>
  conversation(const asio::any_io_executor& e, std::shared_ptr<const options> o,
               const Args&... args)
      : conversation(std::make_shared<executor_state<Clock>>(e), std::move(o), args...) {}

  // --- one connection after the other ----------------------------------------------------------

  /// A connection begins: the protocol has been told to `dial` or to `answer`, and there is none.
  void attach(Stream s) {
    ++epoch_;
    flush_due_ = false;
    peer_.meet(s);
    connection_.emplace(*this, std::move(s));
    changed_.notify();
  }

  /// Completes when the attached connection has ended, with the reason; none if all was said both
  /// ways. Never throws. Whoever calls it goes on with `end` or `unattended` at once.
  asio::awaitable<std::error_code> run() {
    const auto self = this->shared_from_this();
    connection_->start();
    wakeup::waiter here(changed_);
    while (connection_) co_await here.notified();
    co_return lost_;
  }

  /// The same without a wait: the observer is told when it has ended, and goes on.
  void run_for(const std::shared_ptr<connection_observer<conversation>>& h) {
    observer_ = h;
    observed_ = true;
    connection_->start();
  }

  [[nodiscard]] bool attached() const noexcept { return connection_.has_value(); }

  /// Ends the attached connection for a newer one; completes when nothing can come of it any more.
  asio::awaitable<void> supersede() {
    const auto self = this->shared_from_this();
    const auto epoch = epoch_;  // where several wait here, the first to go on may attach its own
    if (connection_) connection_->stop(errc::superseded);
    while (connection_ && epoch_ == epoch) co_await changed_.wait();
  }

  /// Which connection this is, or was the last; counts those that never greeted as well.
  [[nodiscard]] std::uint32_t epoch() const noexcept { return epoch_; }

  /// Completes when another connection than that of `epoch` carries the conversation, which is
  /// true, or when it has ended, the program asks to `hurry`, or `patience` is over.
  asio::awaitable<bool> unattended(std::uint32_t epoch,
                                   std::chrono::steady_clock::duration patience) {
    const auto self = this->shared_from_this();
    const auto deadline = Clock::now() + patience;
    timer<Clock> alarm(executor(), deadline);
    alarm.async_wait([self](std::error_code) { self->changed_.notify(); });
    hurry_ = false;
    changed_.notify();
    while (!ended_ && !hurry_ && epoch_ == epoch && Clock::now() < deadline)
      co_await changed_.wait();
    co_return epoch_ != epoch;
  }

  /// Whoever waits in `unattended` waits no longer.
  void hurry() {
    hurry_ = true;
    changed_.notify();
  }

  /// The conversation is over: nothing can be sent, what has arrived can still be taken.
  void end(std::error_code why) {
    if (ended_) return;
    ended_ = true;
    reason_ = why;
    const auto self = this->shared_from_this();
    if (begun()) tell({.what = event::kind::ended, .reason = why});
    arrived_.notify();
    progressed_.notify();
    changed_.notify();
  }

  /// No connection will follow the last one, which ended with `why`: an error only if that matters.
  void conclude(std::error_code why) { end(protocol_.settled() ? std::error_code{} : why); }

  /// Ends connection and conversation at once.
  void abort() {
    if (ended_) return;
    if (connection_) connection_->abandon();
    end(errc::aborted);
  }
  /// The same, as the program's handle goes, and with it what it waited in.
  void drop() { dropped_ = true, abort(); }
  [[nodiscard]] bool dropped() const noexcept { return dropped_; }

  // --- what the program does -------------------------------------------------------------------

  [[nodiscard]] send_result push(std::string_view body, tag_type tag) {
    if (ended_) return send_result::closed;
    const auto a = protocol_.push(body, tag);
    if (a == send_result::queued) flush_soon();
    return a;
  }

  /// The same if a flush is to come anyway and nothing else is to be done: most of a busy stream.
  [[nodiscard]] bool push_behind(std::string_view body, tag_type tag) {
    return flush_due_ && !ended_ && protocol_.push_behind(body, tag);
  }

  /// Whether the next message stands right behind the last one; and takes it. If not, ask `take`.
  [[nodiscard]] bool has_next() const noexcept { return protocol_.has_next(); }
  [[nodiscard]] std::optional<message> take_next() { return protocol_.take_next(); }

  /// The next message, if it has arrived; if not, the program is going to wait or to do something
  /// else, so what it has queued is written.
  [[nodiscard]] std::optional<message> take() {
    if (!connection_) return protocol_.take(Clock::now());
    const bool owed = protocol_.owes_ack();
    const auto m = protocol_.take(connection_->now());
    if (!m || protocol_.urgent())
      flush();
    else if (!owed && protocol_.owes_ack())
      connection_->rearm();
    if constexpr (Protocol::reading_can_stop)
      if (connection_) connection_->make_room();
    return m;
  }

  void finish() {
    protocol_.finish();
    flush();
  }

  void ping() {
    protocol_.ping();
    flush();
  }

  /// Writes what is queued, as far as the stream takes it now.
  void flush() {
    if (connection_) connection_->flush();
  }

  // --- what the connection tells ---------------------------------------------------------------

  /// Its loops are done.
  void connection_over() {
    const auto self = this->shared_from_this();
    lost_ = connection_->reason();
    connection_.reset();
    protocol_.detach();
    // First: whoever hears that there is room for a connection may bring the next one.
    if (const auto h = observer_.lock())
      h->connection_over(self, lost_);
    else if (observed_)
      conclude(lost_);
    changed_.notify();
  }

  /// The greetings are over.
  void greetings_done() {
    const bool first = protocol_.statistics().connections == 1;
    tell({.what = first ? event::kind::connected : event::kind::resumed,
          .detail = protocol_.peer_name(),
          .again = protocol_.again()});
    changed_.notify();
  }

  /// Something has come: the program, if it waits for that, is resumed in line.
  void dispatch() {
    const bool posted = std::exchange(flush_due_, true);
    while (const auto rejected = protocol_.rejection())
      tell({.what = event::kind::rejected, .reason = *rejected});
    if (protocol_.readable() || protocol_.at_end()) arrived_.notify();
    if (protocol_.at_end()) progressed_.notify();  // `close` may wait for the goodbye
    progress();
    flush_due_ = posted;
  }

  /// Something may have been acknowledged: there may be room to send.
  void progress() {
    if (protocol_.acknowledged() == acknowledged_) return;
    acknowledged_ = protocol_.acknowledged();
    progressed_.notify();
  }

  void tell(event e) const {
    e.attempt = attempt_;
    if (options_->on_event) options_->on_event(e);
  }

  // --- what is known ---------------------------------------------------------------------------

  /// Resumed when something has arrived, or the end.
  [[nodiscard]] wakeup& arrived() noexcept { return arrived_; }
  /// Resumed when the peer has acknowledged, which makes room, has said goodbye, or at the end.
  [[nodiscard]] wakeup& progressed() noexcept { return progressed_; }
  /// Resumed when a connection begins, has greeted or is over, or at the end. Not at each
  /// acknowledgement: somebody waits here most of the time.
  [[nodiscard]] wakeup& changed() noexcept { return changed_; }
  [[nodiscard]] Protocol& protocol() noexcept { return protocol_; }
  [[nodiscard]] const Protocol& protocol() const noexcept { return protocol_; }
  [[nodiscard]] const options& settings() const noexcept { return *options_; }
  [[nodiscard]] detail::timer_queue<Clock>& timers() noexcept { return *shared_->timers; }
  [[nodiscard]] const asio::any_io_executor& executor() const noexcept {
    return shared_->timers->executor();
  }
  [[nodiscard]] bool ended() const noexcept { return ended_; }
  /// When the connection, if there is one, has last read or looked at the clock.
  [[nodiscard]] auto last_look() const {
    return connection_ ? connection_->now() : typename Protocol::time_point{};
  }
  /// Whether any connection has carried it.
  [[nodiscard]] bool begun() const noexcept { return protocol_.statistics().connections != 0; }
  [[nodiscard]] std::error_code reason() const noexcept { return reason_; }
  void next_attempt() noexcept { ++attempt_; }
  /// Who the peer is, once there was a connection; none for streams that do not know.
  [[nodiscard]] std::optional<identity> peer() const { return peer_.get(); }
  [[nodiscard]] std::string_view cipher() const noexcept { return peer_.cipher(); }
  /// Where the peer is; empty while there is no connection, or for streams that have no address.
  [[nodiscard]] std::string remote() const { return connection_ ? connection_->remote() : ""; }

 private:
  using connection_type = connection<Stream, Protocol, Clock, conversation>;

  void flush_soon() {
    if (protocol_.batch_is_full() && connection_)
      connection_->flush(connection_type::extent::full_batches);
    if (flush_due_ || !connection_) return;
    flush_due_ = true;
    asio::post(executor(), [self = this->shared_from_this()] {
      self->flush_due_ = false;
      self->flush();
    });
  }

  std::shared_ptr<const options> options_;
  std::shared_ptr<executor_state<Clock>> shared_;
  wakeup arrived_, progressed_, changed_;
  Protocol protocol_;
  std::optional<connection_type> connection_;
  [[no_unique_address]] acquaintance<Stream> peer_;
  std::uint64_t acknowledged_ = 0;
  std::uint32_t attempt_ = 0, epoch_ = 0;
  std::error_code lost_;    ///< why the last connection ended
  std::error_code reason_;  ///< why the conversation did
  std::weak_ptr<connection_observer<conversation>> observer_;
  bool observed_ = false;  ///< there is one, or was
  bool ended_ = false, dropped_ = false, hurry_ = false;
  bool flush_due_ = false;  ///< one is to come: posted, or when what has come is dealt with
};

}  // namespace parley::detail
