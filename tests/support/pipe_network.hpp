#pragma once

#include <algorithm>
#include <array>
#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/compose.hpp>
#include <asio/error.hpp>
#include <asio/redirect_error.hpp>
#include <asio/socket_base.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <parley/detail/spawn.hpp>
#include <parley/protocol/frame.hpp>

#include "support/onlooker.hpp"
#include "support/pipe_stream.hpp"

namespace parley::test {

namespace frame = protocol::frame;

/// What befalls a connection, once so many bytes have passed in one direction.
struct fault {
  enum class kind {
    close,       ///< both sides read what has passed, and the end
    reset,       ///< both sides' reads and writes fail; what has passed and was not read is gone
    stall,       ///< nothing passes any more, and nobody is told
    half_close,  ///< the reader in that direction reads the end; the other direction goes on
    desertion  ///< the dialer reads the end; the listener reads what was lost when it has answered
               ///< the next hello, and then nothing
  };
  static constexpr auto never = std::numeric_limits<std::uint64_t>::max();

  kind what = kind::close;
  std::size_t direction = 0;  ///< 0: from the dialer
  std::uint64_t after = never;
  bool late = false;  ///< only when the next byte comes, which is lost
};

/// A pipe's end that fails once its connection has been reset.
class line_stream : public pipe_stream {
  /// Does what `Start` starts, and says so unless there was a reset.
  template <typename Start>
  struct guarded {
    std::shared_ptr<const bool> reset;
    Start start;

    template <typename Self>
    void operator()(Self& self) {
      const Start go = start;
      go(std::move(self));
    }
    template <typename Self>
    void operator()(Self& self, std::error_code ec, std::size_t n) {
      if (*reset && ec != asio::error::operation_aborted) ec = asio::error::connection_reset;
      self.complete(ec, *reset ? 0 : n);
    }
  };

  template <typename Start, typename Token>
  auto guard(Start begin, Token&& token) {
    return asio::async_compose<Token, void(std::error_code, std::size_t)>(
        guarded<Start>{reset_, begin}, token);
  }

 public:
  line_stream(pipe_stream&& s, std::shared_ptr<const bool> reset) noexcept
      : pipe_stream(std::move(s)), reset_(std::move(reset)) {}

  template <typename Buffers, typename Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    pipe_stream& pipe = *this;
    return guard([&pipe, buffers](auto then) { pipe.async_read_some(buffers, std::move(then)); },
                 std::forward<Token>(token));
  }

  template <typename Buffers, typename Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    pipe_stream& pipe = *this;
    return guard([&pipe, buffers](auto then) { pipe.async_write_some(buffers, std::move(then)); },
                 std::forward<Token>(token));
  }

 private:
  std::shared_ptr<const bool> reset_;
};

/// Bytes of connections that are gone for the dialer, until the listener has answered its next
/// hello.
class stragglers {
 public:
  void leave(pipe_stream&& to, std::string_view bytes) { held_.emplace_back(std::move(to), bytes); }

  void arrive(const asio::any_io_executor& e) {
    for (auto& [to, bytes] : std::exchange(held_, {}))
      detail::spawn(e, write(std::move(to), std::move(bytes)));
  }

 private:
  static asio::awaitable<void> write(pipe_stream to, std::string bytes) {
    std::error_code gone;  // the listener may have hung up
    co_await asio::async_write(to, asio::buffer(bytes),
                               asio::redirect_error(asio::use_awaitable, gone));
  }

  std::vector<std::pair<pipe_stream, std::string>> held_;
};

/// A connection in memory that passes bytes on from one pipe to another until its fault befalls it.
///
///   dialer ═ pipe ═ line ═ pipe ═ listener
class line : public std::enable_shared_from_this<line> {
 public:
  /// What has passed, counted by the direction.
  struct traffic {
    std::array<std::uint64_t, 2> bytes{};
    std::array<std::uint64_t, 2> pings{};
  };

  line(std::pair<pipe_stream, pipe_stream> near, std::pair<pipe_stream, pipe_stream> far, fault f,
       std::shared_ptr<traffic> seen, std::shared_ptr<stragglers> late)
      : ends_{std::move(near.first), std::move(far.second)},
        inner_{std::move(near.second), std::move(far.first)},
        fault_(f),
        seen_(std::move(seen)),
        stragglers_(std::move(late)) {}

  /// The dialer's end, 0, or the listener's; each once.
  [[nodiscard]] line_stream end(std::size_t side) { return {std::move(ends_[side]), reset_}; }

  void start(const asio::any_io_executor& e) {
    strike_if_due(fault_.direction, 0);
    for (const std::size_t direction : {0U, 1U})
      detail::spawn(e, pump(shared_from_this(), direction));
  }

  /// Now, whatever was planned.
  void strike(const fault& f) {
    std::error_code ignored;  // the pipe's have none
    switch (f.what) {
      case fault::kind::half_close:
        dropped_[f.direction] = true;
        return inner_[1 - f.direction].shutdown(asio::socket_base::shutdown_send, ignored);
      case fault::kind::stall: stalled_ = true; return;
      case fault::kind::desertion: stalled_ = true; return inner_[0].close(ignored);
      case fault::kind::reset: *reset_ = true; [[fallthrough]];
      case fault::kind::close: break;
    }
    for (pipe_stream& s : inner_) s.close(ignored);
  }

