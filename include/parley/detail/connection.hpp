#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <new>
#include <string>
#include <system_error>
#include <utility>

#include <parley/detail/asio.hpp>
#include <parley/detail/stream.hpp>
#include <parley/detail/wakeup.hpp>
#include <parley/error.hpp>
#include <parley/outbox.hpp>

namespace parley::detail {

/// Carries a protocol over one stream: the only place where protocol and I/O meet.
///
///      prepare_write ──▶ send loop ────▶ stream
///      commit_read ◀──── receive loop ◀─ stream
///      tick ◀─────────── watchdog
///
/// Three coroutines on one executor, none of which throws or is cancelled to be continued. A plain
/// socket is written at once, in line, and only what it does not take is left to the send loop.
/// `Owner` is told of what happens. Not safe for sharing between threads.
template <typename Stream, typename Protocol, typename Clock, typename Owner>
class connection {
 public:
  using time_point = typename Protocol::time_point;

  connection(Owner& o, Stream s)
      : owner_(o),
        protocol_(o.protocol()),
        stream_(std::move(s)),
        timer_(o.executor()),
        output_(o.executor()),
        now_(Clock::now()) {
    prepare_stream(stream_);
  }

  /// Completes when the connection has ended and its loops are done, with the reason; none if all
  /// was said. Never throws. The protocol has been told to `dial` or to `accept` before.
  asio::awaitable<std::error_code> run() {
    using namespace asio::experimental::awaitable_operators;
    if (protocol_.connected()) owner_.connected();
    co_await (guard(receive_loop()) && guard(send_loop()) && guard(watchdog()));
    co_return reason_;
  }

  /// Writes what is to be written, as far as the stream takes it now.
  void flush() {
    if (stopped_ || writing_) return;
    if constexpr (pollable<Stream>)
      write_now();
    else if (protocol_.wants_write())
      output_.notify();
    written();
  }

  /// Moves the watchdog's next look forward if something is due earlier now.
  void rearm() {
    if (stopped_ || due() >= armed_) return;
    armed_ = due();
    timer_.cancel();
  }

  /// Ends the connection because the conversation ends at once. The peer is told if the stream
  /// takes that now; if not, it learns when it asks.
  void abandon() {
    if constexpr (pollable<Stream>)
      if (!stopped_ && !writing_ && protocol_.abandon()) write_now();
    stop(errc::aborted);
  }

  /// Ends the connection.
  void stop(std::error_code why) {
    if (stopped_) return;
    stopped_ = true;
    reason_ = why;
    close_stream(stream_);
    timer_.cancel();
    output_.notify();
    owner_.changed().notify();
  }

  /// As of the last read or tick; good enough for delays of milliseconds.
  [[nodiscard]] time_point now() const noexcept { return now_; }

  /// Whether the program is being resumed in line: what it queues is flushed afterwards.
  [[nodiscard]] bool dispatching() const noexcept { return dispatching_; }

  /// Where the peer is; empty for streams that have no address.
  [[nodiscard]] std::string remote() const { return remote_of(stream_); }

 private:
  /// How long a peer that has said everything may take to close its side.
  static constexpr std::chrono::seconds linger{1};
  /// Reads in a row before others get their turn.
  static constexpr int most_reads = 8;

  static bool would_block(std::error_code ec) noexcept {
    return ec == asio::error::would_block || ec == asio::error::try_again;
  }

  // --- the three loops -------------------------------------------------------------------------

