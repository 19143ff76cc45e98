#pragma once

#include <algorithm>
#include <asio/any_io_executor.hpp>
#include <asio/buffer.hpp>
#include <asio/compose.hpp>
#include <asio/error.hpp>
#include <asio/post.hpp>
#include <asio/socket_base.hpp>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <system_error>
#include <utility>

#include "support/manual_clock.hpp"

namespace parley::test {

/// What one end of a pipe shall do, and what it did. The test and the end share it.
struct pipe_end {
  static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

  // what it shall do
  std::size_t most_read = unlimited;   ///< bytes that one read gives at most
  std::size_t most_write = unlimited;  ///< bytes that one write takes at most
  unsigned hesitation = 0;             ///< per cent: how often "would block" is the answer
  std::uint64_t fail_at = 0;           ///< this operation fails, counted from 1; 0: none does
  std::error_code failure = asio::error::connection_reset;
  bool fails_late = false;  ///< it fails after it has taken effect, as far as a stream can tell
  bool frozen = false;      ///< what it writes is taken and never arrives: a dead link
  bool asleep = false;      ///< nothing is read or written: a stopped process

  // what it did
  std::uint64_t reads = 0;  ///< begun
  std::uint64_t writes = 0;
  std::uint64_t bytes_written = 0;

  [[nodiscard]] std::uint64_t operations() const noexcept { return reads + writes; }

  [[nodiscard]] bool hesitates() { return random() % 100 < hesitation; }
  [[nodiscard]] bool fails_now() const noexcept { return operations() == fail_at; }

  std::minstd_rand random{1};
};

/// One end of an in-memory stream with two ends: bounded, in order, no system call.
///
/// Every operation completes through a posted handler, never in line. Behaves like a socket: a
/// closed end aborts its own operations, the other one reads what is left and then `eof`, and
/// writes to nobody give `broken_pipe`. Not safe for sharing between threads.
///
///   auto [left, right] = make_pipe(executor);
///   left.end().most_write = 1;                       // every write is cut to one byte
class pipe_stream {
  /// One direction. The timers never fire: they are where operations wait.
  struct lane {
    lane(const asio::any_io_executor& e, std::size_t room)
        : capacity(room), readable(e, never), writable(e, never) {}

    static constexpr auto never = manual_clock::time_point::max();

    void changed() {
      ++changes;
      readable.cancel();
      writable.cancel();
    }
    [[nodiscard]] std::size_t size() const noexcept { return bytes.size() - taken; }

    std::string bytes;
    std::size_t taken = 0;  ///< of `bytes`
    std::uint64_t changes = 0;
    std::size_t capacity;
    bool ended = false;   ///< nothing more will be written
    bool broken = false;  ///< nobody will read
    manual_clock::timer readable;
    manual_clock::timer writable;
  };

  struct state {
    std::shared_ptr<lane> in;
    std::shared_ptr<lane> out;
    std::shared_ptr<pipe_end> end;
    bool closed = false;
  };

  static constexpr std::uint64_t unseen = std::numeric_limits<std::uint64_t>::max();

  template <typename Buffers>
  struct read_op {
    std::shared_ptr<state> s;
    Buffers buffers;
    bool fails;
    bool posted = false;
    std::uint64_t seen = unseen;  ///< changes of the lane when the wait began

    template <typename Self>
    void operator()(Self& self, std::error_code = {}) {
      const auto hold = s;
      lane& in = *hold->in;
      if (!std::exchange(posted, true))
        return asio::post(in.readable.get_executor(), std::move(self));
      if (hold->closed || std::exchange(seen, unseen) == in.changes)  // woken, but not by a change
        return self.complete(asio::error::operation_aborted, 0);
      if (fails && !hold->end->fails_late) return self.complete(hold->end->failure, 0);
      if (asio::buffer_size(buffers) == 0) return self.complete({}, 0);
      if (in.size() == 0 && in.ended) return self.complete(asio::error::eof, 0);
      if (in.size() == 0 || hold->end->asleep) {
        seen = in.changes;
        return in.readable.async_wait(std::move(self));
      }
      if (hold->end->hesitates()) return asio::post(in.readable.get_executor(), std::move(self));
      const std::size_t n = asio::buffer_copy(
          buffers, asio::buffer(in.bytes.data() + in.taken, in.size()), hold->end->most_read);
      in.taken += n;
      if (in.taken > in.capacity) in.bytes.erase(0, std::exchange(in.taken, 0));
      in.changed();
      if (fails) return self.complete(hold->end->failure, 0);
      self.complete({}, n);
    }
  };