 private:
  static asio::awaitable<void> pump(std::shared_ptr<line> self, std::size_t direction) {
    const auto e = co_await asio::this_coro::executor;
    pipe_stream& from = self->inner_[direction];
    pipe_stream& to = self->inner_[1 - direction];
    std::array<char, 4096> room;
    std::error_code ec;
    while (!ec) {
      const std::size_t n = co_await from.async_read_some(
          asio::buffer(room), asio::redirect_error(asio::use_awaitable, ec));
      if (self->stalled_) co_return;
      const auto passing = self->pass(direction, {room.data(), n});
      const auto next = asio::buffer(passing.data(), passing.size());
      std::error_code gone;  // the reader has hung up: the writer will be told by its own pipe
      if (!passing.empty())
        co_await asio::async_write(to, next, asio::redirect_error(asio::use_awaitable, gone));
      if (gone) from.close(gone);
      const auto rest = std::string_view(room.data(), n).substr(passing.size());
      if (direction == 1 && !passing.empty()) self->stragglers_->arrive(e);
      self->strike_if_due(direction, rest.size());
      if (direction == 0 && !rest.empty() && self->fault_.what == fault::kind::desertion)
        co_return self->stragglers_->leave(std::move(to), rest);
    }
    std::error_code ignored;  // ended already
    if (!self->stalled_) to.shutdown(asio::socket_base::shutdown_send, ignored);
  }

  void strike_if_due(std::size_t direction, std::size_t lost) {
    if (fault_.direction != direction || left_over() != 0 || (fault_.late && lost == 0)) return;
    fault_.after = fault::never;
    strike(fault_);
  }

  [[nodiscard]] std::uint64_t left_over() const noexcept {
    if (fault_.after == fault::never) return fault::never;
    return fault_.after - passed_[fault_.direction];
  }

  /// What of `bytes` goes on.
  [[nodiscard]] std::string_view pass(std::size_t direction, std::string_view bytes) {
    if (dropped_[direction]) return {};
    if (direction == fault_.direction)
      bytes = bytes.substr(
          0, static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), left_over())));
    passed_[direction] += bytes.size();
    seen_->bytes[direction] += bytes.size();
    readers_[direction].watch(bytes, [&](const frame::header& head, std::string_view) {
      if (head.is(frame::type::ping)) ++seen_->pings[direction];
    });
    return bytes;
  }

  std::array<pipe_stream, 2> ends_;   ///< the peers', until they are given away
  std::array<pipe_stream, 2> inner_;  ///< towards the dialer, and towards the listener
  fault fault_;
  std::shared_ptr<traffic> seen_;
  std::shared_ptr<stragglers> stragglers_;
  std::shared_ptr<bool> reset_ = std::make_shared<bool>(false);
  std::array<std::uint64_t, 2> passed_{};
  std::array<bool, 2> dropped_{};
  std::array<onlooker, 2> readers_;
  bool stalled_ = false;
};

/// Makes the connections between one dialer and one listener, the Nth with the Nth fault.
///
/// Must outlive the peers' `io_context`, or be shared with whoever dials.
class pipe_network {
 public:
  explicit pipe_network(asio::any_io_executor e) : executor_(std::move(e)) {}

  std::vector<fault> faults;                ///< of the first connections; none befalls later ones
  std::function<void(line_stream)> answer;  ///< what the listener does with its end
  std::error_code down;                     ///< while set, nobody can connect, and that is why
  std::uint64_t attempts = 0;

  /// What a connector does. Throws `down`.
  [[nodiscard]] line_stream connect() {
    ++attempts;
    if (down) throw std::system_error(down);
    const fault f = made_ < faults.size() ? faults[made_] : fault{};
    ++made_;
    const auto l =
        std::make_shared<line>(make_pipe(executor_), make_pipe(executor_), f, seen_, late_);
    last_ = l;
    l->start(executor_);
    answer(l->end(1));
    return l->end(0);
  }

  /// What befalls the last connection now, if it is still there.
  void strike(const fault& f) const {
    if (const auto l = last_.lock()) l->strike(f);
  }

  [[nodiscard]] const line::traffic& seen() const noexcept { return *seen_; }
  [[nodiscard]] std::size_t made() const noexcept { return made_; }

 private:
  asio::any_io_executor executor_;
  std::size_t made_ = 0;
  std::weak_ptr<line> last_;
  std::shared_ptr<line::traffic> seen_ = std::make_shared<line::traffic>();
  std::shared_ptr<stragglers> late_ = std::make_shared<stragglers>();
};

/// Something to dial with.
struct network_connector {
  std::shared_ptr<pipe_network> network;

  asio::awaitable<line_stream> operator()() const { return connect(network); }

 private:
  static asio::awaitable<line_stream> connect(std::shared_ptr<pipe_network> n) {
    co_return n->connect();
  }
};

}  // namespace parley::test
