#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <parley/detail/asio.hpp>
#include <parley/detail/stream.hpp>
#include <parley/detail/wakeup.hpp>
#include <parley/endpoint.hpp>
#include <parley/error.hpp>
#include <parley/message.hpp>
#include <parley/options.hpp>
#include <parley/outbox.hpp>

namespace parley::detail {

/// Carries one protocol over one stream at a time: the only place where protocol and I/O meet.
///
///      program ── push ──▶ protocol ── prepare_write ──▶ send loop ────▶ stream
///      program ◀─ take ─── protocol ◀─ commit_read ───── receive loop ◀─ stream
///                          protocol ◀─ tick ──────────── watchdog
///
/// Three coroutines per connection, all on one executor, none of which throws or is cancelled to be
/// continued. What a program queues leaves in one write when the program goes to wait on the peer,
/// when a batch is full, or from one posted flush, whichever comes first.
/// Shared by the program's handle and the loops. Not safe for sharing between threads.
template <typename Stream, typename Protocol, typename Clock>
class carrier : public std::enable_shared_from_this<carrier<Stream, Protocol, Clock>> {
 public:
  using protocol_type = Protocol;
  using time_point = typename Protocol::time_point;

  /// What follows the options goes to the protocol's constructor.
  template <typename... Args>
  carrier(const asio::any_io_executor& e, std::shared_ptr<const options> o, const Args&... args)
      : options_(std::move(o)),
        executor_(e),
        timer_(e),
        output_(e),
        arrived_(e),
        changed_(e),
        protocol_(*options_, args...) {}

  /// Carries one connection; completes when it has ended and its loops are done. Never throws.
  /// The protocol has been told to `dial` or to `accept` before.
  asio::awaitable<void> run(Stream s) {
    const auto self = this->shared_from_this();  // the program may drop its handle meanwhile
    stream_.emplace(std::move(s));
    prepare_stream(*stream_);
    stopped_ = input_ended_ = output_ended_ = false;
    linger_until_ = time_point::max();
    now_ = Clock::now();
    if (ended_) stop(reason_);  // aborted before it began
    if (protocol_.connected()) connected();
    using namespace asio::experimental::awaitable_operators;
    co_await (guard(receive_loop()) && guard(send_loop()) && guard(watchdog()));
    stream_.reset();
    end(reason_);
  }

  /// The conversation is over: nothing can be sent, what has arrived can still be taken.
  void end(std::error_code why) {
    if (ended_) return;
    ended_ = true;
    reason_ = why;
    if (protocol_.statistics().connections != 0) tell(event::kind::ended, why);
    const auto self = this->shared_from_this();
    arrived_.notify();
    changed_.notify();
  }

  /// Ends connection and conversation at once.
  void abort() {
    if (ended_) return;
    if (stream_) stop(errc::aborted);
    end(errc::aborted);
  }

  // --- what the program does -------------------------------------------------------------------

  [[nodiscard]] admission push(std::string_view body, tag_type tag) {
    if (ended_) return admission::closed;
    const auto a = protocol_.push(body, tag);
    if (a == admission::queued) has_output();
    return a;
  }

  /// The next message, if it has arrived; if not, the program is going to wait or to do something
  /// else, so what it has queued is written.
  [[nodiscard]] std::optional<message> take() {
    const auto m = protocol_.take(now_);
    if (!m || protocol_.urgent()) flush();
    rearm();
    consumed();
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
    if (!stream_ || stopped_ || writing_) return;
    if constexpr (pollable<Stream>)
      write_now();
    else if (protocol_.wants_write())
      output_.notify();
    written();
  }

  void tell(event::kind what, std::error_code why = {}, std::string_view detail = {}) const {
    if (options_->on_event) options_->on_event(event{what, why, detail, attempt_});
  }

  /// Resumed when something has arrived, or the end.
  [[nodiscard]] wakeup& arrived() noexcept { return arrived_; }
  /// Resumed when the peer has acknowledged, there is room to send, or the state has changed.
  [[nodiscard]] wakeup& changed() noexcept { return changed_; }
  [[nodiscard]] Protocol& protocol() noexcept { return protocol_; }
  [[nodiscard]] const options& settings() const noexcept { return *options_; }
  [[nodiscard]] const asio::any_io_executor& executor() const noexcept { return executor_; }
  [[nodiscard]] bool ended() const noexcept { return ended_; }
  [[nodiscard]] std::error_code reason() const noexcept { return reason_; }
  void next_attempt() noexcept { ++attempt_; }
  /// Where the peer is; empty while there is no connection, or for streams that have no address.
  [[nodiscard]] std::string remote() const {
    if constexpr (requires { to_string(stream_->remote_endpoint()); }) {
      std::error_code gone;
      const auto e = stream_ ? stream_->remote_endpoint(gone) : endpoint();
      if (stream_ && !gone) return to_string(e);
    }
    return {};
  }

