#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <system_error>
#include <utility>

#include <parley/detail/asio.hpp>
#include <parley/detail/loop.hpp>
#include <parley/detail/stream.hpp>
#include <parley/detail/timer_queue.hpp>
#include <parley/error.hpp>
#include <parley/protocol/gather.hpp>

namespace parley::detail {

/// Carries a protocol over one stream: the only place where protocol and I/O meet.
///
///      prepare_write ──▶ send loop ────▶ stream
///      commit_read ◀──── receive loop ◀─ stream
///      tick ◀─────────── watchdog, a queued timer
///
/// Two coroutines on one executor, neither of which is cancelled to be continued. A plain socket is
/// written at once, in line, and only what it does not take is left to the send loop. `Owner` is
/// told of what happens, and kept alive until both are done. Not safe for sharing between threads.
template <typename Stream, typename Protocol, typename Clock, typename Owner>
class connection final : private queued_timer<Clock> {
 public:
  using time_point = typename Protocol::time_point;
  static constexpr std::chrono::seconds linger{1};  ///< until a peer that is done must have closed
  static constexpr int most_reads = 8;              ///< in a row, before others get their turn

  connection(Owner& o, Stream s)
      : owner_(o), protocol_(o.protocol()), stream_(std::move(s)), now_(Clock::now()) {
    prepare_stream(stream_);
  }
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;
  ~connection() { owner_.timers().unset(*this); }

  /// Starts the loops; the protocol has been told to `dial` or to `answer` before. When all are
  /// done the owner hears of it by `connection_over`, posted.
  void start() {
    receiving_ = receive_loop();
    sending_ = send_loop();
    rearm();
  }

  /// Writes what is to be written, as far as the stream takes it now: all of it, or only batches
  /// that are full.
  enum class extent { everything, full_batches };
  void flush(extent what = extent::everything) {
    if (stopped_ || writing_) return;
    if constexpr (pollable<Stream>)
      write_now(what);
    else if (protocol_.wants_write())
      output_.open();
    written();
  }

  /// Moves the watchdog's next look forward if something is due earlier now.
  void rearm() {
    if (!stopped_ && due() < this->expires_at()) owner_.timers().set(*this, due());
  }

  /// Ends the connection because the conversation ends at once, which the peer is told if the
  /// stream takes that now.
  void abandon() {
    if constexpr (pollable<Stream>)
      if (!stopped_ && !writing_ && protocol_.abandon()) write_now(extent::everything);
    stop(errc::aborted);
  }

  /// Ends the connection.
  void stop(std::error_code why) {
    if (stopped_) return;
    stopped_ = true;
    reason_ = why;
    close_stream(stream_);
    owner_.timers().unset(*this);
    output_.open();
    room_.open();
  }

  /// The program has taken a message: there may be room to read again.
  void make_room() {
    if (has_room()) room_.open();
  }

  /// As of the last read or tick; good enough for delays of milliseconds.
  [[nodiscard]] time_point now() const noexcept { return now_; }
  /// Why it has ended; none if all was said.
  [[nodiscard]] std::error_code reason() const noexcept { return reason_; }
  /// Where the peer is; empty for streams that have no address.
  [[nodiscard]] std::string remote() const { return remote_of(stream_); }

  void loop_failed() { stop(what_was_thrown(owner_.executor())); }
  void loop_done() {
    // Posted: the frame of the loop that is done last goes with this object.
    if (--running_ == 0)
      asio::post(owner_.executor(), [o = owner_.shared_from_this()] { o->connection_over(); });
  }

 private:
  // --- the two loops ---------------------------------------------------------------------------

