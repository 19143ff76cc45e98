#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <new>
#include <string>
#include <system_error>
#include <utility>

#include <parley/detail/alarms.hpp>
#include <parley/detail/asio.hpp>
#include <parley/detail/loop.hpp>
#include <parley/detail/stream.hpp>
#include <parley/error.hpp>
#include <parley/outbox.hpp>

namespace parley::detail {

/// Carries a protocol over one stream: the only place where protocol and I/O meet.
///
///      prepare_write ──▶ send loop ────▶ stream
///      commit_read ◀──── receive loop ◀─ stream
///      tick ◀─────────── watchdog, an alarm
///
/// Two coroutines on one executor, neither of which is cancelled to be continued. A plain socket is
/// written at once, in line, and only what it does not take is left to the send loop. `Owner` is
/// told of what happens, and kept alive until both are done. Not safe for sharing between threads.
template <typename Stream, typename Protocol, typename Clock, typename Owner>
class connection final : private alarm<Clock> {
 public:
  using time_point = typename Protocol::time_point;

  connection(Owner& o, Stream s)
      : owner_(o), protocol_(o.protocol()), stream_(std::move(s)), now_(Clock::now()) {
    prepare_stream(stream_);
  }
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;
  ~connection() { owner_.alarms().unset(*this); }

  /// Starts the loops; the protocol has been told to `dial` or to `accept` before. When all are
  /// done the owner hears of it by `connection_over`, posted.
  void start() {
    try {
      if (protocol_.connected()) owner_.connected();
    } catch (...) {
      loop_failed();
    }
    receiving_ = receive_loop();
    sending_ = send_loop();
    rearm();
  }

  /// Why the connection has ended; none if all was said.
  [[nodiscard]] std::error_code reason() const noexcept { return reason_; }

  /// Writes what is to be written, as far as the stream takes it now.
  void flush() {
    if (stopped_ || writing_) return;
    if constexpr (pollable<Stream>)
      write_now();
    else if (protocol_.wants_write())
      output_.open();
    written();
  }

  /// Moves the watchdog's next look forward if something is due earlier now.
  void rearm() {
    if (!stopped_ && due() < this->rings_at()) owner_.alarms().set(*this, due());
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
    owner_.alarms().unset(*this);
    output_.open();
    room_.open();
  }

  /// The program has taken a message: there may be room to read again.
  void make_room() {
    if (has_room()) room_.open();
  }

  /// As of the last read or tick; good enough for delays of milliseconds.
  [[nodiscard]] time_point now() const noexcept { return now_; }

  /// Whether the program is being resumed in line: what it queues is flushed afterwards.
  [[nodiscard]] bool dispatching() const noexcept { return dispatching_; }

  /// Where the peer is; empty for streams that have no address.
  [[nodiscard]] std::string remote() const { return remote_of(stream_); }

  // --- what the loops tell ---------------------------------------------------------------------

  /// In the handler of what a loop has thrown: that ends the connection, not the process.
  void loop_failed() {
    try {
      throw;
    } catch (const std::system_error& e) {
      stop(e.code());
    } catch (const std::bad_alloc&) {
      stop(std::make_error_code(std::errc::not_enough_memory));
    } catch (...) {  // the program's own, from `on_event`: it leaves through the executor
      stop(errc::aborted);
      asio::post(owner_.executor(), [e = std::current_exception()] { std::rethrow_exception(e); });
    }
  }

  void loop_done() {
    if (--running_ != 0) return;
    // Posted: the frame of the loop that is done last goes with this object.
    asio::post(owner_.executor(),
               [owner = owner_.shared_from_this()] { owner->connection_over(); });
  }

 private:
  /// How long a peer that has said everything may take to close its side.
  static constexpr std::chrono::seconds linger{1};
  /// Reads in a row before others get their turn.
  static constexpr int most_reads = 8;

  static bool would_block(std::error_code ec) noexcept {
    return ec == asio::error::would_block || ec == asio::error::try_again;
  }

  // --- the two loops ---------------------------------------------------------------------------

  loop<connection> receive_loop() {
    operation_memory memory;
    while (!stopped_ && !input_ended_) {
      if (!has_room()) {
        co_await room_;
        continue;
      }
      if constexpr (pollable<Stream>) {
        const auto begin = [this](auto done) {
          stream_.async_wait(Stream::wait_read, std::move(done));
        };
        operation readable(owner_, begin, memory);
        co_await readable;
        if (readable.failed()) stop(readable.failed());
        read_now();
      } else {
        operation some(owner_, [this](auto done) {
          const auto room = protocol_.prepare_read();
          stream_.async_read_some(asio::buffer(room.data(), room.size()), std::move(done));
        });
        co_await some;
        if (!stopped_) read(some.bytes(), some.failed());
      }
    }
  }

  loop<connection> send_loop() {
    flush();
    while (!stopped_) {
      if constexpr (pollable<Stream>) {
        if (!writing_) {
          co_await output_;
          continue;
        }
        operation writable(
            owner_, [this](auto done) { stream_.async_wait(Stream::wait_write, std::move(done)); });
        co_await writable;
        writing_ = false;
        if (writable.failed()) stop(writable.failed());
        flush();
      } else {
        if (!protocol_.wants_write()) {
          co_await output_;
          continue;
        }
        operation some(owner_, [this](auto done) {
          gather batch;
          protocol_.prepare_write(batch, Clock::now());
          stream_.async_write_some(write_buffers(batch), std::move(done));
        });
        writing_ = true;
        co_await some;
        writing_ = false;
        if (stopped_) break;
        protocol_.commit_write(some.bytes(), Clock::now());
        if (some.failed()) stop(some.failed());
        written();
      }
    }
  }

  // --- the watchdog ----------------------------------------------------------------------------

  void ring() override {
    try {
      if (Clock::now() >= due()) look();
    } catch (...) {
      loop_failed();
    }
    rearm();
  }

  void look() {
    now_ = Clock::now();
    if (now_ >= linger_until_) return stop(errc::disconnected);
    if (const auto bad = protocol_.tick(now_)) return stop(bad);
    flush();
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
    if (writing_) output_.open();  // the send loop waits until the stream takes more
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
  gate output_;  ///< the send loop waits here
  gate room_;    ///< the receive loop, where reading can stop
  loop<connection> receiving_, sending_;
  int running_ = 2;

  time_point now_;
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