 private:
  /// How long a peer that has said everything may take to close its side.
  static constexpr std::chrono::seconds linger{1};
  /// Reads in a row before others get their turn.
  static constexpr int most_reads = 8;

  // --- the three loops -------------------------------------------------------------------------

  asio::awaitable<void> receive_loop() {
    std::error_code ec;
    while (!stopped_ && !input_ended_) {
      while (!stopped_ && !has_room()) co_await changed_.wait();
      if constexpr (pollable<Stream>) {
        co_await stream_->async_wait(Stream::wait_read,
                                     asio::redirect_error(asio::use_awaitable, ec));
        if (ec) stop(ec);
        read_now();
      } else {
        const auto room = protocol_.prepare_read();
        const std::size_t n = co_await stream_->async_read_some(
            asio::buffer(room.data(), room.size()), asio::redirect_error(asio::use_awaitable, ec));
        if (!stopped_) read(n, ec);
      }
    }
  }

  asio::awaitable<void> send_loop() {
    std::error_code ec;
    flush();
    while (!stopped_) {
      if constexpr (pollable<Stream>) {
        if (!writing_) {
          co_await output_.wait();
          continue;
        }
        co_await stream_->async_wait(Stream::wait_write,
                                     asio::redirect_error(asio::use_awaitable, ec));
        writing_ = false;
        if (ec) stop(ec);
        flush();
      } else {
        if (!protocol_.wants_write()) {
          co_await output_.wait();
          continue;
        }
        writing_ = true;
        gather batch;
        protocol_.prepare_write(batch, Clock::now());
        const write_buffers buffers(batch);
        const std::size_t n = co_await stream_->async_write_some(
            buffers, asio::redirect_error(asio::use_awaitable, ec));
        writing_ = false;
        if (!stopped_) commit(n, ec);
        written();
      }
    }
  }

  asio::awaitable<void> watchdog() {
    std::error_code ec;  // the timer's: it fired, or was moved; the state says which
    while (!stopped_) {
      armed_ = due();
      timer_.expires_at(armed_);
      co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
      if (stopped_ || Clock::now() < due()) continue;
      now_ = Clock::now();
      if (now_ >= linger_until_)
        stop({});
      else if (const auto bad = protocol_.tick(now_))
        stop(bad);
      else
        flush();
    }
  }

  /// What a loop throws ends the connection, not the process.
  asio::awaitable<void> guard(asio::awaitable<void> loop) {
    try {
      co_await std::move(loop);
    } catch (const std::system_error& e) {
      stop(e.code());
    } catch (const std::bad_alloc&) {
      stop(std::make_error_code(std::errc::not_enough_memory));
    } catch (...) {
      stop(errc::aborted);
      asio::post(executor_, [e = std::current_exception()] { std::rethrow_exception(e); });
    }
  }

  // --- reading ---------------------------------------------------------------------------------

  [[nodiscard]] bool has_room() {
    if constexpr (Protocol::reading_can_stop) return !protocol_.full();
    return true;
  }

  void read_now()
    requires pollable<Stream>
  {
    for (int i = 0; i < most_reads && !stopped_ && !input_ended_; ++i) {
      if (!has_room()) return;
      const auto room = protocol_.prepare_read();
      std::error_code ec;
      const std::size_t n = stream_->read_some(asio::buffer(room.data(), room.size()), ec);
      if (ec == asio::error::would_block || ec == asio::error::try_again) {
        (void)protocol_.commit_read(0, now_);
        return;
      }
      read(n, ec);
      if (n < room.size()) return;
    }
  }

  void read(std::size_t n, std::error_code ec) {
    now_ = Clock::now();
    const bool before = protocol_.connected();
    if (const auto bad = protocol_.commit_read(n, now_)) return stop(bad);
    if (!before && protocol_.connected()) connected();
    if (ec == asio::error::eof)
      input_ended();
    else if (ec)
      stop(done() ? std::error_code{} : ec);
    while (const auto rejected = protocol_.rejection()) tell(event::kind::rejected, *rejected);
    dispatch();
  }