  template <typename Buffers>
  struct write_op {
    std::shared_ptr<state> s;
    Buffers buffers;
    bool fails;
    bool posted = false;
    std::uint64_t seen = unseen;  ///< changes of the lane when the wait began

    template <typename Self>
    void operator()(Self& self, std::error_code = {}) {
      const auto hold = s;
      lane& out = *hold->out;
      if (!std::exchange(posted, true))
        return asio::post(out.writable.get_executor(), std::move(self));
      if (hold->closed || std::exchange(seen, unseen) == out.changes)  // woken, but not by a change
        return self.complete(asio::error::operation_aborted, 0);
      if (fails && !hold->end->fails_late) return self.complete(hold->end->failure, 0);
      if (out.broken || out.ended) return self.complete(asio::error::broken_pipe, 0);
      const std::size_t wanted = std::min(asio::buffer_size(buffers), hold->end->most_write);
      if (wanted == 0) return self.complete({}, 0);
      const std::size_t n = std::min(wanted, out.capacity - out.size());
      if (n == 0 || hold->end->asleep) {
        seen = out.changes;
        return out.writable.async_wait(std::move(self));
      }
      if (hold->end->hesitates()) return asio::post(out.writable.get_executor(), std::move(self));
      const std::size_t before = out.bytes.size();
      out.bytes.resize(before + n);
      asio::buffer_copy(asio::buffer(out.bytes.data() + before, n), buffers);
      if (hold->end->frozen) out.bytes.resize(before);
      hold->end->bytes_written += n;
      out.changed();
      if (fails) return self.complete(hold->end->failure, 0);
      self.complete({}, n);
    }
  };

 public:
  using executor_type = asio::any_io_executor;

  pipe_stream(const pipe_stream&) = delete;
  pipe_stream& operator=(const pipe_stream&) = delete;
  pipe_stream(pipe_stream&&) noexcept = default;
  pipe_stream& operator=(pipe_stream&&) noexcept = default;
  ~pipe_stream() {
    std::error_code ignored;  // there is none
    if (state_) close(ignored);
  }

  friend std::pair<pipe_stream, pipe_stream> make_pipe(const asio::any_io_executor&, std::size_t);

  [[nodiscard]] executor_type get_executor() const { return state_->in->readable.get_executor(); }

  /// What this end shall do and what it did; outlives the stream if it is held.
  [[nodiscard]] pipe_end& end() const noexcept { return *state_->end; }
  [[nodiscard]] std::shared_ptr<pipe_end> share_end() const noexcept { return state_->end; }

  /// Completes with at least one byte, or an error: `eof`, `operation_aborted`, the planned
  /// failure.
  template <typename Buffers, typename Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    ++end().reads;
    return asio::async_compose<Token, void(std::error_code, std::size_t)>(
        read_op<Buffers>{state_, buffers, end().fails_now()}, token,
        state_->in->readable.get_executor());
  }

  /// Completes when at least one byte was taken, or with an error: `broken_pipe` and as above.
  template <typename Buffers, typename Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    ++end().writes;
    return asio::async_compose<Token, void(std::error_code, std::size_t)>(
        write_op<Buffers>{state_, buffers, end().fails_now()}, token,
        state_->out->writable.get_executor());
  }

  /// Ends the output whichever way is asked for; input goes on.
  void shutdown(asio::socket_base::shutdown_type, std::error_code& ec) {
    ec.clear();
    state_->out->ended = true;
    state_->out->changed();
  }

  void close(std::error_code& ec) {
    ec.clear();
    state_->closed = state_->out->ended = state_->in->broken = true;
    state_->out->changed();
    state_->in->changed();
  }

 private:
  explicit pipe_stream(std::shared_ptr<state> s) noexcept : state_(std::move(s)) {}

  std::shared_ptr<state> state_;
};

/// Both ends; at most `capacity` bytes are under way in each direction.
inline std::pair<pipe_stream, pipe_stream> make_pipe(const asio::any_io_executor& e,
                                                     std::size_t capacity = 65'536) {
  using state = pipe_stream::state;
  const auto there = std::make_shared<pipe_stream::lane>(e, capacity);
  const auto back = std::make_shared<pipe_stream::lane>(e, capacity);
  const auto side = [](auto in, auto out) {
    return pipe_stream(std::make_shared<state>(
        state{std::move(in), std::move(out), std::make_shared<pipe_end>()}));
  };
  return {side(back, there), side(there, back)};
}

/// A pipe that cannot end its output alone, like a TLS stream.
class whole_stream : public pipe_stream {
 public:
  explicit whole_stream(pipe_stream&& s) noexcept : pipe_stream(std::move(s)) {}
  void shutdown(asio::socket_base::shutdown_type, std::error_code&) = delete;
};

}  // namespace parley::test