  asio::awaitable<void> receive_loop() {
    std::error_code ec;
    while (!stopped_ && !input_ended_) {
      if (!has_room()) {
        co_await owner_.changed().wait();
        continue;
      }
      if constexpr (pollable<Stream>) {
        co_await stream_.async_wait(Stream::wait_read,
                                    asio::redirect_error(asio::use_awaitable, ec));
        if (ec) stop(ec);
        read_now();
      } else {
        const auto room = protocol_.prepare_read();
        const std::size_t n = co_await stream_.async_read_some(
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
        co_await stream_.async_wait(Stream::wait_write,
                                    asio::redirect_error(asio::use_awaitable, ec));
        writing_ = false;
        if (ec) stop(ec);
        flush();
      } else {
        if (!protocol_.wants_write()) {
          co_await output_.wait();
          continue;
        }
        gather batch;
        protocol_.prepare_write(batch, Clock::now());
        const write_buffers buffers(batch);
        writing_ = true;
        const std::size_t n = co_await stream_.async_write_some(
            buffers, asio::redirect_error(asio::use_awaitable, ec));
        writing_ = false;
        if (stopped_) break;
        protocol_.commit_write(n, Clock::now());
        if (ec) stop(ec);
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
        stop(errc::disconnected);
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
    } catch (...) {  // the program's own, from `on_event`: it leaves through the executor
      stop(errc::aborted);
      asio::post(owner_.executor(), [e = std::current_exception()] { std::rethrow_exception(e); });
    }
  }

  // --- reading ---------------------------------------------------------------------------------

  [[nodiscard]] bool has_room() const {
    if constexpr (Protocol::reading_can_stop) return !protocol_.full();
    return true;
  }

  void read_now()
    requires pollable<Stream>
  {
    for (int i = 0; i < most_reads && !stopped_ && !input_ended_ && has_room(); ++i) {
      const auto room = protocol_.prepare_read();
      std::error_code ec;
      const std::size_t n = stream_.read_some(asio::buffer(room.data(), room.size()), ec);
      if (would_block(ec)) ec.clear();
      read(n, ec);
      if (n < room.size()) return;
    }
  }

  void read(std::size_t n, std::error_code ec) {
    now_ = Clock::now();
    const bool before = protocol_.connected();
    if (const auto bad = protocol_.commit_read(n, now_)) return stop(bad);
    if (!before && protocol_.connected()) owner_.connected();
    if (ec == asio::error::eof)
      end_input();
    else if (ec)
      stop(ec);
    dispatching_ = true;
    owner_.dispatch();
    dispatching_ = false;
    flush();
  }

  void end_input() {
    input_ended_ = true;
    if (const auto bad = protocol_.commit_end()) stop(failed_ ? failed_ : bad);
  }

  // --- writing ---------------------------------------------------------------------------------

  void write_now() {
    bool blocked = false;
    writing_ = true;
    while (!blocked && !stopped_ && protocol_.wants_write()) {
      gather batch;
      const auto now = Clock::now();
      protocol_.prepare_write(batch, now);
      std::error_code ec;
      const std::size_t n = stream_.write_some(write_buffers(batch), ec);
      if (would_block(ec)) ec.clear();
      blocked = n < batch.size();
      protocol_.commit_write(n, now);
      if (ec) hear_out(ec);
    }
    writing_ = blocked && !stopped_;
    if (writing_) output_.notify();  // the send loop waits until the stream takes more
  }

  /// The peer takes no more; it may have said why before.
  void hear_out(std::error_code ec) {
    failed_ = ec;
    read_now();
    stop(ec);
  }

  /// After writes: whether that was the last one, and whether somebody waits for the room.
  void written() {
    if (!stopped_ && !writing_ && protocol_.output_done()) end_output();
    owner_.progress();
    rearm();
  }

  /// Nothing will be written any more.
  void end_output() {
    if (input_ended_ || !half_closable<Stream>) return stop({});
    if (output_ended_) return;
    output_ended_ = true;
    detail::end_output(stream_);
    if (protocol_.complete()) linger_until_ = Clock::now() + linger;
  }

  [[nodiscard]] time_point due() const { return std::min(protocol_.due(), linger_until_); }

  Owner& owner_;
  Protocol& protocol_;
  Stream stream_;
  asio::basic_waitable_timer<Clock> timer_;
  wakeup output_;  ///< the send loop waits here

  time_point now_;
  time_point armed_ = time_point::max();
  time_point linger_until_ = time_point::max();
  std::error_code reason_;
  std::error_code failed_;  ///< a write has, with this
  bool stopped_ = false;
  bool input_ended_ = false;
  bool output_ended_ = false;
  bool writing_ = false;  ///< a write is under way, or waits for the stream
  bool dispatching_ = false;
};

}  // namespace parley::detail