  void input_ended() {
    input_ended_ = true;
    if (const auto bad = protocol_.commit_end()) stop(bad);
  }

  void connected() {
    tell(event::kind::connected, {}, protocol_.peer_name());
    changed_.notify();
  }

  /// Lets the program see what has come; what it says to that leaves in one write.
  void dispatch() {
    dispatching_ = true;
    if (protocol_.readable() || protocol_.at_end()) arrived_.notify();
    notice_progress();
    dispatching_ = false;
    flush();
    rearm();
  }

  // --- writing ---------------------------------------------------------------------------------

  void has_output() {
    if (protocol_.batch_is_full()) return flush();
    if (dispatching_ || flush_posted_ || writing_ || !stream_) return;
    flush_posted_ = true;
    asio::post(executor_, [self = this->shared_from_this()] {
      self->flush_posted_ = false;
      self->flush();
    });
  }

  void write_now() {
    bool blocked = false;
    writing_ = true;
    while (!blocked && !stopped_ && protocol_.wants_write()) {
      gather batch;
      protocol_.prepare_write(batch, Clock::now());
      std::error_code ec;
      const std::size_t n = stream_->write_some(write_buffers(batch), ec);
      if (ec == asio::error::would_block || ec == asio::error::try_again) ec.clear();
      blocked = n < batch.size();
      commit(n, ec);
    }
    writing_ = blocked && !stopped_;
    if (writing_) output_.notify();  // the send loop waits until the stream takes more
  }

  void commit(std::size_t n, std::error_code ec) {
    protocol_.commit_write(n, now_);
    if (ec) stop(done() ? std::error_code{} : ec);
  }

  /// After writes: whether that was the last one, and whether somebody waits for the room.
  void written() {
    if (!stopped_ && !writing_ && !output_ended_ && protocol_.output_done()) {
      output_ended_ = true;
      if (input_ended_ || !half_closable<Stream>)
        stop({});
      else
        end_output(*stream_);
      if (done()) linger_until_ = Clock::now() + linger;
    }
    notice_progress();
    rearm();
  }

  void notice_progress() {
    if (protocol_.acknowledged() == acknowledged_) return;
    acknowledged_ = protocol_.acknowledged();
    changed_.notify();
  }

  /// The program has taken something: a receive loop that waits for room may go on.
  void consumed() {
    if constexpr (Protocol::reading_can_stop) changed_.notify();
  }

  // --- the end ---------------------------------------------------------------------------------

  /// Whether all has been said both ways, so that the link may break without harm.
  [[nodiscard]] bool done() const { return protocol_.output_done() && protocol_.at_end(); }

  void stop(std::error_code why) {
    if (stopped_) return;
    stopped_ = true;
    if (!ended_) reason_ = why;
    close_stream(*stream_);
    timer_.cancel();
    output_.notify();
    changed_.notify();
  }

  [[nodiscard]] time_point due() const { return std::min(protocol_.due(), linger_until_); }

  /// Moves the watchdog's next look forward if something is due earlier now.
  void rearm() {
    if (stream_ && due() < armed_) {
      armed_ = due();
      timer_.cancel();
    }
  }

  std::shared_ptr<const options> options_;
  asio::any_io_executor executor_;
  asio::basic_waitable_timer<Clock> timer_;
  wakeup output_;   ///< the send loop waits here
  wakeup arrived_;  ///< the program's `receive` waits here
  wakeup changed_;  ///< everybody else
  Protocol protocol_;
  std::optional<Stream> stream_;

  time_point now_{};  ///< as of the last read or tick; good enough for delays of milliseconds
  time_point armed_{};
  time_point linger_until_ = time_point::max();
  std::uint64_t acknowledged_ = 0;
  std::uint32_t attempt_ = 0;
  std::error_code reason_;
  bool ended_ = false;    ///< the conversation
  bool stopped_ = false;  ///< the connection
  bool input_ended_ = false;
  bool output_ended_ = false;
  bool writing_ = false;      ///< a write is under way, or waits for the stream
  bool dispatching_ = false;  ///< the program runs in line: its output is flushed afterwards
  bool flush_posted_ = false;
};

}  // namespace parley::detail