  loop<connection> receive_loop() {
    operation_memory memory;
    if (protocol_.connected()) owner_.greetings_done();
    while (reads()) {
      if (!has_room()) co_await room_;
      if constexpr (pollable<Stream>)
        while (reads() && has_room() && !anticipate_.worth_it()) {
          protocol_.rest();
          auto readable = until_ready(owner_, stream_, Stream::wait_read, memory);
          co_await readable;
          if (readable.failed()) stop(readable.failed());
          anticipate_.read();
          read_now();
        }
      if (!reads() || !has_room()) continue;
      if constexpr (!pollable<Stream> || anticipatory<Stream>) {
        std::size_t room = 0;
        operation some(owner_, [this, &room](auto done) {
          const auto into = protocol_.prepare_read();
          room = into.size();
          stream_.async_read_some(asio::buffer(into.data(), room), std::move(done));
        });
        holding_room_ = true;
        co_await some;
        holding_room_ = false;
        anticipate_.read();
        // Aborted by `let_go`: nothing was read, and nothing is wrong.
        const bool let_go = pollable<Stream> && some.failed() == asio::error::operation_aborted;
        if (!stopped_) take(some.bytes(), let_go ? std::error_code{} : some.failed()), hand_over();
        if constexpr (pollable<Stream>)
          if (some.bytes() == room) read_now();
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
        auto writable = until_ready(owner_, stream_, Stream::wait_write);
        co_await writable;
        writing_ = false;
        if (writable.failed() && writable.failed() != asio::error::operation_aborted)
          stop(writable.failed());
        flush();
      } else {
        if (!protocol_.wants_write()) {
          co_await output_;
          continue;
        }
        operation some(owner_, [this](auto done) {
          protocol::gather batch;
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

  void expired() override {
    try {
      let_go();
      now_ = Clock::now();
      std::error_code bad = errc::disconnected;
      if (now_ < linger_until_) bad = protocol_.tick(now_);
      bad ? stop(bad) : flush();
    } catch (...) {
      loop_failed();
    }
    rearm();
  }

  /// Gives up the room for a read, if none has come lately.
  void let_go() {
    std::error_code ignored;  // a dead connection says so elsewhere
    if constexpr (anticipatory<Stream>)
      if (anticipate_.was_idle() && holding_room_) stream_.cancel(ignored);
  }

  [[nodiscard]] bool reads() const noexcept { return !stopped_ && !input_ended_; }
  [[nodiscard]] bool has_room() const {
    if constexpr (Protocol::reading_can_stop) return !protocol_.full();
    return true;
  }

  void read_now()
    requires pollable<Stream>
  {
    bool behind = false, more = true;
    for (int i = 0; more && i < most_reads && reads() && has_room(); ++i) {
      const auto room = protocol_.prepare_read();
      const auto last = now_;
      std::error_code ec;
      const std::size_t n = read_at_once(stream_, room, ec);
      take(n, ec);
      more = n == room.size();
      behind |= i > 0 && now_ - last > slow;
      if (!behind) hand_over();
    }
    if (behind) hand_over();
  }

  void take(std::size_t n, std::error_code ec) {
    if (ec) ec = meaning_of<Stream>(ec);
    now_ = Clock::now();
    const bool before = protocol_.connected();
    if (const auto bad = protocol_.commit_read(n, now_)) return stop(bad);
    if (!before && protocol_.connected()) owner_.greetings_done();
    if (ec && ec != asio::error::eof) stop(ec);
    input_ended_ |= ec == asio::error::eof;
    if (const auto bad = input_ended_ ? protocol_.commit_end() : std::error_code{})
      stop(reason_ ? reason_ : bad);
  }

  /// The program's turn, and then what it has said. A slow one gets it when more has been read:
  /// acks and heartbeats stand behind its messages in the stream.
  void hand_over() {
    dispatching_ = true;
    owner_.dispatch();
    dispatching_ = false;
    flush();
  }

  void write_now(extent what) {
    bool blocked = false;
    writing_ = true;
    while (!blocked && !stopped_ && protocol_.wants_write()) {
      if (what == extent::full_batches && !protocol_.batch_is_full()) break;
      protocol::gather batch;
      const auto now = dispatching_ ? now_ : Clock::now();
      protocol_.prepare_write(batch, now);
      std::error_code ec;
      const std::size_t n = write_at_once(stream_, batch, ec);
      blocked = n < batch.size();
      protocol_.commit_write(n, now);
      if (ec) hear_out(ec);
    }
    writing_ = blocked && !stopped_;
    if (writing_) output_.open();  // the send loop waits until the stream takes more
  }

  /// The peer takes no more; it may have said why before.
  void hear_out(std::error_code ec) { reason_ = ec, read_now(), stop(ec); }

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
  [[no_unique_address]] anticipation_of<Stream> anticipate_;

  time_point now_, linger_until_ = time_point::max();
  std::error_code reason_;  ///< why it has ended; before that, why a write has failed
  bool stopped_ = false, input_ended_ = false, output_ended_ = false, dispatching_ = false;
  bool writing_ = false;       ///< a write is under way, or waits for the stream
  bool holding_room_ = false;  ///< a read is under way that holds memory
};

}  // namespace parley::detail
